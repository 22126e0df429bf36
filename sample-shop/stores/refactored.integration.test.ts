import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMigratedShop, type MigratedShop } from '../../test/support/migration.ts';
import { LegacyStore } from './legacy.ts';
import { ALSO_BOUGHT_DAYS, RefactoredStore } from './refactored.ts';
import { Conflict } from './store.ts';

let shop: MigratedShop;
let legacy: LegacyStore;
let refactored: RefactoredStore;
/** In the shop's zone, when its days were kept; another may begin while the tests run. */
let today: string;
const keep = async (): Promise<number> =>
  (await shop.app.query("SELECT shop.keep_sales('-infinity', $1::date - 1) AS n", [today])).rows[0].n;

beforeAll(async () => {
  // Not UTC, by no whole hour, and without a change of clocks: the data's times exist in it on every date.
  shop = await createMigratedShop(undefined, undefined, 'Asia/Kathmandu');
  const { rows } = await shop.owner.query('SELECT current_date::text AS today');
  today = rows[0].today;
  await shop.run('reverse-sync');
  legacy = new LegacyStore(shop.app);
  refactored = new RefactoredStore(shop.app);
});
afterAll(() => shop?.close());

const runs = { numRuns: 40 };
const page = fc.integer({ min: 1, max: 6 });

it('gives the answers of the legacy store: listings, histories, orders, sales', async () => {
  const facets = await legacy.facets();
  expect(await refactored.facets()).toEqual(facets);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...facets.categories, 'nothing', '%', ''),
      page,
      async (category, at) => {
        expect(await refactored.browse(category, at)).toEqual(await legacy.browse(category, at));
      },
    ),
    runs,
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('lamp', 'a', 'zz', "'", '%', 'oak ', 'kids'),
      page,
      async (words, at) => {
        expect(await refactored.search(words, at)).toEqual(await legacy.search(words, at));
      },
    ),
    runs,
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 250 }), page, async (customer, at) => {
      expect(await refactored.history(customer, at)).toEqual(await legacy.history(customer, at));
    }),
    runs,
  );
  const { rows } = await shop.owner.query('SELECT order_number FROM orders LIMIT 50');
  for (const { order_number: number } of [...rows, { order_number: 'SO-none' }])
    expect(await refactored.order(number)).toEqual(await legacy.order(number));
  // Both count from this very moment; a second between the two may belong to one of them only.
  for (const days of [1, 3, 30, 400])
    await expect
      .poll(async () => JSON.stringify([await refactored.sales(days), await legacy.sales(days)]))
      .toSatisfy((both: string) => {
        const [ours, theirs] = JSON.parse(both);
        return JSON.stringify(ours) === JSON.stringify(theirs);
      });
});

it('gives its times in the zone of the shop, whatever the session’s', async () => {
  const elsewhere = new pg.Pool({
    connectionString: shop.database.url('shop_app'),
    options: '-c TimeZone=America/St_Johns',
    max: 1,
  });
  try {
    const store = new RefactoredStore(elsewhere);
    const { rows } = await shop.owner.query('SELECT order_number FROM orders LIMIT 5');
    for (const { order_number: number } of rows)
      expect(await store.order(number)).toEqual(await legacy.order(number));
    expect(await store.history(1, 1)).toEqual(await legacy.history(1, 1));
    expect((await store.product(1, 's'))?.reviews).toEqual((await legacy.product(1, 's'))?.reviews);
    expect(await store.sales(30)).toEqual(await refactored.sales(30));
  } finally {
    await elsewhere.end();
  }
});

