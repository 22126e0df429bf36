import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plantedFaults } from '../sample-shop/data/expectedFindings.ts';
import { LegacyStore } from '../sample-shop/stores/legacy.ts';
import { createTestDatabase, forgetStatements } from '../test/support/database.ts';
import { judge } from '../test/support/judge.ts';
import { createShopTestDatabase, type ShopDatabase } from '../test/support/shop.ts';
import { unhurried } from '../test/support/unhurried.ts';
import { explainedShares } from './attribution.ts';
import { type Diagnosis, notesOf } from './diagnosis.ts';
import { toHtml } from './format/html.ts';
import { toSarif } from './format/sarif.ts';
import { toText } from './format/text.ts';
import { diagnose } from './run.ts';

describe('the shop', () => {
  let database: ShopDatabase;
  let diagnosis: Diagnosis;

  beforeAll(async () => {
    database = await createShopTestDatabase('small');
    const admin = new pg.Client(database.url('postgres'));
    await admin.connect();
    await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    await admin.query(forgetStatements);
    await admin.end();
    const pool = new pg.Pool({ connectionString: database.url('shop_app'), max: 8 });
    const shop = new LegacyStore(pool);
    const { categories } = await shop.facets();
    for (let visit = 1; visit <= 6; visit += 1) {
      await shop.browse(categories[visit % categories.length] ?? '', visit);
      await shop.search('lamp', 1);
      await shop.product(visit, 'session');
      await shop.history(visit, 1);
      await shop.sales(30);
    }
    // At once, so that they wait for the one row that all of them need.
    const buyers = Array.from({ length: 40 }, (_, at) => at + 1);
    const placed = await Promise.all(
      buyers.map(async (customer) => {
        await shop.addToCart(`s${customer}`, {
          productId: 100 + customer,
          quantity: 1,
          customerId: customer,
        });
        return shop.checkout(`s${customer}`, customer);
      }),
    );
    for (const order of placed) if (order) await shop.order(order.orderNumber);
    await pool.end();
    diagnosis = await diagnose(unhurried(database.url('sqltrail_monitor')));
  });
  afterAll(() => database?.drop());

  it('every planted cause is found, with its table and columns, and little else', () => {
    const { missed, unplanted, recall, precision } = judge(diagnosis.findings, plantedFaults);
    expect(missed).toEqual([]);
    expect(recall).toBe(1);
    const warned = unplanted.filter(({ severity }) => severity !== 'info');
    // The lines of cold orders are as cold as the orders, though only these were planted.
    expect(warned.map(({ id }) => id)).toEqual(['cold-data:public.order_items']);
    expect(precision).toBeGreaterThan(0.8);
  });

  it('ranks by the database time that a cause takes, and says what it did itself', () => {
    const times = diagnosis.findings.map(({ cost }) => cost.msPerSecond ?? 0);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(diagnosis.findings[0]?.shareOfLostTime).toBeGreaterThan(0.05);
    expect(diagnosis.ownLoad.statements).toBeGreaterThan(10);
    expect(diagnosis.partial).toBe(false);
  });

  it('says of the database time what each finding explains, once, and what none does', () => {
    const { attribution } = diagnosis;
    if (!attribution) expect.fail('no attribution');
    const shares = [...explainedShares(attribution).values()];
    expect(shares.reduce((sum, share) => sum + share, attribution.unexplainedShare)).toBeCloseTo(1, 6);
    expect(attribution.unexplainedShare).toBeLessThan(0.5);
    expect(attribution.statements.length).toBeGreaterThan(10);
    expect(toText(diagnosis, { columns: 100, verbose: false })).toMatch(
      /(Findings explain|No finding explains) [\d.]+ % of the database time/,
    );
  });

  it('shows no value of a row: neither name, nor address, nor mail', async () => {
    const admin = new pg.Client(database.url('postgres'));
    await admin.connect();
    const { rows } = await admin.query<{ email: string; full_name: string }>(
      'SELECT email, full_name FROM customers LIMIT 2000',
    );
    await admin.end();
    const all = JSON.stringify(diagnosis);
    for (const { email, full_name: name } of rows) {
      expect(all).not.toContain(email);
      expect(all).not.toContain(name);
    }
  });

  it('is told as text, page and SARIF', () => {
    expect(toText(diagnosis, { columns: 100, verbose: true })).toContain('orders copies customer_name');
    expect(toHtml(diagnosis)).toContain('<h2>From KPI to cause</h2>');
    const { runs } = toSarif(diagnosis) as { runs: { results: { ruleId: string }[] }[] };
    expect(runs[0]?.results).toHaveLength(diagnosis.findings.length);
  });
});

