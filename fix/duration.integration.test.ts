import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testAction } from '../test/support/action.ts';
import { databaseFor } from '../test/support/database.ts';
import type { Action } from './action.ts';
import { applyActions } from './apply.ts';
import { expectedSeconds, timeText, withTimes } from './duration.ts';
import { readJournal } from './journal.ts';

const database = databaseFor('all');
const signal = new AbortController().signal;

beforeAll(async () => {
  await database.client.query(`CREATE EXTENSION pg_trgm; CREATE TABLE "small, (one)" (id int, "na""me" text);
    CREATE TABLE large AS SELECT i AS id, md5(i::text) AS "na""me", repeat('x', 250) AS filler FROM generate_series(1, 50000) i;
    INSERT INTO "small, (one)" SELECT id, "na""me" FROM large LIMIT 500;
    CREATE TABLE secret AS SELECT 1 AS id; CREATE ROLE reader_${database.name} LOGIN PASSWORD 'reads';
    GRANT SELECT ON large TO reader_${database.name}`);
});
afterAll(async () => {
  await database.client.query(`DROP OWNED BY reader_${database.name}; DROP ROLE reader_${database.name}`);
});

const index = (table: string, keys: string[], more: Partial<Action> & { method?: string } = {}) => {
  const { method = 'btree', ...rest } = more;
  const name = `i${table.length}${keys.length}`;
  const operators = method === 'gin' ? ' gin_trgm_ops' : '';
  return testAction({
    id: `index:public.${name}`,
    kind: 'index',
    sql: [
      `CREATE INDEX CONCURRENTLY "${name}" ON "public"."${table}" USING ${method} (${keys.map((key) => key + operators).join(', ')})`,
    ],
    index: { schema: 'public', table, name, method, keys },
    ...rest,
  });
};

const timed = (actions: Action[], more: Partial<Parameters<typeof withTimes>[0]> = {}) =>
  withTimes({ url: database.url, actions, windows: 2, windowMs: 4_000, signal, ...more });

it('a large table takes longer than a small one; the windows are known; what was told stands beside what it took', async () => {
  const btree = ['(lower("na""me"))', '"id"'];
  const [small, large, trigrams] = await timed([
    index('small, (one)', btree),
    index('large', btree, { statements: ['1'] }),
    index('large', ['"na""me"'], { method: 'gin' }),
  ]);
  // A hundred times the rows: more by far than a machine is slower for a moment.
  expect(large?.time?.applySeconds).toBeGreaterThan(small?.time?.applySeconds as number);
  expect(large?.time).toMatchObject({ measureSeconds: 16, longerSeconds: 24 });
  expect(small?.time).toMatchObject({ measureSeconds: 0, longerSeconds: 0 });
  expect(trigrams?.time?.applySeconds).toBeGreaterThan(0);
  expect(timeText(large?.time as NonNullable<Action['time']>)).toMatch(
    /^(about \d+|under 1) s \(reading 1\d(\.\d)? MB twice and sorting the keys, timed on \d+ of \d+ pages.*; 16 s to measure/,
  );
  const entries = await applyActions({
    url: database.url,
    actions: [large as Action],
    windows: 0,
    windowMs: 0,
    reviewDays: 1,
    signal,
    onEvent: () => {},
  });
  expect(entries[0]?.action.time).toEqual(large?.time);
  expect(entries[0]?.applySeconds).toBeGreaterThan(0);
  expect(await readJournal(database.url)).toEqual(entries);
});

it('a role that may not read the table is told no time; a wait for others is', async () => {
  const url = new URL(database.url);
  url.username = `reader_${database.name}`;
  url.password = 'reads';
  const other = new pg.Client(database.url);
  await other.connect();
  await other.query('BEGIN; SELECT pg_sleep(0.3)');
  const [secret, large] = await timed([index('secret', ['"id"']), index('large', ['"id"'])], {
    url: url.href,
  });
  expect(secret?.time).toBeUndefined();
  // Measuring it takes its time all the same.
  expect(expectedSeconds(testAction({ statements: ['1'] }), { windows: 2, windowMs: 4_000 })).toBe(16);
  // Another role's transactions are not shown to it.
  expect(large?.time?.basis).not.toContain('waits');
  const [seen] = await timed([index('large', ['"id"'])]);
  const [, waited] =
    /3 waits for others, of whom one runs for (\d+\.\d) s now/.exec(seen?.time?.basis ?? '') ?? [];
  expect(Number(waited)).toBeGreaterThanOrEqual(0.3);
  await other.query('COMMIT');
  await other.end();
});

it('the tables that are read take their time, and a sample less', async () => {
  const maintenance = testAction({
    kind: 'query',
    sql: ['VACUUM (ANALYZE) "public"."small, (one)"', 'ANALYZE "large" ("id")', 'SELECT 1'],
    reads: [
      { schema: 'public', table: 'secret' },
      { schema: 'public', table: 'small, (one)' },
      { schema: 'public', table: 'large', sample: true },
    ],
  });
  const [vacuum] = await timed([maintenance]);
  expect(vacuum?.time?.basis).toMatch(
    /3 round trips, reading .* of secret, .* of small, \(one\), .* of large, .* at least/,
  );
});
