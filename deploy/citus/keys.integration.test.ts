import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadParser, shapeOf } from '../../diagnosis/sql/shape.ts';
import { RefactoredStore } from '../../sample-shop/stores/refactored.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';

/** As the SQL file says: table to distribution column. */
async function distributionKeys(): Promise<Map<string, string>> {
  const sql = await readFile(new URL('./distribute.sql', import.meta.url), 'utf8');
  return new Map(
    [...sql.matchAll(/create_distributed_table\('shop\.(\w+)', '(\w+)'/g)].map(
      ([, table = '', column = '']) => [table, column],
    ),
  );
}

let database: TestDatabase;
let pool: pg.Pool;
const statements = new Set<string>();

beforeAll(async () => {
  await loadParser();
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url });
  const schema = new URL('../../sample-shop/schema/refactored.sql', import.meta.url);
  await pool.query(await readFile(schema, 'utf8'));
  await pool.query(`
    INSERT INTO shop.contacts (name, email) VALUES ('Ada', 'ada@example.com');
    INSERT INTO shop.addresses (street) VALUES ('Long Street 1');
    INSERT INTO shop.customers (contact_id, address_id) VALUES (1, 1);
    INSERT INTO shop.categories (code, path) VALUES ('C1', 'home/care');
    INSERT INTO shop.products (name, category_id, price, stock) VALUES ('Oak lamp', 1, 9.5, 100)`);
});
afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

/** Every statement that the shop sends on the refactored model. */
async function statementsOfTheShop(): Promise<void> {
  const record = (client: pg.PoolClient) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        if (typeof args[0] === 'string') statements.add(args[0]);
        return query(...args);
      },
    });
  };
  await pool.end();
  pool = new pg.Pool({ connectionString: database.url });
  pool.on('connect', record);
  const store = new RefactoredStore(pool);
  await store.facets();
  await store.browse('home/care', 1);
  await store.search('oak', 1);
  await store.product(1, 's');
  await store.addToCart('s', { productId: 1, quantity: 1, customerId: 1 });
  const placed = await store.checkout('s', 1);
  await store.addToCart('s', { productId: 1, quantity: 1, customerId: 1 });
  await expect(store.checkout('s', 1)).rejects.toThrow('a moment ago');
  await store.history(1, 1);
  await store.order(placed?.orderNumber ?? '');
  await store.sales(30);
}

it('each statement on a distributed table has the key, but for two reports', async () => {
  const keys = await distributionKeys();
  expect([...keys]).toEqual([
    ['orders', 'id'],
    ['order_lines', 'order_id'],
    ['activity', 'id'],
  ]);
  await statementsOfTheShop();
  const { rows } = await pool.query<{ table: string; columns: string[] }>(
    `SELECT attrelid::regclass::text AS "table", array_agg(attname::text) AS columns FROM pg_attribute
      WHERE attrelid IN ('shop.orders'::regclass, 'shop.order_lines'::regclass) AND attnum > 0 GROUP BY attrelid`,
  );
  const columnsOf = (table: string) =>
    new Set(rows.find((row) => row.table === `shop.${table}`)?.columns ?? []);
  const everywhere: string[] = [];
  const routed: string[] = [];
  for (const sql of statements) {
    const shape = shapeOf(sql, columnsOf);
    if (!shape) continue;
    const reads = shape.tables.filter(({ table }) => keys.has(table));
    const writes = shape.writes.filter((table) => keys.has(table));
    if (reads.length + writes.length === 0) continue;
    const bound =
      reads.every(({ table, equal }) =>
        equal.some(({ column, join }) => column === keys.get(table) && !join),
      ) &&
      // The column is given; activity's is its sequence's, which the coordinator asks.
      writes.every((table) => table === 'activity' || new RegExp(`\\(${keys.get(table)}\\b`).test(sql));
    (bound ? routed : everywhere).push(sql);
  }
  expect(everywhere.map((sql) => sql.replaceAll(/\s+/g, ' ').slice(0, 44)).sort()).toEqual([
    'WITH asked AS ( SELECT since, kept.orders, k',
    'WITH mine AS MATERIALIZED ( SELECT DISTINCT ',
  ]);
  // Orders and lines, read and written, the twin of a checkout, and the log.
  expect(routed).toHaveLength(6);
});

it('the distribution column is in every unique key of its table', async () => {
  const keys = await distributionKeys();
  const { rows } = await pool.query<{ table: string; columns: string[] }>(
    `SELECT c.relname AS "table", array_agg(a.attname::text) AS columns
       FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
      WHERE i.indisunique AND c.relnamespace = 'shop'::regnamespace AND NOT c.relispartition
      GROUP BY c.relname, i.indexrelid`,
  );
  const distributed = rows.filter(({ table }) => keys.has(table));
  expect(distributed).toHaveLength(3);
  for (const { table, columns } of distributed) expect(columns, table).toContain(keys.get(table));
});

it('every table that a distributed one refers to is on each node or lies with it', async () => {
  const sql = await readFile(new URL('./distribute.sql', import.meta.url), 'utf8');
  const there = [...sql.matchAll(/create_(?:reference|distributed)_table\('shop\.(\w+)'/g)].map(
    ([, name]) => name,
  );
  const { rows } = await pool.query<{ from: string; to: string }>(
    `SELECT f.relname AS "from", t.relname AS "to" FROM pg_constraint o
       JOIN pg_class f ON f.oid = o.conrelid JOIN pg_class t ON t.oid = o.confrelid
      WHERE o.contype = 'f' AND f.relnamespace = 'shop'::regnamespace AND o.conparentid = 0`,
  );
  for (const { from, to } of rows) if (there.includes(from)) expect(there, `${from} -> ${to}`).toContain(to);
  const { rows: constraint } = await pool.query(
    "SELECT FROM pg_constraint WHERE conname = 'order_lines_order_id_placed_at_fkey' AND conrelid = 'shop.order_lines'::regclass",
  );
  expect(constraint).toHaveLength(1);
});

it('keeps no sums, and takes away those that are there: no trigger would', async () => {
  const sql = await readFile(new URL('./distribute.sql', import.meta.url), 'utf8');
  const [part = ''] = /DROP TRIGGER sales_daily_insert.*?TRUNCATE shop\.sales_daily;/s.exec(sql) ?? [];
  await pool.query(`
    SELECT shop.ensure_month(now() - interval '1 month');
    SELECT shop.keep_sales((now() - interval '1 month')::date, (now() - interval '1 month')::date)`);
  const kept = async () => (await pool.query('SELECT FROM shop.sales_daily')).rowCount;
  expect(await kept()).toBeGreaterThan(0);
  await pool.query(part);
  const { rows } = await pool.query(
    'SELECT shop.keep_sales() AS all, shop.keep_sales(current_date - 40) AS n',
  );
  expect(rows).toEqual([{ all: 0, n: 0 }]);
  expect(await kept()).toBe(0);
  const triggers = await pool.query(
    "SELECT FROM pg_trigger WHERE tgrelid = 'shop.order_lines'::regclass AND NOT tgisinternal",
  );
  expect(triggers.rowCount).toBe(0);
});
