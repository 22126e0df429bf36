import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { exporterQueries } from '../collector/exporterQueries.ts';
import { readConfig } from '../config/load.ts';
import { databaseFor } from '../test/support/database.ts';
import { startNode } from '../test/support/process.ts';
import { roleSql, scramVerifier } from './monitorRole.ts';

/** A library: nothing of the shop, names that need quotes, months as partitions, a list by number. */
const SCHEMA = `
  CREATE SCHEMA "Reading Room";
  CREATE SCHEMA log;
  CREATE TABLE member (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
  CREATE TABLE loan (id bigint PRIMARY KEY, member_id bigint, lent_on date);
  CREATE TABLE loan_fine (id bigint PRIMARY KEY, loan_id bigint REFERENCES loan, cents int);
  CREATE TABLE "Return" (id bigint PRIMARY KEY, "givenBack" timestamptz);
  CREATE TABLE "Reading Room"."seat taken" (id bigint PRIMARY KEY, "null" timestamp);
  CREATE TABLE log.visit (at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE log.visit_old PARTITION OF log.visit FOR VALUES FROM (MINVALUE) TO (current_date - 700);
  CREATE TABLE log.visit_new PARTITION OF log.visit FOR VALUES FROM (current_date - 700) TO (MAXVALUE);
  CREATE TABLE shelf (id int NOT NULL) PARTITION BY RANGE (id);
  CREATE TABLE shelf_one PARTITION OF shelf FOR VALUES FROM (1) TO (100000);
  INSERT INTO member (name) SELECT 'member ' || i FROM generate_series(1, 3000) i;
  INSERT INTO loan SELECT i, i % 3000, current_date - i FROM generate_series(1, 3000) i;
  INSERT INTO loan_fine SELECT i, i, 50 FROM generate_series(1, 2000) i;
  INSERT INTO "Return" SELECT i, now() - i * interval '1 minute' FROM generate_series(1, 2000) i;
  INSERT INTO "Reading Room"."seat taken" SELECT i, now() - i * interval '1 day' FROM generate_series(1, 2000) i;
  INSERT INTO log.visit SELECT now() - i * interval '1 day' FROM generate_series(1, 2000) i;
  INSERT INTO shelf SELECT i FROM generate_series(1, 2000) i;
  ANALYZE`;

let dir: string;
const database = databaseFor('all');
let metrics: Server;
let target: string;
const role = `library_monitor_${crypto.randomUUID().slice(0, 8)}`;
const SECRET = 'pass\'word "§ with everything';

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-init-'));
  await database.client.query(SCHEMA);
  metrics = createServer((_request, response) =>
    response.end(
      `target_info{service_name="lending.api"} 1
db_client_connection_count{db_client_connection_pool_name="loans",db_client_connection_state="used"} 1
db_client_connection_max{db_client_connection_pool_name="loans"} 10
db_client_connection_wait_time_bucket{db_client_connection_pool_name="loans",le="+Inf"} 1\n`,
    ),
  );
  await new Promise<void>((resolve) => metrics.listen(0, '127.0.0.1', resolve));
  target = `127.0.0.1:${(metrics.address() as AddressInfo).port}`;
});
afterAll(async () => {
  metrics?.close();
  await database.client?.query(`DROP OWNED BY ${role}`).catch(() => {});
  await database.client?.query(`DROP ROLE IF EXISTS ${role}`);
  await rm(dir, { recursive: true, force: true });
});

const file = (name: string) => path.join(dir, name);
async function init(words: string[], env: Record<string, string> = {}) {
  const run = startNode(['--liftoff-only', 'cli/main.ts', 'init', ...words], env);
  return { code: await run.exited, output: run.output() };
}

