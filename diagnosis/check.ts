import type { Blind, Capabilities } from './diagnosis.ts';
import type { Finding } from './finding.ts';
import type { Session } from './readSession.ts';
import type { Statement, Table } from './relations.ts';
import type { WorkloadEntry } from './workloadEntry.ts';

/** Traces of the shop, where a console can be asked. */
export interface SpanSource {
  /** Groups of identical query summaries below one parent span, largest first. */
  repeatedStatements(): Promise<
    { summary: string; route: string | null; repeats: number; traceId: string; totalMs: number }[]
  >;
  /** A few traces that hold the statement, slowest first. */
  tracesOf(summary: string): Promise<string[]>;
}

export interface CheckContext {
  session: Session;
  capabilities: Capabilities;
  tables: Table[];
  /** Empty when pg_stat_statements cannot be read. */
  readonly statements: Statement[];
  /** `statements`, understood and planned; made once, by the first check that asks. */
  workload(): Promise<readonly WorkloadEntry[]>;
  /** Seconds of wall clock that `statements` covers; undefined when it is not known. */
  readonly windowSeconds: number | undefined;
  spans: SpanSource | undefined;
  settings: ReadonlyMap<string, { value: string; unit: string | null; source: string }>;
  /** Rows that a check may read from one table as a sample. */
  sampleRows: number;
  /** Size of the disk that the data lies on, which no SQL tells. */
  diskBytes: number | undefined;
  blind(entry: Omit<Blind, 'check'>): void;
  /** Wall-clock time until the run has to end, milliseconds: what can be done with less asks less. */
  remainingMs(): number;
  signal: AbortSignal;
}

/** One file a check in `checks/`. */
export interface Check {
  /** kebab-case; the file's name. */
  id: string;
  group: 'model' | 'indexes' | 'queries' | 'size' | 'set-up';
  title: string;
  /** What it looks for, in a sentence or two, for `--list` and the docs. */
  description: string;
  /**
   * It looks at neither the statements nor their plans, so it can run while the workload is observed, when the connection
   * has little else to do.
   */
  whileObserving?: true;
  run(context: CheckContext): AsyncIterable<Finding>;
}
