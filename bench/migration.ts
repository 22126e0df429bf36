import '../sample-shop/useConfig.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readPolicy } from '../archive/policy.ts';
import { runArchive } from '../archive/run.ts';
import { compareLedger, ImpactWatch } from '../demo/impact.ts';
import { freePort } from '../lib/freePort.ts';
import { runMigration } from '../migrate/engine.ts';
import type { Phase } from '../migrate/mapping.ts';
import { createShopDatabase, resetShopDatabase } from '../sample-shop/data/database.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { sessionTimeZone, shopMapping } from '../sample-shop/migration/mapping.ts';
import { tunedIndexes, tunedObjects } from '../sample-shop/schema/tuned.ts';
import { startPostgresIn } from '../stack/postgres.ts';
import { startNode, waitUntilServing } from '../test/support/process.ts';
import { onDatabase } from './onDatabase.ts';

/**
 * The migration under load: what customers notice of it, and whether each order they have an answer for is in both
 * models. The shop is as it is after the short-term fixes and the archival.
 * node bench/migration.ts [--scale default] [--profile peak] [--before 120] [--most 3600] [--dir DIR] [--prepare]
 */
const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: 'default' },
    profile: { type: 'string', default: 'peak' },
    /** Seconds of the same load before the migration. */
    before: { type: 'string', default: '120' },
    duty: { type: 'string', default: '0.8' },
    least: { type: 'string', default: '0.05' },
    /** The migration is ended after so many seconds, and what was read until then is told. */
    most: { type: 'string', default: '3600' },
    /** Keeps the prepared data there for the next run; a temporary directory without it. */
    dir: { type: 'string' },
    /** Makes the data and ends. */
    prepare: { type: 'boolean', default: false },
  },
});
const { scale } = values;
if (!(scale in scales)) {
  process.stderr.write(`--scale is one of ${Object.keys(scales).join(', ')}\n`);
  process.exit(2);
}
const say = (text: string) => process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const dir = values.dir ?? (await mkdtemp(path.join(tmpdir(), 'sqltrail-bench-')));
const server = await startPostgresIn(dir, {
  password: 'bench-only',
  // As in the story (stack/native.ts).
  settings: {
    shared_preload_libraries: 'pg_stat_statements',
    max_connections: '60',
    shared_buffers: '128MB',
    max_wal_size: '2GB',
    wal_level: 'minimal',
    max_wal_senders: '0',
    track_io_timing: 'on',
  },
});
const adminUrl = server.url();
const passwords = { owner: 'bench-owner', app: 'bench-app', monitor: 'bench-monitor' };
const urlOf = (database: string, user = 'postgres', password = 'bench-only') =>
  server.url(database, user, password);
const megabytes = async (database: string) =>
  onDatabase(urlOf(database), async (client) =>
    Math.round(
      Number((await client.query('SELECT pg_database_size(current_database()) AS n')).rows[0].n) / 1e6,
    ),
  );

/** What the diagnosis and the short-term fixes come to on this schema. */
const fixes = [
  'CREATE EXTENSION IF NOT EXISTS pg_trgm',
  'CREATE INDEX ON products USING gin (name gin_trgm_ops, description gin_trgm_ops, tags gin_trgm_ops)',
  'CREATE INDEX ON products USING gin (category_path gin_trgm_ops)',
  'CREATE INDEX ON product_attributes (product_id)',
  'CREATE INDEX ON reviews (product_id)',
  'CREATE INDEX ON carts (session_id)',
  'CREATE INDEX ON cart_items (cart_id)',
  'CREATE INDEX ON orders (lower(customer_email))',
  'CREATE INDEX ON orders (order_number)',
  'CREATE INDEX ON order_items (product_id, id)',
  ...tunedIndexes.map(({ up }) => up),
  ...tunedObjects.map(({ up }) => up),
];

async function prepare(): Promise<string> {
  const prepared = `prepared_${scale}`;
  const there = await onDatabase(urlOf('postgres'), (client) =>
    client.query('SELECT FROM pg_database WHERE datname = $1', [prepared]),
  );
  if (there.rowCount === 1) return prepared;
  const template = await createShopDatabase({
    adminUrl,
    passwords,
    scale: scale as ScaleName,
    seed: 1,
  });
  const name = 'preparing';
  await resetShopDatabase({ adminUrl, template, name });
  const legacy = await megabytes(name);
  await onDatabase(urlOf(name), async (client) => {
    await client.query('SET ROLE shop_owner');
    for (const sql of fixes) await client.query(sql);
    await client.query('RESET ROLE');
  });
  const directory = path.join(dir, 'archive');
  await rm(directory, { recursive: true, force: true });
  await runArchive({
    url: urlOf(name),
    policy: await readPolicy(path.join(import.meta.dirname, '..', 'sample-shop', 'archive.yaml')),
    directory,
    dutyCycle: 1,
  });
  await onDatabase(urlOf(name), (client) => client.query('VACUUM (ANALYZE)'));
  say(`prepared: ${legacy} MB before, ${await megabytes(name)} MB after fixes and archival`);
  await onDatabase(urlOf('postgres'), (client) =>
    client.query(`ALTER DATABASE ${name} RENAME TO ${prepared}`),
  );
  return prepared;
}

