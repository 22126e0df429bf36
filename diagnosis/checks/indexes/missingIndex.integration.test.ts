import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, forgetStatements } from '../../../test/support/database.ts';
import { defaultDiagnosis, diagnose } from '../../run.ts';

it('HypoPG is asked where it is installed, but not of an expression, of which it has no statistics', async ({
  skip,
}) => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  try {
    const { rowCount } = await owner.query("SELECT FROM pg_available_extensions WHERE name = 'hypopg'");
    skip(rowCount === 0, 'this server has no HypoPG');
    // Neither the extension nor the table is in a schema that the diagnosis looks through by itself.
    await owner.query(`
      CREATE EXTENSION pg_stat_statements;
      CREATE SCHEMA tools; CREATE EXTENSION hypopg SCHEMA tools;
      CREATE SCHEMA shop; SET search_path = shop, public;
      CREATE TABLE seat (id int PRIMARY KEY, code text NOT NULL, holder text NOT NULL);
      INSERT INTO seat SELECT i, 'seat ' || i, 'Holder ' || i FROM generate_series(1, 50000) i;
      ANALYZE`);
    await owner.query(forgetStatements);
    for (let at = 1; at <= 20; at += 1) {
      await owner.query('SELECT id FROM seat WHERE code = $1', [`seat ${at}`]);
      await owner.query('SELECT id FROM seat WHERE lower(holder) = $1', [`holder ${at}`]);
    }
    const { findings } = await diagnose({
      ...defaultDiagnosis,
      url: database.url,
      observeMs: 0,
      dutyCycle: 1,
      only: ['missing-index'],
      signal: new AbortController().signal,
    });
    const of = (column: string) => findings.find(({ objects }) => objects[0]?.columns?.includes(column));
    expect(of('code')?.confidence.note).toContain('hypothetical index (HypoPG)');
    expect(of('holder')?.confidence.note).toContain('on an expression has no statistics');
    for (const column of ['code', 'holder'])
      expect(of(column)?.fix?.predictedSpeedup, column).toBeGreaterThan(100);
  } finally {
    await owner.end();
    await database.drop();
  }
});
