import pg from 'pg';
import { type MigrationOptions, type Progress, runMigration } from '../../migrate/engine.ts';
import type { Mapping, Phase } from '../../migrate/mapping.ts';
import { sessionTimeZone, shopMapping } from '../../sample-shop/migration/mapping.ts';
import { type StoreName, stores } from '../../sample-shop/stores/registry.ts';
import { createShopTestDatabase, type ShopDatabase } from './shop.ts';

/** A shop database with its pools, and the store in use, as a running shop has it. */
export interface MigratedShop {
  database: ShopDatabase;
  /** As the shop connects. */
  app: pg.Pool;
  owner: pg.Pool;
  mapping: Mapping;
  store: StoreName;
  options: MigrationOptions;
  run(until: Phase, more?: Partial<MigrationOptions>): Promise<Progress[]>;
  /** Puts a product into a cart and buys it, with the store in use or another. @returns the order's number */
  buy(
    session: string,
    productId: number,
    customerId: number,
    quantity?: number,
    store?: StoreName,
  ): Promise<string | undefined>;
  close(): Promise<void>;
}

/**
 * @param orders keep so few of the tiny data's orders, those of the last months; all by default
 * @param adminUrl superuser of a server of the test's own; the run's by default
 * @param timeZone of all sessions on its database; that of the server by default
 */
export async function createMigratedShop(
  orders?: number,
  adminUrl?: string,
  timeZone?: string,
): Promise<MigratedShop> {
  const database = await createShopTestDatabase('tiny', adminUrl);
  if (timeZone) {
    const admin = new pg.Client(database.url('postgres'));
    await admin.connect();
    await admin.query(`ALTER DATABASE ${database.name} SET TimeZone = ${pg.escapeLiteral(timeZone)}`);
    await admin.end();
  }
  const owner = new pg.Pool({ connectionString: database.url('shop_owner'), max: 4 });
  const app = new pg.Pool({ connectionString: database.url('shop_app'), max: 8 });
  for (const pool of [owner, app]) {
    pool.on('error', () => {});
    // One that is in use when the server dies tells it by an event of its own.
    pool.on('connect', (client) => client.on('error', () => {}));
  }
  if (orders !== undefined)
    await owner.query(`
      DELETE FROM orders WHERE id NOT IN (SELECT id FROM orders ORDER BY placed_at DESC LIMIT ${Math.trunc(orders)});
      DELETE FROM order_items WHERE order_id NOT IN (SELECT id FROM orders);
      DELETE FROM activity_log WHERE ctid NOT IN (SELECT ctid FROM activity_log ORDER BY at DESC LIMIT ${Math.trunc(orders)});
      DELETE FROM carts WHERE id > ${Math.trunc(orders)}; DELETE FROM cart_items WHERE cart_id > ${Math.trunc(orders)};
      DELETE FROM reviews WHERE id > ${Math.trunc(orders)}`);
  const mapping = await shopMapping({ timeZone: await sessionTimeZone(database.url('shop_app')) });
  const shop: MigratedShop = {
    database,
    owner,
    app,
    mapping,
    store: 'legacy',
    options: {
      url: database.url('shop_owner'),
      mapping,
      previousStore: 'legacy',
      switchStore: async (name) => {
        shop.store = name as StoreName;
      },
      dutyCycle: 1,
      drainMs: 0,
      observeMs: 0,
    },
    async run(until, more = {}) {
      const progress: Progress[] = [];
      for await (const each of runMigration({ ...shop.options, ...more, until, yes: until === 'contract' }))
        progress.push(each);
      return progress;
    },
    async buy(session, productId, customerId, quantity = 1, name = shop.store) {
      const store = stores[name](app);
      await store.addToCart(session, { productId, customerId, quantity });
      return (await store.checkout(session, customerId))?.orderNumber;
    },
    async close() {
      if (app.ended) return;
      await app.end();
      await owner.end();
      await database.drop();
    },
  };
  return shop;
}
