import type { AlertInterval } from './history.ts';
import type { PhaseEntry } from './phase.ts';
import type { MeasuredStatement } from './sources/database.ts';
import type { Span } from './traces/span.ts';

/** What happened: phases, and alerts that fired. Oldest first. */
export interface TimelineReading {
  phases: readonly PhaseEntry[];
  alerts: AlertInterval[];
}

/** What `GET /api/statement` answers. */
export interface StatementDetail {
  summary: string;
  /** Redacted; null when no trace has brought it yet. */
  text: string | null;
  /** Those that have this summary, the most expensive first; null while the database cannot be read, and `reason` says why. */
  measured: MeasuredStatement[] | null;
  /** Rows of each table by its name, as the last ANALYZE counted them. */
  tableRows: Record<string, number>;
  reason: string | null;
}

/** What `GET /api/traces/:id` answers. */
export interface TraceReading {
  traceId: string;
  /** Spans that arrived and found no room. */
  droppedSpans: number;
  /** By start. */
  spans: Span[];
}
