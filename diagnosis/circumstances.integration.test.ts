import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { startPostgres } from '../stack/postgres.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { unhurried } from '../test/support/unhurried.ts';
import { diagnose } from './run.ts';

const connect = async (url: string) => {
  const client = new pg.Client(url);
  await client.connect();
  return client;
};

it('a table that is dropped while it is read costs its own findings only', async () => {
  const database = await createTestDatabase();
  const owner = await connect(database.url);
  await owner.query(`CREATE TABLE gone (day text); CREATE TABLE stays (day text);
    INSERT INTO gone SELECT '2026-01-01' FROM generate_series(1, 2000); INSERT INTO stays SELECT * FROM gone; ANALYZE`);
  let dropped: Promise<void> | undefined;
  const { blind, findings, partial } = await diagnose(
    unhurried(database.url, {
      observeMs: 500,
      lockTimeoutMs: 20_000,
      statementTimeoutMs: 30_000,
      // Comes when the catalogue has been read, which still has the table.
      onProgress: () => {
        dropped ??= (async () => {
          await owner.query('BEGIN; DROP TABLE gone');
          await waitFor(
            'the diagnosis to read the table',
            async () =>
              (
                await owner.query(
                  "SELECT FROM pg_stat_activity WHERE application_name = 'sqltrail-diagnose' AND wait_event_type = 'Lock' AND datname = current_database()",
                )
              ).rowCount === 1,
            { deadlineMs: PATIENCE_MS },
          );
          await owner.query('COMMIT');
        })();
      },
    }),
  );
  await dropped;
  expect(partial).toBe(false);
  expect(blind.some(({ what }) => what.includes('rows of public.gone'))).toBe(true);
  expect(findings.map(({ id }) => id)).toContain('typed-as-text:public.stays(date:day)');
  expect(findings.some(({ check, id }) => check === 'typed-as-text' && id.includes('gone'))).toBe(false);
  await owner.end();
  await database.drop();
});

it('a database of 2,000 tables is read whole, and what is too much to sample is said', async () => {
  const database = await createTestDatabase();
  const owner = await connect(database.url);
  await owner.query(`DO $$ BEGIN
    FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, at date)', i); END LOOP;
    FOR i IN 1..120 LOOP EXECUTE format('INSERT INTO t%s SELECT g, ''2026-01-01'' FROM generate_series(1, 30) g', i); END LOOP;
    EXECUTE 'CREATE TABLE keyless (at text)'; END $$`);
  await owner.query('ANALYZE');
  const { tables, partial, findings, blind } = await diagnose(unhurried(database.url));
  expect({ tables, partial }).toEqual({ tables: 2001, partial: false });
  expect(findings.map(({ id }) => id)).toContain('missing-primary-key:public.keyless');
  expect(blind.map(({ what }) => what)).toContain('the model of 20 smaller tables');
  await owner.end();
  await database.drop();
});

it('on a replica it finds what is there', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-replica-'));
  await chmod(dir, 0o755);
  const server = {
    dataDir: path.join(dir, 'pgdata'),
    port: await freePort(),
    password: 'test-only',
    logFile: path.join(dir, 'postgres.log'),
    binDir: process.env['TEST_POSTGRES_BIN'],
    settings: { shared_preload_libraries: 'pg_stat_statements', fsync: 'off' },
  };
  const primary = await startPostgres(server);
  const owner = await connect(primary.url());
  await owner.query(`CREATE EXTENSION pg_stat_statements; CREATE TABLE keyless (day text);
    INSERT INTO keyless SELECT '2026-01-01' FROM generate_series(1, 2000)`);
  await owner.query('ANALYZE');
  await owner.end();
  await primary.stop();
  // The stopped server's files are a whole base backup; with the signal they start as a standby, in recovery.
  await writeFile(path.join(server.dataDir, 'standby.signal'), '');
  const replica = await startPostgres(server);
  try {
    const diagnosis = await diagnose(unhurried(replica.url()));
    expect(diagnosis.server.isReplica).toBe(true);
    expect({ partial: diagnosis.partial, notes: diagnosis.notes }).toEqual({ partial: false, notes: [] });
    expect(diagnosis.findings.map(({ id }) => id)).toEqual(
      expect.arrayContaining([
        'missing-primary-key:public.keyless',
        'typed-as-text:public.keyless(date:day)',
      ]),
    );
  } finally {
    await replica.stop();
    await rm(dir, { recursive: true, force: true });
  }
});

it('plans statements over BRIN and GIN indexes in time, also with rows that no vacuum has seen', async () => {
  const database = await createTestDatabase();
  const owner = await connect(database.url);
  // In the past on any date: what is dated later is no growth, for which the disk's size is wanted.
  const begin = Date.now() - 30 * 86_400_000;
  const after = (seconds: number) => new Date(begin + seconds * 1_000).toISOString();
  await owner.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL, tags text[], body text, data jsonb) WITH (autovacuum_enabled = off);
    CREATE INDEX ON events USING brin (at); CREATE INDEX ON events USING gin (tags);
    CREATE INDEX ON events USING gin (to_tsvector('english', body)); CREATE INDEX ON events USING gin (data);
    INSERT INTO events SELECT i, timestamptz '${after(0)}' + i * interval '1 s', ARRAY['a' || i % 1000, 'b' || i % 77],
      'word' || i % 5000 || ' more ' || i % 13, jsonb_build_object('k', i % 1000) FROM generate_series(1, 30000) AS i;
    ANALYZE events; UPDATE events SET data = data WHERE id % 3 = 0`);
  for (const [sql, ...values] of [
    ['SELECT count(*) FROM events WHERE at > $1 AND tags @> $2', after(28_800), ['a5']],
    [
      "SELECT id FROM events WHERE to_tsvector('english', body) @@ to_tsquery('english', $1) AND at < $2",
      'word7',
      after(40_000),
    ],
    [
      'SELECT id FROM events WHERE data @> $1 AND at < $2 ORDER BY at DESC LIMIT 5',
      '{"k": 5}',
      after(40_000),
    ],
    ['SELECT id FROM events WHERE at = $1', after(7)],
  ] as const)
    await owner.query(sql, [...values]);
  const { blind, partial } = await diagnose(unhurried(database.url));
  expect(partial).toBe(false);
  // What no statistics of this young database, no spans and no disk's size can tell.
  expect(blind.map(({ check }) => check).sort()).toEqual(['growth', 'n-plus-one', 'unused-index']);
  await owner.end();
});
