import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { contentsOf, policyOf } from '../test/support/archive.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { listArchive, queryArchive, restoreArchive } from './read.ts';
import { runArchive } from './run.ts';

let database: TestDatabase;
let home: string;
let directory: string;
let first: string;
const query = (sql: string, more = {}) => queryArchive({ url: database.url, directory, sql, ...more });

beforeAll(async () => {
  database = await createTestDatabase();
  home = await mkdtemp(path.join(tmpdir(), 'archive-query-'));
  // Of a name that is a pattern and a partition to DuckDB, with another archive that the pattern would find.
  directory = path.join(home, 'archive[1]*?year=2020');
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(
    `CREATE TABLE rows (id int PRIMARY KEY, day date, body text, total numeric(8, 2));
     INSERT INTO rows SELECT i, '2020-01-01', 'secret ' || i, i FROM generate_series(1, 40) AS i;
     CREATE SCHEMA other; CREATE TABLE other.rows (day date, n int); INSERT INTO other.rows VALUES ('2020-01-01', 7);
     CREATE TABLE lone (day date, year int); INSERT INTO lone VALUES ('2020-01-01', 1)`,
  );
  await client.end();
  const policy = policyOf(
    { name: 'rows', key: 'id' },
    { name: 'other', table: { schema: 'other', table: 'rows' } },
    { name: 'lone', table: { schema: 'public', table: 'lone' } },
  );
  await runArchive({ url: database.url, policy, directory, segmentUnits: 20, dutyCycle: 1 });
  const segments = await listArchive({ url: database.url });
  await restoreArchive({
    url: database.url,
    directory,
    segment: segments[0]?.id as number,
    keys: ['3', '7'],
    holdDays: 0,
    reason: 'a test',
  });
  first = path.join(directory, segments[0]?.files[0]?.file as string);
});
afterAll(async () => {
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

describe('archive query reads', () => {
  it('each row in force once, by the name of its table or with its schema', async () => {
    const { rows } = await query('SELECT count(*)::INT AS n, sum(total)::INT AS total FROM public.rows');
    expect(rows).toEqual([{ n: 38, total: 820 - 10 }]);
    expect((await query('SELECT n FROM other.rows')).rows).toEqual([{ n: '7' }]);
    expect((await query('SELECT * FROM lone')).rows).toEqual([{ day: '2020-01-01', year: '1' }]);
    // Two tables have that name.
    await expect(query('SELECT * FROM rows')).rejects.toThrow(/rows is no archived table/);
    expect((await query('SHOW ALL TABLES')).rows.length).toBe(4);
  });

  it.each([
    'WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT n.i FROM n JOIN lone ON true',
    'FROM lone SELECT max(day)',
    'TABLE lone',
    'VALUES (1)',
    'DESCRIBE lone',
    'SUMMARIZE lone',
    'SELECT * FROM unnest([1, 2]) AS u(x) JOIN range(3) AS r(y) ON x = y',
    'SELECT * FROM lone AS a, LATERAL (SELECT a.year) AS b',
    'SELECT day FROM lone UNION ALL SELECT day FROM other.rows ORDER BY 1 LIMIT 1',
    "SELECT list_transform([1], lambda x: x + 1), '; COPY lone TO ''x''' -- ; COPY",
    '/* COPY */ SELECT 1;',
    'FROM (PIVOT other.rows ON n IN (7) USING count(*))',
  ])('%s', async (sql) => {
    expect((await query(sql)).rows.length).toBeGreaterThan(0);
  });

  it('an answer up to the rows that are asked for, and says that there are more', async () => {
    expect(await query('SELECT i FROM range(5) AS r(i)', { maxRows: 3 })).toEqual({
      columns: ['i'],
      rows: [{ i: '0' }, { i: '1' }, { i: '2' }],
      truncated: true,
    });
    expect(await query('SELECT 1 AS a, 2 AS a, 3 AS "__proto__"', { maxRows: 1 })).toMatchObject({
      columns: ['a', 'a:1', '__proto__'],
      truncated: false,
    });
    const endless = await query("SELECT i, repeat('x', 100000) AS x FROM range(10000000000) AS r(i)");
    expect(endless.truncated).toBe(true);
  });

  it('ends when it is told to, or has had its time', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new DOMException('SIGINT', 'AbortError')), 300);
    const sql = 'SELECT count(*) FROM range(1000000000000) AS a(i) WHERE i % 7 = 8';
    await expect(query(sql, { signal: stop.signal })).rejects.toThrow('SIGINT');
    await expect(query(sql, { timeoutSeconds: 0.3 })).rejects.toThrow(
      /did not finish within 0\.3 s.*--timeout/,
    );
  });

  it('only so much into memory', async () => {
    await expect(query("SELECT string_agg(repeat('x', 1000000)) FROM range(100000) AS r(x)")).rejects.toThrow(
      /could not answer: Out of Memory/,
    );
  });
});

