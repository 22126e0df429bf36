import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startThrowawayServer, type ThrowawayServer } from '../../../test/support/server.ts';
import { unhurried } from '../../../test/support/unhurried.ts';
import { fixSql } from '../../fixSql.ts';
import { diagnose } from '../../run.ts';

/** A server of its own: few connections, little memory, statements inside functions not recorded. */
let server: ThrowawayServer;
let owner: pg.Client;

const found = async (database: string, ...only: string[]) =>
  (await diagnose(unhurried(server.url(database), { only }))).findings;

beforeAll(async () => {
  server = await startThrowawayServer({
    settings: { max_connections: '20', shared_buffers: '1MB', 'pg_stat_statements.track': 'top' },
  });
  owner = new pg.Client(server.url('postgres'));
  await owner.connect();
  await owner.query(`CREATE EXTENSION pg_stat_statements;
    CREATE ROLE seller LOGIN PASSWORD 'x'; CREATE ROLE reporter LOGIN PASSWORD 'x'`);
  await owner.query('CREATE DATABASE crowd');
});
afterAll(async () => {
  await owner.end();
  await server.close();
});

it('timeouts of one role leave the others without; those of all roles at work do', async () => {
  const clients = ['seller', 'reporter'].map((role) => {
    const url = new URL(server.url('postgres'));
    [url.username, url.password] = [role, 'x'];
    return new pg.Client(url.href);
  });
  for (const client of clients) await client.connect();
  const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
  for (const name of names) await owner.query(`ALTER ROLE seller SET ${name} = '9s'`);
  const [finding] = await found('postgres', 'timeouts-missing');
  expect(finding?.title).toBe(`No ${names.join(', no ')}`);
  expect(finding?.explanation).toMatch(/^reporter has none, other roles do\./);
  for (const name of names) await owner.query(`ALTER ROLE reporter SET ${name} = '9s'`);
  expect(await found('postgres', 'timeouts-missing')).toEqual([]);
  for (const client of clients) await client.end();
});

it('connections that another database uses up are told from its own', async () => {
  const crowd = Array.from({ length: 14 }, () => new pg.Client(server.url('crowd')));
  for (const client of crowd) await client.connect();
  const [finding] = await found('postgres', 'pool-size');
  expect(finding?.id).toBe('connections-full');
  expect(finding?.explanation).toContain('Most are not of this database: crowd has 14.');
  for (const client of crowd) await client.end();
});

it('what functions run inside is not recorded, where their calls take the time', async () => {
  await owner.query(`CREATE FUNCTION total() RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN RETURN (SELECT sum(length(repeat(i::text, 5))) FROM generate_series(1, 20000) i); END'`);
  for (let at = 0; at < 10; at += 1) await owner.query('SELECT total()');
  const [finding] = await found('postgres', 'telemetry-blind');
  expect(finding?.title).toContain('what total runs inside');
  expect(finding?.fix && fixSql(finding.fix).sql.join()).toContain(`pg_stat_statements.track = 'all'`);
});

it('blocks that a load read are no pressure on the cache; those that statements read are', async () => {
  await owner.query(`CREATE TABLE loaded (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO loaded SELECT i, repeat('x', 500) || i FROM generate_series(1, 60000) i; ANALYZE loaded`);
  for (let at = 0; at < 30; at += 1) await owner.query('CREATE INDEX again ON loaded (id); DROP INDEX again');
  await owner.query('SELECT pg_stat_force_next_flush()');
  expect(await found('postgres', 'cache-pressure')).toEqual([]);
  for (let at = 0; at < 8; at += 1) await owner.query('SELECT count(*) FROM loaded WHERE body = $1', ['x']);
  expect((await found('postgres', 'cache-pressure')).map(({ id }) => id)).toEqual(['cache-pressure']);
});

it('dead rows stay where autovacuum is switched off for the table, and the fix switches it on', async () => {
  await owner.query(`CREATE TABLE churn (id int PRIMARY KEY, n int NOT NULL) WITH (autovacuum_enabled = off);
    INSERT INTO churn SELECT i, 0 FROM generate_series(1, 20000) i; UPDATE churn SET n = 1; SELECT pg_stat_force_next_flush()`);
  const [finding] = await found('postgres', 'dead-rows');
  expect(finding?.explanation).toContain('Autovacuum is switched off for this table');
  const { sql, undo } = finding?.fix ? fixSql(finding.fix) : expect.fail('no fix');
  const options = async () =>
    (await owner.query("SELECT reloptions FROM pg_class WHERE relname = 'churn'")).rows[0].reloptions;
  for (const statement of sql) await owner.query(statement);
  expect(await options()).toEqual(
    expect.arrayContaining(['autovacuum_enabled=true', 'autovacuum_vacuum_scale_factor=0.02']),
  );
  for (const statement of undo) await owner.query(statement);
  expect(await options()).toEqual(['autovacuum_enabled=off']);
});
