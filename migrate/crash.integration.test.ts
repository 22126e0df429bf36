import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import type { StoreName } from '../sample-shop/stores/registry.ts';
import { type PostgresServer, startPostgres } from '../stack/postgres.ts';
import { createMigratedShop, type MigratedShop } from '../test/support/migration.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { startNode, type TestProcess, waitUntilServing } from '../test/support/process.ts';
import { SHOP_TOKEN } from '../test/support/shop.ts';
import { THINK_MS } from '../test/support/writers.ts';
import { type MigrationOptions, runMigration, verifyMigration } from './engine.ts';
import { type Phase, phaseIndex, phases } from './mapping.ts';
import { differences } from './verify.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

const beforeContract = phases.slice(0, -1);

/** Customers who buy all the time; what fails is tried with the next cart, what is acknowledged is kept. */
function startBuying(
  buy: (session: string, product: number, customer: number) => Promise<string | undefined>,
) {
  const acknowledged: string[] = [];
  let buying = true;
  let serial = 0;
  const customers = Array.from({ length: 3 }, async (_, i) => {
    while (buying) {
      serial += 1;
      const number = await buy(`c${i}-${serial}`, 1 + (serial % 9), 1 + (serial % 60)).catch(() => undefined);
      if (number) acknowledged.push(number);
      await sleep(number ? THINK_MS : 20);
    }
  });
  return {
    acknowledged,
    /** Waits until somebody has bought since now. */
    async next() {
      const before = acknowledged.length;
      await waitFor('an order to be placed', () => acknowledged.length > before, {
        deadlineMs: PATIENCE_MS,
        everyMs: 20,
      });
    },
    async stop() {
      buying = false;
      await Promise.all(customers);
      return acknowledged;
    },
  };
}

/** Runs a phase, and does `harm` once, in the middle of its steps; after a switch, not before. */
async function harmed(
  shop: MigratedShop,
  phase: Phase,
  harm: () => Promise<unknown>,
  more: Partial<MigrationOptions> = {},
): Promise<boolean> {
  const event = phase.startsWith('cutover') ? 'done' : 'begun';
  let at = 0;
  for await (const progress of runMigration({
    ...shop.options,
    ...more,
    until: phase,
    yes: true,
    maxBatch: 20,
  })) {
    if (progress.event !== event) continue;
    at += 1;
    if (at === middle[phase]) await harm();
  }
  return at >= middle[phase];
}

/** Of the steps of each phase. */
const middle: Record<Phase, number> = {
  expand: 4,
  'dual-write': 5,
  backfill: 7,
  verify: 1,
  'reverse-sync': 5,
  'cutover-reads': 1,
  'cutover-writes': 1,
  contract: 20,
};

const expectEqual = async (shop: MigratedShop) =>
  expect(differences(await verifyMigration(shop.options))).toEqual([]);

async function expectAllThere(
  shop: MigratedShop,
  acknowledged: readonly string[],
  tables: readonly string[],
) {
  expect(new Set(acknowledged).size).toBe(acknowledged.length);
  for (const table of tables) {
    const { rows } = await shop.owner.query<{ n: string }>(`SELECT order_number AS n FROM ${table}`);
    const numbers = new Set(rows.map(({ n }) => n));
    expect(rows.length, table).toBe(numbers.size);
    expect(
      acknowledged.filter((number) => !numbers.has(number)),
      table,
    ).toEqual([]);
  }
}

/** SIGKILL to the postmaster and to every backend at once, as the kernel's out-of-memory killer or a lost host would. */
async function killPostgres({ pid }: PostgresServer): Promise<void> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const statusOf = async (each: number) => {
    const status = await readFile(`/proc/${each}/stat`, 'utf8').catch(() => '');
    // The name, in parentheses, may hold anything.
    const [state, parent] = status.slice(status.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  };
  const children: number[] = [];
  for (const each of pids) if ((await statusOf(each)).parent === pid) children.push(each);
  const isThere = (each: number, signal: NodeJS.Signals | 0) => {
    try {
      return process.kill(each, signal);
    } catch {
      return false;
    }
  };
  for (const each of [pid, ...children]) isThere(each, 'SIGKILL');
  await waitFor(
    'the server to be gone',
    async () => {
      // One that has ended and was not waited for yet still holds the lock file of the cluster. That of a child waits
      // for ever where the first process of a container waits for nobody.
      if (isThere(pid, 0)) return false;
      for (const each of children) if (isThere(each, 0) && (await statusOf(each)).state !== 'Z') return false;
      return true;
    },
    { deadlineMs: PATIENCE_MS, everyMs: 20 },
  );
}

