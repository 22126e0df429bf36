import type { Cause } from '../kpis/kpi.ts';

/** `info` is worth knowing, `warning` costs something today, `critical` explains lost time or endangers data. */
export type Severity = 'info' | 'warning' | 'critical';

/** What a finding is about. Names are as in the catalogue, unquoted. */
export interface DatabaseObject {
  schema: string;
  table?: string;
  columns?: string[];
  index?: string;
}

/** One measured fact. `how` is the SQL, view or span query that gives it again. */
export interface Evidence {
  label: string;
  value: number | string;
  /** UCUM-like: `By`, `ms/s`, `rows`, `1`; none for text. */
  unit?: string;
  how: string;
}

/** What the cause costs now. A figure that could not be measured is left out, never guessed. */
export interface Cost {
  /** Bytes on disk that would not be there without the cause. */
  bytes?: number;
  /** Database time spent because of the cause, milliseconds for each second of wall clock. */
  msPerSecond?: number;
  /** Rows read for each row returned. */
  rowsReadPerRow?: number;
  /** Calls in the window that the workload covers. */
  calls?: number;
}

export interface Confidence {
  /** 0..1 */
  level: number;
  basis: 'exact' | 'sample' | 'statistics' | 'estimate';
  note?: string;
}

/** A way to mend the cause, with its own price. */
export interface Fix {
  summary: string;
  /** Statements in order; identifiers quoted. Never run by the diagnosis. */
  sql: string[];
  undo: string[];
  /** Strongest table lock taken, in Postgres's words, and for about how long. */
  lock: string;
  /** Disk that the fix needs, bytes. */
  bytes?: number;
  risk: string;
  /** What gets better, in figures where they are known. */
  expectedEffect: string;
  /** For an index: predicted ratio of statement time before to after (>= 1). */
  predictedSpeedup?: number;
}

export interface Finding {
  /** Stable for the same cause on the same object: `<check>:<schema>.<table>(<columns>)…`. */
  id: string;
  check: string;
  severity: Severity;
  title: string;
  /** Two or three plain sentences: what it is, why it hurts here. */
  explanation: string;
  cause: Cause;
  objects: DatabaseObject[];
  /** pg_stat_statements queryids of the statements that suffer. */
  statements: string[];
  evidence: Evidence[];
  cost: Cost;
  confidence: Confidence;
  explains: { kpis: string[]; traces: string[] };
  fix?: Fix;
}
