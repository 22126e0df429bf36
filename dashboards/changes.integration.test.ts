import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Action } from '../fix/action.ts';
import { Journal } from '../fix/journal.ts';
import { stateSql } from '../migrate/state.ts';
import { createShopTestDatabase, type ShopDatabase } from '../test/support/shop.ts';
import { CHANGES_SQL } from './changes.ts';

let database: ShopDatabase;
let owner: pg.Client;
let monitor: pg.Client;

beforeAll(async () => {
  database = await createShopTestDatabase();
  owner = new pg.Client(database.url('shop_owner'));
  monitor = new pg.Client(database.url('sqltrail_monitor'));
  await Promise.all([owner.connect(), monitor.connect()]);
});
afterAll(async () => {
  await Promise.all([owner?.end(), monitor?.end()]);
  await database?.drop();
});

const changes = async () => (await monitor.query<{ at: Date; what: string }>(CHANGES_SQL)).rows;

it('asks a database without a journal, and gives nothing', async () => {
  expect(await changes()).toEqual([]);
});

it('asks a journal that it may not read, and gives nothing', async () => {
  await owner.query(
    'CREATE SCHEMA sqltrail; CREATE TABLE sqltrail.action (id text); CREATE TABLE sqltrail.migration_step ()',
  );
  expect(await changes()).toEqual([]);
  await owner.query('DROP SCHEMA sqltrail CASCADE');
});

it('gives what was done, newest first, to the monitor', async () => {
  const journal = new Journal(owner);
  await journal.open();
  const action = (id: string, title: string) => ({ id, title }) as Action;
  await journal.plan(action('kept', 'an index on carts'), null);
  await journal.set('kept', 'kept');
  await journal.plan(action('useless', 'an index on orders'), null);
  await journal.set('useless', 'reverted');
  await journal.plan(action('planned', 'nothing yet'), null);
  await owner.query(stateSql);
  await owner.query(
    `INSERT INTO sqltrail.migration VALUES ('shop', 'cutover-reads', '', 'legacy');
     INSERT INTO sqltrail.migration_step (migration, phase, step, done_at)
     VALUES ('shop', 'expand', 'a', now() - interval '2 hours'), ('shop', 'expand', 'b', now() - interval '1 hour')`,
  );
  const found = await changes();
  expect(found.map(({ what }) => what)).toEqual([
    'reverted: an index on orders',
    'an index on carts',
    'migration: expand',
  ]);
  // A phase is done with its last step.
  const { rows } = await owner.query<{ at: Date }>(
    "SELECT done_at AS at FROM sqltrail.migration_step WHERE step = 'b'",
  );
  expect(found[2]?.at).toEqual(rows[0]?.at);
});
