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
        text: expect.stringContaining('exists already'),
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
      expect(JSON.parse((await migrate('status', file, '--json')).text)).toMatchObject({
        phase: 'cutover-writes',
        ledger: [],
      });
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

it('moves columns to tables of their own, makes documents of attributes, and refuses to complete while they are used', async () => {
  const database = await createTestDatabase();
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-migrate-'));
  const client = new pg.Client(database.url);
  await client.connect();
  const migrate = async (...args: string[]) => {
    const { exited, output } = startNode(['cli/packaged.ts', 'migrate', ...args], {
      DATABASE_URL: database.url,
    });
    return { code: await exited, text: output() };
  };
  const [lists, copies, facts] = ['lists', 'copies', 'facts'].map((name) =>
    path.join(dir, `${name}.yaml`),
  ) as [string, string, string];
  try {
    await client.query(`CREATE TABLE "Stays" (id int PRIMARY KEY, "Tags" text, guest int, name text);
      INSERT INTO "Stays" VALUES (1, 'a;b', 7, 'Ann'), (2, 'c', 7, 'Anna'), (3, NULL, 8, 'Bob');
      CREATE FUNCTION tagged() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count("Tags") FROM "Stays"); END'`);
    expect(await migrate('plan', 'split-list', '"Stays"')).toMatchObject({
      code: 2,
      text: expect.stringContaining('split-list app.articles.tags'),
    });
    expect(
      await migrate('plan', 'split-list', 'public."Stays"."Tags"', '--separator', ';', '--out', lists),
    ).toMatchObject({
      code: 0,
      text: expect.stringContaining('Stays_Tags'),
    });
    expect(await migrate('start', lists, '--until', 'cutover-writes', '--yes')).toMatchObject({ code: 0 });
    expect((await migrate('verify', lists)).text).toContain(
      '3 rows in the old table and 3 in the new one compared: equal',
    );
    expect(await migrate('complete', lists, '--yes')).toMatchObject({
      code: 2,
      text: expect.stringContaining('function public.tagged()'),
    });
    expect(await migrate('complete', lists, '--yes', '--accept-use')).toMatchObject({
      code: 0,
      text: expect.stringContaining('the old column is gone'),
    });
    const extract = [
      'plan',
      'extract',
      '"Stays"',
      '--columns',
      'name',
      '--key',
      'guest',
      '--into',
      'guests',
      '--out',
      copies,
    ];
    expect(await migrate(...extract)).toMatchObject({ code: 2, text: expect.stringContaining('--resolve') });
    expect(await migrate(...extract, '--resolve', 'latest-by id')).toMatchObject({ code: 0 });
    expect(await migrate('ahead', copies)).toMatchObject({ code: 2 });
    const status = async () => JSON.parse((await migrate('status', copies, '--json')).text);
    expect(await status()).toBeNull();
    expect(await migrate('start', copies, '--until', 'cutover-writes', '--yes')).toMatchObject({ code: 0 });
    const query = `SELECT * FROM "public"."guests_contradictions" WHERE rule = 'latest-by id'`;
    expect((await migrate('status', copies)).text).toContain(
      `1 contradiction, resolved by a rule (Stays):\n    ${query};`,
    );
    expect(await status()).toMatchObject({
      phase: 'cutover-writes',
      ledger: [{ kind: 'contradiction', table: 'Stays', entries: 1, query }],
    });
    expect(await migrate('complete', copies, '--yes')).toMatchObject({ code: 0 });
    expect((await client.query('SELECT * FROM guests ORDER BY guest')).rows).toEqual([
      { guest: 7, name: 'Anna' },
      { guest: 8, name: 'Bob' },
    ]);
    await client.query(
      "CREATE TABLE facts (id serial, stay int, name text, value text, PRIMARY KEY (stay, name)); INSERT INTO facts (stay, name, value) VALUES (1, 'a', 'b'), (1, 'c', NULL)",
    );
    const documents = ['plan', 'eav-to-jsonb', 'facts', '--entity', 'stay', '--attribute', 'name'];
    expect(await migrate(...documents)).toMatchObject({
      code: 2,
      text: expect.stringContaining('eav-to-jsonb app.device_settings'),
    });
    expect(await migrate(...documents, '--values', 'value')).toMatchObject({
      code: 2,
      text: expect.stringContaining('--leave-out'),
    });
    expect(
      await migrate(...documents, '--values', 'value', '--leave-out', 'id', '--out', facts),
    ).toMatchObject({ code: 0 });
    expect(await migrate('start', facts, '--until', 'cutover-writes', '--yes')).toMatchObject({ code: 0 });
    expect((await migrate('verify', facts)).text).toContain(
      '2 rows in the old table and 1 in the new one compared: equal',
    );
    expect(await migrate('complete', facts, '--yes')).toMatchObject({
      code: 0,
      text: expect.stringContaining('the old table is gone'),
    });
    expect((await client.query('SELECT * FROM facts_documents')).rows).toEqual([
      { stay: 1, attributes: { a: 'b', c: null } },
    ]);
  } finally {
    await client.end();
    await database.drop();
    await rm(dir, { recursive: true, force: true });
  }
});
