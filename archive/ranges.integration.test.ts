import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databaseFor } from '../test/support/database.ts';
import { propertyRuns } from '../test/support/property.ts';
import { planPolicy, runPolicy } from './partitions.ts';
import type { ArchivePolicy } from './policy.ts';

const database = databaseFor('each');
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'ranges-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const policyOf = (olderThanDays: number): ArchivePolicy => ({
  version: 1,
  units: [
    {
      name: 'log',
      reason: 'test',
      table: { schema: 'public', table: 'log' },
      key: 'id',
      age: 'at',
      olderThanDays,
      partition: 'detach',
      holds: [],
      children: [],
      retention: { months: 1, rule: 'test' },
    },
  ],
});
const run = (policy: ArchivePolicy) => runPolicy({ url: database.url, policy, directory, dutyCycle: 1 });

/** How each type of an age writes a moment of UTC. */
const types = {
  date: "(m AT TIME ZONE 'UTC')::date::text",
  timestamp: "(m AT TIME ZONE 'UTC')::text",
  timestamptz: 'm::text',
  text: "to_char(m AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
};

describe('a range of partitions leaves', () => {
  it('when all of it is old enough, whatever its type, bounds and rows; and no other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...(Object.keys(types) as (keyof typeof types)[])),
        fc.integer({ min: 1, max: 800 }),
        // Bounds as hours from the cutoff, near it and far from it; a range has a row or not.
        fc.uniqueArray(
          fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -9_000, max: 30_000 })),
          {
            minLength: 3,
            maxLength: 7,
          },
        ),
        fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
        async (type, days, hours, filled) => {
          // The archive of a journal that is not there any more.
          await rm(directory, { recursive: true, force: true });
          await database.client.query(`DROP TABLE IF EXISTS log; DROP SCHEMA IF EXISTS sqltrail CASCADE; SET TimeZone = 'UTC';
            CREATE TABLE log (id bigint, at ${type}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)`);
          const { rows } = await database.client.query<{ at: string }>(
            `SELECT DISTINCT ${types[type]} AS at FROM unnest($1::int[]) AS h,
               LATERAL (SELECT date_trunc('day', now()) - make_interval(days => $2) + make_interval(hours => h) AS m) AS x
              ORDER BY 1`,
            [hours, days],
          );
          const bounds = rows.map(({ at }) => pg.escapeLiteral(at));
          for (const [i, upper] of bounds.entries()) {
            const lower = bounds[i - 1];
            if (!lower) continue;
            await database.client.query(
              `CREATE TABLE log_${i} PARTITION OF log FOR VALUES FROM (${lower}) TO (${upper})`,
            );
            if (filled[i]) await database.client.query(`INSERT INTO log VALUES (${i}, ${lower})`);
          }
          const [plan] = await planPolicy({ url: database.url, policy: policyOf(days) });
          expect(plan?.problems).toEqual([]);
          const cutoff = `${pg.escapeLiteral(plan?.cutoff ?? '')}::${type}`;
          expect((await run(policyOf(days)))[0]?.problems).toEqual([]);
          for (const [i, upper] of bounds.entries()) {
            if (i === 0) continue;
            const { rows: is } = await database.client.query(
              `SELECT ${upper}::${type} <= ${cutoff} AS old, to_regclass('log_${i}') IS NULL AS gone`,
            );
            expect(is[0].gone, `${type} to ${upper}, cutoff ${cutoff}`).toBe(is[0].old);
          }
        },
      ),
      { numRuns: propertyRuns(12) },
    );
  });

  it.each([
    ['by another column', 'id bigint, at date, PRIMARY KEY (id)', 'RANGE (id)', "FROM ('0') TO ('1000')"],
    [
      'by two columns',
      'id bigint, at date, PRIMARY KEY (id, at)',
      'RANGE (at, id)',
      "FROM ('2020-01-01', 0) TO ('2021-01-01', 0)",
    ],
    ['by an expression', 'id bigint, at date', 'RANGE ((at - 1))', undefined],
    ['by lists', 'id bigint, at date, PRIMARY KEY (id, at)', 'LIST (at)', "IN ('2020-01-01')"],
    ['not at all', 'id bigint PRIMARY KEY, at date', undefined, undefined],
  ])(
    'never from a table that is partitioned %s: the policy is refused, nothing changes',
    async (_, columns, by, bound) => {
      await database.client.query(`CREATE TABLE log (${columns})${by ? ` PARTITION BY ${by}` : ''};
      ${bound ? `CREATE TABLE log_1 PARTITION OF log FOR VALUES ${bound};` : ''}
      CREATE INDEX ON log (id)`);
      const message = /public\.log is not partitioned by ranges of at.*Remove "partition: detach"/s;
      expect((await planPolicy({ url: database.url, policy: policyOf(30) }))[0]?.problems.join()).toMatch(
        message,
      );
      expect((await run(policyOf(30)))[0]?.problems.join()).toMatch(message);
      if (bound) await database.client.query("INSERT INTO log VALUES (7, '2020-01-01')");
    },
  );
});
