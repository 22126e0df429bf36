import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../test/support/database.ts';
import { indexBody } from './fixSql.ts';

it('a trigram index stays in use when other columns of the table are updated', async () => {
  const database = await createTestDatabase();
  const client = new pg.Client(database.url);
  await client.connect();
  const readsWhole = async () => {
    const { rows } = await client.query("EXPLAIN SELECT count(*) FROM things WHERE words ILIKE '%lamp%'");
    return /Seq Scan/.test(rows.map((row) => row['QUERY PLAN']).join());
  };
  const key = { expression: '"words"', column: 'words', operatorClass: 'gin_trgm_ops' };
  // As in a table that is vacuumed seldom.
  await client.query(`
    CREATE EXTENSION pg_trgm;
    CREATE TABLE things (id int PRIMARY KEY, stock int, words text) WITH (autovacuum_enabled = off);
    INSERT INTO things SELECT i, i, CASE i % 10 WHEN 0 THEN 'lamp ' ELSE 'chair ' END || repeat(md5(i::text), 10) FROM generate_series(1, 8000) AS i;
    ANALYZE things`);
  const afterUpdates = async (body: string) => {
    await client.query(`CREATE INDEX things_words ON things ${body}`);
    expect(await readsWhole()).toBe(false);
    await client.query('UPDATE things SET stock = stock + 1 WHERE id % 8 = 0');
    const whole = await readsWhole();
    await client.query('DROP INDEX things_words');
    return whole;
  };
  // Otherwise this shows nothing.
  expect(await afterUpdates('USING gin (words gin_trgm_ops)')).toBe(true);
  expect(await afterUpdates(indexBody({ method: 'gin', keys: [key] }))).toBe(false);
  await client.end();
  await database.drop();
});
