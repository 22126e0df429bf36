import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryVector, type StoryTargets, setProfile, setStore } from '../cli/story/clients.ts';
import { runArchive } from '../remediation/archive/archive.ts';
import { readPolicy } from '../remediation/archive/policy.ts';
import { runMigration } from '../remediation/migration/engine.ts';
import { shopMapping } from '../remediation/migration/shop.ts';
import { freePorts } from '../test/support/ports.ts';
import { type NativeStack, startNative } from './native.ts';
import { waitFor } from './waitFor.ts';

let dir: string;
let stack: NativeStack;
let targets: StoryTargets;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-e2e-'));
  // Postgres may run as another user and must pass through.
  await chmod(dir, 0o755);
  stack = await startNative({
    dir: path.join(dir, 'run'),
    scale: 'tiny',
    seed: 1,
    // Customers come once the shop is mended: what they met before would stay in the rules' windows.
    profile: 'idle',
    ports: await freePorts(),
    environment: { load: { LOAD_ORDINARY_RATE: '5', LOAD_THINK_MS: '100' } },
  });
  targets = { ...stack.urls, token: stack.secrets.token };
});
afterAll(async () => {
  await stack?.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('the mended shop', () => {
  it('raises no alert under ordinary load, once archived and on the refactored model', async () => {
    const url = stack.databaseUrl('shop_owner');
    const owner = new pg.Client(url);
    await owner.connect();
    await owner.query('CREATE INDEX IF NOT EXISTS cart_items_cart_id_idx ON cart_items (cart_id)');
    await owner.query('CREATE INDEX IF NOT EXISTS order_items_order_id_idx ON order_items (order_id)');
    await owner.end();
    await runArchive({
      url,
      policy: await readPolicy(path.join(import.meta.dirname, '..', 'sample-shop', 'archive.yaml')),
      directory: path.join(dir, 'archive'),
      dutyCycle: 1,
    });
    const migration = runMigration({
      url,
      mapping: await shopMapping({ timeZone: 'Etc/UTC' }),
      until: 'contract',
      yes: true,
      previousStore: 'legacy',
      switchStore: (store) => setStore(targets, store),
      observeMs: 1_000,
      dutyCycle: 1,
    });
    for await (const _ of migration);
    const active = async () => {
      const response = await fetch(`${stack.urls.prometheus}/api/v1/alerts`);
      const { data } = (await response.json()) as {
        data: {
          alerts: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[];
        };
      };
      return data.alerts
        .filter(({ state }) => state === 'firing')
        .map(({ labels: { alertname }, annotations }) => `${alertname}: ${annotations['summary']}`);
    };
    await setProfile(targets, 'ordinary');
    const seen = new Set<string>();
    const until = Date.now() + 120_000;
    await waitFor(
      'two minutes of ordinary load',
      async () => {
        for (const alert of await active()) seen.add(alert);
        return Date.now() >= until;
      },
      { deadlineMs: 150_000, everyMs: 2_000 },
    );
    expect([...seen]).toEqual([]);
    const [rate] = await queryVector(targets, 'sum(rate(http_server_request_duration_seconds_count[1m]))');
    expect(rate?.value).toBeGreaterThan(1);
  }, 480_000);
});
