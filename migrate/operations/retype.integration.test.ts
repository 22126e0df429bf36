import { expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { kept } from '../../test/support/kept.ts';
import { type Operated, retyped } from '../../test/support/operated.ts';
import { verifyMigration } from '../engine.ts';
import { differences } from '../verify.ts';

const database = databaseFor('each');
const query = async (sql: string) => (await database.client.query(sql)).rows;
const typeOf = async (table: string, column: string) =>
  (
    await query(
      `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attname = '${column}'`,
    )
  )[0].type;
const expectEqual = async (it: Operated) =>
  expect(differences(await verifyMigration(it.options))).toEqual([]);

it('gives a text date its type while it is written to, and back', async () => {
  await database.client.query(`
    CREATE TABLE orders (id serial PRIMARY KEY, placed text NOT NULL DEFAULT '2020-01-01', note text, CHECK (placed <> ''));
    ALTER TABLE orders DROP CONSTRAINT orders_placed_check;
    CREATE INDEX orders_placed_idx ON orders (placed DESC, id) WHERE note IS NULL;
    CREATE VIEW shown AS SELECT id, placed FROM orders;
    CREATE VIEW counted AS SELECT count(placed) FROM orders;
    GRANT SELECT ON shown TO pg_monitor; COMMENT ON VIEW shown IS 'said';
    INSERT INTO orders (placed) SELECT to_char(date '2024-01-01' + i, 'YYYY-MM-DD') FROM generate_series(1, 3000) AS i`);
  const before = await query('SELECT * FROM orders ORDER BY id');
  const it = await retyped(database.url, 'orders.placed', 'date');
  await it.run('backfill');
  await database.client.query(`INSERT INTO orders (placed) VALUES ('2031-02-03'); INSERT INTO orders DEFAULT VALUES; DELETE FROM orders WHERE id % 100 = 1;
    UPDATE orders SET placed = '2030-01-01' WHERE id % 50 = 2`);
  await expectEqual(it);
  await it.run('cutover-writes');
  expect(await typeOf('orders', 'placed')).toBe('date');
  expect(await typeOf('shown', 'placed')).toBe('date');
  await database.client.query(`INSERT INTO orders (placed) VALUES ('2031-02-03'); INSERT INTO orders DEFAULT VALUES; DELETE FROM orders WHERE id % 100 = 3;
    UPDATE orders SET placed = placed + 1 WHERE id % 50 = 4`);
  expect(await query("SELECT placed::text FROM orders WHERE placed < '2021-01-01' ORDER BY id")).toEqual([
    { placed: '2020-01-02' },
  ]);
  await expectEqual(it);
  const after = await query('SELECT id, placed::text, note FROM orders ORDER BY id');
  expect(after.length).not.toBe(before.length);
  await it.back('none');
  expect(await typeOf('orders', 'placed')).toBe('text');
  expect(await query('SELECT * FROM orders ORDER BY id')).toEqual(after);
  await it.run('contract');
  expect(await query('SELECT id, placed::text, note FROM orders ORDER BY id')).toEqual(after);
  expect(
    await query("SELECT relacl::text, obj_description(oid) AS said FROM pg_class WHERE relname = 'shown'"),
  ).toEqual([{ relacl: expect.stringContaining('pg_monitor=r'), said: 'said' }]);
  await database.client.query("INSERT INTO orders (placed) VALUES ('2031-01-01')");
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'")).toEqual([]);
  expect(await query("SELECT proname FROM pg_proc WHERE proname LIKE '%sqltrail%'")).toEqual([]);
});

it('a write that does not convert succeeds, and stands in the way of the cutover; then one that does not convert back in that of the rollback', async () => {
  await database.client.query(`CREATE TABLE t (id int PRIMARY KEY, at text, u text UNIQUE);
    INSERT INTO t SELECT i, to_char(date '2024-01-01' + i, 'DD.MM.YYYY'), i FROM generate_series(1, 500) AS i`);
  const it = await retyped(database.url, 't.at', 'timestamp', { format: 'DD.MM.YYYY' });
  await it.run('dual-write');
  await database.client.query("INSERT INTO t VALUES (1000, 'soon', 'x'), (1001, '01.02.2025', 'y')");
  await it.run('backfill');
  await database.client.query(
    "UPDATE t SET at = 'n/a' WHERE id = 7; UPDATE t SET at = '1.2.2025' WHERE id = 8; UPDATE t SET at = 'gone' WHERE id = 9; DELETE FROM t WHERE id = 9",
  );
  await expect(it.run('verify')).rejects.toThrow(
    /3 rows were written that cannot be converted.*t_sqltrail_conflicts/,
  );
  const unconverted = () => kept(database.client, it.options);
  // Row 9 is gone, and its key is still there.
  expect(await unconverted()).toEqual([{ kind: 'not converted', table: 't', entries: 3 }]);
  const conflicts = 'SELECT id FROM t_sqltrail_conflicts ORDER BY id';
  expect(await query(conflicts)).toEqual([{ id: 7 }, { id: 8 }, { id: 9 }, { id: 1000 }]);
  await database.client.query(
    "UPDATE t SET at = '01.01.2025' WHERE id IN (7, 8); DELETE FROM t WHERE id = 1000",
  );
  await it.run('verify');
  expect(await unconverted()).toEqual([]);
  await database.client.query("UPDATE t SET at = 'late' WHERE id = 7");
  await expect(it.run('cutover-writes')).rejects.toThrow(/1 rows cannot be converted to the new type/);
  expect(await typeOf('t', 'at')).toBe('text');
  await database.client.query("UPDATE t SET at = '02.01.2025' WHERE id = 7");
  await it.run('cutover-writes');
  await database.client.query(
    "UPDATE t SET at = '2025-01-01 10:00' WHERE id = 7; UPDATE t SET at = 'infinity' WHERE id = 8; INSERT INTO t VALUES (2000, '2025-05-05', 'z')",
  );
  await expectEqual(it);
  expect(await query(conflicts)).toEqual([{ id: 7 }, { id: 8 }]);
  expect(await unconverted()).toEqual([{ kind: 'not convertible back', table: 't', entries: 2 }]);
  await expect(it.back('none')).rejects.toThrow(/2 rows were written that the old type cannot hold/);
  await database.client.query("UPDATE t SET at = '2025-01-01' WHERE id IN (7, 8)");
  await it.back('none');
  expect((await query('SELECT at FROM t WHERE id IN (7, 2000) ORDER BY id')).map(({ at }) => at)).toEqual([
    '01.01.2025',
    '05.05.2025',
  ]);
  await it.run('cutover-writes');
  await database.client.query("UPDATE t SET at = '2025-01-01 10:00' WHERE id = 7");
  // Who does not go back needs no way back.
  await it.run('contract');
  expect(await unconverted()).toEqual([]);
});

it('widens a key, its sequence and what refers to it', async () => {
  await database.client.query(`CREATE TABLE parents (id serial PRIMARY KEY, up int CONSTRAINT up REFERENCES parents);
    CREATE TABLE children (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int NOT NULL REFERENCES parents ON DELETE CASCADE);
    INSERT INTO parents (up) SELECT nullif(i - 1, 0) FROM generate_series(1, 500) AS i; INSERT INTO children (parent) SELECT id FROM parents`);
  await expect(retyped(database.url, 'parents.id', 'bigint')).rejects.toThrow(
    /up of the table itself refers to id.*--also up=bigint[\s\S]*migrate plan URL retype "public"\."children"\."parent" bigint/,
  );
  const children = await retyped(database.url, 'children.parent', 'bigint');
  await children.run('contract');
  const it = await retyped(database.url, 'parents.id', 'bigint', { also: ['up=bigint'] });
  await it.run('cutover-writes');
  await database.client.query(
    'INSERT INTO children (parent) SELECT id FROM parents WHERE id < 5; DELETE FROM parents WHERE id = 500',
  );
  await it.back('none');
  expect(
    (
      await query(
        "SELECT seqtypid::regtype::text AS type FROM pg_sequence WHERE seqrelid = 'parents_id_seq'::regclass",
      )
    )[0].type,
  ).toBe('integer');
  await it.run('cutover-writes');
  await database.client.query(
    "SELECT setval('parents_id_seq', 3000000000); INSERT INTO parents (up) VALUES (3); INSERT INTO children (parent) SELECT max(id) FROM parents",
  );
  await expectEqual(it);
  await expect(it.back('none')).rejects.toThrow(/1 rows were written that the old type cannot hold/);
  await it.run('contract');
  expect((await query('SELECT max(parent)::text AS it FROM children'))[0].it).toBe('3000000001');
});
