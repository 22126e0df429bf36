// Vendure's own server on the database of DATABASE_URL, whose schema it makes at its first start.
import { bootstrap, dummyPaymentHandler } from '@vendure/core';
import pg from 'pg';

const { DATABASE_URL: url, PORT: port } = process.env;
const client = new pg.Client(url);
await client.connect();
const { rows } = await client.query("SELECT to_regclass('channel') IS NULL AS empty");
await client.end();

const app = await bootstrap({
  apiOptions: {
    hostname: '127.0.0.1',
    port: Number(port),
    adminApiPath: 'admin-api',
    shopApiPath: 'shop-api',
  },
  authOptions: {
    tokenMethod: ['bearer'],
    superadminCredentials: { identifier: 'superadmin', password: 'superadmin' },
  },
  dbConnectionOptions: { type: 'postgres', url, synchronize: rows[0].empty, extra: { max: 6 } },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => app.close().then(() => process.exit(0)));
