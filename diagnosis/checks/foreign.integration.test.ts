import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, forgetStatements } from '../../test/support/database.ts';
import { unhurried } from '../../test/support/unhurried.ts';
import { defaultDiagnosis, diagnose } from '../run.ts';

/**
 * What frameworks do in their schemas, and the diagnosis once took for faults or did not see (bench/thirdParty): created
 * and updated dates on everything, Django’s index of another operator class beside a unique one, pg-boss’s foreign
 * keys of partitions, pgbench’s references that are named like the key, Vendure’s coupon codes, of which few are two.
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
    CREATE TABLE sale (id int PRIMARY KEY, product_id int NOT NULL REFERENCES product, placed timestamptz NOT NULL, shipped timestamptz, note text NOT NULL, codes text NOT NULL);
    CREATE INDEX ON sale (product_id);
    CREATE TABLE branch (bid int PRIMARY KEY, words text NOT NULL);
    CREATE TABLE teller (tid int PRIMARY KEY, bid int NOT NULL);
    CREATE TABLE queue (name text PRIMARY KEY);
    CREATE TABLE job (name text NOT NULL, id int NOT NULL, PRIMARY KEY (name, id)) PARTITION BY LIST (name);
    CREATE TABLE job_common PARTITION OF job DEFAULT;
    ALTER TABLE job_common ADD FOREIGN KEY (name) REFERENCES queue;
    INSERT INTO product SELECT i, 'sku-' || i || repeat('x', 30), now() - (4000 - i) * interval '6 hours', now() - interval '1 day' FROM generate_series(1, 4000) i;
    INSERT INTO label SELECT id, id, repeat('words ', 10) || id, created, updated FROM product;
    INSERT INTO sale SELECT i, 1 + i * 7919 % 4000, at, at + interval '1 day', repeat('as agreed ', 5) || i,
      CASE WHEN i % 10 < 7 THEN '' WHEN i % 10 < 9 THEN 'WELCOME' || i % 12 ELSE 'WELCOME' || i % 12 || ',SUMMER' || i % 5 END
      FROM (SELECT i, now() - i * interval '2 hours' AS at FROM generate_series(1, 9000) i) s;
    INSERT INTO branch SELECT i, 'words ' || i FROM generate_series(1, 50) i;
    INSERT INTO teller SELECT i, 1 + i % 50 FROM generate_series(1, 500) i;
    INSERT INTO queue SELECT 'queue ' || i FROM generate_series(1, 5) i;
    INSERT INTO job SELECT 'queue ' || 1 + i % 5, i FROM generate_series(1, 500) i`);
  await owner.query('ANALYZE');
  const { findings, partial } = await diagnose(unhurried(database.url, { skip: ['set-up'] }));
  await owner.end();
  await database.drop();
  expect(partial).toBe(false);
  expect(findings.filter(({ check }) => check === 'duplicate-index')).toEqual([]);
  expect(
    findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ id }) => id)
      .sort(),
  ).toEqual([
    'cold-data:public.sale',
    'list-in-column:public.sale(codes)',
    'missing-foreign-key:public.teller(bid)',
  ]);
});

it('a role that may only read is told of the index that changes and locks miss', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  const role = `reader_${crypto.randomUUID().slice(0, 8)}`;
  await owner.query(`
    CREATE EXTENSION pg_stat_statements;
    CREATE TABLE seat (id int PRIMARY KEY, code text NOT NULL, taken int NOT NULL, held_by text);
    INSERT INTO seat SELECT i, 'seat ' || i, 0, 'holder ' || i FROM generate_series(1, 20000) i;
    ANALYZE;
    CREATE ROLE ${role} LOGIN PASSWORD 'reader' IN ROLE pg_read_all_stats;
    GRANT SELECT ON seat TO ${role}`);
  await owner.query(forgetStatements);
  for (let at = 1; at <= 20; at += 1) {
    await owner.query('UPDATE seat SET taken = $1 WHERE code = $2', [at, `seat ${at}`]);
    await owner.query('SELECT id FROM seat WHERE held_by = $1 FOR UPDATE', [`holder ${at}`]);
    await owner.query('INSERT INTO seat VALUES ($1, $2, $3, $4)', [at + 20_000, 'new', 0, 'nobody']);
  }
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'reader'];
  const { findings, blind } = await diagnose({
    ...defaultDiagnosis,
    url: url.href,
    observeMs: 0,
    dutyCycle: 1,
    only: ['missing-index'],
    signal: new AbortController().signal,
  });
  await owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await owner.end();
  await database.drop();
  expect(findings.map(({ id }) => id).sort()).toEqual([
    'missing-index:public.seat("code")',
    'missing-index:public.seat("held_by")',
  ]);
  expect(blind.filter(({ what }) => what.startsWith('plans of'))).toEqual([]);
});
