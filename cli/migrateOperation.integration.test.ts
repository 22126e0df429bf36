import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../test/support/database.ts';
import { startNode } from '../test/support/process.ts';

it.each(['cli/main.ts', 'cli/packaged.ts'])(
  '%s plans an operation into a file, starts it, rolls it back and completes it',
  async (program) => {
    const database = await createTestDatabase();
    const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-migrate-'));
    const file = path.join(dir, 'plan.yaml');
    const client = new pg.Client(database.url);
    await client.connect();
    const migrate = async (...args: string[]) => {
      // DATABASE_URL stands for the address, where none is given.
      const { exited, output } = startNode([program, 'migrate', ...args], { DATABASE_URL: database.url });
      return { code: await exited, text: output() };
    };
    const kind = async () =>
      (await client.query("SELECT relkind FROM pg_class WHERE oid = 'events'::regclass")).rows[0].relkind;
    try {
      await client.query(`CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
      INSERT INTO events (at) SELECT now() - i * interval '1 day' FROM generate_series(1, 200) AS i`);
      const refused = await migrate('plan', 'partition', 'events', '--by', 'at', '--out', file);
      expect(refused).toMatchObject({ code: 2, text: expect.stringContaining('--extend-keys') });
      expect(await migrate('plan', 'partition', 'events')).toMatchObject({ code: 2 });
      const planned = await migrate(
        'plan',
        'partition',
        'events',
        '--by',
        'at',
        '--extend-keys',
        '--out',
        file,
      );
      expect(planned).toMatchObject({ code: 0, text: expect.stringContaining('Nothing was changed') });
      expect(
        await migrate('plan', 'partition', 'events', '--by', 'at', '--extend-keys', '--out', file),
      ).toMatchObject({
        code: 2,
        text: expect.stringContaining('is there already'),
      });
      expect(await migrate('start', file)).toMatchObject({
        code: 0,
        text: expect.stringContaining('Run it again with --yes'),
      });
      expect((await client.query("SELECT to_regnamespace('sqltrail') AS it")).rows[0].it).toBeNull();
      expect(await migrate('start', database.url, file, '--until', 'cutover-writes', '--yes')).toMatchObject({
        code: 0,
      });
      expect(await kind()).toBe('p');
      expect((await migrate('status', file)).text).toContain('phase cutover-writes');
      expect((await migrate('verify', file)).text).toContain(
        '200 rows in the old table and 200 in the new one compared: equal',
      );
      // Another file, or the same one with another statement in it, does not go on with what this one began.
      const other = path.join(dir, 'other.yaml');
      await writeFile(other, (await readFile(file, 'utf8')).replace('ANALYZE', 'ANALYSE'));
      expect(await migrate('complete', other, '--yes')).toMatchObject({
        code: 2,
        text: expect.stringContaining('was begun with another'),
      });
      expect(await migrate('rollback', file, '--yes')).toMatchObject({ code: 0 });
      expect(await kind()).toBe('r');
      expect(await migrate('complete', file, '--yes')).toMatchObject({ code: 0 });
      expect(await kind()).toBe('p');
      expect((await migrate('ahead', file, '--ahead', '5', '--yes')).text).toContain('Made: events_');
    } finally {
      await client.end();
      await database.drop();
      await rm(dir, { recursive: true, force: true });
    }
  },
);
