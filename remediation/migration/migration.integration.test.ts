import pg from 'pg';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type StoreName, stores } from '../../sample-shop/stores/registry.ts';
import { Conflict } from '../../sample-shop/stores/store.ts';
import { createShopTestDatabase, type ShopDatabase } from '../../test/support/shop.ts';
import {
  migrationStatus,
  type Progress,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from './engine.ts';
import type { Mapping, Phase } from './mapping.ts';
import { shopMapping } from './shop.ts';

let mapping: Mapping;
let database: ShopDatabase;
let pool: pg.Pool;
let owner: pg.Pool;
let store: StoreName;

beforeAll(async () => {
  mapping = await shopMapping({ timeZone: 'Etc/UTC' });
});
beforeEach(async () => {
  database = await createShopTestDatabase();
  pool = new pg.Pool({ connectionString: database.url('shop_app'), max: 8 });
  owner = new pg.Pool({ connectionString: database.url('shop_owner'), max: 2 });
  store = 'legacy';
}, 60_000);
afterEach(async () => {
  await pool.end();
  await owner.end();
  await database.drop();
});

const options = (more: object = {}) => ({
  url: database.url('shop_owner'),
  mapping,
  switchStore: async (name: string) => {
    store = name as StoreName;
  },
  previousStore: 'legacy',
  observeMs: 50,
  drainMs: 50,
  dutyCycle: 1,
  acceptSetAside: true,
  ...more,
});

async function migrate(until: Phase, more: object = {}): Promise<Progress[]> {
  const events: Progress[] = [];
  for await (const progress of runMigration({ ...options(more), until })) events.push(progress);
  return events;
}

async function rollback(): Promise<void> {
  for await (const _ of rollbackMigration({ ...options(), to: 'none' }));
}

/** Rows of the legacy tables by count and by a hash that does not depend on their order. */
async function legacyState(): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = {};
  for (const table of ['customers', 'products', 'reviews', 'carts', 'cart_items', 'orders', 'order_items']) {
    const { rows } = await owner.query(
      `SELECT count(*)::int AS n, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS hash FROM public.${table} AS t`,
    );
    state[table] = rows[0];
  }
  return state;
}

const shop = () => stores[store](pool);

/** @returns numbers of the orders that were acknowledged */
async function buy(customers: number[]): Promise<string[]> {
  const placed = await Promise.all(
    customers.map(async (customer) => {
      const session = `s-${crypto.randomUUID()}`;
      await shop().addToCart(session, { productId: 1 + (customer % 100), quantity: 1, customerId: customer });
      return shop()
        .checkout(session, customer)
        .catch((error: unknown) => {
          if (error instanceof Conflict) return undefined;
          throw error;
        });
    }),
  );
  return placed.flatMap((order) => (order ? [order.orderNumber] : []));
}

const customers = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at);

it('carries the shop to the new model: verified, answers equal, orders of each phase in both models', async () => {
  const legacy = stores.legacy(pool);
  await migrate('dual-write');
  const acknowledged = await buy(customers(1, 10));
  const [, ...more] = await Promise.all([migrate('verify'), buy(customers(20, 10)), buy(customers(40, 10))]);
  acknowledged.push(...more.flat());
  expect(await verifyMigration(options())).toMatchObject({ equal: true, unproven: [] });

  const refactored = stores.refactored(pool);
  for (const customer of customers(1, 30)) {
    const [before, after] = [await legacy.history(customer, 1), await refactored.history(customer, 1)];
    expect(after?.orders.length).toBe(before?.orders.length);
    expect(after?.pages).toBe(before?.pages);
  }
  for (const number of acknowledged) {
    const [before, after] = [await legacy.order(number), await refactored.order(number)];
    expect(after).toMatchObject({
      orderNumber: number,
      total: before?.total,
      items: before?.items.map(({ productId, unitPrice, quantity }) => ({ productId, unitPrice, quantity })),
    });
  }

  await migrate('cutover-writes');
  expect(store).toBe('refactored');
  const afterwards = await buy(customers(60, 10));
  expect(afterwards.length).toBeGreaterThan(0);
  // Reverse sync: going back would lose nothing.
  for (const number of afterwards) expect(await legacy.order(number)).toMatchObject({ orderNumber: number });
  const numbers = [...acknowledged, ...afterwards];
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(await verifyMigration(options())).toMatchObject({ equal: true });
  expect(await migrationStatus(options())).toMatchObject({ phase: 'cutover-writes' });
}, 120_000);

it.each(['expand', 'dual-write', 'backfill', 'reverse-sync', 'cutover-writes'] as const)(
  'rolled back from %s, the legacy tables are as they were, and the shop goes on',
  async (until) => {
    const before = await legacyState();
    await migrate(until);
    await rollback();
    expect(await legacyState()).toEqual(before);
    expect(store).toBe('legacy');
    expect((await buy([3])).length).toBe(1);
    const { rows } = await owner.query(
      "SELECT count(*)::int AS n FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text NOT LIKE 'sqltrail%'",
    );
    expect(rows[0].n).toBe(0);
  },
  120_000,
);

it('contradicting copies are resolved by a rule, and each resolution is kept', async () => {
  await migrate('backfill');
  const status = await migrationStatus(options());
  expect(status?.ledger.reduce((sum, { entries }) => sum + entries, 0)).toBeGreaterThan(0);
}, 60_000);

it.each([
  [
    'an amount',
    'UPDATE shop.order_lines SET unit_price = unit_price + 0.01 WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM shop.order_lines LIMIT 1)',
  ],
  ['a name', `UPDATE shop.products SET name = name || ' ' WHERE id = 5`],
  ['a row that is gone', 'DELETE FROM shop.reviews WHERE id = (SELECT min(id) FROM shop.reviews)'],
])(
  'planted corruption is caught: %s',
  async (_what, sql) => {
    await migrate('verify');
    expect((await verifyMigration(options())).equal).toBe(true);
    const { rowCount } = await owner.query(sql);
    expect(rowCount).toBe(1);
    expect((await verifyMigration(options())).equal).toBe(false);
  },
  60_000,
);

it('stops when the shop suffers, and goes on from there', async () => {
  let well = false;
  const suffering = {
    mayContinue: async () => (well ? { ok: true } : { ok: false, reason: 'p95 too high' }),
    maxPauseMs: 10,
  };
  await expect(migrate('backfill', suffering)).rejects.toThrow(/p95 too high/);
  well = true;
  await migrate('verify', suffering);
  expect(await verifyMigration(options())).toMatchObject({ equal: true });
}, 60_000);