describe('other databases', () => {
  it('an empty database has no warning', async () => {
    const database = await createTestDatabase();
    const { findings, partial } = await diagnose(unhurried(database.url));
    expect(partial).toBe(false);
    expect(
      findings.filter(({ severity, check }) => severity !== 'info' && check !== 'telemetry-blind'),
    ).toEqual([]);
    await database.drop();
  });

  it('a well-kept schema has no warning, and hostile names neither break nor run', async () => {
    const database = await createTestDatabase();
    const owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query(`CREATE EXTENSION pg_stat_statements;
      CREATE TABLE "cust'omer" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "na""me" text NOT NULL, born date);
      CREATE TABLE "order; DROP TABLE x" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "cust'omer_id" bigint NOT NULL REFERENCES "cust'omer",
        "paid ✓" timestamptz NOT NULL, amount numeric(10,2) NOT NULL);
      CREATE INDEX ON "order; DROP TABLE x" ("cust'omer_id");
      INSERT INTO "cust'omer" ("na""me", born) SELECT 'n' || i, date '1980-01-01' + i FROM generate_series(1, 2000) i;
      INSERT INTO "order; DROP TABLE x" ("cust'omer_id", "paid ✓", amount)
        SELECT 1 + i % 2000, now() - i * interval '1 minute', (i % 977) * 1.37 FROM generate_series(1, 20000) i;
      ANALYZE`);
    for (let at = 1; at < 20; at += 1)
      await owner.query(`SELECT * FROM "order; DROP TABLE x" WHERE "cust'omer_id" = $1`, [at]);
    const { findings, partial, notes } = await diagnose(unhurried(database.url));
    expect({ partial, notes }).toEqual({ partial: false, notes: [] });
    expect(findings.filter(({ severity }) => severity !== 'info').map(({ id }) => id)).toEqual([]);
    const { rows } = await owner.query(`SELECT count(*)::int AS n FROM "order; DROP TABLE x"`);
    expect(rows[0].n).toBe(20_000);
    await owner.end();
    await database.drop();
  });

  it('a statement that takes the time and that no finding is about is shown at the top', async () => {
    const database = await createTestDatabase();
    const owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query('CREATE EXTENSION pg_stat_statements; CREATE TABLE visit (id int PRIMARY KEY)');
    await owner.query(forgetStatements);
    for (let at = 0; at < 3; at += 1) await owner.query("SELECT pg_sleep(0.05), 'secret'");
    const diagnosis = await diagnose(unhurried(database.url));
    expect(diagnosis.attribution?.unexplainedShare).toBe(1);
    const text = toText(diagnosis, { columns: 200, verbose: false });
    expect(text).toMatch(/No finding explains 100 % of the database time.* It goes into:/);
    expect(text).toMatch(/\d % *: SELECT pg_sleep\(.*\(3 calls of \d+ ms\)/);
    expect(toHtml(diagnosis)).toContain('No finding explains 100.0 %');
    expect(JSON.stringify(diagnosis)).not.toContain('secret');
    expect((await diagnose(unhurried(database.url, { only: ['invalid-index'] }))).attribution).toBeNull();
    await owner.end();
    await database.drop();
  });

  it('without rights it says what it could not see, and which grant would help', async () => {
    const database = await createTestDatabase();
    const owner = new pg.Client(database.url);
    await owner.connect();
    const role = `poor_${crypto.randomUUID().slice(0, 8)}`;
    await owner.query(`CREATE TABLE secret (id int PRIMARY KEY, x text); INSERT INTO secret SELECT i, 'v' FROM generate_series(1, 5000) i; ANALYZE;
      CREATE ROLE ${role} LOGIN PASSWORD 'poor'`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'poor';
    const { blind, partial } = await diagnose(unhurried(url.href));
    expect(partial).toBe(false);
    expect(blind.find(({ what }) => what.includes('secret'))?.remedy).toContain(
      'GRANT SELECT ON "public"."secret"',
    );
    expect(blind.some(({ remedy }) => remedy.includes('pg_stat_statements'))).toBe(true);
    await owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await owner.end();
    await database.drop();
  });

  it('a connection cut in the middle gives what was found so far, marked partial', async () => {
    const database = await createTestDatabase();
    const owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query('CREATE TABLE plain (a int)');
    let killed: Promise<unknown> | undefined;
    const diagnosis = await diagnose(
      unhurried(database.url, {
        onProgress: ({ at }) => {
          if (at < 1) return;
          killed ??= owner.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sqltrail-diagnose' AND datname = current_database()",
          );
        },
      }),
    );
    await killed;
    expect(diagnosis.partial).toBe(true);
    expect(notesOf(diagnosis).join(' ')).toMatch(/cut/);
    expect(notesOf(diagnosis).join(' ')).toMatch(/not run: .*growth/);
    await owner.end();
    await database.drop();
  });

  it('a budget that is used up ends it, marked partial; while it observes, too', async () => {
    const database = await createTestDatabase();
    const owner = new pg.Client(database.url);
    await owner.connect();
    // To read a sample of it takes 4 s: longer than the budget, shorter than the statement timeout.
    await owner.query(`CREATE TYPE slow AS (a int);
      CREATE FUNCTION slowly(slow) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(0.2)::text';
      CREATE CAST (slow AS text) WITH FUNCTION slowly(slow);
      CREATE TABLE awaited (id int PRIMARY KEY, a slow);
      INSERT INTO awaited SELECT i, ROW(i)::slow FROM generate_series(1, 20) AS i;
      ANALYZE awaited`);
    const { partial, notes, checks, tables } = await diagnose(
      unhurried(database.url, { budgetMs: 3_000, observeMs: 6_000 }),
    );
    expect({ partial, tables }).toEqual({ partial: true, tables: 1 });
    expect(notes[0]).toMatch(/^the workload of now: .*--budget.* since the statistics were reset$/);
    expect(notesOf({ notes, checks }).at(-1)).toMatch(/^not run: /);
    // Without the catalogue there is nothing to go on with.
    await expect(diagnose(unhurried(database.url, { budgetMs: 0 }))).rejects.toThrow(/--budget/);
    await owner.end();
    await database.drop();
  });

  it('an unreachable host and a wrong password are named, the password never', async () => {
    const database = await createTestDatabase();
    const url = new URL(database.url);
    url.password = 'hunter2-wrong';
    await expect(diagnose(unhurried(url.href))).rejects.toThrow(/refused the user name or password/);
    await expect(diagnose(unhurried(url.href))).rejects.not.toThrow(/hunter2/);
    await expect(diagnose(unhurried('postgres://a:hunter2@127.0.0.1:1/x'))).rejects.toThrow(
      /nothing listens there/,
    );
    await database.drop();
  });
});
