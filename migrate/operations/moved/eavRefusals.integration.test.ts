import { expect, it } from 'vitest';
import { databaseFor } from '../../../test/support/database.ts';
import { documented } from '../../../test/support/moved.ts';
import type { EavOptions } from './eavColumns.ts';

const database = databaseFor('each');

const plan = (more: Partial<EavOptions> = {}) =>
  documented(database.url, { table: 't', entity: ['thing'], attribute: 'name', values: ['value'], ...more });
const having = (columns: string, more = '') => `CREATE TABLE t (${columns}, UNIQUE (thing, name)${more})`;
const T = having('thing int NOT NULL, name text NOT NULL, value text');

it.each<[string, string, RegExp, Partial<EavOptions>?]>([
  ['no such table', 'SELECT 1', /There is no table t/],
  ['no such column', T, /has no column values\. It has thing, name, value/, { values: ['values'] }],
  ['a column twice', T, /each column only once/, { values: ['name'] }],
  [
    'a view',
    `CREATE VIEW t AS SELECT 1 AS thing, 'a' AS name, 'b' AS value`,
    /neither an ordinary nor a partitioned table/,
  ],
  [
    'partitioned',
    'CREATE TABLE t (thing int, name text, value text, PRIMARY KEY (thing, name)) PARTITION BY RANGE (thing)',
    /is partitioned/,
  ],
  [
    'no key',
    'CREATE TABLE t (thing int NOT NULL, name text NOT NULL, value text)',
    /No unique index on \("thing", "name"\).*HAVING count\(\*\) > 1.*CREATE UNIQUE INDEX CONCURRENTLY/,
  ],
  [
    'a key that may be null',
    having('thing int, name text NOT NULL, value text'),
    /No unique index .*of columns without NULL/,
  ],
  [
    'a key that begins with the attribute',
    'CREATE TABLE t (thing int NOT NULL, name text NOT NULL, value text, UNIQUE (name, thing))',
    /No unique index on \("thing", "name"\)/,
  ],
  [
    'a language',
    'CREATE TABLE t (thing int, name text, language text, value text, PRIMARY KEY (thing, name, language))',
    /No unique index.*such as a language, distinguishes them.*also has language/s,
  ],
  [
    'further columns',
    having('id serial, thing int NOT NULL, name text NOT NULL, value text, at date'),
    /also has id, at.*--leave-out/,
  ],
  [
    'a column without a default',
    having('at date NOT NULL, thing int NOT NULL, name text NOT NULL, value text'),
    /at cannot be left out/,
    { leaveOut: ['at'] },
  ],
  [
    'a generated value',
    having("thing int NOT NULL, name text NOT NULL, value text GENERATED ALWAYS AS (name || 'x') STORED"),
    /value is a generated or identity column/,
  ],
  [
    'an entity of a type with values that are equal and print differently',
    having('thing numeric NOT NULL, name text NOT NULL, value text'),
    /thing is of type numeric, or of a collation, that treats different values as equal/,
  ],
  [
    'names without case',
    `CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     ${having('thing int NOT NULL, name text COLLATE ci NOT NULL, value text')}`,
    /name is of type text, or of a collation, that cannot name/,
  ],
  ...['json', 'jsonb', 'text[]', 'interval', 'money', 'bytea', 'time'].map(
    (type): [string, string, RegExp] => [
      `values of ${type}`,
      having(`thing int NOT NULL, name text NOT NULL, value ${type}`),
      /value is of type .* that cannot be restored from JSON/,
    ],
  ),
  [
    'two columns of one kind',
    having('thing int NOT NULL, name text NOT NULL, value text, day date'),
    /value, day become strings, strings in a document/,
    { values: ['value', 'day'] },
  ],
  [
    'rows with two values',
    `${having('thing int NOT NULL, name text NOT NULL, value text, n int')}; INSERT INTO t VALUES (1, 'a', 'b', NULL), (7, 'a', 'b', 5)`,
    /1 rows fill more than one of value, n \(for example of \(7\)\).*num_nonnulls/,
    { values: ['value', 'n'] },
  ],
  [
    'a foreign key to it',
    `${T}; CREATE TABLE other (thing int, name text, FOREIGN KEY (thing, name) REFERENCES t (thing, name))`,
    /foreign key other_thing_name_fkey of public\.other refers to its rows/,
  ],
  [
    'row-level security',
    `${T}; ALTER TABLE t ENABLE ROW LEVEL SECURITY`,
    /Row-level security decides about single attributes/,
  ],
  [
    'a rule',
    `${T}; CREATE RULE no_delete AS ON DELETE TO t DO INSTEAD NOTHING`,
    /rule no_delete on table .*t depends on/,
  ],
  [
    'a materialized view',
    `${T}; CREATE MATERIALIZED VIEW m AS SELECT * FROM t`,
    /depends on the table, which will be dropped/,
  ],
  ['inheritance', `${T}; CREATE TABLE child () INHERITS (t)`, /inherits/],
  [
    'another migration',
    `${T}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER sqltrail_forward_insert AFTER INSERT ON t EXECUTE FUNCTION f()`,
    /triggers of another migration/,
  ],
  [
    'a name that is taken',
    `${T}; CREATE TABLE other ()`,
    /relation, type or function other already exists/,
    { into: 'other' },
  ],
])('refuses: %s', async (_, sql, why, more) => {
  await database.client.query(sql);
  await expect(plan(more)).rejects.toThrow(why);
});

it('says what goes with the table, and what is made of it', async () => {
  await database.client.query(`CREATE TABLE things (id int PRIMARY KEY);
    ${having('id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, thing int NOT NULL REFERENCES things, name text NOT NULL, value text CHECK (length(value) < 99)')};
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER audited AFTER INSERT ON t EXECUTE FUNCTION f();
    INSERT INTO things VALUES (1); INSERT INTO t (thing, name) VALUES (1, 'a'), (1, 'b')`);
  const { declared } = await plan({ leaveOut: ['id'] });
  expect(declared.moved.into).toBe('t_documents');
  const notes = declared.notes.join('\n');
  for (const note of [
    /t_documents gets one row for each thing \(1 now\)/,
    /the largest has 2 attributes/,
    /complete drops public\.t, and with it the columns id; the indexes .*t_pkey.*; the constraints .*t_value_check.*; the triggers audited/,
  ])
    expect(notes).toMatch(note);
});

it('a row that fills two columns later stops the cutover, and fails for nobody', async () => {
  await database.client.query(having('thing int NOT NULL, name text NOT NULL, value text, n int'));
  const it = await plan({ values: ['value', 'n'] });
  await it.run('backfill');
  await database.client.query("INSERT INTO t VALUES (7, 'a', 'b', 5)");
  await expect(it.run('cutover-writes')).rejects.toThrow(/\(7\)/);
  await database.client.query('UPDATE t SET n = NULL');
  await it.run('cutover-writes');
  expect((await database.client.query('SELECT attributes FROM t_documents')).rows).toEqual([
    { attributes: { a: 'b' } },
  ]);
});
