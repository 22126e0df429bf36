import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, forgetStatements } from '../../test/support/database.ts';
import { unhurried } from '../../test/support/unhurried.ts';
import { defaultDiagnosis, diagnose } from '../run.ts';

it('the table that a statement means is the one of its role’s search_path, and none where that is not known', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  const role = `seller_${crypto.randomUUID().slice(0, 8)}`;
  const filled = (table: string) =>
    `CREATE TABLE ${table} (id int PRIMARY KEY, code text NOT NULL, deleted_at timestamptz);
     INSERT INTO ${table} SELECT i, 'code ' || i, CASE WHEN i % 50 = 0 THEN now() END FROM generate_series(1, 8000) i`;
  await owner.query(`CREATE EXTENSION pg_stat_statements; CREATE SCHEMA audit; CREATE SCHEMA shop;
    ${['audit.orders', 'public.orders', 'shop.orders', 'public.staged', 'audit.lists', 'shop.lists'].map(filled).join(';')};
    CREATE TABLE public.schema_migrations (version text NOT NULL, at text NOT NULL);
    INSERT INTO schema_migrations SELECT i::text, '2026-01-01' FROM generate_series(1, 3000) i;
    CREATE TABLE public.wide (id int PRIMARY KEY, owner_id int NOT NULL, at timestamptz NOT NULL);
    INSERT INTO wide SELECT i, i / 15, now() FROM generate_series(1, 30000) i; CREATE INDEX ON wide (owner_id);
    CREATE TABLE public.counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter VALUES (1, 0);
    CREATE ROLE ${role} LOGIN PASSWORD 'x'; ALTER ROLE ${role} SET search_path = shop;
    GRANT USAGE ON SCHEMA shop, audit TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA shop, audit TO ${role}`);
  await owner.query('ANALYZE');
  await owner.query(forgetStatements);
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'x'];
  const seller = new pg.Client(url.href);
  await seller.connect();
  await owner.query('CREATE TEMP TABLE staged AS SELECT * FROM public.staged');
  const other = new pg.Client(database.url);
  await other.connect();
  await other.query('SET search_path = audit');
  for (let at = 0; at < 20; at += 1) {
    await owner.query('SELECT id FROM orders WHERE code = $1', ['code 7']);
    await owner.query('SELECT id FROM orders WHERE deleted_at IS NULL ORDER BY code LIMIT 3');
    await owner.query('SELECT code FROM staged WHERE code = $1', ['code 7']);
    await seller.query('SELECT id, code FROM orders WHERE code = $1', ['code 7']);
    await other.query('SELECT id, code FROM lists WHERE code = $1', ['code 7']);
    await owner.query('SELECT * FROM wide WHERE owner_id = $1 ORDER BY at LIMIT 5 OFFSET 10', [7]);
  }
  for (let at = 0; at < 700; at += 1) await owner.query('UPDATE counter SET n = n + 1 WHERE id = 1');
  await Promise.all([seller.end(), other.end()]);
  const { findings, blind } = await diagnose(unhurried(database.url, { skip: ['set-up'] }));
  await owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await owner.end();
  await database.drop();
  const ids = (check: string) =>
    findings
      .filter((finding) => finding.check === check)
      .map(({ id }) => id)
      .sort();
  expect(ids('missing-index')).toEqual([
    'missing-index:public.orders("code")',
    'missing-index:shop.orders("code")',
  ]);
  expect(blind.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^which table staged is/),
      expect.stringMatching(/^which table lists is.*audit, shop/),
    ]),
  );
  expect(findings.filter(({ objects }) => objects[0]?.table === 'schema_migrations')).toEqual([]);
  expect([...ids('offset-paging'), ...ids('hot-row')]).toEqual([]);
});

it('a database beside one whose statements cannot be written in its encoding is diagnosed all the same', async () => {
  const admin = await createTestDatabase();
  const latin = `latin_${crypto.randomUUID().slice(0, 8)}`;
  const client = new pg.Client(admin.url);
  await client.connect();
  await client.query(
    `CREATE DATABASE ${latin} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`,
  );
  await client.query('CREATE EXTENSION pg_stat_statements; CREATE TABLE "注文" (a int)');
  await client.query('SELECT a FROM "注文"');
  const url = new URL(admin.url);
  url.pathname = `/${latin}`;
  const owner = new pg.Client(url.href);
  await owner.connect();
  await owner.query('CREATE EXTENSION pg_stat_statements; CREATE TABLE keyless (a int)');
  const { findings, partial, notes } = await diagnose({
    ...defaultDiagnosis,
    url: url.href,
    observeMs: 0,
    dutyCycle: 1,
    signal: new AbortController().signal,
  });
  await owner.end();
  await client.query(`DROP DATABASE ${latin} WITH (FORCE)`);
  await client.end();
  await admin.drop();
  expect(findings.map(({ id }) => id)).toContain('missing-primary-key:public.keyless');
  expect(partial).toBe(true);
  expect(notes.join()).toMatch(/the workload: .*pg_stat_statements.*LATIN1.*pg_stat_statements_reset/);
});
