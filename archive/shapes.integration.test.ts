import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policyOf } from '../test/support/archive.ts';
import { databaseFor } from '../test/support/database.ts';
import { listArchive, queryArchive, restoreArchive, verifyArchive } from './read.ts';
import { runArchive } from './run.ts';

const id = pg.escapeIdentifier;

const database = databaseFor('each');
let home: string;
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'archive-shapes-'));
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

type Units = Parameters<typeof policyOf>;
const archive = (...units: Units) =>
  runArchive({ url: database.url, directory: home, policy: policyOf(...units), dutyCycle: 1 });
/** Why a unit could not be archived. */
const problemOf = async (...units: Units) =>
  (await archive(...units)).flatMap(({ problems }) => problems).join();
const query = (sql: string) => queryArchive({ url: database.url, directory: home, sql });
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
const told = async (...tables: string[]) =>
  Promise.all(
    tables.map(async (table) =>
      (await database.client.query(`SELECT t::text AS row FROM ${table} AS t ORDER BY 1`)).rows.map(
        ({ row }) => row,
      ),
    ),
  );

/** Archives all rows of the tables, reads them in the archive, and has them back as they were. */
async function roundTrip(tables: readonly string[], rows: number, ...units: Units): Promise<void> {
  const before = await told(...tables);
  const results = await archive(...units);
  expect(results.reduce((sum, each) => sum + each.units, 0)).toBe(rows);
  expect((await told(...tables)).flat()).toEqual([]);
  expect(
    (await verifyArchive({ url: database.url, directory: home })).filter((each) => each.problem),
  ).toEqual([]);
  expect(await restoreAll()).toBe(rows);
  expect(await told(...tables)).toEqual(before);
}

