import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../../test/support/database.ts';
import { defaultDiagnosis, diagnose } from '../run.ts';

/**
 * What frameworks do in their schemas, and the diagnosis once took for faults or did not see (bench/judge): created
 * and updated dates on everything, Django’s index of another operator class beside a unique one, pg-boss’s foreign
 * keys of partitions, pgbench’s references that are named like the key.
 */
it('habits of frameworks are no faults, and what is one is found', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(`
    CREATE TABLE product (id int PRIMARY KEY, sku varchar(40) NOT NULL UNIQUE, created timestamptz NOT NULL, updated timestamptz NOT NULL);
    CREATE INDEX product_sku_like ON product (sku varchar_pattern_ops);
    CREATE TABLE label (id int PRIMARY KEY, product_id int NOT NULL REFERENCES product, words text NOT NULL, created timestamptz NOT NULL, updated timestamptz NOT NULL);
    CREATE INDEX ON label (product_id);
    CREATE TABLE sale (id int PRIMARY KEY, product_id int NOT NULL REFERENCES product, placed timestamptz NOT NULL, shipped timestamptz, note text NOT NULL);
    CREATE INDEX ON sale (product_id);
    CREATE TABLE branch (bid int PRIMARY KEY, words text NOT NULL);
    CREATE TABLE teller (tid int PRIMARY KEY, bid int NOT NULL);
    CREATE TABLE queue (name text PRIMARY KEY);
    CREATE TABLE job (name text NOT NULL, id int NOT NULL, PRIMARY KEY (name, id)) PARTITION BY LIST (name);
    CREATE TABLE job_common PARTITION OF job DEFAULT;
    ALTER TABLE job_common ADD FOREIGN KEY (name) REFERENCES queue;
    INSERT INTO product SELECT i, 'sku-' || i || repeat('x', 30), now() - (4000 - i) * interval '6 hours', now() - interval '1 day' FROM generate_series(1, 4000) i;
    INSERT INTO label SELECT id, id, repeat('words ', 10) || id, created, updated FROM product;
    INSERT INTO sale SELECT i, 1 + i * 7919 % 4000, at, at + interval '1 day', repeat('as agreed ', 5) || i FROM (SELECT i, now() - i * interval '2 hours' AS at FROM generate_series(1, 9000) i) s;
    INSERT INTO branch SELECT i, 'words ' || i FROM generate_series(1, 50) i;
    INSERT INTO teller SELECT i, 1 + i % 50 FROM generate_series(1, 500) i;
    INSERT INTO queue SELECT 'queue ' || i FROM generate_series(1, 5) i;
    INSERT INTO job SELECT 'queue ' || 1 + i % 5, i FROM generate_series(1, 500) i`);
  await owner.query('ANALYZE');
  const { findings, partial } = await diagnose({
    ...defaultDiagnosis,
    url: database.url,
    observeMs: 0,
    dutyCycle: 1,
    deadlineMs: 120_000,
    budgetMs: 100_000,
    skip: ['set-up'],
    signal: new AbortController().signal,
  });
  await owner.end();
  await database.drop();
  expect(partial).toBe(false);
  expect(findings.filter(({ check }) => check === 'duplicate-index')).toEqual([]);
  expect(
    findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['cold-data:public.sale', 'missing-foreign-key:public.teller(bid)']);
});
