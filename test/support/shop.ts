import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { inject } from 'vitest';
import { createShop } from '../../sample-shop/app.ts';
import { createShopDatabase, resetShopDatabase } from '../../sample-shop/data/database.ts';
import type { ScaleName } from '../../sample-shop/data/scales.ts';

export const testPasswords = {
  owner: 'owner-for-tests-only',
  app: 'app-for-tests-only',
  monitor: 'monitor-for-tests-only',
};

export interface ShopDatabase {
  name: string;
  url(user: 'postgres' | 'shop_owner' | 'shop_app' | 'sqltrail_monitor'): string;
  drop(): Promise<void>;
}

/**
 * A shop database of its own, copied from the template that the run's first caller made.
 *
 * @param adminUrl superuser of a server; that of the run by default
 */
export async function createShopTestDatabase(
  scale: ScaleName = 'tiny',
  adminUrl = inject('postgresUrl'),
): Promise<ShopDatabase> {
  const name = `shop_${crypto.randomUUID().slice(0, 8)}`;
  const template = await createShopDatabase({ adminUrl, passwords: testPasswords, scale, seed: 1 });
  await resetShopDatabase({ adminUrl, template, name });
  return {
    name,
    url(user) {
      const url = new URL(adminUrl);
      url.pathname = `/${name}`;
      if (user !== 'postgres') {
        url.username = user;
        url.password =
          testPasswords[user === 'shop_owner' ? 'owner' : user === 'shop_app' ? 'app' : 'monitor'];
      }
      return url.href;
    },
    async drop() {
      const admin = new pg.Client(adminUrl);
      await admin.connect();
      await admin.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
      await admin.end();
    },
  };
}

export const SHOP_TOKEN = 'token-for-tests-only';

/** The shop in this process, without telemetry. */
export async function startShop(
  databaseUrl: string,
  poolConfig: pg.PoolConfig = {},
  more: { drainMs?: number } = {},
) {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 4,
    connectionTimeoutMillis: 30_000,
    ...poolConfig,
  });
  pool.on('error', () => {});
  const server = createServer(
    createShop({ pool, store: 'legacy', token: SHOP_TOKEN, log: () => {}, ...more }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    base,
    pool,
    async close() {
      server.closeAllConnections();
      server.close();
      await pool.end();
    },
  };
}
