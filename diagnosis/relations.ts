export interface Column {
  name: string;
  position: number;
  /** As format_type() prints it. */
  type: string;
  /** Of a domain, the type that it is made of; absent where that is `type`. */
  base?: string;
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

/** One row of pg_stat_statements, or of the spans where that view is missing. Times in milliseconds. */
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