it('shows the same product pages, with what was bought together in the last year', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 210 }), async (id) => {
      const [theirs, ours] = [await legacy.product(id, 's'), await refactored.product(id, 's')];
      expect(ours && { ...ours, alsoBought: [] }).toEqual(theirs && { ...theirs, alsoBought: [] });
      // The oracle reads the legacy tables: the 200 latest lines of the last year, by time of sale.
      const { rows } = await shop.owner.query(
        `SELECT p.id, p.name, p.price::float8 AS price
           FROM (SELECT i.product_id, count(*) AS times FROM order_items AS i
                  WHERE i.product_id <> $1 AND i.order_id IN (
                    SELECT m.order_id FROM order_items AS m JOIN orders AS o ON o.id = m.order_id
                     WHERE m.product_id = $1 AND o.placed_at::timestamp > localtimestamp - ${ALSO_BOUGHT_DAYS} * interval '1 day'
                     ORDER BY o.placed_at DESC, m.id DESC LIMIT 200)
                  GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5) AS best
           JOIN products AS p ON p.id = best.product_id ORDER BY best.times DESC, p.id`,
        [id],
      );
      if (ours) expect(ours.alsoBought).toEqual(rows);
    }),
    runs,
  );
});

it('takes a cart through checkout, and refuses what the shop cannot sell', async () => {
  const stock = async () =>
    Number((await shop.owner.query('SELECT stock FROM shop.products WHERE id = 3')).rows[0].stock);
  const before = await stock();
  await refactored.addToCart('s1', { productId: 3, quantity: 2, customerId: 7 });
  const cart = await refactored.addToCart('s1', { productId: 4, quantity: 1, customerId: 7 });
  const placed = await refactored.checkout('s1', 7);
  expect(placed?.total).toBe(cart?.value);
  expect(await stock()).toBe(before - 2);
  expect((await refactored.order(placed?.orderNumber ?? ''))?.items).toEqual(cart?.items);
  await expect(refactored.checkout('s1', 7)).rejects.toThrow(Conflict);
  await shop.owner.query('UPDATE shop.products SET stock = 1 WHERE id = 9');
  await refactored.addToCart('s2', { productId: 9, quantity: 2, customerId: 8 });
  await expect(refactored.checkout('s2', 8)).rejects.toThrow(/Not enough/);
  expect((await refactored.cart('s2')).items).toHaveLength(1);
});

/** A pool that notes each statement with its values, whoever asks it. */
function recorded(pool: pg.Pool) {
  const statements: { sql: string; values: unknown[] }[] = [];
  const note = (target: { query: (...given: never[]) => unknown }) =>
    new Proxy(target, {
      get(of, name) {
        const value = Reflect.get(of, name);
        if (name === 'query')
          return (sql: string, values: unknown[] = []) => {
            statements.push({ sql, values });
            return Reflect.apply(value as (...all: unknown[]) => unknown, of, [sql, values]);
          };
        if (name === 'connect') return async () => note(await (of as pg.Pool).connect());
        return typeof value === 'function' ? value.bind(of) : value;
      },
    });
  return { pool: note(pool) as unknown as pg.Pool, statements };
}

/** The months that a plan has read; what it has left out at its start, or never come to, is not among them. */
function monthsRead(plan: { [key: string]: unknown }): Set<string> {
  const found = new Set<string>();
  const walk = (node: Record<string, unknown>) => {
    const relation = /^(?:orders|order_lines|activity)_(\d{4}_\d\d)$/.exec(
      String(node['Relation Name'] ?? ''),
    );
    if (relation && node['Actual Loops'] !== 0) {
      found.add(relation[1] as string);
    }
    for (const child of (node['Plans'] as Record<string, unknown>[] | undefined) ?? []) walk(child);
  };
  walk(plan);
  return found;
}

