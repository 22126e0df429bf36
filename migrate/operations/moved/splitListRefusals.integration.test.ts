import { expect, it } from 'vitest';
import { databaseFor } from '../../../test/support/database.ts';
import { split } from '../../../test/support/moved.ts';
import type { SplitListOptions } from './splitListContent.ts';

const database = databaseFor('each');

const T = 'CREATE TABLE t (id int PRIMARY KEY, tags text)';
const having = (...values: string[]) =>
  `${T}; INSERT INTO t SELECT row_number() OVER (), v FROM (VALUES ${values.map((value) => `(${value})`).join(', ')}) AS given (v)`;

it.each<[string, string, RegExp, Partial<SplitListOptions>?]>([
  ['no such table', 'SELECT 1', /There is no table t/],
  ['no such column', 'CREATE TABLE t (id int PRIMARY KEY)', /has no column tags/],
  ['no key', 'CREATE TABLE t (id int, tags text)', /has no key.*GENERATED ALWAYS AS IDENTITY/],
  ['a view', `CREATE VIEW t AS SELECT 1 AS id, 'a' AS tags`, /neither an ordinary nor a partitioned table/],
  ['partitioned', 'CREATE TABLE t (id int PRIMARY KEY, tags text) PARTITION BY RANGE (id)', /is partitioned/],
  [
    'another type',
    'CREATE TABLE t (id int PRIMARY KEY, tags int)',
    /of type integer; lists are split in text/,
  ],
  [
    'a domain',
    'CREATE DOMAIN list AS text; CREATE TABLE t (id int PRIMARY KEY, tags list)',
    /of type public\.list/,
  ],
  [
    'composite entries',
    'CREATE TYPE c AS (a int); CREATE TABLE t (id int PRIMARY KEY, tags c[])',
    /not composite/,
  ],
  [
    'generated',
    "CREATE TABLE t (id int PRIMARY KEY, a text, tags text GENERATED ALWAYS AS (a || ',b') STORED)",
    /generated column/,
  ],
  [
    'generated from it',
    `CREATE TABLE t (id int PRIMARY KEY, tags text, n int GENERATED ALWAYS AS (length(tags)) STORED)`,
    /column n of table public\.t depends on tags/,
  ],
  ['unique', `${T}; CREATE UNIQUE INDEX u ON t (tags)`, /index public\.u depends on tags/],
  [
    'policy',
    `${T}; CREATE POLICY p ON t USING (tags <> 'secret')`,
    /policy p on table public\.t depends on tags/,
  ],
  [
    'trigger on it',
    `${T}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER b BEFORE UPDATE OF tags ON t FOR EACH ROW EXECUTE FUNCTION f()`,
    /trigger b on table public\.t/,
  ],
  [
    'published by its columns',
    `${T}; CREATE PUBLICATION p FOR TABLE t (id, tags)`,
    /publication of table public\.t in publication p depends on tags/,
  ],
  [
    'forced row-level security',
    `${T}; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    /NO FORCE ROW LEVEL/,
  ],
  ['inheritance', `${T}; CREATE TABLE child () INHERITS (t)`, /inherits/],
  [
    'another migration',
    `${T}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER sqltrail_forward_insert AFTER INSERT ON t EXECUTE FUNCTION f()`,
    /triggers of another migration/,
  ],
  ['another separator', having("'a;b'", "'c'"), /No value of tags contains the separator “,”.*--separator/],
  ['no separator', having("'a;b'"), /separator is empty/, { separator: '' }],
  ['quotes', having(`'a,"b,c"'`), /1 row of tags contain a quote or a backslash.*--accept-quotes/],
  ['escapes', having(String.raw`'a,b\,c'`), /--accept-quotes/],
  ['JSON', having(`'["a","b"]'`, `'a,b'`), /JSON or arrays as text/, { acceptQuotes: true }],
  ['no list and empty ones', having('NULL', "''", "'a,b'"), /1 row have no list.*--merge-empty/],
  [
    'arrays of two dimensions',
    "CREATE TABLE t (id int PRIMARY KEY, tags text[]); INSERT INTO t VALUES (1, '{{a,b},{c,d}}')",
    /with several dimensions/,
  ],
  [
    'arrays that begin elsewhere',
    "CREATE TABLE t (id int PRIMARY KEY, tags text[]); INSERT INTO t VALUES (1, '[0:1]={a,b}')",
    /do not start at 1/,
  ],
  [
    'a name that is taken',
    `${having("'a,b'")}; CREATE TABLE other ()`,
    /relation, type or function other already exists/,
    { into: 'other' },
  ],
])('refuses: %s', async (_, sql, why, more = {}) => {
  await database.client.query(sql);
  await expect(split(database.url, { table: 't', column: 'tags', ...more })).rejects.toThrow(why);
});

it('what is accepted is split as it stands', async () => {
  await database.client.query(having('NULL', "''", `'a,"b,c"'`, String.raw`'\, d'`));
  const it = await split(database.url, { table: 't', column: 'tags', acceptQuotes: true, mergeEmpty: true });
  expect(it.declared.notes.join('\n')).toMatch(/begin or end with a blank/);
  await it.run('cutover-writes');
  expect(
    (await database.client.query('SELECT value FROM t_tags ORDER BY t_id, position')).rows.map(
      ({ value }) => value,
    ),
  ).toEqual(['a', '"b', 'c"', '\\', ' d']);
  // Until complete, the column keeps which of them had no list.
  await it.back('none');
  expect((await database.client.query('SELECT tags FROM t WHERE id < 3 ORDER BY id')).rows).toEqual([
    { tags: null },
    { tags: '' },
  ]);
});
