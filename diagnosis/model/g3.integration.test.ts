import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { type OpenSession, openSession } from '../session.ts';
import { measureInDatabase, measureRows } from './g3.ts';

const database = databaseFor('all');
let session: OpenSession;

beforeAll(async () => {
  await database.client.query('CREATE TABLE relation (x int, "select; --" text, a text)');
  session = await openSession({
    url: database.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: 60_000,
    dutyCycle: 1,
  });
});
afterAll(async () => {
  await session.close();
});

const cell = fc.oneof({ weight: 5, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.constant(null) });
const relation = fc.array(fc.tuple(cell, cell, cell), { maxLength: 40 });

/** Rows to remove, by trying every choice of one dependent value for each group: the definition itself. */
function byDefinition(rows: [unknown, unknown, unknown][]): number {
  const groups = Object.values(Object.groupBy(rows, ([x, y]) => JSON.stringify([x, y]))) as (typeof rows)[];
  let kept = 0;
  for (const group of groups) {
    const choices = new Set(group.map(([, , a]) => a));
    kept += Math.max(...[...choices].map((choice) => group.filter(([, , a]) => a === choice).length));
  }
  return rows.length - kept;
}

describe('g3', () => {
  it('equals the definition, in memory and in the database, for any relation', async () => {
    await fc.assert(
      fc.asyncProperty(relation, async (rows) => {
        await database.client.query('TRUNCATE relation');
        await database.client.query(
          'INSERT INTO relation SELECT * FROM unnest($1::int[], $2::text[], $3::text[])',
          [rows.map(([x]) => x), rows.map(([, y]) => y), rows.map(([, , a]) => a)],
        );
        const expected = byDefinition(rows);
        const inMemory = measureRows(
          rows,
          ([x, y]) => [x, y],
          ([, , a]) => a,
        );
        expect(inMemory.violations).toBe(expected);
        const measured = await measureInDatabase(session, {
          schema: 'public',
          table: 'relation',
          determinant: ['x', 'select; --'],
          dependents: ['a'],
          oneIn: 1,
        });
        expect(measured.get('a')).toEqual(inMemory);
      }),
      { numRuns: 60 },
    );
  });

  it('finds a planted share of violations exactly, and nearly so from a share of whole groups', async () => {
    await database.client.query('TRUNCATE relation');
    await database.client.query(`INSERT INTO relation SELECT i / 10, 'y', CASE WHEN i % 50 = 0 THEN 'other' ELSE (i / 10)::text END
      FROM generate_series(0, 99999) AS i`);
    const question = {
      schema: 'public',
      table: 'relation',
      determinant: ['x'],
      dependents: ['a', 'select; --'],
    };
    const all = await measureInDatabase(session, { ...question, oneIn: 1 });
    expect(all.get('a')).toMatchObject({ rows: 100_000, violations: 2_000, g3: 0.02, groups: 10_000 });
    expect(all.get('select; --')).toMatchObject({ violations: 0, g3: 0 });
    const some = await measureInDatabase(session, { ...question, oneIn: 10 });
    const sample = some.get('a');
    expect(sample?.rows).toBeGreaterThan(5_000);
    expect(sample?.rows).toBeLessThan(15_000);
    expect(sample?.g3).toBeGreaterThan(0.015);
    expect(sample?.g3).toBeLessThan(0.025);
  });

  it('cannot write, whatever is asked of it', async () => {
    await expect(session.query("INSERT INTO public.relation VALUES (1, 'a', 'b')")).rejects.toMatchObject({
      code: '25006',
    });
    await expect(session.query('COMMIT; DROP TABLE public.relation')).rejects.toMatchObject({
      code: '42601',
    });
  });
});