describe('archives and restores', () => {
  it('generated columns, which can be read in the archive, and identities that are always generated', async () => {
    const virtual =
      Number((await database.client.query('SHOW server_version_num')).rows[0].server_version_num) >= 180_000;
    await database.client.query(
      `CREATE TABLE rows (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, day date, n int, twice int GENERATED ALWAYS AS (n * 2) STORED
         ${virtual ? ', "más" text GENERATED ALWAYS AS (n::text || \'!\') VIRTUAL' : ''});
       INSERT INTO rows (day, n) SELECT '2020-01-01', i FROM generate_series(1, 5) AS i`,
    );
    const before = await told('rows');
    expect((await archive({ key: 'id' }))[0]?.units).toBe(5);
    expect((await query('SELECT sum(twice)::INT AS twice FROM rows')).rows).toEqual([{ twice: 30 }]);
    expect(await restoreAll()).toBe(5);
    expect(await told('rows')).toEqual(before);
  });

  it('units with a uuid or a text as their key, and their children; single ones come back', async () => {
    await database.client.query(
      `CREATE TABLE rows (id uuid PRIMARY KEY, day date); CREATE TABLE lines (row_id uuid REFERENCES rows, n int); CREATE INDEX ON lines (row_id);
       CREATE TABLE named (id varchar(40) PRIMARY KEY, day date); CREATE TABLE notes (of text, n int); CREATE INDEX ON notes (of);
       INSERT INTO rows SELECT gen_random_uuid(), '2020-01-01' FROM generate_series(1, 30); INSERT INTO lines SELECT id, n FROM rows, generate_series(1, 2) AS n;
       INSERT INTO named SELECT CASE i WHEN 1 THEN '' WHEN 2 THEN 'a ''b" ' WHEN 3 THEN 'Ж' ELSE 'k' || i END, '2020-01-01' FROM generate_series(1, 30) AS i;
       INSERT INTO notes SELECT id, 1 FROM named`,
    );
    const units: Units = [
      {
        name: 'rows',
        key: 'id',
        children: [{ table: { schema: 'public', table: 'lines' }, column: 'row_id' }],
      },
      {
        name: 'named',
        key: 'id',
        table: { schema: 'public', table: 'named' },
        children: [{ table: { schema: 'public', table: 'notes' }, column: 'of' }],
      },
    ];
    const before = await told('rows', 'lines', 'named', 'notes');
    const { rows } = await database.client.query('SELECT id::text FROM rows ORDER BY id LIMIT 1');
    // Several segments: the next begins after the last key.
    await runArchive({
      url: database.url,
      directory: home,
      policy: policyOf(...units),
      dutyCycle: 1,
      segmentUnits: 7,
    });
    expect((await told('rows', 'lines', 'named', 'notes')).flat()).toEqual([]);
    const restored: number[] = [];
    for (const { id: segment, unit } of await listArchive({ url: database.url })) {
      if (unit !== 'rows') continue;
      const restore = { url: database.url, directory: home, segment, holdDays: 0, reason: 'a test' };
      const keys = rows.map((row) => row.id as string);
      // They are in one of the segments.
      const said = await restoreArchive({ ...restore, keys }).catch((error: Error) => error.message);
      if (typeof said === 'number') restored.push(said);
      else expect(said).toMatch(/Not in segment/);
      await expect(restoreArchive({ ...restore, keys: ["' OR true --"] })).rejects.toThrow(/Not in segment/);
    }
    expect(restored).toEqual([1]);
    expect(await restoreAll()).toBe(59);
    expect(await told('rows', 'lines', 'named', 'notes')).toEqual(before);
  });

  it('partitioned tables without a key, at every level', async () => {
    await database.client.query(
      `CREATE TABLE rows (day date, n int) PARTITION BY RANGE (day);
       CREATE TABLE "rows-2019" PARTITION OF rows FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
       CREATE TABLE rows_2020 PARTITION OF rows FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (n);
       CREATE TABLE rows_2020_a PARTITION OF rows_2020 FOR VALUES IN (1, 2); CREATE TABLE rows_2020_b PARTITION OF rows_2020 DEFAULT;
       INSERT INTO rows SELECT '2019-05-01'::date + i * 100, i % 5 FROM generate_series(0, 5) AS i`,
    );
    await roundTrip(['rows'], 6, {});
    expect((await query('SELECT 1').catch((error: Error) => error.message)) as string).toMatch(
      /Nothing is archived/,
    );
    await archive({});
    expect((await query('SELECT count(*)::INT AS n FROM public.rows')).rows).toEqual([{ n: 6 }]);
  });

  it('tables and columns of any name, each in a file of its own', async () => {
    const names = [
      'заказы',
      'товары',
      'a/b',
      '../up',
      'a.b',
      'a"b',
      "a'b",
      'a\nb',
      'a;b--',
      '$$x$$',
      'con',
      '%s %I',
      '*',
      '[a]?',
      'Rows',
      'rows',
      'SELECT',
      'ы'.repeat(31),
      `${'ы'.repeat(30)}э`,
      'x'.repeat(63),
      ' ',
      '\\',
      'a WHERE b',
      '"',
      'nul.',
      '__proto__',
      '🙂',
      '\u202e',
    ];
    const columns = [
      'o$$id',
      'Name',
      'name',
      'sqltrail_unit',
      'SQLTRAIL_CTID',
      'a"b',
      "a'b",
      'a\nb',
      'a.b',
      'ж',
      'Ж',
      '$1',
      '$&',
      '__proto__',
      'select',
      'p',
      's',
      'unit',
      'h',
      'x'.repeat(63),
    ];
    const schema = 's\'c.h"ё';
    await database.client.query(`CREATE SCHEMA ${id(schema)}`);
    const units: Units = [];
    const tables = names.map((table) => `${id(schema)}.${id(table)}`);
    for (const [i, table] of names.entries()) {
      await database.client.query(
        `CREATE TABLE ${tables[i]} (id int PRIMARY KEY, day date, ${columns.map((column) => `${id(column)} text`).join(', ')});
         INSERT INTO ${tables[i]} SELECT n, '2020-01-01', ${columns.map((_, c) => `'${i} ${c} ' || n`).join(', ')} FROM generate_series(1, 2) AS n`,
      );
      if (i % 3 > 0) continue;
      // A parent with two children, which are named by a column that is a trap too.
      const children = [i + 1, i + 2].filter((n) => n < names.length);
      units.push({
        name: `unit-${i}`,
        table: { schema, table },
        key: 'id',
        age: 'day',
        children: children.map((n) => ({ table: { schema, table: names[n] as string }, column: 'o$$id' })),
      });
    }
    for (const [i, table] of tables.entries())
      if (i % 3 > 0)
        await database.client.query(
          `ALTER TABLE ${table} ALTER COLUMN "o$$id" TYPE int USING id; CREATE INDEX ON ${table} ("o$$id")`,
        );
    await roundTrip(tables, 2 * units.length, ...units);
    const files = (await readdir(home)).filter((file) => file.endsWith('.parquet'));
    expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(names.length);
    for (const file of files) expect(file).toMatch(/^unit-\d+-\d{6}\.[a-zA-Z0-9_.~-]+\.parquet$/);
    await archive(...units);
    const { rows } = await query(`SELECT * FROM "${schema.replaceAll('"', '""')}"."заказы" ORDER BY id`);
    expect(Object.keys(rows[0] as object)).toEqual([
      'id',
      'day',
      'o$$id',
      'Name',
      'name_2',
      'sqltrail_unit',
      'SQLTRAIL_CTID',
      'a"b',
      "a'b",
      'a\nb',
      'a.b',
      'ж',
      'Ж_2',
      '$1',
      '$&',
      '__proto__',
      'select',
      'p',
      's',
      'unit',
      'h',
      'x'.repeat(63),
    ]);
    expect(Object.values(rows[0] as object).slice(2)).toEqual(columns.map((_, c) => `0 ${c} 1`));
  });

  it('two tables of one name in two schemas, and in a schema that DuckDB has for itself', async () => {
    for (const schema of ['a', 'A', 'main', 'temp'])
      await database.client.query(
        `CREATE SCHEMA IF NOT EXISTS "${schema}"; CREATE TABLE "${schema}".rows (day date, what text); INSERT INTO "${schema}".rows VALUES ('2020-01-01', '${schema}')`,
      );
    await archive(
      ...['a', 'A', 'main', 'temp'].map((schema) => ({
        name: `unit-${Buffer.from(schema).toString('hex')}`,
        table: { schema, table: 'rows' },
      })),
    );
    const found = [];
    for (const schema of ['a', 'a_2', 'main_2', 'temp_2'])
      found.push((await query(`SELECT what FROM ${schema}.rows`)).rows[0]?.['what']);
    expect(found.sort()).toEqual(['A', 'a', 'main', 'temp']);
    await expect(query('SELECT * FROM rows')).rejects.toThrow(/rows is no archived table/);
  });

  it('refuses what Postgres writes and does not read, before anything is moved', async () => {
    await database.client.query(
      "CREATE TABLE rows (id int PRIMARY KEY, day date, what pg_node_tree); INSERT INTO rows VALUES (1, '2020-01-01')",
    );
    expect(await problemOf({ key: 'id' })).toMatch(/rows\.what is of the type pg_node_tree.*not read back/);
    await database.client.query(
      "ALTER TABLE rows DROP what, ADD at timestamp(0); UPDATE rows SET at = '294276-12-31 23:59:59.999999'",
    );
    const version = Number(
      (await database.client.query('SHOW server_version_num')).rows[0].server_version_num,
    );
    if (version >= 160_000)
      expect(await problemOf({ key: 'id' })).toMatch(/not read back \(at: 294277-01-01 00:00:00\)/);
    await database.client.query('ALTER TABLE rows ADD what text');
    await database.client.query(
      'ALTER TABLE rows DROP what; CREATE TABLE wide (id numeric PRIMARY KEY, day date)',
    );
    expect(await problemOf({ key: 'id', table: { schema: 'public', table: 'wide' } })).toMatch(
      /wide\.id is of the type numeric; a key is a whole number, a uuid or a text/,
    );
  });
});

