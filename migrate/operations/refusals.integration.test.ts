import pg from 'pg';
import { expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { operated } from '../../test/support/operated.ts';
import type { PartitionOptions } from './choices.ts';

const database = databaseFor('each');

const KEYED = 'CREATE TABLE t (id int, at timestamptz NOT NULL, x int, PRIMARY KEY (id, at))';

it.each<[string, string, RegExp, Partial<PartitionOptions>?]>([
  [
    'no key, as pgbench_history',
    'CREATE TABLE t (tid int, bid int, aid int, delta int, at timestamp NOT NULL, filler char(22))',
    /has no key.*GENERATED ALWAYS AS IDENTITY/,
  ],
  ['no such table', 'SELECT 1', /There is no table t/],
  ['no such column', 'CREATE TABLE t (id int PRIMARY KEY)', /has no column at/],
  ['a view', 'CREATE VIEW t AS SELECT now() AS at', /neither an ordinary nor a partitioned table/],
  ['partitioned', 'CREATE TABLE t (at date NOT NULL) PARTITION BY RANGE (at)', /partitioned already/],
  [
    'nullable',
    'CREATE TABLE t (id int PRIMARY KEY, at date)',
    /at may be null.*SET NOT NULL/,
    { extendKeys: true },
  ],
  ['text date', 'CREATE TABLE t (id int, at text NOT NULL, PRIMARY KEY (id, at))', /of type text/],
  [
    'key without the column',
    'CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL)',
    /t_pkey.*--extend-keys/,
  ],
  ['inheritance', `${KEYED}; CREATE TABLE child () INHERITS (t)`, /inherits/],
  [
    'forced row-level security',
    `${KEYED}; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    /NO FORCE ROW LEVEL/,
  ],
  ['exclusion', `${KEYED}; ALTER TABLE t ADD EXCLUDE (x WITH =)`, /exclusion constraint/],
  [
    'check that is not validated',
    `${KEYED}; ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID`,
    /c is not validated.*VALIDATE CONSTRAINT/,
  ],
  ['deferrable', `${KEYED}; ALTER TABLE t ADD UNIQUE (x, at) DEFERRABLE`, /deferrable/],
  ['unique expression', `${KEYED}; CREATE UNIQUE INDEX u ON t ((x + 1), at)`, /unique over an expression/],
  [
    'foreign key to a key that changes',
    'CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL); CREATE TABLE other (t_id int CONSTRAINT to_t REFERENCES t)',
    /to_t of public\.other.*--drop-foreign-keys/,
    { extendKeys: true },
  ],
  [
    'foreign key to itself',
    'CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL, parent int CONSTRAINT up REFERENCES t)',
    /up of the table itself/,
    { extendKeys: true },
  ],
  [
    'materialized view',
    `${KEYED}; CREATE MATERIALIZED VIEW m AS SELECT * FROM t`,
    /on materialized view public\.m depends on the table/,
  ],
  [
    'rule',
    `${KEYED}; CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING`,
    /rule r on table.*depends on the table/,
  ],
  [
    'function of its rows',
    `${KEYED}; CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'`,
    /function public\.f\(\) depends on/,
  ],
  ['column of its type', `${KEYED}; CREATE TABLE other (row t)`, /table public\.other depends on/],
  [
    'view that groups by the key',
    'CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL, x int); CREATE VIEW v AS SELECT id, x, count(*) FROM t GROUP BY id',
    /view public\.v groups by the primary key/,
    { extendKeys: true },
  ],
  ['publication', `${KEYED}; CREATE PUBLICATION p FOR TABLE t`, /publication p.*publish_via_partition_root/],
  [
    'publication of all tables',
    `${KEYED}; CREATE PUBLICATION p FOR ALL TABLES WITH (publish_via_partition_root)`,
    /publication p/,
  ],
  [
    'trigger that names the column',
    `${KEYED}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
     CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()`,
    /trigger b.*--accept-triggers/,
  ],
  ['too many partitions', `${KEYED}; INSERT INTO t VALUES (1, '0100-01-01')`, /more than 1000.*--from/],
])('refuses: %s', async (_, sql, why, choices = {}) => {
  await database.client.query(sql);
  await expect(operated(database.url, { table: 't', by: 'at', ...choices })).rejects.toThrow(why);
});

it('a definition that changes after the plan ends it before the start, and before the cutover', async () => {
  await database.client.query(KEYED);
  await database.client.query(
    "INSERT INTO t SELECT i, now() - i * interval '1 day', i FROM generate_series(1, 100) AS i",
  );
  const first = await operated(database.url, { table: 't', by: 'at' });
  await database.client.query('ALTER TABLE t ADD COLUMN y int');
  await expect(first.run('expand')).rejects.toThrow(/has changed since the plan was made \(columns\)/);
  const second = await operated(database.url, { table: 't', by: 'at' });
  await second.run('verify');
  await database.client.query('GRANT SELECT ON t TO pg_monitor');
  await expect(second.run('cutover-writes')).rejects.toThrow(
    /has changed since the migration was planned: grants/,
  );
  await database.client.query(
    'REVOKE SELECT ON t FROM pg_monitor; REVOKE ALL ON t FROM CURRENT_USER; GRANT ALL ON t TO CURRENT_USER',
  );
  await second.back('none');
  expect((await database.client.query('SELECT count(*)::int AS n FROM t')).rows[0].n).toBe(100);
});

it('a transaction that stays open is named, and nothing queues behind the cutover for long', async () => {
  await database.client.query(KEYED);
  const it = await operated(database.url, { table: 't', by: 'at' });
  await it.run('verify');
  const other = new pg.Client(database.url);
  await other.connect();
  await other.query('BEGIN; LOCK TABLE t IN ACCESS SHARE MODE');
  await database.client.query("SET statement_timeout = '20s'");
  const running = it.run('cutover-writes');
  // Each of them may have to wait for one attempt, and none for all of them.
  for (let i = 0; i < 10; i += 1) await database.client.query('INSERT INTO t VALUES ($1, now(), 1)', [i]);
  await other.query('COMMIT');
  await other.end();
  await running;
  expect(
    (await database.client.query("SELECT relkind FROM pg_class WHERE oid = 't'::regclass")).rows[0].relkind,
  ).toBe('p');
  expect((await database.client.query('SELECT count(*)::int AS n FROM t')).rows[0].n).toBe(10);
});
