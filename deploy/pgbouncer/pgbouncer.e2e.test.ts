import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../lib/freePort.ts';
import { createShopDatabase, resetShopDatabase } from '../../sample-shop/data/database.ts';
import { tunedObjects } from '../../sample-shop/schema/tuned.ts';
import { TunedStore } from '../../sample-shop/stores/tuned.ts';
import { isPgBouncerInstalled, pgBouncerNote, runPgBouncer } from '../../test/support/pgbouncer.ts';
import { startThrowawayServer, type ThrowawayServer } from '../../test/support/server.ts';

const what = `the shop behind PgBouncer, with the settings of deploy/${pgBouncerNote}`;
describe.skipIf(!isPgBouncerInstalled)(what, () => {
  const passwords = { owner: 'owner-only', app: 'app-only', monitor: 'monitor-only' };
  let dir: string;
  let server: ThrowawayServer;
  let bouncer: Awaited<ReturnType<typeof runPgBouncer>>;
  let port: number;
  const pools: pg.Pool[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-pgbouncer-'));
    await chmod(dir, 0o755);
    server = await startThrowawayServer({ settings: { max_connections: '30' } });
    const template = await createShopDatabase({ adminUrl: server.url(), passwords, scale: 'tiny', seed: 1 });
    await resetShopDatabase({ adminUrl: server.url(), template });
    const admin = new pg.Client({ connectionString: server.url('shop') });
    await admin.connect();
    for (const { up } of tunedObjects) await admin.query(up);
    await admin.query(await readFile(new URL('./roles.sql', import.meta.url), 'utf8'));
    await admin.end();
    port = await freePort();
    const ini = (await readFile(new URL('./pgbouncer.ini', import.meta.url), 'utf8'))
      .replaceAll('/run/pgbouncer/', `${dir}/run/`)
      .replace('listen_addr = 0.0.0.0', 'listen_addr = 127.0.0.1')
      .replace('listen_port = 6432', `listen_port = ${port}\nunix_socket_dir =`);
    await mkdir(path.join(dir, 'run'));
    await writeFile(path.join(dir, 'pgbouncer.ini'), ini);
    await writeFile(path.join(dir, 'password'), passwords.app);
    bouncer = await runPgBouncer(['sh', path.join(import.meta.dirname, 'entrypoint.sh')], {
      owned: path.join(dir, 'run'),
      url: url(),
      env: {
        DB_HOST: '127.0.0.1',
        DB_PORT: String(server.port),
        PGPASSWORD_FILE: path.join(dir, 'password'),
        PGBOUNCER_RUN: path.join(dir, 'run'),
        PGBOUNCER_INI: path.join(dir, 'pgbouncer.ini'),
      },
    });
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await bouncer?.stop();
    await server?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const url = () => `postgres://shop_app:${passwords.app}@127.0.0.1:${port}/shop`;
  const instance = () => {
    // As sample-shop/server.ts connects.
    const pool = new pg.Pool({ connectionString: url(), max: 10, statement_timeout: 60_000 });
    pool.on('error', () => {});
    pools.push(pool);
    return pool;
  };

  it('serves twelve instances with 120 connections by no more than 24 of Postgres', async () => {
    const stores = Array.from({ length: 12 }, () => new TunedStore(instance()));
    const visits = stores.flatMap((store, at) =>
      Array.from({ length: 10 }, async (_, visit) => {
        const index = at * 10 + visit;
        const customerId = 1 + index;
        await store.addToCart(`p-${index}`, { productId: 1 + (index % 50), quantity: 1, customerId });
        return (await store.checkout(`p-${index}`, customerId))?.orderNumber;
      }),
    );
    const numbers = await Promise.all(visits);
    expect(new Set(numbers).size).toBe(120);
    const admin = new pg.Client({ connectionString: server.url('shop') });
    await admin.connect();
    const { rows } = await admin.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'shop_app'",
    );
    const placed = await admin.query('SELECT FROM orders WHERE order_number = ANY ($1)', [numbers]);
    await admin.end();
    expect(rows[0]?.n).toBeLessThanOrEqual(24);
    expect(placed.rowCount).toBe(120);
  });

  it('keeps the statement timeout, which the role has and the connection cannot ask for', async () => {
    const { rows } = await instance().query('SHOW statement_timeout');
    expect(rows[0].statement_timeout).toBe('3s');
  });

  it('does not carry settings of a transaction into another client’s', async () => {
    const [one, other] = [instance(), instance()];
    await one.query("BEGIN; SET LOCAL lock_timeout = '300ms'; COMMIT");
    for (let at = 0; at < 10; at += 1)
      expect((await other.query('SHOW lock_timeout')).rows[0].lock_timeout).toBe('0');
  });
});
