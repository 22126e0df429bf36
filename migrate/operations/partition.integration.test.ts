import { expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { operated } from '../../test/support/operated.ts';
import { differing } from '../../test/support/operationCase.ts';
import { verifyMigration } from '../engine.ts';
import { differences } from '../verify.ts';
import { aheadOf } from './ahead.ts';

const database = databaseFor('each');
const query = async (sql: string) => (await database.client.query(sql)).rows;

it('partitions a table that is written to, and back', async () => {
  await database.client.query(`
    CREATE TABLE customers (id int PRIMARY KEY, name text);
    INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 50) AS i;
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE,
      placed_at timestamptz NOT NULL DEFAULT now(), total numeric(10, 2) CHECK (total >= 0), note text);
    CREATE INDEX orders_customer_idx ON orders (customer_id, placed_at DESC) WHERE note IS NULL;
    CREATE TABLE lines (order_id bigint NOT NULL REFERENCES orders, product text);
    CREATE VIEW recent AS SELECT id, total FROM orders WHERE placed_at > '2026-03-01';
    INSERT INTO orders (customer_id, placed_at, total) SELECT 1 + i % 50, timestamptz '2026-01-01' + i * interval '1 hour', i FROM generate_series(1, 5000) AS i;
    INSERT INTO lines SELECT id, 'p' FROM orders WHERE id % 100 = 50 AND customer_id <> 7`);
  const before = await query('SELECT * FROM orders ORDER BY id');
  await expect(operated(database.url, { table: 'orders', by: 'placed_at' })).rejects.toThrow(
    /--extend-keys[\s\S]*lines_order_id_fkey of public\.lines[\s\S]*--drop-foreign-keys/,
  );
  const it = await operated(database.url, {
    table: 'orders',
    by: 'placed_at',
    extendKeys: true,
    dropForeignKeys: true,
  });
  await it.run('backfill');
  await database.client.query(`INSERT INTO orders (customer_id, total) VALUES (3, 5); UPDATE orders SET total = 9999 WHERE id < 20; DELETE FROM orders WHERE id % 100 = 1;
    UPDATE orders SET placed_at = placed_at + interval '40 days' WHERE id % 50 = 2`);
  expect(await differing(database.client, 'orders', it.declared.rows.newName)).toBe(0);
  expect(differences(await verifyMigration(it.options))).toEqual([]);
  await it.run('cutover-writes');
  expect((await query("SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass"))[0].relkind).toBe('p');
  await database.client.query(`INSERT INTO orders (customer_id, total) VALUES (3, 6); UPDATE orders SET total = 9998 WHERE id < 30; DELETE FROM orders WHERE id % 100 = 3;
    UPDATE orders SET placed_at = placed_at + interval '40 days' WHERE id % 50 = 4; DELETE FROM customers WHERE id = 7`);
  expect(await differing(database.client, 'orders', it.declared.rows.oldName)).toBe(0);
  expect(differences(await verifyMigration(it.options))).toEqual([]);
  const after = await query('SELECT * FROM orders ORDER BY id');
  expect(after.length).not.toBe(before.length);
  await it.back('none');
  expect(await query('SELECT * FROM orders ORDER BY id')).toEqual(after);
  await it.run('contract');
  expect(await query('SELECT * FROM orders ORDER BY id')).toEqual(after);
  await database.client.query('INSERT INTO orders (customer_id, total) VALUES (3, 7)');
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'")).toEqual([]);
});

it('a foreign key of the table to itself goes at the cutover, and stands in no write’s way', async () => {
  await database.client.query(`CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL DEFAULT now(), up int CONSTRAINT up REFERENCES t);
    INSERT INTO t SELECT i, now(), nullif(i - 1, 0) FROM generate_series(1, 100) AS i`);
  const it = await operated(database.url, {
    table: 't',
    by: 'at',
    extendKeys: true,
    dropForeignKeys: true,
  });
  await it.run('cutover-writes');
  await database.client.query('DELETE FROM t WHERE id = 50; UPDATE t SET up = NULL WHERE id = 51');
  expect(await differing(database.client, 't', it.declared.rows.oldName)).toBe(0);
  await it.back('none');
  await expect(database.client.query('DELETE FROM t WHERE id = 60')).rejects.toThrow(/"up"/);
});

it('what was unique by itself stays so until the migration is complete', async () => {
  await database.client.query(`CREATE TABLE t (id int PRIMARY KEY, at date NOT NULL, n int);
    INSERT INTO t SELECT i, '2026-01-01', i FROM generate_series(1, 100) AS i`);
  const it = await operated(database.url, { table: 't', by: 'at', extendKeys: true });
  await it.run('cutover-writes');
  await expect(
    database.client.query("INSERT INTO t VALUES (101, '2026-01-01', 1), (7, '2026-02-01', 8)"),
  ).rejects.toMatchObject({ code: '23505' });
  await database.client.query(
    "INSERT INTO t VALUES (101, '2026-01-01', 1); UPDATE t SET at = '2026-02-02', n = 0 WHERE id = 7; UPDATE t SET n = n + 1 WHERE id < 20",
  );
  const now = await query('SELECT * FROM t ORDER BY id');
  expect(await differing(database.client, 't', it.declared.rows.oldName)).toBe(0);
  await it.back('none');
  expect(await query('SELECT * FROM t ORDER BY id')).toEqual(now);
});

it('rights by default are none on the new table and its partitions, at any time', async () => {
  const role = `reader_${crypto.randomUUID().slice(0, 8)}`;
  await database.client.query(`CREATE ROLE ${role}; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${role};
    CREATE TABLE t (id int, at date NOT NULL, PRIMARY KEY (id, at)); REVOKE ALL ON t FROM ${role};
    INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1, 100) AS i`);
  const readable = () =>
    query(
      `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND has_table_privilege('${role}', oid, 'SELECT')`,
    );
  const it = await operated(database.url, { table: 't', by: 'at', ahead: 0 });
  await it.run('expand');
  expect(await readable()).toEqual([]);
  await it.run('contract');
  expect(await aheadOf(database.url, it.declared, 3)).toHaveLength(3);
  expect(await readable()).toEqual([]);
  await database.client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

it('partitions are made ahead, again and again', async () => {
  await database.client.query(`CREATE TABLE t (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) WITH (fillfactor = 71);
    CREATE INDEX t_at_idx ON t (at DESC)`);
  const it = await operated(database.url, { table: 't', by: 'at', ahead: 0 });
  await expect(aheadOf(database.url, it.declared, 3)).rejects.toThrow(/not complete/);
  await it.run('contract');
  const parts = async () =>
    (
      await query(
        "SELECT relname, reloptions FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 't'::regclass ORDER BY 1",
      )
    ).map((row) => `${row.relname} ${row.reloptions}`);
  expect(await parts()).toHaveLength(2);
  expect(await aheadOf(database.url, it.declared, 3)).toHaveLength(3);
  // Whoever reads rows of the default partition is not in the way of nothing.
  await database.client.query('BEGIN; LOCK TABLE t_default IN ACCESS SHARE MODE');
  expect(await aheadOf(database.url, it.declared, 3)).toEqual([]);
  await database.client.query('COMMIT');
  expect(new Set((await parts()).map((part) => part.split(' ')[1]))).toEqual(new Set(['fillfactor=71']));
  await database.client.query("INSERT INTO t VALUES (1, now() + interval '140 days')");
  await expect(aheadOf(database.url, it.declared, 6)).rejects.toThrow(/t_default/);
});

it('a table that is emptied is empty in both, and its numbers begin anew', async () => {
  await database.client.query(`CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, at date NOT NULL DEFAULT now(), found text, PRIMARY KEY (id, at));
    INSERT INTO t (found) SELECT 'x' FROM generate_series(1, 100)`);
  const it = await operated(database.url, { table: 't', by: 'at' });
  await it.run('verify');
  await database.client.query("TRUNCATE t RESTART IDENTITY; INSERT INTO t (found) VALUES ('y')");
  expect(await differing(database.client, 't', it.declared.rows.newName)).toBe(0);
  await it.run('cutover-writes');
  await database.client.query("INSERT INTO t (found) VALUES ('z')");
  expect(await query('SELECT id, found FROM t ORDER BY id')).toEqual([
    { id: 1, found: 'y' },
    { id: 2, found: 'z' },
  ]);
  await database.client.query("TRUNCATE t RESTART IDENTITY; INSERT INTO t (found) VALUES ('a')");
  expect(await differing(database.client, 't', it.declared.rows.oldName)).toBe(0);
  await it.back('none');
  await database.client.query("INSERT INTO t (found) VALUES ('b')");
  expect(await query('SELECT id, found FROM t ORDER BY id')).toEqual([
    { id: 1, found: 'a' },
    { id: 2, found: 'b' },
  ]);
});

it('the owner runs it, or a superuser in the owner’s name', async () => {
  const role = `owner_${database.name}`;
  await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; CREATE ROLE ${role}_app; GRANT CREATE ON DATABASE ${database.name} TO ${role};
    CREATE SCHEMA own AUTHORIZATION ${role}; GRANT USAGE ON SCHEMA own TO ${role}_app; SET ROLE ${role};
    CREATE TABLE own.parent (id int PRIMARY KEY); INSERT INTO own.parent VALUES (1);
    CREATE TABLE own.t (id int GENERATED ALWAYS AS IDENTITY, at date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'), parent int REFERENCES own.parent, PRIMARY KEY (id, at));
    GRANT INSERT, SELECT, UPDATE, DELETE ON own.t TO ${role}_app; INSERT INTO own.t (parent) SELECT 1 FROM generate_series(1, 50); RESET ROLE`);
  const url = new URL(database.url);
  url.username = role;
  url.password = 'x';
  const write = () =>
    database.client.query(
      `SET ROLE ${role}_app; INSERT INTO own.t (parent) VALUES (1); UPDATE own.t SET parent = NULL WHERE id % 3 = 0; DELETE FROM own.t WHERE id % 7 = 1; RESET ROLE`,
    );
  try {
    const asOwner = await operated(url.href, { table: 'own.t', by: 'at' });
    await asOwner.run('verify');
    await write();
    await asOwner.run('cutover-writes');
    await write();
    await asOwner.back('none');
    const asSuperuser = await operated(database.url, { table: 'own.t', by: 'at' });
    await asSuperuser.run('cutover-writes');
    await write();
    expect(await differing(database.client, 'own.t', `own.${asSuperuser.declared.rows.oldName}`)).toBe(0);
    await asSuperuser.run('contract');
    expect(await aheadOf(database.url, asSuperuser.declared, 4)).toHaveLength(2);
    expect(
      await query(
        "SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'own'::regnamespace",
      ),
    ).toEqual([{ owner: role }]);
  } finally {
    await database.client.query(`DROP OWNED BY ${role}, ${role}_app CASCADE; DROP ROLE ${role}, ${role}_app`);
  }
});

it('names may be as long as Postgres allows', async () => {
  const [one, two] = [`${'a'.repeat(62)}1`, `${'a'.repeat(62)}2`];
  await database.client.query(`CREATE TABLE ${one} (id int, at date NOT NULL DEFAULT now(), CONSTRAINT ${'k'.repeat(63)} PRIMARY KEY (id, at));
    CREATE INDEX ${two} ON ${one} (at); CREATE INDEX ${'i'.repeat(63)} ON ${one} (id DESC); INSERT INTO ${one} VALUES (1)`);
  const indexes = () =>
    query(`SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = '${one}'::regclass ORDER BY 1`);
  const before = await indexes();
  const it = await operated(database.url, { table: one, by: 'at' });
  await it.run('cutover-writes');
  expect(await indexes()).toEqual(before);
  await it.back('none');
  expect(await indexes()).toEqual(before);
  await it.run('contract');
  expect(await indexes()).toEqual(before);
});
