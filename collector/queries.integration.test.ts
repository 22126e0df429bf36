import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { forgetStatements } from '../test/support/database.ts';
import { createMigratedShop, type MigratedShop } from '../test/support/migration.ts';

interface Query {
  query: string;
  metrics: Record<string, { usage: 'LABEL' | 'GAUGE' | 'COUNTER' }>[];
}

let shop: MigratedShop;
let monitor: pg.Client;
let queries: Record<string, Query>;

beforeAll(async () => {
  queries = parse(
    await readFile(path.join(import.meta.dirname, 'postgres_exporter.queries.yaml'), 'utf8'),
  ) as typeof queries;
  shop = await createMigratedShop();
  const admin = new pg.Client(shop.database.url('postgres'));
  await admin.connect();
  await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  await admin.end();
  monitor = new pg.Client(shop.database.url('sqltrail_monitor'));
  await monitor.connect();
});
afterAll(async () => {
  await monitor?.end();
  await shop?.close();
});

/** The rows of a query, by their labels; as the exporter reads them: with every column, and no labels twice. */
async function read(name: string): Promise<Map<string, Record<string, number>>> {
  const { query, metrics } = queries[name] as Query;
  const { rows, fields } = await monitor.query<Record<string, string | number>>(query);
  const columns = metrics.flatMap((metric) => Object.entries(metric));
  expect(fields.map((field) => field.name).sort(), name).toEqual(columns.map(([column]) => column).sort());
  const series = new Map<string, Record<string, number>>();
  for (const row of rows) {
    const labels = columns.filter(([, { usage }]) => usage === 'LABEL').map(([column]) => row[column]);
    const key = labels.filter((label) => label !== '').join(' ');
    expect(series.has(key), `${name}: ${key} twice`).toBe(false);
    const values = columns
      .filter(([, { usage }]) => usage !== 'LABEL')
      .map(([column]): [string, number] => [column, Number(row[column])]);
    for (const [column, value] of values) expect(value, `${name}: ${column} of ${key}`).not.toBeNaN();
    series.set(key, Object.fromEntries(values));
  }
  return series;
}

const names = (series: Map<string, unknown>, schema: RegExp) =>
  [...series.keys()].filter((key) => schema.test(key));

