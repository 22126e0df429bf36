import type pg from 'pg';

/**
 * One thing that an action changed, with what was there before, as the journal keeps it. Objects are known by OID, and
 * by name only to say which. `undone` ends it: given back, or left to the owner who changed it since.
 */
export type Change =
  | IndexChange
  | DropChange
  | OptionsChange
  | StatisticsChange
  | SettingChange
  | ExtensionChange;

interface Ended {
  undone?: true;
}

/** Where a table is; the names are those of when it was changed. */
export interface Place {
  relation: number;
  schema: string;
  table: string;
}

export interface IndexChange extends Place, Ended {
  change: 'index';
  /** Name in the end; the one that was wanted, or another where that was taken. */
  name: string;
  /** While it is built: nobody else can have an index of this name. */
  provisional: string;
  /** null until the server has begun to build it. */
  oid: number | null;
  /** In its comment, which REINDEX CONCURRENTLY hands on to the index that takes its place. */
  token: string;
  /** {@link import('./signature.ts').signatureSql} */
  signature: string;
  /** Of a partitioned table itself: holds the indexes of its partitions together. */
  parent: boolean;
  /** Built, valid and named. */
  done: boolean;
}

export interface DropChange extends Place, Ended {
  change: 'dropped-index';
  oid: number;
  indexSchema: string;
  name: string;
  valid: boolean;
  unique: boolean;
  signature: string;
  /** Behind `CREATE [UNIQUE] INDEX name ON `, without the predicate. */
  body: string;
  predicate: string | null;
  tablespace: string | null;
  comment: string | null;
  clustered: boolean;
  /** Statistics targets of expressions, by position. */
  statistics: [position: number, target: number][];
  /** ALTER INDEX ... DEPENDS ON EXTENSION */
  extensions: string[];
  /** The index made in its place, by its provisional name, while undo is at it. */
  rebuilt?: { provisional: string; name?: string };
}

export interface OptionsChange extends Place, Ended {
  change: 'options';
  /** Of the relation, of its TOAST table, or of a column. */
  of: 'relation' | 'toast' | 'column';
  column: string | null;
  /** As `name=value`, in the catalogue's order. */
  before: string[];
  after: string[];
}

export interface StatisticsChange extends Place, Ended {
  change: 'statistics';
  column: string;
  /** -1 for the default */
  before: number;
  after: number;
}

export interface SettingChange extends Ended {
  change: 'setting';
  /** Both null: ALTER SYSTEM. */
  database: string | null;
  role: string | null;
  name: string;
  before: string | null;
  after: string | null;
}

export interface ExtensionChange extends Ended {
  change: 'extension';
  oid: number;
  name: string;
}

/** What applying and undoing need. */
export interface Work {
  client: pg.Client;
  /** In the order in which they were made; added to and marked in place. */
  changes: Change[];
  /** Writes `changes` to the journal, within the client's transaction where one is open. */
  save: () => Promise<void>;
  signal: AbortSignal;
}
