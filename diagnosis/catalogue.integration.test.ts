import { afterAll, beforeAll, expect, it } from 'vitest';
import { databaseFor } from '../test/support/database.ts';
import { readCapabilities, readSettings, readStatements, readTables } from './catalogue.ts';
import { type OpenSession, openSession } from './session.ts';

const database = databaseFor('all');
let session: OpenSession;

beforeAll(async () => {
  await database.client.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE "Übel; DROP" (id int PRIMARY KEY, "a""b" text UNIQUE, c numeric NOT NULL DEFAULT 1);
    CREATE TABLE child (id int, parent int REFERENCES "Übel; DROP" (id), at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE child_2026 PARTITION OF child FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE INDEX child_expression ON child ((parent + 1), at) INCLUDE (id) WHERE parent > 3;
    INSERT INTO "Übel; DROP" SELECT i, 'v' || i FROM generate_series(1, 1000) i;
    ANALYZE`);
  session = await openSession({
    url: database.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: 30_000,
    dutyCycle: 1,
  });
});
afterAll(async () => {
  await session.close();
});

it('reads tables with hostile names, keys, partitions, expression indexes and statistics', async () => {
  const tables = await readTables(session);
  expect(tables.map(({ name, kind }) => [name, kind])).toEqual([
    ['child', 'partitioned'],
    ['child_2026', 'partition'],
    ['Übel; DROP', 'table'],
  ]);
  const parent = tables.find(({ name }) => name === 'Übel; DROP');
  expect(parent).toMatchObject({
    schema: 'public',
    estimatedRows: 1000,
    primaryKey: ['id'],
    uniqueKeys: [['a"b']],
    foreignKeys: [],
  });
  expect(parent?.columns[1]).toMatchObject({
    name: 'a"b',
    type: 'text',
    stats: { nullFraction: 0, distinct: 1000 },
  });
  expect(parent?.columns[2]).toMatchObject({ notNull: true, hasDefault: true });
  const child = tables.find(({ name }) => name === 'child');
  expect(child?.foreignKeys[0]).toMatchObject({
    columns: ['parent'],
    referenced: { schema: 'public', table: 'Übel; DROP', columns: ['id'] },
  });
  expect(child?.indexes.find(({ name }) => name === 'child_expression')).toMatchObject({
    columns: [null, 'at'],
    included: ['id'],
    valid: true,
    predicate: '(parent > 3)',
  });
});

it('reads capabilities, settings and the workload, which leaves transaction control out', async () => {
  const capabilities = await readCapabilities(session);
  expect(capabilities).toMatchObject({ pgStatStatements: true, isReplica: false, hypopg: false });
  for (let i = 0; i < 3; i += 1)
    await database.client.query('SELECT count(*) FROM "Übel; DROP" WHERE id > $1', [i]);
  await database.client.query('BEGIN');
  await database.client.query('COMMIT');
  const { statements, windowSeconds } = await readStatements(session, capabilities);
  expect(statements.find(({ text }) => text.includes('"Übel; DROP" WHERE'))).toMatchObject({
    calls: 3,
    rows: 3,
  });
  expect(statements.some(({ text }) => /^(begin|commit)/i.test(text))).toBe(false);
  expect(windowSeconds).toBeGreaterThan(0);
  expect((await readSettings(session)).get('max_connections')).toMatchObject({ value: '200' });
});
