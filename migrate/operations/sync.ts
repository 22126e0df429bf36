import { quote as id, literal, quoteList } from '../../lib/pg/quote.ts';
import { TRIGGER_PREFIX } from './descriptionSql.ts';
import { definerFunction, type Environment, functionSql, settingsOf } from './functions.ts';

export interface Sync extends Required<Environment> {
  /** `forward` before the cutover, `reverse` after it. */
  direction: 'forward' | 'reverse';
  schema: string;
  /** Name of the function. */
  fn: string;
  /** Tables within `schema`: the one that is written to, and the one that is kept in step. */
  from: string;
  to: string;
  columns: readonly string[];
  /** What converts a column's value, quoted; other columns are assigned as they are. */
  functions: Readonly<Record<string, string>>;
  /** Table within `schema` of the keys of rows that `to` cannot hold; undefined where it holds all. */
  conflicts: string | undefined;
  /** Unique in `from`. */
  key: readonly string[];
  /** What tells rows apart in both tables. */
  identity: readonly string[];
  /** Columns of a unique index of `to`. */
  arbiter: readonly string[];
  /**
   * Rows that change are removed and put anew: where further unique keys could be in each other's way, or a column
   * cannot be updated.
   */
  replace: boolean;
  /** Columns that are set when a row is there already. */
  set: readonly string[];
}

/** The same row in two tables, as a condition on their aliases. */
export const same = (a: string, b: string, columns: readonly string[]) =>
  columns.map((column) => `${a}.${id(column)} = ${b}.${id(column)}`).join(' AND ');

/** Values for the other table, from an alias of the one that is written to. */
export const valuesOf = ({ columns, functions }: Pick<Sync, 'columns' | 'functions'>, alias: string) =>
  columns
    .map((column) => {
      const value = `${alias}.${id(column)}`;
      return functions[column] ? `${functions[column]}(${value})` : value;
    })
    .join(', ');

/** What the other table cannot hold is no failure of who wrote it; a lock that is not free, or a lack of memory, is. */
export const PASS_ON = `IF left(SQLSTATE, 2) IN ('40', '53', '54', '55', '57', '58', 'XX') THEN RAISE; END IF;`;

/**
 * Puts rows into `to`. Where that may fail, it is tried with all of them together, and then with one after the other:
 * one that `to` cannot hold is removed there, and its key is kept in the table of conflicts.
 *
 * @param rows what follows FROM, and its alias
 */
function put(sync: Sync, rows: { from: string; alias: string }, conflict: string): string {
  const to = id(sync.schema, sync.to);
  const into = `INSERT INTO ${to} AS d (${quoteList(sync.columns)}) OVERRIDING SYSTEM VALUE`;
  const all = `${into}
  SELECT ${valuesOf(sync, rows.alias)} FROM ${rows.from}
  ON CONFLICT (${quoteList(sync.arbiter)}) ${conflict};`;
  if (!sync.conflicts) return all;
  return `BEGIN
    ${all}
    GET DIAGNOSTICS done = ROW_COUNT;
  EXCEPTION WHEN OTHERS THEN
    ${PASS_ON}
    done := 0;
    FOR r IN SELECT ${quoteList(sync.columns, rows.alias)} FROM ${rows.from} LOOP
      BEGIN
        ${into} VALUES (${valuesOf(sync, 'r')})
        ON CONFLICT (${quoteList(sync.arbiter)}) ${conflict};
        done := done + 1;
      EXCEPTION WHEN OTHERS THEN
        ${PASS_ON}
        DELETE FROM ${to} AS d WHERE ${same('d', 'r', sync.identity)};
        INSERT INTO ${id(sync.schema, sync.conflicts)} (${quoteList(sync.identity)}, problem)
        VALUES (${quoteList(sync.identity, 'r')}, SQLERRM) ON CONFLICT (${quoteList(sync.identity)}) DO UPDATE SET problem = EXCLUDED.problem;
      END;
    END LOOP;
  END;`;
}

const declaredFor = ({ conflicts }: Pick<Sync, 'conflicts'>) =>
  conflicts
    ? `DECLARE
  r     record;
  done  bigint := 0;
`
    : '';

/**
 * What one statement did to a table is done to the other within the same transaction. The rows are read again by their
 * key, because a trigger of the table's own may have changed them since, and each once: two foreign keys whose columns are
 * set to null by one statement change a row twice in it. Each statement goes through the indexes of the keys, whatever the
 * planner made of the sizes when it was planned first.
 *
 * A transaction with a snapshot of its own (REPEATABLE READ, SERIALIZABLE) does not see what was copied since, and could
 * not remove it. It puts the row first: where that was copied meanwhile, Postgres ends the transaction as it ends any
 * that meets a row changed by another one (40001).
 */
