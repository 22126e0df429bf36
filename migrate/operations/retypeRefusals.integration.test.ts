import { beforeEach, expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { retyped } from '../../test/support/operated.ts';
import type { RetypeOptions } from './retype.ts';

const database = databaseFor('all');
beforeEach(() => database.client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public'));

const KEYED = `CREATE TABLE t (id int PRIMARY KEY, at text, n text, x varchar(20), c int NOT NULL DEFAULT 1);
  INSERT INTO t SELECT i, to_char(date '2024-01-01' + i, 'YYYY-MM-DD'), i || '.50', 'x', i FROM generate_series(1, 50) AS i`;

it.each<[string, string, string, string, RegExp, Partial<RetypeOptions>?]>([
  ['no column', KEYED, 't', 'date', /is not a column of a table/],
  ['no such column', KEYED, 't.gone', 'date', /has no column gone/],
  ['no such type', KEYED, 't.at', 'dat', /There is no type dat /],
  ['the type that it has', KEYED, 't.at', 'text', /already has the type text/],
  [
    'what Postgres does by itself',
    KEYED,
    't.x',
    'text',
    /by itself, without a rewrite.*ALTER TABLE "public"\."t" ALTER COLUMN "x" TYPE text/,
  ],
  [
    'values that do not convert, by their form',
    `${KEYED}; UPDATE t SET at = 'n/a' WHERE id < 4; UPDATE t SET at = '2024-02-30' WHERE id = 9`,
    't.at',
    'date',
    /4 values, of the form “a\/a” \(3\), “9999-99-99” \(1\), of at cannot be converted to date/,
  ],
  [
    'words that mean a date',
    `${KEYED}; UPDATE t SET at = 'today' WHERE id = 1`,
    't.at',
    'date',
    /1 value.*“aaaaa”/,
  ],
  [
    'values that come back as others',
    `${KEYED}; UPDATE t SET n = '1.5' WHERE id = 1`,
    't.n',
    'numeric(12,2)',
    /1 value, of the form “9\.9” \(1\), of n would come back changed after a rollback.*--accept-changes/,
  ],
  ['a format that is none', KEYED, 't.at', 'date', /The format Month is not understood/, { format: 'Month' }],
  [
    'a format of another time',
    KEYED,
    't.at',
    'date',
    /50 values.*cannot be converted/,
    { format: 'DD.MM.YYYY' },
  ],
  ['numbers without a unit', KEYED, 't.c', 'timestamptz', /--format seconds or --format milliseconds/],
  ['no way between the types', KEYED, 't.c', 'uuid', /cannot be converted from integer to uuid.*--using/],
  ['SQL that fails', KEYED, 't.n', 'integer', /cannot be converted/, { using: 'n::int' }],
  ['SQL that is none', KEYED, 't.n', 'integer', /syntax error.*--using and --back/, { using: 'n::int)' }],
  [
    'a key',
    `CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t SELECT gen_random_uuid()`,
    't.id',
    'uuid',
    /part of each key.*another unique key/,
  ],
  [
    'a generated column',
    `${KEYED}; ALTER TABLE t ADD g text GENERATED ALWAYS AS (n) STORED`,
    't.g',
    'date',
    /is a generated column/,
  ],
  [
    'one made from it',
    `${KEYED}; ALTER TABLE t ADD g text GENERATED ALWAYS AS (n || 'x') STORED`,
    't.n',
    'numeric',
    /generated column g is computed from it/,
  ],
  [
    'an operator class',
    `${KEYED}; CREATE INDEX i ON t (at text_pattern_ops)`,
    't.at',
    'date',
    /index i has an operator class/,
  ],
  [
    'an expression',
    `${KEYED}; CREATE INDEX i ON t (lower(at))`,
    't.at',
    'date',
    /index i is written for the old type.*lower\(date\)/,
  ],
  [
    'a predicate',
    `${KEYED}; CREATE INDEX i ON t (id) WHERE at > '2024'`,
    't.at',
    'date',
    /index i is written for the old type/,
  ],
  [
    'a check of the form',
    `${KEYED}; ALTER TABLE t ADD CONSTRAINT form CHECK (at ~ '^\\d')`,
    't.at',
    'date',
    /CHECK constraint form is written for the old type.*Drop it first/,
  ],
  [
    'a check that rows would break',
    `${KEYED}; ALTER TABLE t ADD CONSTRAINT small CHECK (n::numeric < 60)`,
    't.n',
    'bigint',
    /50 rows break the CHECK constraint small/,
    { using: 'round(n::numeric * 100)', back: "to_char(n / 100.0, 'FM990.00')" },
  ],
  [
    'a policy',
    `${KEYED}; CREATE POLICY p ON t USING (at LIKE '2024%')`,
    't.at',
    'date',
    /policy p is written for the old type/,
  ],
  [
    'a view',
    `${KEYED}; CREATE VIEW v AS SELECT at || 'T00:00' AS s, substr(at, 1, 4) AS y FROM t`,
    't.at',
    'date',
    /view public\.v is written for the old type/,
  ],
  [
    'a view that others show',
    `${KEYED}; CREATE VIEW v AS SELECT at FROM t; CREATE VIEW w AS SELECT at FROM v`,
    't.at',
    'date',
    /view public\.v shows the column.*rule _RETURN on view public\.w/,
  ],
  [
    'a default that is no constant',
    `${KEYED}; ALTER TABLE t ALTER at SET DEFAULT now()::text`,
    't.at',
    'date',
    /not a constant.*--default/,
  ],
  [
    'a trigger',
    `${KEYED}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := left(NEW.at, 10); RETURN NEW; END';
     CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()`,
    't.at',
    'date',
    /trigger b names at in its function.*--accept-triggers/,
  ],
  [
    'a unique column whose values are the same then',
    `${KEYED}; ALTER TABLE t ADD UNIQUE (n); UPDATE t SET n = '1.500' WHERE id = 2`,
    't.n',
    'numeric(12,2)',
    /t_n_key is unique/,
    { acceptChanges: true },
  ],
  [
    'a foreign key',
    `${KEYED}; CREATE TABLE days (day text PRIMARY KEY); INSERT INTO days SELECT at FROM t; ALTER TABLE t ADD CONSTRAINT to_day FOREIGN KEY (at) REFERENCES days`,
    't.at',
    'date',
    /foreign key to_day to public\.days compares at with day of the type text/,
  ],
  [
    'a table that refers with a smaller type',
    `${KEYED}; CREATE TABLE other (t_id int REFERENCES t)`,
    't.id',
    'bigint',
    /t_id of public\.other refers to id.*migrate plan URL retype "public"\."other"\."t_id" bigint/,
  ],
])('refuses: %s', async (_, sql, target, type, why, options = {}) => {
  await database.client.query(sql);
  await expect(retyped(database.url, target, type, options)).rejects.toThrow(why);
});

it('a plan changes nothing, and says how values are read', async () => {
  await database.client.query(KEYED);
  const { declared } = await retyped(database.url, 't.n', 'bigint', { minorUnits: 2 });
  expect(declared.notes.join('\n')).toContain('in units of 1/100');
  expect(declared.notes.join('\n')).toContain('all 50 values were converted there and back');
  expect(
    (await database.client.query("SELECT count(*)::int AS n FROM pg_class WHERE relname LIKE '%sqltrail%'"))
      .rows[0].n,
  ).toBe(0);
});
