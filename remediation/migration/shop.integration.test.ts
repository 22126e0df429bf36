import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createShopTestDatabase, type ShopDatabase } from '../../test/support/shop.ts';
import { migrationStatus, runMigration, verifyMigration } from './engine.ts';
import type { Mapping } from './mapping.ts';
import { shopMapping } from './shop.ts';

let database: ShopDatabase;
let mapping: Mapping;
beforeAll(async () => {
  database = await createShopTestDatabase();
  mapping = await shopMapping({ timeZone: 'Etc/UTC' });
}, 60_000);
afterAll(() => database?.drop());

it('runs', async () => {
  const url = database.url('shop_owner');
  const t = Date.now();
  for await (const p of runMigration({
    url,
    mapping,
    until: 'reverse-sync',
    dutyCycle: 1,
    acceptSetAside: true,
  }))
    if (p.event !== 'batch' && p.event !== 'begun')
      console.log(Date.now() - t, p.phase, p.step, p.event, JSON.stringify(p.detail)?.slice(0, 1500));
  console.log(JSON.stringify(await migrationStatus({ url, mapping }), null, 1));
});
