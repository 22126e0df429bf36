import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { databaseFor } from '../test/support/database.ts';
import { anyMoment, anyZone } from '../test/support/dates.ts';
import { propertyRuns } from '../test/support/property.ts';

const DAYS = 500;

const database = databaseFor('all');
let query: string;

beforeAll(async () => {
  const queries = parse(
    await readFile(path.join(import.meta.dirname, 'postgres_exporter.queries.yaml'), 'utf8'),
  ) as Record<string, { query: string }>;
  query = queries['sqltrail_age']?.query ?? '';
});

/**
 * A model of which as many rows come each day, for `DAYS` days up to `now`: partitions of months (UTC), a table of
 * moments, and one of dates as text. A day takes a page, so that what is counted by pages and by rows is the same.
 */
const model = (now: string) => `
  CREATE SCHEMA shop;
  CREATE TABLE given AS SELECT at, repeat('x', 1900) AS wide
    FROM generate_series(0, ${DAYS * 4 - 1}) AS i, LATERAL (SELECT '${now}'::timestamptz - i * interval '6 hours' AS at) AS t;
  CREATE TABLE shop.orders (at timestamptz NOT NULL, wide text STORAGE PLAIN) PARTITION BY RANGE (at);
  CREATE TABLE shop.activity (at timestamptz NOT NULL, wide text STORAGE PLAIN) PARTITION BY RANGE (at);
  SET LOCAL TimeZone = 'UTC';
  DO $$
  DECLARE
    first date;
    parent text;
  BEGIN
    FOR first IN SELECT generate_series(date_trunc('month', min(at)), max(at), interval '1 month') FROM given LOOP
      FOREACH parent IN ARRAY ARRAY['orders', 'activity'] LOOP
        EXECUTE format('CREATE TABLE shop.%I PARTITION OF shop.%I FOR VALUES FROM (%L) TO (%L)',
          parent || to_char(first, '_YYYY_MM'), parent, first, (first + interval '1 month')::date);
      END LOOP;
    END LOOP;
  END $$;`;

const filled = `
  INSERT INTO shop.orders TABLE given;
  INSERT INTO shop.activity TABLE given;
  CREATE TABLE shop.carts AS SELECT at AS updated_at FROM given;
  CREATE TABLE public.orders AS SELECT to_char(at, 'YYYY-MM-DD HH24:MI:SS') AS placed_at FROM given;
  ANALYZE shop.carts; ANALYZE public.orders;`;

const anyStyle = fc.constantFrom('ISO, MDY', 'ISO, DMY', 'German');

interface Age {
  relname: string;
  cold_ratio: number;
}

it('the cold share is that of the rows themselves on every day of the year and in every time zone', async () => {
  await fc.assert(
    fc.asyncProperty(anyMoment, anyZone, anyStyle, async (moment, zone, style) => {
      const now = moment.toISOString();
      await database.client.query('BEGIN');
      try {
        await database.client.query(
          `${model(now)} SET LOCAL TimeZone = ${pg.escapeLiteral(zone)}; ${filled} SET LOCAL DateStyle = ${style}`,
        );
        const at = (text: string) => text.replaceAll('now()', `'${now}'::timestamptz`);
        const { rows } = await database.client.query<Age>(at(query));
        const said = new Map(rows.map((row) => [row.relname, Number(row.cold_ratio)]));
        for (const [table, days] of [
          ['shop.orders', 365],
          ['shop.activity', 90],
          ['shop.carts', 90],
          ['orders', 365],
        ] as const) {
          const { rows: truth } = await database.client.query<{ cold: number }>(
            at(`SELECT avg((at < now() - ${days} * interval '1 day')::int)::float8 AS cold FROM given`),
          );
          // A page is a day, a step of the histogram five; each partition has an end that is not full, and a map.
          expect(Math.abs((said.get(table) ?? Number.NaN) - (truth[0]?.cold ?? 0)), table).toBeLessThan(0.03);
        }
      } finally {
        await database.client.query('ROLLBACK');
      }
    }),
    { numRuns: propertyRuns(12) },
  );
});