describe('archive query refuses', () => {
  // The others are in selectOnly.test.ts.
  const file = () => `'${first.replaceAll("'", "''")}'`;
  const plain = () => `'${path.join(home, 'written')}'`;
  it.each<[string, () => string]>([
    ['COPY over a file', () => `COPY (SELECT 1 AS a) TO ${file()} (FORMAT parquet)`],
    [
      'COPY over a file at once',
      () => `COPY (SELECT 1 AS a) TO ${file()} (FORMAT parquet, USE_TMP_FILE false)`,
    ],
    ['COPY to a new one', () => `COPY lone TO ${plain()}`],
    ['EXPLAIN ANALYZE of a COPY', () => `EXPLAIN ANALYZE COPY lone TO ${plain()}`],
    ['EXPORT', () => `EXPORT DATABASE ${plain()}`],
    ['ATTACH', () => `ATTACH ${plain()} AS x`],
    [
      'the same in a SELECT',
      () => `SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = ${plain()})`,
    ],
    ['two statements', () => `SELECT 1; COPY lone TO ${plain()}`],
    ['a file in force', () => `SELECT * FROM ${file()}`],
    ['read_text', () => `SELECT * FROM read_text(${file()})`],
  ])('%s', async (_, sql) => {
    const before = await contentsOf(home);
    const said = await query(sql()).then(
      ({ rows }) => `answered ${JSON.stringify(rows)}`,
      (error: Error) => `${error.constructor.name}: ${error.message}`,
    );
    expect(said).toMatch(/^OperationError: /);
    expect(said).not.toMatch(/secret \d/);
    expect(await contentsOf(home)).toEqual(before);
  });

  it('rows that are not in force, also where a condition could tell of them', async () => {
    const seen = "body IN ('secret 3', 'secret 7')";
    for (const sql of [
      `SELECT * FROM public.rows WHERE ${seen}`,
      `SELECT count(*)::INT FROM public.rows WHERE CASE WHEN ${seen} THEN error(body) ELSE false END`,
      `SELECT * FROM public.rows WHERE CASE WHEN ${seen} THEN body::INT ELSE 0 END = 1`,
    ])
      expect(JSON.stringify((await query(sql)).rows)).not.toMatch(/[^0]0?\b(3|7)\b/);
  });

  it('leaves nothing behind in the temporary directory', async () => {
    const temporary = await mkdtemp(path.join(home, 'temporary-'));
    vi.stubEnv('TMPDIR', temporary);
    await query('SELECT 1');
    await expect(query('SELECT wrong')).rejects.toThrow(/wrong/);
    vi.unstubAllEnvs();
    expect(await readdir(temporary)).toEqual([]);
  });

  it('names what it has where a table is not there, and a file that is missing or another', async () => {
    await expect(query('SELECT nonesuch FROM lone')).rejects.toThrow(/could not answer:.*nonesuch/s);
    await expect(query('SELEC 1')).rejects.toThrow(/The SQL is wrong: .*SELEC/s);
    await expect(query('SELECT 1', { directory: home })).rejects.toThrow(/is missing.*--dir/);
    const damaged = path.join(home, 'damaged');
    await rm(damaged, { recursive: true, force: true });
    await cp(directory, damaged, { recursive: true });
    const file = path.join(damaged, path.basename(first));
    await rm(file);
    await writeFile(file, 'short');
    await expect(query('SELECT 1', { directory: damaged })).rejects.toThrow(
      /is not what was written.*archive verify/,
    );
  });
});
