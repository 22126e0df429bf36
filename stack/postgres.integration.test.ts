import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { createTestDatabase } from '../test/support/database.ts';

it('serves Postgres 18 with pg_stat_statements to a database of its own', async () => {
  const database = await createTestDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('CREATE EXTENSION pg_stat_statements');
  const { rows } = await client.query(
    "SELECT current_setting('server_version_num')::int AS version, current_database() AS name",
  );
  expect(rows[0]).toEqual({ version: expect.any(Number), name: database.name });
  expect(rows[0].version).toBeGreaterThanOrEqual(180000);
  await client.end();
  await database.drop();
  expect(inject('postgresUrl')).toContain('127.0.0.1');
});
