import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shopActions, shopHandlers } from '../demo/shopActions.ts';
import { applyActions } from '../fix/apply.ts';
import { undoActions } from '../fix/undo.ts';
import { dumpBinDir, pgDump, startDumpServer } from '../test/support/dump.ts';
import { createShopTestDatabase, SHOP_TOKEN, startShop } from '../test/support/shop.ts';

let server: Awaited<ReturnType<typeof startDumpServer>>;

describe.skipIf(!dumpBinDir)("pg_dump before and after (Debian's package postgresql)", () => {
  beforeAll(async () => {
    server = await startDumpServer();
  });
  afterAll(() => server?.close());

  it('what the shop offers, applied and undone with --shop, leaves its database as it was', async () => {
    const database = await createShopTestDatabase('tiny', server.url());
    const shop = await startShop(
      database.url('shop_app'),
      { max: 5, application_name: 'shop' },
      { drainMs: 50 },
    );
    const dump = async () =>
      (await pgDump(database.url('postgres'), ['--create', '--exclude-schema=sqltrail'])).split('\n');
    try {
      const handlers = shopHandlers({ shop: shop.base, token: SHOP_TOKEN });
      const common = {
        url: database.url('shop_owner'),
        handlers,
        signal: new AbortController().signal,
      };
      const before = await dump();
      const entries = await applyActions({
        ...common,
        actions: shopActions([]),
        windows: 0,
        windowMs: 0,
        reviewDays: 30,
        onEvent: () => {},
      });
      expect(entries.map(({ state }) => state)).toEqual(['kept', 'kept']);
      expect(await dump()).not.toEqual(before);
      expect(await undoActions({ ...common, onUndone: () => {} })).toEqual([]);
      expect(await dump()).toEqual(before);
    } finally {
      await shop.close();
      await database.drop();
    }
  });
});
