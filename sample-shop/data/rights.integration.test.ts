import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startThrowawayServer, type ThrowawayServer } from '../../test/support/server.ts';
import { createShopTestDatabase, type ShopDatabase, testPasswords } from '../../test/support/shop.ts';
import { createShopDatabase } from './database.ts';

// A server of its own: what a role may do in the databases of the whole server is what this is about.
let server: ThrowawayServer;
let shop: ShopDatabase;
let admin: pg.Client;
const roles = {
  shop_owner: testPasswords.owner,
  shop_app: testPasswords.app,
  sqltrail_monitor: testPasswords.monitor,
};

beforeAll(async () => {
  server = await startThrowawayServer({ binDir: process.env['TEST_POSTGRES_BIN'] });
  admin = new pg.Client(server.url());
  await admin.connect();
  // As an earlier version left one.
  await admin.query('CREATE DATABASE shop_template_tiny_1_0123456789');
  shop = await createShopTestDatabase('tiny', server.url());
});
afterAll(async () => {
  await admin?.end();
  await server?.close();
});

const mayConnect = async () => {
  const { rows } = await admin.query<{ role: string; database: string }>(
    `SELECT rolname AS role, datname AS database FROM pg_roles, pg_database
      WHERE rolcanlogin AND NOT rolsuper AND datallowconn AND has_database_privilege(rolname, datname, 'CONNECT')
      ORDER BY 1, 2`,
  );
  return rows.map(({ role, database }) => `${role} ${database}`);
};
const connect = async (role: keyof typeof roles, database: string) => {
  const client = new pg.Client(server.url(database, role, roles[role]));
  await client.connect();
  await client.end();
};

it('the shop’s roles connect to the shop, and to no other database of the server', async () => {
  const { rows } = await admin.query<{ name: string }>(
    "SELECT datname AS name FROM pg_database WHERE datname LIKE 'shop%' ORDER BY 1",
  );
  expect(rows).toHaveLength(3);
  // The owner may connect to what it owns: the shop, and the template that the shop is copied from.
  const template = rows.map(({ name }) => name).find((name) => /^shop_template_(?!.*0123456789)/.test(name));
  expect(await mayConnect()).toEqual(
    [
      `shop_app ${shop.name}`,
      `shop_owner ${shop.name}`,
      `shop_owner ${template}`,
      `sqltrail_monitor ${shop.name}`,
    ].sort(),
  );
  for (const role of ['shop_app', 'sqltrail_monitor'] as const) {
    await connect(role, shop.name);
    for (const database of ['postgres', 'template1', template ?? '', 'shop_template_tiny_1_0123456789'])
      await expect(connect(role, database)).rejects.toThrow(/permission denied for database/);
  }
});

it('takes nothing from the roles of others on the same server', async () => {
  await admin.query(
    "CREATE ROLE somebody LOGIN PASSWORD 'test-only'; GRANT CONNECT ON DATABASE postgres TO PUBLIC",
  );
  await createShopDatabase({ adminUrl: server.url(), passwords: testPasswords, scale: 'tiny', seed: 1 });
  const client = new pg.Client(server.url('postgres', 'somebody', 'test-only'));
  await client.connect();
  await client.end();
  await admin.query('DROP ROLE somebody');
});
