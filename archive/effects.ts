import type pg from 'pg';
import { type Named, tableName, tableSql } from './references.ts';

/** What a transaction did to a table so far. */
interface Effect {
  oid: number;
  schema: string;
  table: string;
  inserted: number;
  updated: number;
  deleted: number;
}

/**
 * Rows that this session changed and has not yet added to the statistics, by table. The difference of two readings
 * within a transaction is what was done between them, by whichever trigger, rule or foreign key. Needs track_counts.
 */
export async function readEffects(client: pg.ClientBase): Promise<Map<number, Effect>> {
  const { rows } = await client.query<Effect>(
    `SELECT c.oid::bigint::float8 AS oid, n.nspname AS schema, c.relname AS table,
            pg_stat_get_xact_tuples_inserted(c.oid)::int AS inserted, pg_stat_get_xact_tuples_updated(c.oid)::int AS updated,
            pg_stat_get_xact_tuples_deleted(c.oid)::int AS deleted
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid) > 0`,
  );
  return new Map(rows.map((row) => [row.oid, row]));
}

/**
 * What was done beyond the deletion of `deleted` rows of the unit's tables; undefined when nothing was.
 *
 * @param allowed tables that triggers may write to (`triggersMayWrite` of the policy)
 */
export function beyond(
  before: Map<number, Effect>,
  after: Map<number, Effect>,
  { oids, deleted, allowed }: { oids: ReadonlySet<number>; deleted: number; allowed: readonly Named[] },
): string | undefined {
  let own = 0;
  for (const [oid, effect] of after) {
    const { inserted = 0, updated = 0, deleted: gone = 0 } = before.get(oid) ?? {};
    const did = [
      [effect.inserted - inserted, 'inserts', 'into'],
      [effect.updated - updated, 'updates', 'of'],
      [effect.deleted - gone, 'deletes', 'from'],
    ] as const;
    if (oids.has(oid)) own += effect.deleted - gone;
    if (allowed.some((table) => tableName(table) === tableName(effect))) continue;
    const more = did.find(([n, what]) => n > 0 && !(what === 'deletes' && oids.has(oid)));
    if (more)
      return `a trigger or rule ${more[1]} rows ${more[2]} ${tableName(effect)} when they are deleted (allow it with triggersMayWrite)`;
  }
  return own === deleted ? undefined : 'a trigger deletes other rows of the same tables with them';
}

/** What of a table's own makes it unfit to be archived row by row, or has to be known before. */
export async function readObstacles(
  client: pg.ClientBase,
  table: Named,
): Promise<{ problems: string[]; hidden: string[]; notes: string[]; triggers: boolean }> {
  const { rows } = await client.query<{
    kind: string;
    hidden: boolean;
    who: string;
    counted: boolean;
    rules: string[];
    triggers: string[];
    heirs: string[];
    foreign: string[];
  }>(
    // A partition has none of its parent's policies; rows come back by way of the parent.
    `SELECT c.relkind AS kind,
            row_security_active(c.oid) OR EXISTS (SELECT FROM pg_partition_ancestors(c.oid) WHERE row_security_active(relid)) AS hidden, current_user AS who, current_setting('track_counts')::boolean AS counted,
            ARRAY(SELECT rulename::text FROM pg_rewrite WHERE ev_class = c.oid AND ev_type = '4' AND ev_enabled <> 'D' ORDER BY 1) AS rules,
            ARRAY(SELECT DISTINCT tgname::text FROM pg_trigger
                   WHERE (tgrelid = c.oid OR tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
                     AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 8 <> 0 ORDER BY 1) AS triggers,
            ARRAY(SELECT format('%s.%s', n.nspname, h.relname) FROM pg_inherits AS i JOIN pg_class AS h ON h.oid = i.inhrelid
                    JOIN pg_namespace AS n ON n.oid = h.relnamespace WHERE i.inhparent = c.oid AND NOT h.relispartition ORDER BY 1) AS heirs,
            ARRAY(SELECT relid::regclass::text FROM pg_partition_tree(c.oid) JOIN pg_class AS f ON f.oid = relid WHERE f.relkind = 'f' ORDER BY 1) AS foreign
       FROM pg_class AS c WHERE c.oid = $1::regclass`,
    [tableSql(table)],
  );
  const [fact] = rows;
  const name = tableName(table);
  const found = {
    problems: [] as string[],
    hidden: [] as string[],
    notes: [] as string[],
    triggers: (fact?.triggers.length ?? 0) > 0,
  };
  if (!fact) return found;
  if (fact.hidden)
    found.hidden.push(
      `Row-level security hides rows of ${name} from ${fact.who}; run it as a role that sees all of them (BYPASSRLS).`,
    );
  if (fact.rules.length > 0)
    found.problems.push(
      `${name} has a rule on DELETE (${fact.rules.join(', ')}), so that its rows are not simply deleted. Drop or disable the rule first.`,
    );
  if (fact.foreign.length > 0)
    found.problems.push(`${name} has foreign tables as partitions (${fact.foreign.join(', ')}).`);
  if (!fact.counted)
    found.problems.push(
      'track_counts is off, so that nobody can see what triggers change when rows are deleted. Set it on first.',
    );
  if (fact.triggers.length > 0)
    found.notes.push(
      `${name} has triggers on DELETE (${fact.triggers.join(', ')}); units for which they keep or change rows stay`,
    );
  if (fact.heirs.length > 0)
    found.notes.push(
      `rows of ${fact.heirs.join(', ')}, which inherit from ${name}, stay; name these tables in units of their own`,
    );
  return found;
}

/** Has this transaction locked a table as TRUNCATE, ALTER and DROP do? Rows that vanish so are in no statistics. */
export async function locksWholeTable(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ schema: string; table: string }>(
    `SELECT n.nspname AS schema, c.relname AS table FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE l.pid = pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND c.relkind IN ('r', 'p', 'm')`,
  );
  return rows[0] ? `a trigger alters or empties ${tableName(rows[0])} when they are deleted` : undefined;
}

/** What a failed deletion says of the unit, not of the server or of this run. */
export function refusal(error: unknown): string | undefined {
  const { code = '', message = '', table, schema } = error as pg.DatabaseError;
  if (code === '23503') return `a foreign key of ${schema}.${table} forbids it (${message})`;
  // 08, 53, 57 and 58 are faults of the server or the connection, 25 of the transaction, 40 passes. XX000 is also what a
  // foreign key says whose action a rule rewrites; the others of its class are damaged data.
  return /^[0-9A-Z]{5}$/.test(code) && !/^(08|25|40|53|57|58|F0|XX(?!000)|55P03)/.test(code)
    ? `the database refuses it (${message})`
    : undefined;
}
