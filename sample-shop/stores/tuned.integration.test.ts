import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createShopTestDatabase, type ShopDatabase } from '../../test/support/shop.ts';
import { tunedIndexes, tunedObjects } from '../schema/tuned.ts';
import { LegacyStore } from './legacy.ts';
import { Conflict } from './store.ts';
import { TunedStore } from './tuned.ts';

let database: ShopDatabase;
let pool: pg.Pool;
let owner: pg.Pool;
let legacy: LegacyStore;
let tuned: TunedStore;

beforeAll(async () => {
  database = await createShopTestDatabase();
  pool = new pg.Pool({ connectionString: database.url('shop_app'), max: 8 });
  owner = new pg.Pool({ connectionString: database.url('shop_owner'), max: 2 });
  for (const { up } of [...tunedIndexes, ...tunedObjects]) await owner.query(up);
  legacy = new LegacyStore(pool);
  tuned = new TunedStore(pool);
});

afterAll(async () => {
  await pool?.end();
  await owner?.end();
  await database?.drop();
});

const stockOf = async (id: number) =>
  Number((await owner.query('SELECT stock FROM products WHERE id = $1', [id])).rows[0].stock);
const runs = { numRuns: 40 };
const page = fc.integer({ min: 1, max: 6 });

it('gives the answers of the legacy store: listings, products, histories, orders', async () => {
  const { categories } = await legacy.facets();
  expect(await tuned.facets()).toEqual(await legacy.facets());
  const sorted = (products: { items: { id: number; name: string }[] }) =>
    products.items.toSorted((a, b) => a.name.localeCompare(b.name, 'en') || a.id - b.id);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...categories, 'nothing', '%', ''), page, async (category, at) => {
      const [a, b] = [await legacy.browse(category, at), await tuned.browse(category, at)];
      expect({ ...b, items: sorted(b) }).toEqual({ ...a, items: sorted(a) });
    }),
    runs,
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('lamp', 'a', 'zz', "'", '%', 'oak '), page, async (words, at) => {
      const [a, b] = [await legacy.search(words, at), await tuned.search(words, at)];
      expect(b.pages).toBe(a.pages);
      expect(sorted(b)).toEqual(sorted(a));
    }),
    runs,
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 210 }), async (id) => {
      const [a, b] = [await legacy.product(id, 's'), await tuned.product(id, 's')];
      expect(b).toEqual(a);
    }),
    runs,
  );
  const numbers = (await owner.query<{ order_number: string }>('SELECT order_number FROM orders LIMIT 50'))
    .rows;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 250 }), page, async (customer, at) => {
      expect(await tuned.history(customer, at)).toEqual(await legacy.history(customer, at));
    }),
    runs,
  );
  for (const { order_number: number } of [...numbers, { order_number: 'SO-none' }])
    expect(await tuned.order(number)).toEqual(await legacy.order(number));
});

it('reports the same sales, from the kept days and from what is not yet kept', async () => {
  const days = [1, 3, 30, 400];
  // Both count from this very moment; a second between the two may belong to one of them only.
  const same = async () => {
    for (const n of days)
      await expect
        .poll(async () => {
          const [ours, theirs] = [await tuned.sales(n), await legacy.sales(n)];
          return { same: JSON.stringify(ours) === JSON.stringify(theirs), ours, theirs };
        })
        .toMatchObject({ same: true });
  };
  await same();
  await owner.query("DELETE FROM sales_daily WHERE day > to_char(now() - interval '20 days', 'YYYY-MM-DD')");
  await same();
  await owner.query('SELECT sales_daily_refresh()');
  await same();
  await owner.query('TRUNCATE sales_daily');
  await same();
  await owner.query('SELECT sales_daily_refresh()');
  await same();
});

it('never gives a number twice, and counts each sale, with both stores at once', async () => {
  const product = 7;
  const stock = 12;
  await owner.query('UPDATE products SET stock = $2 WHERE id = $1', [product, stock]);
  const before = Number((await owner.query('SELECT count(*) AS n FROM orders')).rows[0].n);
  const buyers = Array.from({ length: 40 }, (_, at) => ({
    store: at % 2 === 0 ? legacy : tuned,
    session: `race-${at}`,
    customer: 1 + (at % 200),
  }));
  for (const { store, session, customer } of buyers)
    await store.addToCart(session, { productId: product, quantity: 1, customerId: customer });
  const results = await Promise.allSettled(
    buyers.map(({ store, session, customer }) => store.checkout(session, customer)),
  );
  const placed = results.flatMap((result) =>
    result.status === 'fulfilled' && result.value ? [result.value] : [],
  );
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(Conflict);
  expect(await stockOf(product)).toBe(stock - placed.length);
  expect(new Set(placed.map(({ orderNumber }) => orderNumber)).size).toBe(placed.length);
  const { rows } = await owner.query(
    `SELECT count(*)::int AS n, count(DISTINCT order_number)::int AS numbers FROM orders`,
  );
  expect(rows[0].n).toBe(before + placed.length);
  for (const { orderNumber, total } of placed) {
    const order = await tuned.order(orderNumber);
    expect(order?.total).toBe(total);
    expect(order?.items.reduce((sum, item) => sum + item.unitPrice * item.quantity, 0)).toBeCloseTo(total, 2);
  }
});

it('never sells what is not there', async () => {
  await owner.query('UPDATE products SET stock = 12 WHERE id = 8');
  const buyers = Array.from({ length: 30 }, (_, at) => ({ session: `last-${at}`, customer: 1 + at }));
  for (const { session, customer } of buyers)
    await tuned.addToCart(session, { productId: 8, quantity: 1, customerId: customer });
  const results = await Promise.allSettled(
    buyers.map(({ session, customer }) => tuned.checkout(session, customer)),
  );
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(12);
  expect(await stockOf(8)).toBe(0);
});

it('of many checkouts of one cart places one', async () => {
  await owner.query('UPDATE products SET stock = 100 WHERE id = 9');
  await tuned.addToCart('once', { productId: 9, quantity: 2, customerId: 3 });
  await tuned.addToCart('once', { productId: 9, quantity: 1, customerId: 3 });
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => tuned.checkout('once', 3)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await stockOf(9)).toBe(97);
  expect(await tuned.cart('once')).toMatchObject({ items: [], value: 0 });
});

it('places nothing, and takes no stock, when one line cannot be had', async () => {
  await owner.query('UPDATE products SET stock = CASE id WHEN 11 THEN 5 ELSE 0 END WHERE id IN (11, 12)');
  await tuned.addToCart('short', { productId: 11, quantity: 1, customerId: 4 });
  await tuned.addToCart('short', { productId: 12, quantity: 1, customerId: 4 });
  await expect(tuned.checkout('short', 4)).rejects.toThrow(/Not enough of/);
  expect(await stockOf(11)).toBe(5);
  expect((await tuned.cart('short')).items).toHaveLength(2);
});
