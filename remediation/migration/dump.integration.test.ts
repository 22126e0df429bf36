import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dumpBinDir, pgDump, startDumpServer } from '../../test/support/dump.ts';
import { createMigratedShop } from '../../test/support/migration.ts';
import { rollbackMigration } from './engine.ts';
import { phases } from './mapping.ts';

let server: Awaited<ReturnType<typeof startDumpServer>>;

/** The schema as it is, and the rows in any order: updates move them within their table. */
async function everything(url: string) {
  const leaveOut = '--exclude-schema=sqltrail';
  const [schema, data] = [
    await pgDump(url, ['--create', '--schema-only', leaveOut]),
    await pgDump(url, ['--data-only', leaveOut]),
  ];
  return { schema: schema.split('\n'), data: data.split('\n').sort() };
}

describe.skipIf(!dumpBinDir)("pg_dump before and after (Debian's package postgresql)", () => {
  beforeAll(async () => {
    server = await startDumpServer();
  });
  afterAll(() => server?.close());

  it('rolled back from each phase, the shop’s database is what it was before start', {
    timeout: 600_000,
  }, async () => {
    const shop = await createMigratedShop(40, server.url());
    try {
      const url = shop.database.url('postgres');
      const before = await everything(url);
      for (const phase of phases.slice(0, -1)) {
        await shop.run(phase);
        for await (const _ of rollbackMigration({ ...shop.options, to: 'none' }));
        const after = await everything(url);
        expect(after.schema, phase).toEqual(before.schema);
        expect(after.data, phase).toEqual(before.data);
      }
    } finally {
      await shop.close();
    }
  });
});
