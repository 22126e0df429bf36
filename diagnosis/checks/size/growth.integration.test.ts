import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../../../test/support/database.ts';
import { defaultDiagnosis, diagnose } from '../../run.ts';

it('rows a day, from the statistics of dates, of text, of a partitioned table and of rows of the future', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  // Ten rows a day for 800 days, in each of the forms; then as many before the last 800 days, or after today.
  await owner.query(`
    CREATE TABLE moments AS SELECT i, now() - i * interval '144 minutes' AS at FROM generate_series(0, 7999) i;
    CREATE TABLE texts AS SELECT i, to_char(at, 'YYYY-MM-DD HH24:MI:SS') AS at FROM moments;
    CREATE TABLE parts (i int, at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (now() - interval '100 days');
    CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM (now() - interval '100 days') TO (MAXVALUE);
    INSERT INTO parts SELECT * FROM moments;
    CREATE TABLE ended AS SELECT i, at - interval '800 days' AS at FROM moments;
    CREATE TABLE plans AS SELECT i, at + interval '801 days' AS at FROM moments;
    CREATE TABLE empty (at timestamptz)`);
  await owner.query('ANALYZE');
  // Neither is what the diagnosis may go by: the forms of dates, and clocks far from UTC.
  await owner.query(
    `ALTER DATABASE ${database.name} SET DateStyle = 'SQL, DMY'; ALTER DATABASE ${database.name} SET TimeZone = 'Pacific/Kiritimati'`,
  );
  const { rows } = await owner.query<{ bytes: number }>(
    `SELECT sum(pg_total_relation_size(c))::float8 AS bytes FROM unnest('{moments,texts,parts_old,parts_new}'::regclass[]) AS c`,
  );
  const { findings, partial } = await diagnose({
    ...defaultDiagnosis,
    url: database.url,
    observeMs: 0,
    only: ['growth'],
    diskBytes: 10e9,
    signal: new AbortController().signal,
  });
  await owner.end();
  await database.drop();
  expect(partial).toBe(false);
  const evidence = findings.find(({ id }) => id === 'growth')?.evidence ?? [];
  const numbers = (label: string) =>
    String(evidence.find((each) => each.label === label)?.value)
      .split(' to ')
      .map(Number);
  for (const table of ['moments', 'texts', 'parts'])
    for (const perDay of numbers(`rows a day of ${table}`)) {
      // ANALYZE looks at all of so few rows; the histogram's hundred steps are eight days each.
      expect(perDay).toBeGreaterThanOrEqual(9);
      expect(perDay).toBeLessThanOrEqual(11);
    }
  for (const table of ['ended', 'plans']) expect(numbers(`rows a day of ${table}`)).toEqual([0, 0]);
  const expected = (rows[0]?.bytes ?? 0) / 800;
  for (const days of [30, 90, 365]) {
    const [bytes = 0] = numbers(`growth a day over the last ${days} days`);
    expect(bytes / expected).toBeGreaterThan(0.9);
    expect(bytes / expected).toBeLessThan(1.1);
  }
  // Ten gigabytes at a few kilobytes a day.
  expect(evidence.find(({ label }) => label.startsWith('the disk of 10 GB'))?.value).toBe(
    'not within ten years',
  );
});
