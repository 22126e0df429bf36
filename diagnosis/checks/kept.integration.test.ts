import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startThrowawayServer, type ThrowawayServer } from '../../test/support/server.ts';
import { unhurried } from '../../test/support/unhurried.ts';
import { fixSql } from '../fixSql.ts';
import { diagnose } from '../run.ts';

/** What is wrong without any statement that shows it, on a server of its own that keeps little WAL. */
let server: ThrowawayServer;
let owner: pg.Client;

const found = async (...only: string[]) => {
  const { findings, partial } = await diagnose(unhurried(server.url('postgres'), { only }));
  expect(partial).toBe(false);
  return findings;
};
const idsOf = async (...only: string[]) => (await found(...only)).map(({ id }) => id).sort();

const KEPT = [
  'wraparound',
  'replication-slot',
  'prepared-transaction',
  'unlogged-table',
  'access-too-wide',
  'duplicate-foreign-key',
  'not-validated-constraint',
  'weak-type',
];

beforeAll(async () => {
  server = await startThrowawayServer({
    settings: { max_wal_size: '32MB', min_wal_size: '32MB', max_prepared_transactions: '2' },
  });
  owner = new pg.Client(server.url('postgres'));
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await server.close();
});

it('what is well kept has no finding: a slot that is read little, a transaction just prepared, a policy in force', async () => {
  await owner.query(`CREATE ROLE clerk;
    CREATE TABLE parent (id int PRIMARY KEY, at timestamptz NOT NULL, price numeric NOT NULL);
    CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent, other_id int NOT NULL REFERENCES parent, n int CHECK (n > 0));
    CREATE TABLE parts (id int NOT NULL, parent_id int REFERENCES parent) PARTITION BY HASH (id);
    CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    ALTER TABLE child ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON child TO clerk USING (true); GRANT INSERT ON child TO clerk;
    CREATE FUNCTION safe() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1';
    CREATE FUNCTION ours() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION ours FROM PUBLIC;
    CREATE UNLOGGED TABLE nothing (id int PRIMARY KEY);
    SELECT pg_create_physical_replication_slot('young', true);
    CREATE TEMP TABLE scratch (price money)`);
  await owner.query(`BEGIN; INSERT INTO parent VALUES (1, now(), 1); PREPARE TRANSACTION 'of now'`);
  const ids = await idsOf(...KEPT);
  // Its locks would keep the tests that follow waiting.
  await owner.query("COMMIT PREPARED 'of now'");
  await owner.query("SELECT pg_drop_replication_slot('young')");
  expect(ids).toEqual([]);
});

it('a slot that nobody reads holds more WAL than the server keeps by itself', async () => {
  await owner.query(
    "SELECT pg_create_physical_replication_slot('left', true); CREATE TABLE written (a text)",
  );
  await owner.query(`INSERT INTO written SELECT repeat(md5(i::text), 20) FROM generate_series(1, 60000) i`);
  const [finding] = await found('replication-slot');
  expect(finding).toMatchObject({ id: 'replication-slot:left', severity: 'warning' });
  expect(finding?.explanation).toContain('nothing bounds it');
  expect(finding?.cost.bytes).toBeGreaterThan(32 * 2 ** 20);
  await owner.query("SELECT pg_drop_replication_slot('left'); DROP TABLE written");
});

it('constraints: one that is there twice is dropped, one that is not validated is, and Postgres carries it out and back', async () => {
  await owner.query(`ALTER TABLE child ADD CONSTRAINT again FOREIGN KEY (parent_id) REFERENCES parent NOT VALID;
    ALTER TABLE child ADD CONSTRAINT cascades FOREIGN KEY (parent_id) REFERENCES parent ON DELETE CASCADE;
    ALTER TABLE child ADD CONSTRAINT small CHECK (n < 100) NOT VALID`);
  const findings = await found('duplicate-foreign-key', 'not-validated-constraint');
  expect(findings.map(({ id, severity }) => [id, severity]).sort()).toEqual([
    ['duplicate-foreign-key:public.child(again)', 'warning'],
    ['not-validated-constraint:public.child(again)', 'info'],
    ['not-validated-constraint:public.child(small)', 'info'],
  ]);
  const constraints = async () =>
    (
      await owner.query(
        "SELECT conname, pg_get_constraintdef(oid) AS is FROM pg_constraint WHERE conrelid = 'child'::regclass ORDER BY 1",
      )
    ).rows;
  const before = await constraints();
  const twice = findings.find(({ check }) => check === 'duplicate-foreign-key');
  const { sql, undo } = twice?.fix ? fixSql(twice.fix) : expect.fail('no fix');
  for (const statement of [...sql, ...undo]) await owner.query(statement);
  expect(await constraints()).toEqual(before);
  for (const { check, fix } of findings)
    if (check === 'not-validated-constraint' && fix)
      for (const statement of fixSql(fix).sql) await owner.query(statement);
  expect(await idsOf('not-validated-constraint')).toEqual([]);
});

it('unlogged rows, weak types and wide rights are told', async () => {
  await owner.query(`INSERT INTO nothing VALUES (1);
    CREATE DOMAIN amount AS money;
    CREATE TABLE weak (id int PRIMARY KEY, price amount, code char(3), at timestamp, doc json, "character" varchar(3), clock timetz);
    ALTER TABLE child DISABLE ROW LEVEL SECURITY; GRANT ALL ON child TO PUBLIC; GRANT SELECT ON parent TO PUBLIC;
    GRANT EXECUTE ON FUNCTION ours TO PUBLIC`);
  const findings = await found('unlogged-table', 'weak-type', 'access-too-wide');
  expect(findings.map(({ id, severity }) => [id, severity]).sort()).toEqual([
    ['access-too-wide:definers', 'info'],
    ['access-too-wide:policies', 'warning'],
    ['access-too-wide:public', 'info'],
    ['unlogged-table:public.nothing', 'info'],
    ['weak-type:char', 'info'],
    ['weak-type:json', 'info'],
    ['weak-type:money', 'info'],
    ['weak-type:timestamp', 'info'],
    ['weak-type:timetz', 'info'],
  ]);
  const titles = findings.map(({ title }) => title).join('\n');
  expect(titles).toContain('ours runs with the owner’s rights');
  expect(titles).toContain('Every role may write child');
  expect(titles).not.toMatch(/parent|safe/);
});
