import { beforeAll, describe, expect, it } from 'vitest';
import { databaseFor, forgetStatements } from '../test/support/database.ts';
import { unhurried } from '../test/support/unhurried.ts';
import type { Diagnosis } from './diagnosis.ts';
import { fixSql } from './fixSql.ts';
import { diagnose } from './run.ts';

/**
 * Forms in which applications and their ORMs ask, and tables that are not plain ones. Each was once not seen
 * (partitions, views, documents, whole indexes) or seen where nothing was wrong (indexes on fields, partial indexes).
 */
const database = databaseFor('all');
let diagnosis: Diagnosis;

const statements: [sql: string, values: unknown[]][] = [
  ['SELECT v FROM reading WHERE sensor = $1', [7]],
  ['SELECT id FROM animal WHERE chip = $1', ['chip7']],
  ['SELECT id FROM open_sale WHERE who = $1', [7]],
  ['SELECT id FROM wide_sale WHERE code = $1', ['code7']],
  ["SELECT id FROM item WHERE data ->> 'sku' = $1", ['sku7']],
  ['SELECT id, note FROM item WHERE data @> $1', ['{"sku":"sku7"}']],
  ['SELECT id FROM item WHERE tags && $1', [['t7']]],
  ["SELECT id FROM kept WHERE data ->> 'sku' = $1", ['sku7']],
  ["SELECT id FROM kept WHERE code = $1 AND state = 'open'", ['code7']],
  ['SELECT count(*) FROM item WHERE date(created_at) = $1', ['2026-01-03']],
  ['SELECT kind FROM event WHERE who = ANY (ARRAY[7, 8])', []],
  ['SELECT id FROM event WHERE b = $1', [77]],
  ['SELECT line FROM log WHERE ref = $1', [77]],
  ['SELECT COUNT(id) FROM sale WHERE done', []],
  ['SELECT COUNT(DISTINCT buyer) FROM sale', []],
  ['SELECT COUNT(*) FROM (SELECT 1 AS one FROM sale WHERE done) subquery_for_count', []],
  ['SELECT * FROM (SELECT * FROM sale ORDER BY at LIMIT 20 OFFSET 30000) t WHERE t.done', []],
  ['SELECT * FROM sale ORDER BY at OFFSET 30000 ROWS FETCH NEXT 20 ROWS ONLY', []],
];