describe('a database in another encoding', () => {
  const inEncoding = (encoding: string) =>
    database.makeAnew(
      `TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc`,
    );

  it('LATIN1', async () => {
    await inEncoding('LATIN1');
    await database.client.query(
      `CREATE TABLE "größe" (id text PRIMARY KEY, day date, "naïve" text, fixed char(4), tags text[]);
       INSERT INTO "größe" VALUES ('é', '2020-01-01', 'Ünïcödé £ ' || chr(255), 'ß', '{"ä b",NULL}'), ('b', '2020-01-01', '', NULL, '{}')`,
    );
    await roundTrip(['"größe"'], 2, { key: 'id', table: { schema: 'public', table: 'größe' } });
    expect(await problemOf({ key: 'id', table: { schema: 'public', table: 'größe' }, reason: 'Ж' })).toMatch(
      /encoding of this database/,
    );
  });

  it('SQL_ASCII, with text that is UTF-8, and with text that is nothing', async () => {
    await inEncoding('SQL_ASCII');
    await database.client.query(
      `CREATE TABLE rows (id int PRIMARY KEY, day date, body text, tags text[]);
       INSERT INTO rows VALUES (1, '2020-01-01', 'Müller \\303', '{a,"é b"}'), (2, '2020-01-01', NULL, NULL)`,
    );
    await roundTrip(['rows'], 2, { key: 'id' });
    const bits = async () =>
      (
        await database.client.query(
          "SELECT id, encode(convert_to(body, 'SQL_ASCII'), 'hex') AS b FROM rows ORDER BY 1",
        )
      ).rows;
    await archive({ key: 'id' });
    expect((await query('SELECT body FROM rows ORDER BY id')).rows[0]).toEqual({ body: 'Müller \\303' });
    await restoreAll();
    await database.client.query(
      `SET client_encoding = 'SQL_ASCII'; INSERT INTO rows SELECT 3, '2020-01-01', convert_from('\\x4dfc6c6c6572205c2022c3a9220a80'::bytea, 'SQL_ASCII'), NULL`,
    );
    const before = await bits();
    expect((await archive({ key: 'id' }))[0]?.units).toBe(3);
    expect(await bits()).toEqual([]);
    expect((await query('SELECT body FROM rows WHERE id = 3')).rows[0]).toEqual({
      body: 'M\\374ller \\\\ "\\303\\251"\n\\200',
    });
    expect(await restoreAll()).toBe(3);
    expect(await bits()).toEqual(before);
  });
});