const started: ReturnType<typeof startNode>[] = [];
try {
  const prepared = await prepare();
  if (!values.prepare) {
    await resetShopDatabase({ adminUrl, template: prepared, name: 'bench' });
    const token = 'token-for-the-bench-only';
    const [shopPort, loadPort] = [await freePort(), await freePort()];
    const shopUrl = `http://127.0.0.1:${shopPort}`;
    const shop = startNode(['sample-shop/server.ts'], {
      DATABASE_URL: urlOf('bench', 'shop_app', passwords.app),
      SHOP_PORT: String(shopPort),
      SHOP_STORE: 'tuned',
      SQLTRAIL_TOKEN: token,
      LOG_LEVEL: 'error',
    });
    started.push(shop);
    await waitUntilServing(`${shopUrl}/healthz`, shop);
    const loadUrl = `http://127.0.0.1:${loadPort}`;
    const load = startNode(['sample-shop/load/main.ts'], {
      LOAD_TARGET: shopUrl,
      LOAD_PORT: String(loadPort),
      LOAD_PROFILE: values.profile,
      SQLTRAIL_TOKEN: token,
    });
    started.push(load);
    await waitUntilServing(`${loadUrl}/healthz`, load);

    const watch = await ImpactWatch.open(loadUrl, values.profile, urlOf('bench'));
    const never = new AbortController().signal;
    say(
      `before the migration: p95 ${(((await watch.before(Number(values.before), never)) ?? 0) * 1000).toFixed(0)} ms`,
    );
    const phases = new Map<Phase, number>();
    let pauses = 0;
    let retries = 0;
    let longestBatchMs = 0;
    let shown = Date.now();
    const most = AbortSignal.timeout(Number(values.most) * 1000);
    const migration = runMigration({
      signal: most,
      url: urlOf('bench'),
      mapping: await shopMapping({ timeZone: await sessionTimeZone(urlOf('bench')) }),
      until: 'cutover-writes',
      previousStore: 'tuned',
      async switchStore(store) {
        const response = await fetch(`${shopUrl}/admin/store`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ store }),
        });
        if (!response.ok) throw new Error(`the shop answered ${response.status}`);
      },
      mayContinue: (phase) => watch.mayContinue(phase),
      dutyCycle: Number(values.duty),
      leastDuty: Number(values.least),
      observeMs: 15_000,
    });
    const work = async () => {
      for await (const progress of migration) {
        const { phase, step, event, detail } = progress;
        if (!phases.has(phase)) phases.set(phase, Date.now());
        if (event === 'paused') {
          pauses += 1;
          say(`${phase}: paused: ${detail?.['reason']}`);
        }
        if (event === 'retry') retries += 1;
        if (event === 'batch') longestBatchMs = Math.max(longestBatchMs, Number(detail?.['tookMs'] ?? 0));
        if (event === 'batch' && Date.now() - shown > 10_000) {
          shown = Date.now();
          say(
            `${step}: ${detail?.['units']} units, duty ${Number(detail?.['duty']).toFixed(2)}, batch ${Number(detail?.['tookMs']).toFixed(0)} ms`,
          );
        }
        if (event === 'phase done')
          say(`${phase}: ${((Date.now() - (phases.get(phase) ?? 0)) / 1000).toFixed(0)} s`);
        await watch.note(progress);
      }
    };
    await work().catch((error) => {
      if (!most.aborted) throw error;
      say(`ended after ${values.most} s, before it was complete`);
    });
    await sleep(15_000);
    const impact = await watch.read();
    await watch.close();
    // Journeys under way come to their end, and the ledger keeps what they were told.
    await fetch(`${loadUrl}/profile`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ profile: 'idle' }),
    });
    await sleep(15_000);
    const ledger = await compareLedger(loadUrl, urlOf('bench'));
    const ms = (seconds: number | null) => (seconds === null ? '-' : `${(seconds * 1000).toFixed(0)} ms`);
    process.stdout.write(`
scale ${scale}, profile ${values.profile}, ${(impact.requests).toLocaleString('en')} requests
failed requests                          ${impact.failedRequests}
acknowledged orders                      ${ledger.acknowledged}; missing in the legacy model ${ledger.missingInLegacy}, in the new one ${ledger.missingInNew}; doubled ${ledger.doubled}
p95 before                               ${ms(impact.p95BeforeWhole)}  (windows of 15 s: ${impact.p95Before.map(ms).join(', ')})
p95 during the backfill                  ${ms(impact.p95DuringBackfillWhole)}  (${impact.p95DuringBackfill.map(ms).join(', ')})
ratio                                    ${((impact.p95DuringBackfillWhole ?? 0) / (impact.p95BeforeWhole ?? 1)).toFixed(2)}
longest wait behind the migration        ${impact.longestWaitBehindMigrationMs.toFixed(0)} ms (any wait for a lock: ${impact.longestWaitMs.toFixed(0)} ms; ${impact.lockSamples} samples)
longest batch                            ${longestBatchMs.toFixed(0)} ms
pauses, retries                          ${pauses}, ${retries}
`);
  }
} finally {
  for (const process of started) await process.stop('SIGTERM');
  await server.stop();
  if (!values.dir) await rm(dir, { recursive: true, force: true });
}