it('reads only the months that matter, in every statement on a partitioned table', async () => {
  const { pool, statements } = recorded(shop.app);
  const store = new RefactoredStore(pool);
  const { rows } = await shop.owner.query(
    "SELECT order_number, customer_id FROM shop.order_keys WHERE placed_at > now() - interval '1 year' ORDER BY order_id LIMIT 1",
  );
  const [known] = rows;
  await store.product(1, 's-plans');
  await store.history(known.customer_id, 1);
  await store.order(known.order_number);
  await store.addToCart('s-plans', { productId: 5, quantity: 1, customerId: 31 });
  await store.checkout('s-plans', 31);
  await store.sales(30);
  const all = (await shop.owner.query('SELECT count(*)::int AS n FROM shop.months')).rows[0].n;
  expect(all).toBeGreaterThan(55);
  // This month and those that are made ahead have no upper end in a statement that says "since".
  const monthsOf = ([, times]: unknown[]) =>
    new Set((times as string[]).map((time) => new Date(time).toISOString().slice(0, 7))).size;
  const bounds: [RegExp, (values: unknown[]) => number][] = [
    [/INSERT INTO shop\.(orders|order_lines|activity)\b/, () => 0],
    [/WITH mine AS MATERIALIZED/, () => 13 + 4],
    // The report: the month of its first day, the one (UTC) in which today began, and what is not over. On 1 March 30
    // days ago was January, and where the clocks are ahead of UTC it began in February.
    [/shop\.sales_daily/, () => 2 + 4],
    [/FROM shop\.(orders|order_lines)\b/, monthsOf],
  ];
  const seen = new Set<RegExp>();
  for (const { sql, values } of statements) {
    if (!/\bshop\.(orders|order_lines|activity)\b/.test(sql)) continue;
    const bound = bounds.find(([is]) => is.test(sql));
    expect(bound, `a statement that this test does not know:\n${sql}`).toBeDefined();
    const [is, most] = bound as (typeof bounds)[number];
    seen.add(is);
    const client = await shop.app.connect();
    try {
      // An insert cannot be done twice; its plan alone tells that it reads no month, but goes straight to its own.
      const analyze = /^\s*INSERT/.test(sql) ? '' : 'ANALYZE, TIMING OFF, ';
      const { rows: explained } = await client.query(`EXPLAIN (${analyze}FORMAT JSON) ${sql}`, values);
      const months = monthsRead(explained[0]['QUERY PLAN'][0].Plan);
      expect(months.size, `${sql}\n${[...months].join()}`).toBeLessThanOrEqual(most(values));
    } finally {
      client.release();
    }
  }
  expect(bounds.filter(([is]) => !seen.has(is)).map(([is]) => String(is))).toEqual([]);
});

it('reports from kept sums, and from the lines of whatever day has changed since', async () => {
  const kept = async () =>
    (
      await shop.owner.query(
        'SELECT day::text, orders, revenue FROM shop.sales_daily WHERE day < $1 ORDER BY day',
        [today],
      )
    ).rows;
  const same = async () =>
    expect
      .poll(async () => JSON.stringify([await refactored.sales(400), await legacy.sales(400)]))
      .toSatisfy((both: string) => {
        const [ours, theirs] = JSON.parse(both);
        return JSON.stringify(ours) === JSON.stringify(theirs);
      });
  const all = await kept();
  expect(all.length).toBeGreaterThan(1_700);
  // It is these that it reads: whatever they say is in the report.
  const client = await shop.owner.connect();
  await client.query('BEGIN; UPDATE shop.sales_daily SET revenue = revenue + 1000, orders = orders + 1');
  const inside = new RefactoredStore({ query: client.query.bind(client) } as unknown as pg.Pool);
  const wrong = await inside.sales(30);
  await client.query('ROLLBACK');
  const right = await refactored.sales(30);
  const counted = (days: typeof right) => days.reduce((sum, { orders }) => sum + orders, 0);
  expect(counted(wrong)).toBeGreaterThan(counted(right) + 20);

  // Any change of a line takes the day's sums away, whichever model it is made in: a new price, a line less, an order
  // that moves to another day, one that comes late.
  const gone = async (of: string, expected: number) => {
    const { rowCount } = await shop.owner.query(of);
    expect(rowCount).toBeGreaterThan(0);
    expect(all.length - (await kept()).length, of).toBe(expected);
    await same();
    await shop.app.query(
      'SELECT shop.keep_sales(current_date - 399 + 31 * i, current_date - 369 + 31 * i) FROM generate_series(0, 12) AS i',
    );
    expect((await kept()).length).toBe(all.length);
    await same();
  };
  const old = (offset: number) =>
    `(SELECT id FROM orders WHERE placed_at < to_char(now() - interval '2 days', 'YYYY-MM-DD') AND EXISTS (SELECT FROM order_items WHERE order_id = orders.id) ORDER BY placed_at DESC OFFSET ${offset} LIMIT 1)`;
  await gone(
    `UPDATE order_items SET quantity = quantity + 1, line_total = ((quantity + 1) * unit_price::numeric)::text WHERE order_id = ${old(0)}`,
    1,
  );
  await gone(`UPDATE shop.order_lines SET quantity = quantity + 2 WHERE order_id = ${old(3)}`, 1);
  await gone(`DELETE FROM order_items WHERE order_id = ${old(9)}`, 1);
  await gone(
    `UPDATE orders SET placed_at = to_char(placed_at::timestamp - interval '40 days', 'YYYY-MM-DD HH24:MI:SS') WHERE id = ${old(20)}`,
    2,
  );
  await gone(
    `INSERT INTO order_items (order_id, product_id, product_name, unit_price, quantity, line_total)
    VALUES (${old(30)}, 1, 'x', '2.50', 2, '5.00')`,
    1,
  );
  // With none of them it sums up all, and on a replica, where none can be kept, it leaves it at that.
  await client.query('BEGIN; DELETE FROM shop.sales_daily; SET TRANSACTION READ ONLY');
  expect(await inside.sales(400)).toEqual(await refactored.sales(400));
  expect((await client.query('SELECT shop.keep_sales() AS n')).rows[0].n).toBe(0);
  await client.query('ROLLBACK');
  client.release();
  // Today's is not kept, so an order of now changes nothing of it.
  await shop.buy('s-today', 11, 60, 1, 'refactored');
  expect((await kept()).length).toBe(all.length);
  await same();
});