beforeAll(async () => {
  await database.client.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE reading (id int NOT NULL, sensor int NOT NULL, at timestamptz NOT NULL, v int NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE reading_a PARTITION OF reading FOR VALUES FROM ('2024-01-01') TO ('2025-06-01');
    CREATE TABLE reading_b PARTITION OF reading FOR VALUES FROM ('2025-06-01') TO ('2028-01-01');
    INSERT INTO reading SELECT i, i % 4000, timestamptz '2025-01-01' + i * interval '10 minutes', i FROM generate_series(1, 40000) i;
    CREATE TABLE animal (id int PRIMARY KEY, chip text NOT NULL);
    CREATE TABLE dog (kennel int NOT NULL, PRIMARY KEY (id)) INHERITS (animal);
    INSERT INTO dog SELECT i, 'chip' || i, i % 100 FROM generate_series(1, 30000) i;
    CREATE TABLE sale (id int PRIMARY KEY, buyer int NOT NULL, code varchar(20) NOT NULL, at timestamptz NOT NULL, done boolean NOT NULL);
    INSERT INTO sale SELECT i, i % 5000, 'code' || i, timestamptz '2026-01-01' + i * interval '1 minute', true FROM generate_series(1, 40000) i;
    CREATE VIEW open_sale AS SELECT s.id, s.buyer AS who, s.code FROM sale s WHERE done;
    CREATE VIEW wide_sale AS SELECT o.* FROM open_sale o;
    CREATE TABLE item (id int PRIMARY KEY, data jsonb NOT NULL, tags text[] NOT NULL, created_at timestamptz NOT NULL, note text NOT NULL);
    INSERT INTO item SELECT i, jsonb_build_object('sku', 'sku' || i, 'color', i % 20), ARRAY['t' || i % 500], timestamptz '2026-01-01' + i * interval '1 minute', repeat('x', 100) FROM generate_series(1, 40000) i;
    CREATE INDEX ON item (created_at);
    CREATE TABLE kept (id int PRIMARY KEY, data jsonb NOT NULL, code text NOT NULL, state text NOT NULL);
    INSERT INTO kept SELECT id, data, 'code' || id, CASE WHEN id % 300 = 0 THEN 'open' ELSE 'closed ' || id % 900 END FROM item;
    CREATE INDEX ON kept ((data ->> 'sku')); CREATE INDEX ON kept (code) WHERE state = 'open';
    CREATE TABLE event (id int PRIMARY KEY, at timestamptz NOT NULL, kind text NOT NULL, who int NOT NULL, a int NOT NULL, b int NOT NULL, note text NOT NULL);
    INSERT INTO event SELECT i, timestamptz '2026-01-01' + i * interval '1 minute', 'kind' || i % 4000, i % 6000, i, i % 3000, repeat('y', 200) FROM generate_series(1, 40000) i;
    CREATE INDEX event_third ON event (a, at, b);
    CREATE TABLE log (id bigint PRIMARY KEY, ref int NOT NULL, line text NOT NULL);
    INSERT INTO log SELECT i, (i * 7919) % 30000, repeat('z', 60) FROM generate_series(1, 60000) i;
    CREATE INDEX log_brin ON log USING brin (ref);
    ANALYZE reading_a, reading_b, dog, sale, item, kept, event, log`);
  await database.client.query(forgetStatements);
  for (let at = 0; at < 10; at += 1)
    for (const [sql, values] of statements) await database.client.query(sql, values);
  diagnosis = await diagnose(unhurried(database.url, { only: ['indexes', 'queries'] }));
});

const found = (check: string) =>
  diagnosis.findings.filter((finding) => finding.check === check).map(({ id }) => id.split('public.')[1]);

it('an index is missed on partitions, children, below views, where BRIN or a later column does not serve', () => {
  expect(found('missing-index').sort()).toEqual([
    'dog("chip")',
    'event("b")',
    'event("who")',
    'log("ref")',
    'reading("sensor")',
    'sale("buyer")',
    'sale("code")',
  ]);
});

it('a document and an array want GIN, but not where a field has its index', async () => {
  expect(found('missing-gin-index').sort()).toEqual(['item(data ->>)', 'item(data)', 'item(tags)']);
  for (const { check, fix } of diagnosis.findings)
    if (check === 'missing-gin-index' && fix?.kind === 'index') {
      const { sql, undo } = fixSql(fix);
      expect(sql).toEqual([expect.stringContaining('USING gin')]);
      for (const statement of [...sql, ...undo]) await database.client.query(statement);
    }
});

describe('each form is found by its statements', () => {
  const summaries = (check: string) =>
    diagnosis.findings.find((finding) => finding.check === check && finding.id.includes('sale'))?.statements;
  it('counting', () => expect(summaries('counts-everything')).toHaveLength(3));
  it('paging below the top, and by FETCH', () => expect(summaries('offset-paging')).toHaveLength(2));
  it('a date that reads all', () => expect(found('cast-defeats-index')).toEqual(['item(created_at)']));
});

it('all statements are planned, and what is left takes hardly any time', () => {
  expect(diagnosis.blind.filter(({ what }) => what.startsWith('plans of'))).toEqual([]);
  const left = diagnosis.attribution?.statements.filter(
    ({ finding, text }) => finding === null && !text.includes('_reset'),
  );
  expect(left?.map(({ text }) => text).sort()).toEqual([
    expect.stringContaining('FROM kept WHERE code'),
    expect.stringContaining('FROM kept WHERE data'),
  ]);
});
