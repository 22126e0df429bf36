import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { findRewrites, isRewrite, type Rewrite } from './rewrite.ts';

let database: TestDatabase;
let owner: pg.Client;
const find = () =>
  findRewrites({ url: database.url, searchPath: ['public'], signal: new AbortController().signal });
const one = async (part: string): Promise<Rewrite> => {
  const answers = await find();
  const found = answers.filter(isRewrite).find(({ original }) => original.includes(part));
  if (!found) throw new Error(`no rewrite of ${part} among ${JSON.stringify(answers)}`);
  return found;
};

const PAGE = 'SELECT id, at FROM events WHERE kind = $1 ORDER BY at DESC LIMIT 10 OFFSET $2';
const DATED = 'SELECT id FROM events WHERE at::timestamp > $1';
const BY_NUMBER = 'SELECT at FROM events WHERE id::text = $1';
const JOINED = 'SELECT count(*) FROM events a JOIN events b USING (id) OFFSET $1';

beforeEach(async () => {
  database = await createTestDatabase();
  owner = new pg.Client(database.url);
  await owner.connect();
  // Ten rows have the same time, so that only the key makes their order total.
  await owner.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE events (id int PRIMARY KEY, at text, kind text);
    INSERT INTO events SELECT i, to_char(timestamp '2024-01-01' + (i / 10) * interval '1 hour', 'YYYY-MM-DD HH24:MI:SS'), 'k' || i % 3
      FROM generate_series(1, 3000) AS i;
    ANALYZE`);
  for (const [sql, values] of [
    [PAGE, ['k1', 20]],
    [DATED, ['2024-03-01']],
    [BY_NUMBER, ['7']],
    [JOINED, [0]],
  ] as const)
    await owner.query(sql, [...values]);
});
afterEach(async () => {
  await owner.end();
  await database.drop();
});

it('OFFSET becomes a keyset: the rewritten statement, followed from page to page, gives all rows in order', async () => {
  const { rewritten, proof, parameters } = await one('OFFSET');
  expect(proof).toMatchObject({ equal: true });
  expect(proof.cases).toBeGreaterThan(10);
  expect(parameters).toContain('$2, $4: at, events.id of the last row');
  const { rows: all } = await owner.query(
    "SELECT id, at FROM events WHERE kind = 'k1' ORDER BY at DESC, id DESC",
  );
  const seen: { id: number; at: string }[] = [];
  let last: [string, number] = ['9999', 0];
  for (;;) {
    const { rows } = await owner.query(rewritten, ['k1', last[0], 10, last[1]]);
    if (rows.length === 0) break;
    seen.push(...rows);
    last = [rows.at(-1).at, rows.at(-1).id];
  }
  expect(seen).toEqual(all);
});

it('casts go where the data allows it, and the rewritten statements answer the same', async () => {
  for (const [original, value] of [
    [DATED, '2024-01-10 03:00:00'],
    [BY_NUMBER, '123'],
  ] as const) {
    const { rewritten, proof } = await one(original.slice(0, 40));
    expect(proof).toMatchObject({ equal: true });
    expect(rewritten).not.toMatch(/(at|id)::/);
    const [before, after] = await Promise.all([
      owner.query(original, [value]),
      owner.query(rewritten, [value]),
    ]);
    expect(after.rows).toEqual(before.rows);
    expect(after.rows.length).toBeGreaterThan(0);
  }
});

it('says no where the data does not allow it, or the SQL does not tell', async () => {
  await owner.query("INSERT INTO events VALUES (5000, '2024-1-5 00:00:00', 'k1'), (5001, NULL, 'k1')");
  expect((await one(DATED.slice(0, 40))).proof).toMatchObject({
    equal: false,
    note: expect.stringContaining('1 values of at are not in the one form'),
  });
  expect((await one('OFFSET')).proof).toMatchObject({
    equal: false,
    note: expect.stringContaining('1 rows have no value in at'),
  });
  expect(await find()).toContainEqual({
    original: expect.stringContaining('JOIN'),
    why: 'it reads more than one table',
  });
});

it('a number that is written in two ways is found to differ', async () => {
  await owner.query(
    'CREATE TABLE codes (id int PRIMARY KEY, code text); INSERT INTO codes VALUES (7, $$x$$); ANALYZE codes',
  );
  await owner.query("SELECT code FROM codes WHERE id::text = lpad($1, 3, '0')", ['7']);
  const found = (await find()).find(({ original }) => original.includes('lpad'));
  expect(found && isRewrite(found) && found.proof.equal).toBe(false);
});