describe('init', () => {
  it('writes what it read, and the file is valid', async () => {
    const { code, output } = await init([database.url, '--metrics', target, '--out', file('library.yaml')]);
    expect(code, output).toBe(0);
    const config = readConfig(file('library.yaml'));
    expect(config.services).toMatchObject([{ name: 'lending.api', metrics: [target] }]);
    expect(config.databases[0]?.pools).toEqual(['loans']);
    expect(config.databases[0]?.tables).toEqual([
      { table: 'log.visit', retention: 'old' },
      { table: 'public.Return', date: 'givenBack' },
      { table: 'public.loan', date: 'lent_on', retention: 'old' },
      { table: 'public.loan_fine', dated_by: 'public.loan', date: 'lent_on', retention: 'old' },
    ]);
    expect(output).toContain('Left out: Reading Room.seat taken');
    expect(output).toContain('pg_stat_statements');
    expect(output).toContain('GRANT pg_monitor TO "sqltrail_monitor"');
    expect(output).toContain('GRANT SELECT ("givenBack") ON "public"."Return"');
    expect(output).toContain('OTEL_SERVICE_NAME=lending.api');
    expect(await readFile(file('library.yaml'), 'utf8')).not.toContain(new URL(database.url).password);
  });

  it('leaves a file that is there alone', async () => {
    await writeFile(file('mine.yaml'), 'mine');
    const { code, output } = await init([database.url, '--out', file('mine.yaml')]);
    expect([code, await readFile(file('mine.yaml'), 'utf8')]).toEqual([2, 'mine']);
    expect(output).toContain('--force');
  });

  it('goes on where a service does not answer, and says so', async () => {
    const { code, output } = await init([
      database.url,
      ...['--service', 'away', '--metrics', '127.0.0.1:1', '--collector', 'http://127.0.0.1:1'],
      ...['--out', file('away.yaml')],
    ]);
    expect(code, output).toBe(0);
    expect(output).toContain('127.0.0.1:1: it does not answer');
    expect(output).toContain('nothing there takes OTLP');
    expect(readConfig(file('away.yaml')).services).toMatchObject([
      { name: 'away', metrics: ['127.0.0.1:1'] },
    ]);
  });

  it('says what is wrong with an address', async () => {
    const nowhere = await init(['postgres://postgres@127.0.0.1:1/library', '--out', file('nowhere.yaml')]);
    expect(nowhere.code).toBe(2);
    expect(nowhere.output).toContain('nothing listens there');
    const none = await init(['--out', file('nowhere.yaml')]);
    expect([none.code, none.output.includes('No database given')]).toEqual([2, true]);
  });

  it('shows the role, and makes it only with --yes and a password', async () => {
    const roles = async () =>
      (await database.client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])).rowCount;
    const words = [database.url, '--role', role, '--create-role', '--force', '--out', file('role.yaml')];
    const shown = await init(words);
    expect([shown.code, await roles()], shown.output).toEqual([0, 0]);
    const without = await init([...words, '--yes']);
    expect([without.code, await roles()]).toEqual([2, 0]);
    expect(without.output).toContain('SQLTRAIL_MONITOR_PASSWORD');
    const made = await init([...words, '--yes'], { SQLTRAIL_MONITOR_PASSWORD: SECRET });
    expect([made.code, await roles()], made.output).toEqual([0, 1]);
    expect(made.output).not.toContain(SECRET);
    const again = await init([...words, '--yes'], { SQLTRAIL_MONITOR_PASSWORD: 'another' });
    expect(again.output).toContain(`The role ${role} was there`);
    expect(again.output).toContain('--plans');
    const plans = await init([...words, '--plans']);
    expect(plans.output).toContain(`GRANT pg_read_all_data TO "${role}"`);
    expect(plans.output).not.toContain('--plans');
  });

  it('that role answers every query of the exporter, with ages, and reads no row', async () => {
    await database.client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    const url = new URL(database.url);
    url.username = role;
    url.password = encodeURIComponent(SECRET);
    const monitor = new pg.Client(url.href);
    await monitor.connect();
    try {
      const { databases, retention } = readConfig(file('library.yaml'));
      const [config] = databases;
      if (!config) throw new Error('there is no database');
      const queries = parse(exporterQueries(config, retention)) as Record<string, { query: string }>;
      const names = Object.keys(queries);
      expect(names).toContain('sqltrail_age');
      for (const name of names) await monitor.query(queries[name]?.query ?? '');
      const { rows } = await monitor.query<{ relname: string; cold_ratio: number; new_bytes: string }>(
        queries['sqltrail_age']?.query ?? '',
      );
      const ages = new Map(rows.map((row) => [row.relname, row]));
      expect(Number(ages.get('loan')?.cold_ratio)).toBeCloseTo(1 - 365 / 3000, 1);
      expect(Number(ages.get('loan_fine')?.cold_ratio)).toBeCloseTo(1 - 365 / 3000, 1);
      expect(Number(ages.get('Return')?.new_bytes)).toBeGreaterThan(0);
      expect(ages.has('log.visit')).toBe(true);
      await expect(monitor.query('SELECT * FROM loan')).rejects.toThrow('permission denied');
      await expect(monitor.query('CREATE TABLE x ()')).rejects.toThrow(/read-only|permission denied/);
      // The size of a locked table is not waited for: the other figures are what tells of the lock.
      await database.client.query('BEGIN; LOCK TABLE loan');
      await expect(monitor.query(queries['sqltrail_table']?.query ?? '')).rejects.toThrow('lock timeout');
      await monitor.query(queries['sqltrail_activity']?.query ?? '');
    } finally {
      await database.client.query('ROLLBACK');
      await monitor.end();
    }
  });
});

it('a password is kept as Postgres itself would keep it (RFC 7677’s example)', () => {
  const verifier = scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
  expect(verifier).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  );
});

it('names are quoted', () => {
  const statements = roleSql(
    {
      name: 'a"b',
      database: 'x; DROP',
      columns: [{ schema: 'S', table: 't"', column: "c'" }],
      statementsSchema: 'ext',
    },
    undefined,
  );
  expect(statements).toContain(`GRANT SELECT ("c'") ON "S"."t""" TO "a""b"`);
  expect(statements).toContain('GRANT USAGE ON SCHEMA "ext" TO "a""b"');
});