it('keeps days however old, 31 a call, and reports although they cannot be kept', async () => {
  const kept = async () =>
    (
      await shop.owner.query(
        'SELECT day::text, orders, revenue FROM shop.sales_daily WHERE day < $1 ORDER BY day',
        [today],
      )
    ).rows;
  const all = await kept();
  await shop.owner.query(
    `DELETE FROM shop.sales_daily WHERE day < current_date - 1_000 AND day > current_date - 1_040`,
  );
  const report = await refactored.sales(30);
  const failing = {
    query: (sql: string, values: unknown[]) =>
      sql.includes('keep_sales')
        ? Promise.reject(new Error('canceling statement due to statement timeout'))
        : shop.app.query(sql, values),
  } as unknown as pg.Pool;
  expect(await new RefactoredStore(failing).sales(30)).toEqual(report);
  expect([await keep(), await keep(), await keep()]).toEqual([31, 8, 0]);
  expect(await kept()).toEqual(all);
});

it('keeps no sums of a day of which lines are not committed yet, however late they are', async () => {
  const day = '(current_date - 5)';
  const late = await shop.owner.connect();
  const line = `INSERT INTO shop.order_lines (order_id, placed_at, product_version_id, unit_price, quantity)
    SELECT order_id, placed_at, product_version_id, 7, 1 FROM shop.order_lines WHERE placed_at >= ${day} AND placed_at < ${day} + 1 LIMIT 1`;
  const orders = async () =>
    (await shop.owner.query(`SELECT revenue::float8 AS revenue FROM shop.sales_daily WHERE day = ${day}`))
      .rows[0]?.revenue;
  try {
    const before = await orders();
    expect(before).toBeGreaterThan(0);
    await late.query(`BEGIN; ${line}`);
    expect((await shop.app.query(`SELECT shop.keep_sales(${day}, ${day}) AS n`)).rows[0].n).toBe(0);
    await late.query('COMMIT');
    expect(await orders()).toBeUndefined();
    expect(await keep()).toBe(1);
    expect(await orders()).toBe(before + 7);
    // The other way about: the late line waits until the sums are there, and takes them away.
    await shop.owner.query(`DELETE FROM shop.sales_daily WHERE day = ${day}`);
    const keeper = await shop.owner.connect();
    await keeper.query('BEGIN; SELECT shop.keep_sales()');
    const waiting = late.query(line);
    await expect
      .poll(
        async () =>
          (await shop.owner.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
            .rowCount,
      )
      .toBe(1);
    await keeper.query('COMMIT');
    keeper.release();
    await waiting;
    expect(await orders()).toBeUndefined();
  } finally {
    late.release();
  }
});

it('lets the shop read the kept sums, and have them made, no more', async () => {
  for (const sql of [
    'DELETE FROM shop.sales_daily',
    'UPDATE shop.sales_daily SET revenue = 0',
    'DELETE FROM shop.months',
  ])
    await expect(shop.app.query(sql)).rejects.toThrow(/permission denied/);
});

it('writes into the next month, whether or not somebody made it', async () => {
  const count = async () =>
    Number((await shop.owner.query('SELECT count(*) AS n FROM shop.months')).rows[0].n);
  const before = await count();
  // As the shop's role: the function runs with its owner's rights.
  const { made } = (await shop.app.query('SELECT shop.ensure_months_ahead(5) AS made')).rows[0];
  // The migration made three ahead by the server's clocks, the function goes by UTC: near the first they differ by one.
  expect(made).toBeGreaterThan(0);
  expect(await count()).toBe(before + made);
  const { rows: ahead } = await shop.owner.query(
    `SELECT FROM generate_series(0, 5) AS i JOIN shop.months
         ON month = (date_trunc('month', now() AT TIME ZONE 'UTC') + i * interval '1 month')::date`,
  );
  expect(ahead).toHaveLength(6);
  for (const months of [1, 5])
    await shop.app.query(
      `INSERT INTO shop.activity (at, session_id, action, path) VALUES (now() + $1 * interval '1 month', 'later', 'view', '/')`,
      [months],
    );
  // A legacy order of a month that nobody made brings its month with it.
  await shop.owner.query(
    `INSERT INTO orders (order_number, customer_id, status, total, currency, placed_at)
     VALUES ('SO-far', 1, 'paid', '1.00', 'EUR', to_char(now() + interval '8 months', 'YYYY-MM-DD HH24:MI:SS'))`,
  );
  expect((await refactored.order('SO-far'))?.total).toBe(1);
});

it('answers clearly when a late row comes for an archived month', async () => {
  const { rows } = await shop.owner.query<{ month: string }>(
    `UPDATE shop.months SET archived_at = now() WHERE month = date_trunc('month', now() AT TIME ZONE 'UTC' - interval '2 years')
      RETURNING to_char(month, 'YYYY-MM') AS month`,
  );
  const month = rows[0]?.month;
  await expect(shop.owner.query('SELECT shop.ensure_month($1)', [`${month}-15`])).rejects.toThrow(
    `the month ${month} was archived on`,
  );
  await shop.owner.query('UPDATE shop.months SET archived_at = NULL');
});

it('what runs with the owner’s rights is for the roles that need it, and looks nowhere but where it should', async () => {
  const { rows } = await shop.owner.query<{ name: string; config: string[]; callers: string[] }>(
    `SELECT p.proname AS name, p.proconfig AS config,
            ARRAY(SELECT rolname::text FROM pg_roles
                   WHERE rolname IN ('shop_app', 'sqltrail_monitor') AND has_function_privilege(oid, p.oid, 'EXECUTE')
                   ORDER BY 1) AS callers
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE p.prosecdef AND n.nspname = 'shop' ORDER BY 1`,
  );
  expect(Object.fromEntries(rows.map(({ name, callers }) => [name, callers]))).toEqual({
    ensure_month: [],
    ensure_months_ahead: ['shop_app'],
    forget_sales: [],
    keep_sales: ['shop_app'],
  });
  for (const { config } of rows) expect(config).toContain('search_path=pg_catalog, pg_temp');
  expect(
    (await shop.app.query('SELECT shop.ensure_months_ahead(1000000) AS made')).rows[0].made,
  ).toBeLessThan(30);
});
