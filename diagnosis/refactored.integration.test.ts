import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { stores } from '../sample-shop/stores/registry.ts';
import { forgetStatements } from '../test/support/database.ts';
import { createMigratedShop, type MigratedShop } from '../test/support/migration.ts';
import { unhurried } from '../test/support/unhurried.ts';
import type { Diagnosis } from './diagnosis.ts';
import { diagnose } from './run.ts';

let shop: MigratedShop;
let diagnosis: Diagnosis | undefined;

beforeAll(async () => {
  const server = new pg.Client(inject('postgresUrl'));
  await server.connect();
  const { rows } = await server.query("SELECT current_setting('server_version_num')::int AS version");
  await server.end();
  // The diagnosis takes older servers than the shop's migration, which uses IS JSON.
  if (rows[0].version < 160_000) return;
  shop = await createMigratedShop(400);
  await shop.run('contract');
  await shop.owner.query('ANALYZE');
  const admin = new pg.Client(shop.database.url('postgres'));
  await admin.connect();
  await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  await admin.query(forgetStatements);
  await admin.end();
  const store = stores.refactored(shop.app);
  const { categories } = await store.facets();
  for (let visit = 1; visit <= 6; visit += 1) {
    await store.browse(categories[visit % categories.length] ?? '', visit);
    await store.search('lamp', 1);
    await store.product(visit, 'session');
    await store.history(visit, 1);
    await store.sales(30);
    const order = await shop.buy(`s${visit}`, 100 + visit, visit, 1, 'refactored');
    if (order) await store.order(order);
  }
  diagnosis = await diagnose(unhurried(shop.database.url('sqltrail_monitor')));
});
afterAll(() => shop?.close());

it('the refactored shop has nothing of severity warning or above', ({ skip }) => {
  if (!diagnosis) return skip('the migration needs Postgres 16');
  expect({ partial: diagnosis.partial, notes: diagnosis.notes }).toEqual({ partial: false, notes: [] });
  // Its data was looked at, and its statements were planned; otherwise silence would prove nothing. Those that
  // were not are two of the bodies of shop.ensure_month and forget_sales, whose variables only they know, and one that
  // inserts inside WITH, which takes the right to do so. Three more are those of keep_sales, where a day has ended
  // since the sums were made.
  expect(diagnosis.blind.map(({ what }) => what).filter((what) => /plans|rows of/.test(what))).toEqual([
    expect.stringMatching(/^plans of [3-6] statements, and so the indexes that they miss$/),
  ]);
  expect(diagnosis.findings.filter(({ severity }) => severity !== 'info').map(({ id }) => id)).toEqual([]);
});
