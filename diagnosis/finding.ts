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

/** An index that a fix builds; its SQL is written when the server has been asked whether it would build it. */
export interface IndexProposal {
  method: 'btree' | 'hash' | 'gin';
  /** In order. `expression` is SQL with every name quoted or found without a search_path. */
  keys: { expression: string; column: string; operatorClass?: string }[];
  /** Rows are wanted in its order, or within a range: no hash will do. */
  ordered: boolean;
  /** Of a statement that has to be written anew first: the index serves nothing before. */
  afterRewrite?: boolean;
}

/** A way to mend the cause, with its own price. */
export interface Fix {
  summary: string;
  /**
   * Statements in order; identifiers quoted. Never run by the diagnosis. Those of a finding that is reported are such
   * as the server will carry out, as far as it can be asked without changing anything.
   */
  sql: string[];
  undo: string[];
  /** The index that `sql` builds. */
  index?: IndexProposal;
  /** Why there is no SQL, or what of it could not be checked. */
  caveats?: string[];
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
