import { expect, it } from 'vitest';
import { databaseFor } from '../../../test/support/database.ts';
import { extracted } from '../../../test/support/moved.ts';
import type { ExtractOptions } from './extract.ts';

const database = databaseFor('each');

const T = 'CREATE TABLE t (id int PRIMARY KEY, k int, a text, b text, at date)';
const AGAINST = `${T}; INSERT INTO t VALUES (1, 7, 'x', 'y', NULL), (2, 7, 'z', 'y', NULL)`;

it.each<[string, string, RegExp, Partial<ExtractOptions>?]>([
  ['no such table', 'SELECT 1', /There is no table t/],
  ['no such columns', 'CREATE TABLE t (id int PRIMARY KEY, k int)', /has no column a\. It has id, k\./],
  ['no such key', 'CREATE TABLE t (id int PRIMARY KEY, a text, b text)', /has no column k/],
  [
    'no key of the rows',
    'CREATE TABLE t (k int, a text, b text)',
    /has no key.*GENERATED ALWAYS AS IDENTITY/,
  ],
  ['no columns', T, /--columns/, { columns: [] }],
  ['the key moves', T, /k cannot be the key and move too/, { columns: ['k', 'a'] }],
  ['unique key', `${T}; CREATE UNIQUE INDEX ON t (k)`, /k is unique/],
  [
    'a view',
    'CREATE VIEW t AS SELECT 1 AS id, 2 AS k, 3 AS a, 4 AS b',
    /neither an ordinary nor a partitioned table/,
  ],
  [
    'partitioned',
    'CREATE TABLE t (id int PRIMARY KEY, k int, a text, b text) PARTITION BY RANGE (id)',
    /is partitioned/,
  ],
  ['contradictions', AGAINST, /The copies of 1 of 1 ks contradict.*example 7.*--resolve latest-by COLUMN/],
  [
    'rows without a key',
    `${T}; INSERT INTO t VALUES (1, NULL, 'x', NULL)`,
    /1 rows have no k and yet say something in a, b/,
  ],
  [
    'no such column for the latest',
    AGAINST,
    /has no column nothing that could say/,
    { resolve: { kind: 'latest-by', column: 'nothing' } },
  ],
  [
    'the latest moves',
    AGAINST,
    /a cannot decide which row is the latest/,
    { resolve: { kind: 'latest-by', column: 'a' } },
  ],
  [
    'no order',
    'CREATE TABLE t (id int PRIMARY KEY, k json, a text, b text)',
    /k is of type json, whose values have no order/,
  ],
  [
    'generated from a copy',
    'CREATE TABLE t (id int PRIMARY KEY, k int, a text, b text, c text GENERATED ALWAYS AS (upper(a)) STORED)',
    /column c of table public\.t depends on a, b/,
  ],
  [
    'a copy in a key',
    'CREATE TABLE t (id int PRIMARY KEY, k int, a text, b text UNIQUE)',
    /constraint t_b_key on table public\.t depends/,
  ],
  [
    'a copy that refers',
    'CREATE TABLE o (a text PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, k int, a text REFERENCES o, b text)',
    /constraint t_a_fkey/,
  ],
  ['a policy', `${T}; CREATE POLICY p ON t USING (a <> 'secret')`, /policy p on table public\.t depends/],
  ['a name that is taken', `${T}; CREATE TABLE n ()`, /relation, type or function n already/],
])('refuses: %s', async (_, sql, why, more = {}) => {
  await database.client.query(sql);
  await expect(
    extracted(database.url, { table: 't', columns: ['a', 'b'], key: 'k', into: 'n', ...more }),
  ).rejects.toThrow(why);
});

it('rows that lose their key meanwhile stop it, and lose nothing', async () => {
  await database.client.query(`${T}; INSERT INTO t VALUES (1, 7, 'x', 'y'), (2, 7, 'x', 'y')`);
  const it = await extracted(database.url, { table: 't', columns: ['a', 'b'], key: 'k', into: 'n' });
  await it.run('cutover-writes');
  await database.client.query('UPDATE t SET k = NULL WHERE id = 1');
  await expect(it.run('contract')).rejects.toThrow(/1 rows are missing in the new model/);
  await database.client.query('UPDATE t SET k = 7 WHERE id = 1');
  await it.run('contract');
  expect((await database.client.query('SELECT * FROM n')).rows).toEqual([{ k: 7, a: 'x', b: 'y' }]);
});

it('row-level security and rights hold for the new table too', async () => {
  const role = `reader_${database.name}`;
  await database.client.query(`CREATE ROLE ${role}; ${T}; INSERT INTO t VALUES (1, 7, 'x', 'y'), (2, 8, 'secret', 'y');
    GRANT SELECT, UPDATE ON t TO ${role}; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO ${role} USING (k = 7)`);
  const as = async (sql: string) => {
    try {
      await database.client.query(`SET ROLE ${role}`);
      return (await database.client.query(sql)).rows;
    } finally {
      await database.client.query('RESET ROLE');
    }
  };
  try {
    const it = await extracted(database.url, { table: 't', columns: ['a', 'b'], key: 'k', into: 'n' });
    expect(it.declared.notes.join('\n')).toMatch(/row-level security/);
    await it.run('verify');
    await expect(as('SELECT a FROM n')).rejects.toMatchObject({ code: '42501' });
    await it.run('cutover-writes');
    expect(await as('SELECT a FROM n')).toEqual([{ a: 'x' }]);
    await as("UPDATE t SET a = 'changed'");
    expect(await as('SELECT a FROM n')).toEqual([{ a: 'changed' }]);
    await as("UPDATE n SET a = 'not allowed'");
    expect((await database.client.query('SELECT a FROM n ORDER BY k')).rows).toEqual([
      { a: 'changed' },
      { a: 'secret' },
    ]);
    await expect(as('DELETE FROM n')).rejects.toMatchObject({ code: '42501' });
    await expect(as('SELECT * FROM n_contradictions')).rejects.toMatchObject({ code: '42501' });
    await it.back('none');
  } finally {
    await database.client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});