describe('an archive of before', () => {
  const fixture = 'test/fixtures/archive-format-1';

  it('is read, gone on with and restored', async () => {
    const journal = JSON.parse(await readFile(path.join(fixture, 'journal.json'), 'utf8'));
    await database.client.query(
      `CREATE TABLE notes (id int PRIMARY KEY, at date NOT NULL, price numeric(8,2), done boolean, body text, tags text[], seen timestamptz);
       CREATE TABLE note_lines (note_id int, n int, text text); CREATE INDEX ON note_lines (note_id);
       CREATE TABLE log (at text, line text)`,
    );
    const insert = (table: string, rows: object[], more = '') =>
      database.client.query(
        `INSERT INTO ${table} ${more} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`,
        [JSON.stringify(rows)],
      );
    // Those of the second segment, whose files are complete and whose rows are in the table still.
    await insert(
      'notes',
      journal.rows.notes.filter((row: { id: number }) => row.id > 6),
    );
    await insert(
      'note_lines',
      journal.rows.note_lines.filter((row: { note_id: number }) => row.note_id > 6),
    );
    await expect(queryArchive({ url: database.url, directory: home, sql: 'SELECT 1' })).rejects.toThrow(
      /Nothing/,
    );
    // Makes the journal.
    await archive({ table: { schema: 'public', table: 'log' }, age: 'at' });
    await cp(fixture, home, { recursive: true });
    await insert('sqltrail.archive_segment', journal.archive_segment, 'OVERRIDING SYSTEM VALUE');
    await insert('sqltrail.archive_excluded', journal.archive_excluded);
    await database.client.query(
      "SELECT setval(pg_get_serial_sequence('sqltrail.archive_segment', 'id'), (SELECT max(id) FROM sqltrail.archive_segment))",
    );
    expect((await query('SELECT count(*)::INT AS n, sum(price)::VARCHAR AS sum FROM notes')).rows).toEqual([
      { n: 5, sum: '4.50' },
    ]);
    expect(
      (await verifyArchive({ url: database.url, directory: home })).map(({ problem }) => problem),
    ).toEqual(Array.from({ length: 5 }, () => undefined));
    // The rows of the second segment are deleted, as it was written then.
    const [done] = await runArchive({
      url: database.url,
      directory: home,
      policy: policyOf({
        name: 'notes',
        table: { schema: 'public', table: 'notes' },
        key: 'id',
        age: 'at',
        children: [{ table: { schema: 'public', table: 'note_lines' }, column: 'note_id' }],
      }),
      dutyCycle: 1,
    });
    expect(done).toMatchObject({ units: 6, kept: 0 });
    expect((await query('SELECT count(*)::INT AS n FROM notes')).rows).toEqual([{ n: 11 }]);
    expect(await restoreAll()).toBe(7 + 5 + 6);
    // As the rows are written in the fixture.
    await database.client.query("SET TimeZone = 'UTC'");
    const { rows } = await database.client.query(
      'SELECT (SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM notes AS t) AS notes, (SELECT jsonb_agg(to_jsonb(t) ORDER BY n) FROM note_lines AS t) AS lines, (SELECT jsonb_agg(to_jsonb(t) ORDER BY line) FROM log AS t) AS log',
    );
    // Of the first segment, one unit had come back before and was deleted then.
    expect(rows[0].notes).toEqual(journal.rows.notes.filter((row: { id: number }) => row.id !== 3));
    expect(rows[0].lines).toEqual(
      journal.rows.note_lines.filter((row: { note_id: number }) => row.note_id !== 3),
    );
    expect(rows[0].log).toEqual(journal.rows.log);
  });
});
