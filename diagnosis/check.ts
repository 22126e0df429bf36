import type { Blind, Capabilities } from './diagnosis.ts';
import type { Finding } from './finding.ts';
import type { WorkloadEntry } from './workload.ts';

export interface Column {
  name: string;
  position: number;
  /** As format_type() prints it. */
  type: string;
  notNull: boolean;
  hasDefault: boolean;
  /** A virtual generated column (Postgres 18) is stored nowhere: neither an index nor a foreign key can be on it. */
  virtual: boolean;
  /** pg_stats; absent where the role may not read them or the table was never analysed. */
  stats?: { nullFraction: number; distinct: number; averageWidth: number; correlation: number | null };
}

export interface Index {
  name: string;
  /** Key columns in order; null for an expression. */
  columns: (string | null)[];
  included: string[];
  unique: boolean;
  primary: boolean;
  valid: boolean;
  method: string;
  predicate: string | null;
  definition: string;
  /** What follows the table's name in `definition`. */
  body: string;
  /** Operator classes of the keys; null for the type's default. */
  classes: (string | null)[];
  /** The keys have the default order, and the collations of their columns. */
  ordinary: boolean;
  /** Operator classes, orders, collations and the treatment of NULLs, only to be compared. */
  semantics: string;
  bytes: number;
  scans: number;
  /** Backs a constraint, so it cannot simply be dropped. */
  constraint: string | null;
  /** Index of the partitioned table that it is a part of; it can be dropped with that one only. */
  parent: string | null;
  /** Foreign keys that refer to the columns of this unique index; Postgres keeps it for them. */
  foreignKeys: string[];
  /** Logical replication tells rows apart by it. */
  replicaIdentity: boolean;
  /** CLUSTER orders the table by it. */
  clustered: boolean;
  /** Uniqueness is checked at each row; that of a deferrable constraint serves neither ON CONFLICT nor a foreign key. */
  immediate: boolean;
}

export interface ForeignKey {
  name: string;
  columns: string[];
  referenced: { schema: string; table: string; columns: string[] };
  validated: boolean;
}

export interface Table {
  oid: number;
  schema: string;
  name: string;
  kind: 'table' | 'partitioned' | 'partition' | 'materialized view';
  /** oid of the table that it is a partition of. */
  partitionOf: number | null;
  unlogged: boolean;
  /** Other tables inherit from it (not as partitions), or it has the columns of a composite type. */
  fixedColumns: boolean;
  /** reltuples; -1 when never analysed. */
  estimatedRows: number;
  /** Heap, TOAST and indexes, bytes. */
  totalBytes: number;
  heapBytes: number;
  pages: number;
  columns: Column[];
  primaryKey: string[];
  uniqueKeys: string[][];
  foreignKeys: ForeignKey[];
  indexes: Index[];
  activity: {
    seqScans: number;
    seqRowsRead: number;
    idxScans: number;
    idxRowsFetched: number;
    inserted: number;
    updated: number;
    hotUpdated: number;
    deleted: number;
    liveRows: number;
    deadRows: number;
    lastVacuum: Date | null;
    lastAutovacuum: Date | null;
    lastAnalyze: Date | null;
  };
}

/** One row of pg_stat_statements, or of the spans where that view is away. Times in milliseconds. */
export interface Statement {
  queryid: string;
  /** Normalised text ($n for constants). */
  text: string;
  calls: number;
  totalMs: number;
  meanMs: number;
  /** Of the fastest call since the statistics began; undefined where it is not known. */
  minMs?: number;
  /** Names of the roles that run it. */
  roles?: string[];
  rows: number;
  sharedBlocksRead: number;
  sharedBlocksHit: number;
  tempBlocksWritten: number;
}

export interface QueryLimits {
  /**
   * Wall-clock time for the statement and the rest that follows it, milliseconds: the server cancels it so early that
   * the rest fits too, or after the diagnosis's own statement timeout where that comes first.
   */
  withinMs: number;
}

/** Read-only access with a budget. Every call is inside a READ ONLY transaction with its own timeouts. */
export interface Session {
  /**
   * @throws BudgetExceeded when the run's work budget is used up; NoTimeLeft when the limits leave too little to begin
   * with; the server's own error otherwise (57014 when the statement timeout of the diagnosis struck).
   */
  query<Row extends object>(sql: string, values?: unknown[], limits?: QueryLimits): Promise<Row[]>;
  /**
   * EXPLAIN (FORMAT JSON) of one statement, which is not run; it may hold `$n` placeholders with `GENERIC_PLAN, `
   * among the options.
   *
   * @param index an index that is not there, for the planner to consider
   */
  plan(
    statement: string,
    options: 'GENERIC_PLAN, ' | '',
    index?: { definition: string; hypopgSchema: string },
  ): Promise<unknown>;
  /**
   * The same session, whose statements run with these settings too. A setting ends with its statement's transaction, so
   * `set_config` in a statement of its own does nothing for the next.
   */
  withSettings(settings: Readonly<Record<string, string>>): Session;
  /** A Postgres identifier, quoted: `schema.table`. */
  quote(...parts: string[]): string;
}

/** Traces of the shop, where a console can be asked. */
export interface SpanSource {
  /** Groups of identical query summaries below one parent span, largest first. */
  repeatedStatements(): Promise<
    { summary: string; route: string; repeats: number; traceId: string; totalMs: number }[]
  >;
  /** A few traces that hold the statement, slowest first. */
  tracesOf(summary: string): Promise<string[]>;
}

export interface CheckContext {
  session: Session;
  capabilities: Capabilities;
  tables: Table[];
  /** Empty when pg_stat_statements cannot be read. */
  statements: Statement[];
  /** `statements`, understood and planned; made once, by the first check that asks. */
  workload(): Promise<readonly WorkloadEntry[]>;
  /** Seconds of wall clock that `statements` covers; undefined when it is not known. */
  windowSeconds: number | undefined;
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
   * What it will need of the server and that can be read while the workload is observed, a statement a step; `run`
   * reads what is not done by then. Checks that need the same give the same.
   */
  prepare?(context: CheckContext): AsyncIterator<void>;
  run(context: CheckContext): AsyncIterable<Finding>;
}
