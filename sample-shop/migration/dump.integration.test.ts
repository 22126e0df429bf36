import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rollbackMigration } from '../../migrate/engine.ts';
import { phases } from '../../migrate/mapping.ts';
import { dumpBinDir, pgDump, startDumpServer } from '../../test/support/dump.ts';
import { createMigratedShop, type MigratedShop } from '../../test/support/migration.ts';

/** The mapping needs Postgres 16, and pg_dump reads no server that is newer than itself. */
const version = dumpBinDir
  ? Number(
      /(\d+)/.exec(execFileSync(path.join(dumpBinDir, 'postgres'), ['--version'], { encoding: 'utf8' }))?.[1],
    )
  : 0;

describe.skipIf(version < 16)('pg_dump of Postgres 16 or newer', () => {
  let server: Awaited<ReturnType<typeof startDumpServer>>;
  let shop: MigratedShop;

  beforeAll(async () => {
    server = await startDumpServer();
    shop = await createMigratedShop(60, server.url());
  });
  afterAll(async () => {
    await shop?.close();
    await server?.close();
  });

  const dump = async () =>
    (await pgDump(shop.database.url('postgres'), ['--exclude-schema=sqltrail'])).split('\n');

  it('says the same after a rollback from any phase as before the migration', async () => {
    const before = await dump();
    expect(before.length).toBeGreaterThan(1_000);
    for (const phase of phases.filter((each) => each !== 'contract')) {
      await shop.run(phase);
      expect(await dump(), phase).not.toEqual(before);
      for await (const _ of rollbackMigration({ ...shop.options, to: 'none' }));
      expect(await dump(), phase).toEqual(before);
    }
  });

  it('keeps an extension of the migration that somebody has come to use since', async () => {
    await shop.run('expand');
    await shop.owner.query(
      'CREATE INDEX names_trgm ON public.customers USING gin (full_name public.gin_trgm_ops)',
    );
    for await (const _ of rollbackMigration({ ...shop.options, to: 'none' }));
    const { rows } = await shop.owner.query("SELECT FROM pg_indexes WHERE indexname = 'names_trgm'");
    expect(rows).toHaveLength(1);
  });
});
