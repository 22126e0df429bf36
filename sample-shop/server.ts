import { once } from 'node:events';
import { createServer } from 'node:http';
import pg from 'pg';
import { pino } from 'pino';
import { createShop } from './app.ts';
import { readEnvironment, type ShopEnvironment } from './environment.ts';

/** After SIGTERM, how long requests in flight may take, milliseconds. */
const DRAIN_MS = 4_000;

let env: ShopEnvironment;
try {
  env = readEnvironment(process.env);
} catch (error) {
  process.stderr.write(`shop: ${(error as Error).message}\n`);
  process.exit(2);
}

const log = pino({ name: 'shop', level: process.env['LOG_LEVEL'] || 'info' });
const pool = new pg.Pool({
  connectionString: env.DATABASE_URL,
  max: env.SHOP_POOL_MAX,
  connectionTimeoutMillis: env.SHOP_POOL_ACQUIRE_TIMEOUT_MS,
  statement_timeout: env.SHOP_STATEMENT_TIMEOUT_MS,
  application_name: 'shop',
});
// A connection that the server closed is replaced by the pool; without listeners it would end the process. One that is
// in use tells it to its own listeners only, and to whoever waits for its answer.
const lost = (error: Error) => log.warn({ code: (error as NodeJS.ErrnoException).code }, 'connection lost');
pool.on('error', lost);
pool.on('connect', (client) => client.on('error', lost));

const server = createServer(
  createShop({
    pool,
    store: env.SHOP_STORE,
    token: env.SQLTRAIL_TOKEN,
    log: (level, fields, message) => log[level](fields, message),
  }),
);
server.on('error', (error: NodeJS.ErrnoException) => {
  const hint = error.code === 'EADDRINUSE' ? '; end what listens there or set SHOP_PORT' : '';
  process.stderr.write(`shop: cannot listen on ${env.SHOP_HOST}:${env.SHOP_PORT} (${error.code})${hint}\n`);
  process.exit(1);
});
server.listen(env.SHOP_PORT, env.SHOP_HOST);
await once(server, 'listening');
log.info({ address: server.address(), store: env.SHOP_STORE }, 'shop is ready');

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
  clearTimeout(late);
  await pool.end();
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());
