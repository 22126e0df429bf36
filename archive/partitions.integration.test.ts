import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { databaseFor } from '../test/support/database.ts';
import { startNode } from '../test/support/process.ts';
import { planPolicy, restorePolicy, runPolicy } from './partitions.ts';
import { type ArchivePolicy, readPolicy } from './policy.ts';
import { listArchive, queryArchive, verifyArchive } from './read.ts';

const database = databaseFor('each');
let home: string;
let directory: string;
let url: string;
let policy: ArchivePolicy;

beforeEach(async () => {
  url = database.url;
  await database.client.query(await readFile('sample-shop/schema/refactored.sql', 'utf8'));
  // Five orders in each of eight months, the oldest three years ago, and the log of the same days.
  await database.client.query(`
    SET TimeZone = 'UTC';
    SELECT shop.ensure_months_ahead();
    SELECT shop.ensure_month(moment) FROM (SELECT now() - i * interval '5 months' AS moment FROM generate_series(0, 7) AS i) AS m;
    INSERT INTO shop.contacts (name) VALUES ('A. Customer');
    INSERT INTO shop.addresses (street) VALUES ('A Street 1');
    INSERT INTO shop.customers (contact_id, address_id) VALUES (1, 1);
    INSERT INTO shop.products (name, price) VALUES ('Lamp', 9.5);
    INSERT INTO shop.product_versions (product_id, name) VALUES (1, 'Lamp');
    INSERT INTO shop.order_keys (order_number, customer_id, placed_at)
    SELECT 'SO-' || i, 1, now() - (i % 8) * interval '5 months' FROM generate_series(1, 40) AS i;
    INSERT INTO shop.orders (id, placed_at, contact_id, ship_address_id, bill_address_id, status, total, currency, closed_at, comment)
    SELECT order_id, placed_at, 1, 1, 1, 'closed', 9.5, 'EUR', placed_at, CASE WHEN order_id % 3 = 0 THEN 'as ''agreed''' END FROM shop.order_keys;
    INSERT INTO shop.order_lines (order_id, placed_at, product_version_id, unit_price, quantity)
    SELECT order_id, placed_at, 1, 9.5, 1 + order_id % 3 FROM shop.order_keys, generate_series(1, 2);
    INSERT INTO shop.activity (at, action, path, payload)
    SELECT placed_at, 'view', '/products/' || order_id, '{"a": 1}' FROM shop.order_keys`);
  await database.client.query(
    'SELECT shop.keep_sales(day, day) FROM (SELECT DISTINCT placed_at::date FROM shop.orders) AS sold (day)',
  );
  home = await mkdtemp(path.join(tmpdir(), 'partitions-'));
  // Made where it is not there.
  directory = path.join(home, 'archive');
  policy = await readPolicy('sample-shop/archive-refactored.yaml');
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

const tables = ['orders', 'order_lines', 'activity'] as const;

/** Each row as text, wherever it is: in the live table, in a partition that is leaving, or in a file that is in force. */
async function everywhere(table: string): Promise<string[]> {
  const text = (row: Record<string, unknown>) =>
    JSON.stringify(
      Object.entries(row)
        .map(([key, value]) => [key, value === null ? null : String(value)])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  const rowsOf = async (from: string) =>
    (
      await database.client.query<{ row: Record<string, unknown> }>(
        `SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(to_jsonb(t))) AS row FROM ${from} AS t`,
      )
    ).rows.map(({ row }) => row);
  const live = await rowsOf(`shop.${table}`);
  const known = await database.client.query(
    "SELECT to_regclass('sqltrail.archive_partition') IS NOT NULL AS it",
  );
  const leaving = known.rows[0].it
    ? await database.client.query<{ name: string }>(
        `SELECT format('%I.%I', t -> 'partition' ->> 'schema', t -> 'partition' ->> 'table') AS name
           FROM sqltrail.archive_partition AS p, jsonb_array_elements(p.tables) AS t
          WHERE p.state = 'leaving' AND t -> 'parent' ->> 'table' = $1
            AND NOT EXISTS (SELECT FROM pg_inherits WHERE NOT inhdetachpending
                             AND inhrelid = to_regclass(format('%I.%I', t -> 'partition' ->> 'schema', t -> 'partition' ->> 'table')))`,
        [table],
      )
    : { rows: [] };
  for (const { name } of leaving.rows) live.push(...(await rowsOf(name)));
  const archived = await queryArchive({ url, directory, sql: `SELECT * FROM ${table}` }).catch(
    () => undefined,
  );
  // Postgres's own spelling of a time, on both sides.
  const same = (row: Record<string, unknown>) =>
    text(
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [
          key,
          value !== null && /_at$|^at$/.test(key) ? new Date(String(value)).toISOString() : value,
        ]),
      ),
    );
  return [...live, ...(archived?.rows ?? [])].map(same).sort();
}
const all = async () => {
  const found: Record<string, string[]> = {};
  for (const table of tables) found[table] = await everywhere(table);
  return found;
};

it('detaches, exports and drops whole months; late rows are told, and a month comes back', async () => {
  const { rows: open } = await database.client.query(
    "UPDATE shop.orders SET status = 'shipped' WHERE id = (SELECT id FROM shop.orders ORDER BY placed_at LIMIT 1) RETURNING to_char(placed_at, '_YYYY_MM') AS month",
  );
  const before = await all();
  const plans = await planPolicy({ url, policy });
  expect(plans.find(({ unit }) => unit.name === 'orders-by-month')).toMatchObject({ held: 1 });
  const results = await runPolicy({ url, policy, directory });
  for (const { unit, eligible } of plans)
    expect(results.find((result) => result.unit === unit.name)?.units, unit.name).toBe(eligible);
  expect(await all()).toEqual(before);
  expect((await verifyArchive({ url, directory })).filter(({ problem }) => problem)).toEqual([]);
  const names = (
    await database.client.query("SELECT relname FROM pg_class WHERE relname ~ '^orders_\\d'")
  ).rows.map(({ relname }) => relname);
  // The month with an order that is not closed is as it was.
  expect(names).toContain(`orders${open[0].month}`);
  const [segment] = (await listArchive({ url })).filter(({ unit }) => unit === 'orders-by-month');
  const { rows: sample } = await database.client.query(
    `SELECT order_id, placed_at::text AS placed_at FROM shop.order_keys AS k WHERE NOT EXISTS (SELECT FROM shop.orders WHERE id = k.order_id) ORDER BY placed_at LIMIT 1`,
  );
  const late = () =>
    database.client.query(
      `INSERT INTO shop.orders (id, placed_at, contact_id, ship_address_id, bill_address_id, status, total, currency)
       SELECT $1, $2, contact_id, ship_address_id, bill_address_id, 'paid', 1, 'EUR' FROM shop.orders LIMIT 1`,
      [sample[0].order_id, sample[0].placed_at],
    );
  await expect(late()).rejects.toThrow(/rows of shop\.orders from .* are archived/);
  expect((await runPolicy({ url, policy, directory })).every(({ units }) => units === 0)).toBe(true);
  expect(
    await restorePolicy({ url, directory, segment: segment?.id ?? 0, holdDays: 30, reason: 'claim' }),
  ).toBe(segment?.units);
  expect(await all()).toEqual(before);
  await expect(late()).rejects.toThrow(/duplicate key/);
  // Held, so that the next run leaves them.
  expect((await runPolicy({ url, policy, directory }))[0]?.units).toBe(0);
});

it('keeps the sums of days that leave, and they stay right when some of their lines come back', async () => {
  const kept = async () =>
    (
      await database.client.query(
        'SELECT day::text, orders, revenue FROM shop.sales_daily WHERE orders > 0 ORDER BY day',
      )
    ).rows;
  const keepAll = async () => {
    for (let n = 1; n > 0; ) n = (await database.client.query('SELECT shop.keep_sales() AS n')).rows[0].n;
  };
  const { rows: oldest } = await database.client.query(
    'SELECT placed_at::date::text AS day, array_agg(order_id::text) AS keys FROM shop.order_keys GROUP BY 1 ORDER BY 1 LIMIT 2',
  );
  const [first, second] = oldest;
  // A month whose sums are not kept is held.
  await database.client.query('DELETE FROM shop.sales_daily WHERE day = $1', [first.day]);
  await runPolicy({ url, policy, directory });
  expect(
    (await database.client.query('SELECT FROM shop.orders WHERE placed_at::date = $1', [first.day])).rowCount,
  ).toBe(5);
  await keepAll();
  const before = await kept();
  expect(before.map(({ orders }) => orders)).toEqual([5, 5, 5, 5, 5, 5, 5]);
  await runPolicy({ url, policy, directory });
  for (const { day } of [first, second])
    expect(
      (await database.client.query('SELECT FROM shop.orders WHERE placed_at::date = $1', [day])).rowCount,
    ).toBe(0);
  // What has left is not summed up again.
  await database.client.query('BEGIN; DELETE FROM shop.sales_daily');
  const { rows: again } = await database.client.query('SELECT shop.keep_sales($1, $1) AS n', [second.day]);
  expect(again).toEqual([{ n: 0 }]);
  await database.client.query('ROLLBACK');
  for (const [{ day, keys }, wanted] of [
    [first, { keys: first.keys.slice(0, 2) }],
    [second, {}],
  ] as const) {
    const { rows } = await database.client.query(
      "SELECT segment FROM sqltrail.archive_partition WHERE unit = 'orders-by-month' AND left(lower, 7) = left($1, 7)",
      [day],
    );
    const back = { url, directory, segment: Number(rows[0].segment), holdDays: 30, reason: 'claim' };
    expect(await restorePolicy({ ...back, ...wanted })).toBe(wanted.keys?.length ?? keys.length);
    await keepAll();
    expect(await kept()).toEqual(before);
  }
  // A line that is new is in no sum.
  await database.client.query(
    `INSERT INTO shop.order_lines (order_id, placed_at, product_version_id, unit_price, quantity)
     SELECT order_id, placed_at, product_version_id, 1, 1 FROM shop.order_lines WHERE placed_at::date = $1 LIMIT 1`,
    [second.day],
  );
  expect(await kept()).toEqual(before.filter(({ day }) => day !== second.day));
});

it('a month that came back and left again takes rows of its first segment too', async () => {
  const { rows: oldest } = await database.client.query<{ id: string }>(
    'SELECT id::text FROM shop.orders WHERE placed_at = (SELECT min(placed_at) FROM shop.orders) ORDER BY id',
  );
  const [one = '', two = ''] = oldest.map(({ id }) => id);
  const before = await all();
  const run = () => runPolicy({ url, directory, policy, dutyCycle: 1 });
  const restore = (segment: number, keys?: string[]) =>
    restorePolicy({ url, directory, segment, ...(keys ? { keys } : {}), holdDays: 0, reason: 'a claim' });
  const segments = async () => (await listArchive({ url })).filter(({ unit }) => unit === 'orders-by-month');
  const standIns = async () =>
    (await database.client.query("SELECT FROM pg_class WHERE relkind = 'r' AND relname LIKE '%\\_archived'"))
      .rowCount ?? 0;
  await run();
  const refusing = await standIns();
  const first: number[] = [];
  for (const { id } of await segments())
    if ((await restore(id, [one]).catch(({ message }) => expect(message).toContain('Not in segment'))) === 1)
      first.push(id);
  expect(first).toHaveLength(1);
  // Where it is not, nothing was opened.
  expect(await standIns()).toBe(refusing - 2);
  await run();
  expect(await standIns()).toBe(refusing);
  expect(await restore(first[0] as number, [two])).toBe(1);
  expect(await all()).toEqual(before);
  expect(await restore(Math.max(...(await segments()).map(({ id }) => id)))).toBe(1);
  expect(await all()).toEqual(before);
});

it('drops no month whose files are gone when a killed run is resumed', async () => {
  const before = await all();
  for (let at = 1; ; at += 1) {
    const archiving = startNode(
      ['test/support/detachAndDie.ts', url, directory, 'sample-shop/archive-refactored.yaml', String(at)],
      {},
    );
    expect(await archiving.exited).toBe('SIGKILL');
    if ((await listArchive({ url })).some(({ state }) => state === 'exported')) break;
  }
  const [segment] = (await listArchive({ url })).filter(({ state }) => state === 'exported');
  for (const { file } of segment?.files ?? []) await rm(path.join(directory, file));
  await runPolicy({ url, directory, policy, dutyCycle: 1 });
  expect(await all()).toEqual(before);
  expect((await verifyArchive({ url, directory })).filter(({ problem }) => problem)).toEqual([]);
});

it('has every row in exactly one place, whatever it was killed before', async () => {
  const before = await all();
  const points: string[] = [];
  // Each run goes on where the last one was killed, so that the nth statement is another one each time.
  for (let at = 1; ; at += 1) {
    const archiving = startNode(
      ['test/support/detachAndDie.ts', url, directory, 'sample-shop/archive-refactored.yaml', String(at)],
      {},
    );
    const ended = await archiving.exited;
    expect(await all(), points.join('\n')).toEqual(before);
    if (ended !== 'SIGKILL') {
      expect(ended, archiving.output()).toBe(0);
      break;
    }
    points.push(archiving.output());
    expect(points.length).toBeLessThan(60);
  }
  expect(points.some((point) => point.includes('DETACH PARTITION'))).toBe(true);
  expect(points.some((point) => point.includes('COMMIT'))).toBe(true);
  expect((await listArchive({ url })).some(({ state }) => state === 'archived')).toBe(true);
});
