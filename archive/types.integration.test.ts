import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policyOf } from '../test/support/archive.ts';
import { databaseFor } from '../test/support/database.ts';
import { arrayOf, builtIn, declared, ofExtensions, type Values } from '../test/support/pgValues.ts';
import { listArchive, restoreArchive } from './read.ts';
import { runArchive } from './run.ts';

const RUNS = Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? 2);
const id = pg.escapeIdentifier;

const database = databaseFor('each');
let home: string;
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'archive-types-'));
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

const archive = (unit = {}) =>
  runArchive({ url: database.url, directory: home, policy: policyOf({ key: 'id', ...unit }), dutyCycle: 1 });
async function restoreAll(): Promise<number> {
  let restored = 0;
  for (const { id: segment, state } of await listArchive({ url: database.url }))
    if (state === 'archived')
      restored += await restoreArchive({
        url: database.url,
        directory: home,
        segment,
        holdDays: 0,
        reason: 'a test',
      });
  return restored;
}
const count = async (table = 'rows') =>
  (await database.client.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n as number;

/** Whatever changes how a value is written; the second set is there when it is read back. */
const sessions = [
  [
    "DateStyle = 'German'",
    "IntervalStyle = 'sql_standard'",
    'extra_float_digits = -3',
    "bytea_output = 'escape'",
    "TimeZone = 'Asia/Kolkata'",
    "xmloption = 'document'",
    "client_encoding = 'UTF8'",
  ],
  [
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'iso_8601'",
    'extra_float_digits = 0',
    "bytea_output = 'hex'",
    "TimeZone = 'America/St_Johns'",
    'array_nulls = off',
    'quote_all_identifiers = on',
    "lc_monetary = 'C.UTF-8'",
  ],
];
async function setDatabase(settings: readonly string[] = []): Promise<void> {
  const { rows } = await database.client.query<{ oid: string; lc: boolean }>(
    "SELECT oid, EXISTS (SELECT FROM pg_collation WHERE collcollate = 'C.UTF-8') AS lc FROM pg_database WHERE datname = current_database()",
  );
  await database.client.query(`ALTER DATABASE ${id(database.name)} RESET ALL`);
  for (const setting of settings)
    if (rows[0]?.lc || !setting.startsWith('lc_'))
      await database.client.query(`ALTER DATABASE ${id(database.name)} SET ${setting}`);
}

interface TestColumn {
  name: string;
  type: string;
  values: Values;
  /** Has a binary form, by which it is compared. */
  binary: boolean;
}

/** A column of each type that this server has, and one of its arrays. */
async function everyColumn(): Promise<TestColumn[]> {
  await database.client.query(
    `CREATE TYPE mood AS ENUM ('sad', 'B c', '"', ','); CREATE DOMAIN host AS inet; CREATE DOMAIN percent AS numeric(8, 3);
     CREATE TYPE pair AS (a text, b inet); CREATE TYPE pairs AS (all_of pair[], n int); CREATE DOMAIN whole_pair AS pair;
     CREATE TYPE even AS RANGE (subtype = int4)`,
  );
  const { rows } = await database.client.query<{
    name: string;
    type: string;
    array: boolean;
    delimiter: string;
    send: boolean;
  }>(
    `SELECT t.typname AS name, format_type(t.oid, -1) AS type, t.typarray <> 0 AS array, t.typdelim AS delimiter, t.typsend <> 0 AS send
       FROM pg_type AS t
      WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm') AND t.typisdefined
        AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
        AND t.typname NOT IN ('gtsvector', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'pg_dependencies', 'pg_mcv_list', 'pg_ndistinct', 'pg_node_tree')
      ORDER BY 1`,
  );
  const columns: TestColumn[] = [];
  const add = (
    name: string,
    type: string,
    values: Values,
    binary: boolean,
    delimiter: string | undefined,
  ) => {
    columns.push({ name: `v ${name}`, type, values, binary });
    if (delimiter)
      columns.push({ name: `a ${name}`, type: `${type}[]`, values: arrayOf(values, delimiter), binary });
  };
  for (const { name, type, array, delimiter, send } of rows) {
    const values = builtIn[name];
    // A type that a new version of Postgres brings needs values here.
    expect(values, `values for the type ${name}`).toBeDefined();
    add(name, type, values as Values, send, array ? delimiter : undefined);
  }
  for (const [type, values] of Object.entries(declared)) add(type, type, values, true, ',');
  for (const [extension, { type, values }] of Object.entries(ofExtensions)) {
    const { rowCount } = await database.client.query('SELECT FROM pg_available_extensions WHERE name = $1', [
      extension,
    ]);
    if (rowCount === 0) continue;
    await database.client.query(`CREATE EXTENSION ${extension}`);
    const { rows: of } = await database.client.query(
      "SELECT typsend <> 0 AS send FROM pg_type WHERE typname = $1 AND typtype = 'b'",
      [type],
    );
    add(type, type, values, of[0].send, ',');
  }
  return columns;
}

describe('values come back as they were', () => {
  it(
    'of every type, and its arrays, bit by bit, whatever the settings of sessions are',
    async () => {
      const columns = await everyColumn();
      await database.client.query(
        `CREATE TABLE rows (id bigint PRIMARY KEY, day date, ${columns.map(({ name, type }) => `${id(name)} ${type}`).join(', ')})`,
      );
      const binary = columns.filter((column) => column.binary);
      const written = columns.filter((column) => !column.binary);
      const told = async () =>
        (
          await database.client.query(
            `SELECT id, encode(record_send(ROW(${binary.map(({ name }) => `t.${id(name)}`).join(', ')})), 'hex') AS bits,
                  ARRAY[${written.map(({ name }) => `t.${id(name)}::text`).join(', ')}] AS texts, num_nulls(${columns
                    .slice(0, 90)
                    .map(({ name }) => `t.${id(name)}`)
                    .join(', ')}) AS nulls
             FROM rows AS t ORDER BY id`,
          )
        ).rows;
      const row = fc.tuple(...columns.map(({ values }) => fc.option(values, { freq: 6 })));
      let cases = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
          await database.client.query('TRUNCATE rows');
          for (const [at, values] of rows.entries())
            await database.client.query(
              `INSERT INTO rows VALUES (${at}, '2020-01-01', ${values.map((_, i) => `$${i + 1}`).join(', ')})`,
              values,
            );
          cases += rows.length * columns.length;
          const before = await told();
          await setDatabase(sessions[0]);
          expect((await archive())[0]?.units).toBe(rows.length);
          expect(await count()).toBe(0);
          await setDatabase(sessions[1]);
          expect(await restoreAll()).toBe(rows.length);
          await setDatabase();
          expect(await told()).toEqual(before);
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
      if (process.env['SQLTRAIL_PROPERTY_RUNS'])
        process.stdout.write(`${cases} values of ${columns.length} columns\n`);
    },
    60_000 * Math.max(10, RUNS),
  );
});