export function syncFunction(sync: Sync): string {
  const { from: source, to: target, identity } = sync;
  const from = id(sync.schema, source);
  const to = id(sync.schema, target);
  const isThere = `EXISTS (SELECT FROM ${from} AS s WHERE ${same('s', 'o', identity)})`;
  const changed = `SELECT ${quoteList(identity)} FROM old_rows EXCEPT SELECT ${quoteList(identity)} FROM new_rows`;
  const putFirst = (where: string) => `IF current_setting('transaction_isolation') <> 'read committed' THEN
      ${put(sync, { from: `old_rows AS o${where}`, alias: 'o' }, 'DO NOTHING')}
    END IF;`;
  const update = sync.replace
    ? `${putFirst('')}
    DELETE FROM ${to} AS d USING old_rows AS o WHERE ${same('d', 'o', identity)};`
    : `IF EXISTS (${changed}) THEN
      ${putFirst(` WHERE (${quoteList(identity, 'o')}) IN (${changed})`)}
      DELETE FROM ${to} AS d USING (${changed}) AS o WHERE ${same('d', 'o', identity)} AND NOT ${isThere};
    END IF;`;
  // Where rows are told apart by more than the other table's key, another row may have that already: it stays.
  const wider = identity.some((column) => !sync.arbiter.includes(column));
  const conflict =
    sync.set.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET (${quoteList(sync.set)}) = ROW(${quoteList(sync.set, 'EXCLUDED')})${wider ? ` WHERE ${same('d', 'EXCLUDED', identity)}` : ''}`;
  const written = `(SELECT DISTINCT ${quoteList(sync.key)} FROM new_rows) AS n JOIN ${from} AS s ON ${same('s', 'n', sync.key)}`;
  const refuseSecond = wider
    ? `
  IF EXISTS (SELECT FROM ${written} JOIN ${to} AS d ON ${same('d', 's', sync.arbiter)} WHERE NOT (${same('d', 's', identity)})) THEN
    RAISE EXCEPTION '% has a row with this key', ${literal(to)} USING ERRCODE = 'unique_violation',
      HINT = ${literal(`Until the migration is complete, ${quoteList(sync.arbiter)} is unique by itself.`)};
  END IF;`
    : '';
  return definerFunction(
    sync,
    sync.fn,
    { returns: 'trigger', indexed: true },
    `${declaredFor(sync)}BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    TRUNCATE ${to}${sync.conflicts ? `, ${id(sync.schema, sync.conflicts)}` : ''};
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    ${putFirst('')}
    DELETE FROM ${to} AS d USING old_rows AS o WHERE ${same('d', 'o', identity)} AND NOT ${isThere};
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    ${update}
  END IF;
  ${put(sync, { from: written, alias: 's' }, conflict)}${refuseSecond}
  RETURN NULL;
END`,
  );
}

/** Copies the rows between two places of the old table, and returns how many; where rows may have no place in the new one. */
export const copyFunction = (sync: Sync, fn: string): string =>
  functionSql(
    id(sync.schema, fn),
    { takes: 'tid, tid', returns: 'bigint', settings: settingsOf(sync) },
    `${declaredFor(sync)}BEGIN
  ${put(
    sync,
    {
      from: `(SELECT ${quoteList(sync.columns)} FROM ONLY ${id(sync.schema, sync.from)} WHERE ctid >= $1 AND ctid < $2 FOR SHARE) AS held`,
      alias: 'held',
    },
    'DO NOTHING',
  )}
  RETURN done;
END`,
  );

const TRANSITION = {
  INSERT: ' REFERENCING NEW TABLE AS new_rows',
  UPDATE: ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows',
  DELETE: ' REFERENCING OLD TABLE AS old_rows',
  TRUNCATE: '',
} as const;
const events = ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] as const;
export const triggerName = ({ direction }: Pick<Sync, 'direction'>, event: (typeof events)[number]) =>
  `${TRIGGER_PREFIX}${direction}_${event.toLowerCase()}`;

/** Ends the transaction where another migration keeps the table in step by triggers, which have the same names. */
export const noOtherSync = ({ schema, from, fn }: Pick<Sync, 'schema' | 'from' | 'fn'>): string =>
  `DO $sqltrail$ BEGIN
  IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = ${literal(id(schema, from))}::regclass AND starts_with(tgname::text, ${literal(TRIGGER_PREFIX)})
      AND tgfoid IS DISTINCT FROM to_regproc(${literal(id(schema, fn))})) THEN
    RAISE EXCEPTION '% has triggers of another migration', ${literal(id(schema, from))}
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Complete that one first, or roll it back, and plan this one again.';
  END IF;
END $sqltrail$;`;

/** They fire for sessions with `session_replication_role = replica` too, and take the place of others of their name. */
export const syncTriggers = (sync: Pick<Sync, 'direction' | 'schema' | 'from' | 'fn'>): string =>
  events
    .map(
      (
        event,
      ) => `CREATE OR REPLACE TRIGGER ${id(triggerName(sync, event))} AFTER ${event} ON ${id(sync.schema, sync.from)}${TRANSITION[event]} FOR EACH STATEMENT EXECUTE FUNCTION ${id(sync.schema, sync.fn)}();
ALTER TABLE ${id(sync.schema, sync.from)} ENABLE ALWAYS TRIGGER ${id(triggerName(sync, event))};`,
    )
    .join('\n');

export const noSyncTriggers = (sync: Pick<Sync, 'direction' | 'schema' | 'from'>): string =>
  events
    .map(
      (event) => `DROP TRIGGER IF EXISTS ${id(triggerName(sync, event))} ON ${id(sync.schema, sync.from)};`,
    )
    .join('\n');

export const noSyncFunction = ({ schema, fn }: Pick<Sync, 'schema' | 'fn'>): string =>
  `DROP FUNCTION IF EXISTS ${id(schema, fn)}();`;
