import { quote as id, quoteList } from '../../lib/pg/quote.ts';
import { TRIGGER_PREFIX } from './descriptionSql.ts';

export interface Sync {
  /** `forward` before the cutover, `reverse` after it. */
  direction: 'forward' | 'reverse';
  schema: string;
  /** In which operators and functions of the table's columns are found, quoted. */
  searchPath: string;
  /** Name of the function. */
  fn: string;
  /** Tables within `schema`: the one that is written to, and the one that is kept in step. */
  from: string;
  to: string;
  columns: readonly string[];
  /** Unique in `from`. */
  key: readonly string[];
  /** What tells rows apart in both tables: the key and the partition column. */
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

/**
 * What one statement did to a table is done to the other within the same transaction. The rows are read again by their
 * key, because a trigger of the table's own may have changed them since. Each statement goes through the indexes of the
 * keys, whatever the planner made of the sizes when it was planned first.
 *
 * A transaction with a snapshot of its own (REPEATABLE READ, SERIALIZABLE) does not see what was copied since, and could
 * not remove it. It puts the row first: where that was copied meanwhile, Postgres ends the transaction as it ends any
 * that meets a row changed by another one (40001).
 */
export function syncFunction(sync: Sync): string {
  const { from: source, to: target, columns, identity } = sync;
  const from = id(sync.schema, source);
  const to = id(sync.schema, target);
  const isThere = `EXISTS (SELECT FROM ${from} AS s WHERE ${same('s', 'o', identity)})`;
  const changed = `SELECT ${quoteList(identity)} FROM old_rows EXCEPT SELECT ${quoteList(identity)} FROM new_rows`;
  const putFirst = (where: string) => `IF current_setting('transaction_isolation') <> 'read committed' THEN
      INSERT INTO ${to} (${quoteList(columns)}) OVERRIDING SYSTEM VALUE
      SELECT ${quoteList(columns)} FROM old_rows${where} ON CONFLICT (${quoteList(sync.arbiter)}) DO NOTHING;
    END IF;`;
  const update = sync.replace
    ? `${putFirst('')}
    DELETE FROM ${to} AS d USING old_rows AS o WHERE ${same('d', 'o', identity)};`
    : `IF EXISTS (${changed}) THEN
      ${putFirst(` WHERE (${quoteList(identity)}) IN (${changed})`)}
      DELETE FROM ${to} AS d USING (${changed}) AS o WHERE ${same('d', 'o', identity)} AND NOT ${isThere};
    END IF;`;
  const conflict =
    sync.set.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET (${quoteList(sync.set)}) = ROW(${quoteList(sync.set, 'EXCLUDED')})`;
  return `CREATE FUNCTION ${id(sync.schema, sync.fn)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = ${sync.searchPath} SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $sqltrail$
#variable_conflict use_column
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    TRUNCATE ${to};
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
  INSERT INTO ${to} (${quoteList(columns)}) OVERRIDING SYSTEM VALUE
  SELECT ${quoteList(columns, 's')} FROM new_rows AS n JOIN ${from} AS s ON ${same('s', 'n', sync.key)}
  ON CONFLICT (${quoteList(sync.arbiter)}) ${conflict};
  RETURN NULL;
END $sqltrail$;
REVOKE EXECUTE ON FUNCTION ${id(sync.schema, sync.fn)}() FROM PUBLIC;`;
}

const TRANSITION = {
  INSERT: ' REFERENCING NEW TABLE AS new_rows',
  UPDATE: ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows',
  DELETE: ' REFERENCING OLD TABLE AS old_rows',
  TRUNCATE: '',
} as const;
const events = ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] as const;
const triggerName = ({ direction }: Pick<Sync, 'direction'>, event: string) =>
  id(`${TRIGGER_PREFIX}${direction}_${event.toLowerCase()}`);

/** They fire for sessions with `session_replication_role = replica` too. */
export const syncTriggers = (sync: Sync): string =>
  events
    .map(
      (
        event,
      ) => `CREATE TRIGGER ${triggerName(sync, event)} AFTER ${event} ON ${id(sync.schema, sync.from)}${TRANSITION[event]} FOR EACH STATEMENT EXECUTE FUNCTION ${id(sync.schema, sync.fn)}();
ALTER TABLE ${id(sync.schema, sync.from)} ENABLE ALWAYS TRIGGER ${triggerName(sync, event)};`,
    )
    .join('\n');

export const noSyncTriggers = (sync: Pick<Sync, 'direction' | 'schema' | 'from'>): string =>
  events
    .map((event) => `DROP TRIGGER IF EXISTS ${triggerName(sync, event)} ON ${id(sync.schema, sync.from)};`)
    .join('\n');

export const noSyncFunction = ({ schema, fn }: Pick<Sync, 'schema' | 'fn'>): string =>
  `DROP FUNCTION IF EXISTS ${id(schema, fn)}();`;
