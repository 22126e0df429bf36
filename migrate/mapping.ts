/**
 * A migration declared: which legacy tables there are, how a unit of each is put into the new model, and how the legacy
 * shape is rebuilt from it. Everything else (triggers both ways, backfill, ledger, verification, rollback) follows.
 *
 * A unit is what is synchronised as a whole: one row, or all rows that share a key (the lines of an order). SQL in a
 * mapping names every object with its schema; it runs with `search_path = pg_catalog`.
 */
export interface Mapping {
  /** Also the key of its rows in `sqltrail.migration`. */
  name: string;
  /** The oldest Postgres on which its SQL runs (server_version_num), and what it needs of it. */
  leastServer?: { version: number; because: string };
  legacySchema: string;
  targetSchema: string;
  /** Schema of the generated functions and views; dropped at the end. */
  syncSchema: string;
  /** Roles that write to the new model once the reverse sync is on. */
  writers: readonly string[];
  /** Names for the callback that switches the application. */
  stores: { reads: string; writes: string };
  /** Extensions that the model needs; one that was not there goes with a rollback, unless something uses it by then. */
  extensions: readonly string[];
  /** Creates the target schema, all of it. */
  model: string;
  /** Functions and views in `syncSchema` that `put` and `rebuilt` use; created before them. */
  helpers: string;
  /** Columns of the new model that take their default from the legacy table's sequence until the contract. */
  ids: readonly SharedId[];
  /** What is made by one short transaction each, such as the partitions of a month. */
  partitions?: {
    /** One column, `moment`. */
    moments: string;
    /** `$1` is the moment. */
    make: string;
  };
  /** Tables of the new model that describe its partitions and stay when it is emptied. */
  registry: readonly string[];
  /** What is kept beside the rows, such as sums of days that are over; made when the rows are there. */
  derived?: DerivedTable;
  /** Steps that belong to the dual write beyond the triggers, such as a source of numbers that both models share. */
  dualWrite: readonly ExtraStep[];
  /** Parents before children. */
  tables: readonly TableMapping[];
  /** Legacy tables that are dropped at the contract and hold nothing that the new model lacks. */
  obsolete: readonly string[];
  /** Equal when nothing is lost; each is one number as text, read in one statement with the other. */
  money: readonly { name: string; legacy: string; target: string }[];
}

export interface SharedId {
  /** `schema.table` of the new model. */
  table: string;
  column: string;
  /** The new model's own sequence. */
  sequence: string;
  /** Legacy table whose serial column gives the numbers. */
  legacyTable: string;
  legacyColumn: string;
}

export interface DerivedTable {
  /** Within `targetSchema`; only functions of the model write to it. */
  table: string;
  /** One column, `part`, in its order: what is not there yet. */
  missing: string;
  /**
   * Makes the parts from `$1` to `$2`, so many as take as long as a batch of the backfill; idempotent. It may leave out
   * what somebody is changing: it is asked again for whatever is still missing.
   */
  make: string;
  /** Most parts that are made at once. */
  most: number;
}

export interface ExtraStep {
  name: string;
  up: string;
  down: string;
}

export interface TableMapping {
  /** Name within `legacySchema`. */
  table: string;
  /** Integer column that identifies the unit. */
  key: string;
  /** `row`: the key is unique. `group`: all rows that share the key are one unit. */
  unit: 'row' | 'group';
  /** Unique column of the rows of a group, where they have one. */
  identity?: string;
  /**
   * The legacy table has no key: the column `key` is added to it, without rewriting it, with numbers of this
   * sequence; rows that were there before get theirs in throttled batches, and go into the new model with that.
   */
  addKey?: { sequence: string };
  /** Where the new model says that a unit is there: `schema.table` and its key column. */
  present: { table: string; column: string };
  /**
   * Inserts a row that stands for each id of `missing bigint[]` that the legacy table does not have although rows of
   * others refer to it. Without one, such rows are set aside.
   */
  standIn?: string;
  /**
   * Statements of a PL/pgSQL block that make the new model say what the legacy rows of `keys bigint[]` say, idempotent;
   * `fresh boolean` means that none of them was in the new model in another form; `gone bigint[]` is free to use.
   * A row that cannot be carried over is left out: it is found and kept in the ledger by the engine.
   */
  put: string;
  /** A cheaper `put` for updates that change nothing but these columns. */
  light?: { columns: readonly string[]; put: string };
  /** SELECT with every column of the legacy table by name, from the new model only. */
  rebuilt: string;
  /** Columns that the new model does not keep by row, because another table is their master; not compared. */
  copies?: readonly string[];
  /** Where copies contradict their master: what is said, what the master says, and by which rule it is resolved. */
  disputes?: readonly Dispute[];
  /** Columns that refer to a legacy table without a foreign key. */
  references?: readonly { column: string; table: string; rule: string }[];
  /** Why a row looks otherwise in the new model than it did. */
  normalisedRule: string;
  setAsideRule: string;
  /** Which units of this table a change in the new model concerns. */
  reverse: readonly Reverse[];
}

export interface Dispute {
  /** Joins the master to the legacy row `l`. */
  join: string;
  /** Legacy column to the master's expression. */
  columns: Readonly<Record<string, string>>;
  rule: string;
}

export interface Reverse {
  /** Table within `targetSchema`. */
  table: string;
  on: readonly ('INSERT' | 'UPDATE' | 'DELETE')[];
  /** Gives the keys; `{changed}` is the rows before and after the change. */
  keys: string;
}

/** In the order in which they run; `none` is the state before the first. */
export const phases = [
  'expand',
  'dual-write',
  'backfill',
  'verify',
  'reverse-sync',
  'cutover-reads',
  'cutover-writes',
  'contract',
] as const;
export type Phase = (typeof phases)[number];
export type Reached = Phase | 'none';

/** -1 for `none`. */
export const phaseIndex = (phase: Reached): number => (phases as readonly string[]).indexOf(phase);
