import type { Judged } from '../thirdParty/database.ts';
import type { Random } from './random.ts';

/** Where the DDL of a database is published. Only its address and its checksum are kept here. */
export interface Source {
  /** `owner/name` on GitHub. */
  repository: string;
  /** Whole hash: what is fetched cannot change. */
  commit: string;
  /** Files in the order in which they are run; a `*` stands for any name in its directory, in order of name. */
  files: string[];
  /** SHA-256 of the files, one after another. */
  sha256: string;
  /** SQL that is run first: what the files take for granted. */
  prelude?: string;
  /** Files that are not SQL. */
  format?: 'rails-schema';
  /** In the text of the DDL: what this server lacks (an extension), or what psql alone understands. */
  replace?: [pattern: RegExp, by: string][];
}

/** SQL of one column's value, made from the row's ordinal; see generators.ts for the placeholders. */
export type Value = string;

/** How many rows, and what is in them where the catalogue does not tell. */
export interface Filling {
  /** Tables that are not named get no rows, or a few where a reference to them may not be null. */
  rows: Record<string, number>;
  /** `table.column`, or `*.column` for each table. */
  columns?: Record<string, Value>;
  /** Dates go from so many days ago until today. */
  days?: number;
  /** Before the rows, as the owner: partitions, for example. */
  before?: string;
  /** After the rows and before ANALYZE: the planted causes that are made by SQL. */
  plant: string;
  /** After ANALYZE: what the statistics shall not know. */
  afterAnalyze?: string;
}

/** A statement as the software sends it. */
export interface Statement {
  /** Which part of the software sends it. */
  from: string;
  text: string;
  /** In one run of the workload. */
  calls: number;
  values?: (random: Random) => unknown[];
  /** Sent once more for each row that came back, as an object-relational mapper without eager loading does. */
  forEach?: { text: string; values: (row: Record<string, unknown>, random: Random) => unknown[] };
}

/** A finding that may be made and need not be, or must not be made. */
export interface Remark {
  /** Ids of checks. */
  checks: string[];
  /** Every table without it. */
  table?: string;
  columns?: string[];
  why: string;
}

/** Written before the diagnosis ran on the database, from its schema, its software and its workload. */
export interface Truth {
  /** Made by us. */
  planted: Judged[];
  /** In the schema and the workload as they are. */
  natural: Judged[];
  /** True, but a matter of taste or of the bench's own server: neither right nor wrong. */
  accepted: Remark[];
  /** Looks like a fault and is none. Not everything that is wrong has to be here: what is not listed is wrong. */
  traps: Remark[];
}

export interface CorpusDatabase {
  name: string;
  /** What the software is, and how it talks to its database. */
  about: string;
  source: Source;
  /** Schemas in which the software finds its tables by name. */
  searchPath?: string;
  filling: Filling;
  workload: Statement[];
  truth: Truth;
}
