import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { rollbackMigration, runMigration, verifyMigration } from '../engine.ts';
import type { Phase, Reached } from '../mapping.ts';
import { openReader } from '../session.ts';
import { differences } from '../verify.ts';
import type { PartitionOptions } from './choices.ts';
import { type DeclaredMigration, readDeclared, writeDeclared } from './declared.ts';
import { READING } from './description.ts';
import { operationOf } from './operation.ts';
import { planPartition } from './partition.ts';

let database: TestDatabase;
let client: pg.Client;
beforeEach(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.url);
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

const chosen = {
  interval: 'month',
  timeZone: 'UTC',
  ahead: 2,
  extendKeys: true,
  dropForeignKeys: true,
  acceptTriggers: false,
} as const;

/** Planned, written to a file and read from it. */
async function plan(
  options: Pick<PartitionOptions, 'table' | 'by'> & Partial<PartitionOptions>,
): Promise<DeclaredMigration> {
  const reader = await openReader(database.url, READING);
  try {
    return readDeclared(writeDeclared(await planPartition(reader, { ...chosen, ...options })), 'plan.yaml');
  } finally {
    await reader.end();
  }
}

const at = (declared: DeclaredMigration) => ({
  url: database.url,
  mapping: operationOf(declared),
  dutyCycle: 1,
});
async function run(declared: DeclaredMigration, until: Phase) {
  for await (const _ of runMigration({ ...at(declared), until, yes: true }));
}
async function back(declared: DeclaredMigration, to: Reached) {
  for await (const _ of rollbackMigration({ ...at(declared), to }));
}
const query = async (sql: string) => (await client.query(sql)).rows;

it('partitions a table that is written to, and back', async () => {
  await client.query(`
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
  const declared = await plan({ table: 'orders', by: 'placed_at' });
  await run(declared, 'backfill');
  await client.query(`INSERT INTO orders (customer_id, total) VALUES (3, 5); UPDATE orders SET total = 9999 WHERE id < 20; DELETE FROM orders WHERE id % 100 = 1;
    UPDATE orders SET placed_at = placed_at + interval '40 days' WHERE id % 50 = 2`);
  expect(differences(await verifyMigration(at(declared)))).toEqual([]);
  await run(declared, 'cutover-writes');
  expect((await query("SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass"))[0].relkind).toBe('p');
  await client.query(`INSERT INTO orders (customer_id, total) VALUES (3, 6); UPDATE orders SET total = 9998 WHERE id < 30; DELETE FROM orders WHERE id % 100 = 3;
    UPDATE orders SET placed_at = placed_at + interval '40 days' WHERE id % 50 = 4; DELETE FROM customers WHERE id = 7`);
  expect(differences(await verifyMigration(at(declared)))).toEqual([]);
  const after = await query('SELECT * FROM orders ORDER BY id');
  expect(after.length).not.toBe(before.length);
  await back(declared, 'none');
  expect(await query('SELECT * FROM orders ORDER BY id')).toEqual(after);
  await run(declared, 'contract');
  expect(await query('SELECT * FROM orders ORDER BY id')).toEqual(after);
  await client.query('INSERT INTO orders (customer_id, total) VALUES (3, 7)');
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'")).toEqual([]);
});
