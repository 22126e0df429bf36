import type pg from 'pg';
import { quote as id, literal } from '../../lib/pg/quote.ts';
import type { Kept, KeptKind } from '../kept.ts';
import type { DeclaredMigration } from './declared.ts';
import type { MovedMigration } from './moved/declared.ts';
import { LEFT, ROLLED_BACK, WRITTEN } from './moved/extractSql.ts';
import type { Plan } from './plan.ts';
import { same } from './sync.ts';

const isThere = async (client: pg.ClientBase, table: string): Promise<boolean> =>
  (await client.query<{ it: boolean }>('SELECT to_regclass($1) IS NOT NULL AS it', [table])).rows[0]?.it ===
  true;

/** Rows that the other table lacks; a key stays in the table of conflicts when its row was corrected or is gone. */
async function unconverted(client: pg.ClientBase, { table, rows }: DeclaredMigration): Promise<Kept[]> {
  if (!rows.conflicts) return [];
  const conflicts = id(table.schema, rows.conflicts);
  if (!(await isThere(client, conflicts))) return [];
  const cutover = await isThere(client, id(table.schema, rows.oldName));
  const other = id(table.schema, cutover ? rows.oldName : rows.newName);
  // While complete drops one table after the other.
  if (!(await isThere(client, other))) return [];
  const query = `SELECT * FROM ${conflicts} AS c
 WHERE EXISTS (SELECT FROM ${id(table.schema, table.name)} AS f WHERE ${same('f', 'c', rows.newKey)})
   AND NOT EXISTS (SELECT FROM ${other} AS t WHERE ${same('t', 'c', rows.newKey)})`;
  const { rows: counted } = await client.query<{ entries: number }>(
    `SELECT count(*)::int AS entries FROM (${query}) AS k`,
  );
  const entries = counted[0]?.entries ?? 0;
  return entries === 0
    ? []
    : [{ kind: cutover ? 'not convertible back' : 'not converted', table: table.name, entries, query }];
}

const later: readonly string[] = [WRITTEN, LEFT, ROLLED_BACK] satisfies KeptKind[];

/** Entries of the ledger, by the rule that they were made by. */
async function contradicting(client: pg.ClientBase, { table, moved }: MovedMigration): Promise<Kept[]> {
  if (!moved.ledger) return [];
  const ledger = id(table.schema, moved.ledger);
  if (!(await isThere(client, ledger))) return [];
  const { rows } = await client.query<{ rule: string; entries: number }>(
    `SELECT rule, count(*)::int AS entries FROM ${ledger} GROUP BY rule ORDER BY rule`,
  );
  return rows.map(({ rule, entries }) => ({
    kind: later.includes(rule) ? (rule as KeptKind) : 'contradiction',
    table: table.name,
    entries,
    query: `SELECT * FROM ${ledger} WHERE rule = ${literal(rule)}`,
  }));
}

/** What an operation keeps; those that keep nothing have no such table. */
export const keptBy = (client: pg.ClientBase, declared: Plan): Promise<Kept[]> =>
  'moved' in declared ? contradicting(client, declared) : unconverted(client, declared);