it('goes on after kill -9 of Postgres in every phase, and no acknowledged order is lost', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-crash-'));
  await chmod(dir, 0o755);
  cleanUp.push(() => rm(dir, { recursive: true, force: true }));
  const start = async (port: number) =>
    startPostgres({
      dataDir: path.join(dir, 'pgdata'),
      port,
      password: 'crash-only',
      logFile: path.join(dir, 'postgres.log'),
      settings: { shared_preload_libraries: 'pg_stat_statements' },
    });
  let server = await start(await freePort());
  cleanUp.push(() => server.stop());
  const shop = await createMigratedShop(60, server.url());
  cleanUp.push(() => shop.close());
  const customers = startBuying((session, product, customer) => shop.buy(session, product, customer));
  cleanUp.push(() => customers.stop());
  for (const phase of phases) {
    await customers.next();
    await expect(
      harmed(shop, phase, () => killPostgres(server)),
      phase,
    ).rejects.toThrow(/terminat|ECONN|connection/i);
    server = await start(server.port);
    await shop.run(phase);
    await customers.next();
    if (phaseIndex(phase) >= phaseIndex('backfill') && phase !== 'contract') await expectEqual(shop);
  }
  const acknowledged = await customers.stop();
  expect(shop.store).toBe('refactored');
  expect(acknowledged.length).toBeGreaterThan(phases.length);
  await expectAllThere(shop, acknowledged, ['shop.order_keys']);
  expect((await shop.owner.query("SELECT to_regclass('public.orders') AS t")).rows[0].t).toBeNull();
});

it('goes on after kill -9 of the shop in every phase, and no acknowledged order is lost', async () => {
  const shop = await createMigratedShop(60);
  cleanUp.push(() => shop.close());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let running: TestProcess | undefined;
  const startShop = async (store: StoreName) => {
    running = startNode(['sample-shop/server.ts'], {
      DATABASE_URL: shop.database.url('shop_app'),
      SHOP_PORT: String(port),
      SHOP_STORE: store,
      SQLTRAIL_TOKEN: SHOP_TOKEN,
      LOG_LEVEL: 'silent',
    });
    await waitUntilServing(`${url}/healthz`, running);
  };
  await startShop('legacy');
  cleanUp.push(async () => running?.stop());
  const post = async (at: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${at}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) throw new Error(`${at} answered ${response.status}`);
    return response.json();
  };
  const customers = startBuying(async (session, productId, customerId) => {
    await post(`/carts/${session}/items`, { productId, customerId, quantity: 1 });
    return ((await post(`/carts/${session}/checkout`, { customerId })) as { orderNumber: string })
      .orderNumber;
  });
  cleanUp.push(() => customers.stop());
  const switchStore = async (store: string) => {
    await post('/admin/store', { store }, { authorization: `Bearer ${SHOP_TOKEN}` });
    shop.store = store as StoreName;
  };
  for (const phase of beforeContract) {
    await customers.next();
    // It comes up again with the store that it was configured with, and that may be the one of before the switch.
    const configured = shop.store;
    const happened = await harmed(
      shop,
      phase,
      async () => {
        await running?.stop('SIGKILL');
        await startShop(configured);
      },
      { switchStore },
    );
    expect(happened, phase).toBe(true);
    await customers.next();
    if (phaseIndex(phase) >= phaseIndex('backfill')) await expectEqual(shop);
  }
  // Started with the legacy store: the contract makes sure of the new one before it drops anything.
  await running?.stop('SIGKILL');
  await startShop('legacy');
  await shop.run('contract', { switchStore });
  await customers.next();
  const acknowledged = await customers.stop();
  await expectAllThere(shop, acknowledged, ['shop.order_keys']);
});