describe('what the exporter asks', () => {
  const phases = ['none', 'dual-write', 'backfill', 'contract'] as const;
  it.each(phases)('is answered in the phase %s, each series once', async (phase) => {
    if (phase !== 'none') await shop.run(phase);
    await shop.owner.query('ANALYZE');
    const all = new Map<string, Awaited<ReturnType<typeof read>>>();
    for (const name of Object.keys(queries)) all.set(name, await read(name));
    for (const [name, series] of all) expect(series.size, name).toBeGreaterThan(0);
    const tables = all.get('sqltrail_table') as Map<string, Record<string, number>>;
    const ages = all.get('sqltrail_age') as Map<string, Record<string, number>>;
    expect(tables.has('orders')).toBe(phase !== 'contract');
    expect(ages.has('orders')).toBe(phase !== 'contract');
    expect(names(tables, /^shop\.orders orders_\d{4}_\d\d$/).length > 50).toBe(phase !== 'none');
    expect(names(tables, /^sqltrail\./)).toEqual([]);
    expect(names(ages, /^shop\.(orders|order_lines|activity)$/)).toHaveLength(phase === 'none' ? 0 : 3);
    // What is new is counted in one model, however many hold it.
    const newIn = (model: RegExp) =>
      names(ages, model).reduce((sum, name) => sum + (ages.get(name)?.['new_bytes'] ?? 0), 0);
    expect(newIn(/^shop\./) > 0).toBe(phase === 'contract');
    expect(newIn(/^(?!shop\.)/) > 0).toBe(phase !== 'contract');
  });

  it('tells the age of rows as the rows themselves do', async () => {
    // The model is the refactored one by now.
    const ages = await read('sqltrail_age');
    for (const [table, column, days] of [
      ['orders', 'placed_at', 365],
      ['order_lines', 'placed_at', 365],
      ['activity', 'at', 90],
      ['carts', 'updated_at', 90],
    ] as const) {
      const { rows } = await shop.owner.query<{ cold: number; fresh: number }>(
        `SELECT avg((${column} < now() - ${days} * interval '1 day')::int)::float8 AS cold,
                avg((${column} > now() - interval '30 days')::int)::float8 AS fresh
           FROM shop.${table}`,
      );
      const [truth] = rows;
      const said = ages.get(`shop.${table}`);
      // Pages of 8 kB, and within a month rows are taken to come evenly (age.integration.test.ts: on every date).
      expect(said?.['cold_ratio'], table).toBeGreaterThan((truth?.cold ?? 1) - 0.15);
      expect(said?.['cold_ratio'], table).toBeLessThan((truth?.cold ?? 0) + 0.15);
      if (table === 'carts')
        expect(said?.['new_bytes']).toBeCloseTo((truth?.fresh ?? 0) * (await sizeOf('shop.carts')), -4.5);
    }
  });

  it('no longer calls cold what has been archived, and new stays what it was', async () => {
    const before = await read('sqltrail_age');
    for (const table of ['order_lines', 'orders']) {
      const { rows } = await shop.owner.query<{ leaf: string }>(
        `SELECT relid::text AS leaf FROM pg_partition_tree('shop.${table}')
          WHERE isleaf AND relid::text < 'shop.${table}_' || to_char(now() - interval '13 months', 'YYYY_MM')`,
      );
      expect(rows.length).toBeGreaterThan(30);
      for (const { leaf } of rows)
        await shop.owner.query(`ALTER TABLE shop.${table} DETACH PARTITION ${leaf}; DROP TABLE ${leaf}`);
    }
    const after = await read('sqltrail_age');
    for (const table of ['shop.orders', 'shop.order_lines']) {
      expect(after.get(table)?.['cold_bytes']).toBeLessThan((before.get(table)?.['cold_bytes'] ?? 0) / 5);
      expect(after.get(table)?.['new_bytes']).toBeCloseTo(before.get(table)?.['new_bytes'] ?? 0, -3);
    }
    for (const name of Object.keys(queries)) await read(name);
  });

  it('gives each series once, whoever ran a statement and wherever a partition is', async () => {
    const statement = 'SELECT count(*) AS by_two_roles FROM pg_class';
    for (const role of ['postgres', 'sqltrail_monitor'] as const) {
      const client = new pg.Client(shop.database.url(role));
      await client.connect();
      for (let run = 0; run < 3; run += 1) await client.query(statement);
      await client.end();
    }
    const admin = new pg.Client(shop.database.url('postgres'));
    await admin.connect();
    try {
      await admin.query(`CREATE SCHEMA first; CREATE SCHEMA second;
        CREATE TABLE public.parted (at int) PARTITION BY RANGE (at);
        CREATE TABLE first.part PARTITION OF public.parted FOR VALUES FROM (0) TO (1);
        CREATE TABLE second.part PARTITION OF public.parted FOR VALUES FROM (1) TO (2)`);
      expect(names(await read('sqltrail_table'), /^parted /).sort()).toEqual([
        'parted first.part',
        'parted second.part',
      ]);
      const { rows } = await admin.query<{ queryid: string; entries: number }>(
        `SELECT queryid::text, count(*)::int AS entries FROM pg_stat_statements(true)
          WHERE query = $1 GROUP BY queryid`,
        [statement],
      );
      const [twice] = rows;
      expect(twice?.entries).toBe(2);
      // Of the forty that took longest it is one, as there are fewer.
      await admin.query(forgetStatements);
      await admin.query(statement);
      await monitor.query(statement);
      expect((await read('sqltrail_statement')).get(twice?.queryid ?? '')?.['calls']).toBe(2);
    } finally {
      await admin.query('DROP TABLE IF EXISTS public.parted; DROP SCHEMA first, second CASCADE');
      await admin.end();
    }
  });

  it('needs no schema public', async () => {
    const admin = new pg.Client(shop.database.url('postgres'));
    await admin.connect();
    await admin.query('ALTER SCHEMA public RENAME TO private');
    try {
      const tables = await read('sqltrail_table');
      expect(names(tables, /^shop\./).length).toBeGreaterThan(0);
      expect((await read('sqltrail_age')).size).toBeGreaterThan(0);
    } finally {
      await admin.query('ALTER SCHEMA private RENAME TO public');
      await admin.end();
    }
  });
});

const sizeOf = async (table: string) =>
  Number((await shop.owner.query('SELECT pg_total_relation_size($1::regclass) AS n', [table])).rows[0].n);
