import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { contentsOf, policyOf } from '../test/support/archive.ts';
import { createTestDatabase, databaseFor } from '../test/support/database.ts';
import { verifyArchive } from './read.ts';
import { runArchive } from './run.ts';

const database = databaseFor('each');
let directory: string;
let copy: string;
beforeEach(async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'archive-own-'));
  directory = path.join(home, 'archive');
  copy = path.join(home, 'copy');
});
afterEach(() => rm(path.dirname(directory), { recursive: true, force: true }));

const rows =
  "CREATE TABLE rows AS SELECT i AS id, date '2020-01-01' AS day FROM generate_series(1, 20) AS i; ALTER TABLE rows ADD PRIMARY KEY (id)";
const run = (url: string) =>
  runArchive({ url, directory, copies: [copy], policy: policyOf({ key: 'id' }), dutyCycle: 1 });

it('two databases with one policy do not write to one directory', async () => {
  await database.client.query(rows);
  await run(database.url);
  const before = [await contentsOf(directory), await contentsOf(copy)];
  const second = await createTestDatabase();
  const client = new pg.Client(second.url);
  await client.connect();
  await client.query(rows);
  await expect(run(second.url)).rejects.toThrow(
    `${directory} holds the archive of another database (unit-000001.json)`,
  );
  // Also one of a copy alone.
  const elsewhere = path.join(path.dirname(directory), 'elsewhere');
  await expect(
    runArchive({ url: second.url, directory: elsewhere, copies: [copy], policy: policyOf({ key: 'id' }) }),
  ).rejects.toThrow(`${copy} holds`);
  expect((await client.query('SELECT FROM rows')).rowCount).toBe(20);
  await client.end();
  await second.drop();
  expect([await contentsOf(directory), await contentsOf(copy)]).toEqual(before);
  expect((await verifyArchive({ url: database.url, directory })).map(({ problem }) => problem)).toEqual([
    undefined,
  ]);
  // Into its own it archives further.
  await database.client.query("INSERT INTO rows VALUES (21, '2020-01-01')");
  expect(await run(database.url)).toMatchObject([{ units: 1 }]);
});

it('a copy of the database does not replace what the first has written since', async () => {
  await database.client.query(rows);
  await run(database.url);
  await database.client.query("INSERT INTO rows VALUES (21, '2020-01-01')");
  await run(database.url);
  const before = await contentsOf(directory);
  // As a dump of before the second run has it.
  const { rows: last } = await database.client.query<{ id: string }>(
    'DELETE FROM sqltrail.archive_segment WHERE id > 1 RETURNING id',
  );
  await database.client.query(
    `ALTER TABLE sqltrail.archive_segment ALTER id RESTART ${last[0]?.id}; INSERT INTO rows VALUES (21, '2020-01-01')`,
  );
  expect(await run(database.url)).toMatchObject([
    { units: 0, problems: [expect.stringContaining('holds the archive of another database')] },
  ]);
  expect(await contentsOf(directory)).toEqual(before);
  expect((await database.client.query('SELECT FROM rows')).rowCount).toBe(1);
});
