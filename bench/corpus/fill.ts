import type pg from 'pg';
import { quote, quoteList } from '../../lib/pg/quote.ts';
import { onDatabase } from '../onDatabase.ts';
import { readTables, type Table } from './catalogue.ts';
import type { Filling } from './corpusDatabase.ts';
import { type Context, columnValue, helpers } from './generators.ts';

/** Rows of a table that is only there because a reference to it may not be null. */
const FEW_ROWS = 20;

const nameOf = ({ schema, name }: Table) => quote(schema, name);

/** The named tables, and those that they cannot do without. */
function rowsNeeded(tables: ReadonlyMap<string, Table>, rows: Record<string, number>): Map<string, number> {
  const needed = new Map(Object.entries(rows));
  for (const name of needed.keys())
    if (!tables.has(name)) throw new Error(`There is no table ${name} to fill.`);
  // A Map gives what is added while it is read.
  for (const [name, count] of needed) {
    const table = tables.get(name);
    if (!table || count === 0) continue;
    for (const reference of table.references)
      if (
        !needed.has(reference.table) &&
        reference.columns.some((column) => table.columns.find((other) => other.name === column)?.notNull)
      )
        needed.set(reference.table, FEW_ROWS);
  }
  return needed;
}

async function insert(client: pg.Client, table: Table, count: number, context: Context): Promise<void> {
  const columns = table.columns.filter(({ generated }) => !generated);
  const names = quoteList(columns.map(({ name }) => name));
  const values = columns
    // To `character` alone, text would be cut to one character.
    .map(
      ({ name, type }) =>
        `(${columnValue(table, name, 'i', context)})::${type === 'character' ? 'bpchar' : type}`,
    )
    .join();
  await client
    .query(
      `INSERT INTO ${nameOf(table)} (${names}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM generate_series(1, ${count}) AS i${table.deferrable ? '' : ' ON CONFLICT DO NOTHING'}`,
    )
    .catch((cause) => {
      throw new Error(`${table.name} cannot be filled: ${cause.message}`, { cause });
    });
}

/** Rows whose reference leads nowhere: the filling is wrong, not the database. */
async function assertReferences(client: pg.Client, tables: Iterable<Table>): Promise<void> {
  for (const table of tables)
    for (const { columns, table: parent, keys } of table.references) {
      const target = [...tables].find(({ name }) => name === parent);
      if (!target) continue;
      const pairs = columns.map((column, at) => `c.${quote(column)} = p.${quote(keys[at] ?? '')}`);
      const set = columns.map((column) => `c.${quote(column)} IS NOT NULL`);
      const { rows } = await client.query(
        `SELECT FROM ${nameOf(table)} c WHERE ${set.join(' AND ')} AND NOT EXISTS (SELECT FROM ${nameOf(target)} p WHERE ${pairs.join(' AND ')}) LIMIT 1`,
      );
      if (rows.length > 0)
        throw new Error(`${table.name}(${columns.join()}) has a row without its row of ${parent}.`);
    }
}

/** Indexes that keep nothing right: made in one go after the rows, they take a fraction of the time, GIN above all. */
const PLAIN_INDEXES = `
  SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS sql
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'i' AND NOT c.relispartition AND NOT i.indisunique AND NOT i.indisclustered
    AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = i.indexrelid)`;

/** Sequences go on after the keys that were given. */
const SEQUENCES = `
  SELECT format('SELECT setval(%L, greatest(1, (SELECT max(%I)::bigint FROM %I.%I)))',
    pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname), a.attname, n.nspname, c.relname) AS sql
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT LIKE 'pg\\_%'
    AND n.nspname <> 'information_schema' AND a.atttypid IN (20, 21, 23)
    AND pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname) IS NOT NULL`;

/**
 * Fills the tables as the owner. References, checks, enumerations and unique constraints hold; triggers do not fire.
 * The same filling gives the same rows, but for the day that the dates end on.
 * @throws Error naming the table, or the reference that leads nowhere.
 */
export const fill = (url: string, filling: Filling, onProgress: (what: string) => void): Promise<void> =>
  onDatabase(url, async (client) => {
    if (filling.before) await client.query(filling.before);
    const tables = await readTables(client);
    const needed = rowsNeeded(tables, filling.rows);
    const context: Context = { tables, filling, rowsOf: (name) => needed.get(name) ?? 0 };
    await client.query(`SET session_replication_role = replica; SET TimeZone = 'UTC'; ${helpers}`);
    const indexes = (await client.query<{ name: string; sql: string }>(PLAIN_INDEXES)).rows;
    for (const { name } of indexes) await client.query(`DROP INDEX ${name}`);
    for (const [name, count] of needed) {
      const table = tables.get(name);
      if (!table || count === 0) continue;
      onProgress(`${count} rows of ${name}`);
      await insert(client, table, count, context);
    }
    onProgress(`${indexes.length} indexes`);
    for (const { sql } of indexes) await client.query(sql);
    await client.query('ANALYZE');
    await assertReferences(
      client,
      [...needed.keys()].flatMap((name) => tables.get(name) ?? []),
    );
    await client.query('RESET session_replication_role');
    for (const { sql } of (await client.query(SEQUENCES)).rows) await client.query(sql);
    onProgress('planted causes');
    await client.query(filling.plant);
    const { rows: views } = await client.query<{ name: string }>(
      "SELECT format('%I.%I', schemaname, matviewname) AS name FROM pg_matviews",
    );
    for (const { name } of views) await client.query(`REFRESH MATERIALIZED VIEW ${name}`);
    // What the load did is no workload. Counters that are on their way would come after the reset.
    await client.query('SELECT pg_stat_force_next_flush()');
    await client.query('SELECT pg_stat_reset()');
    await client.query('VACUUM ANALYZE');
    if (filling.afterAnalyze) await client.query(filling.afterAnalyze);
  });
