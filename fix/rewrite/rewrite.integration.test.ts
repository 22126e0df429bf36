import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeRewrite } from '../../cli/rewriteText.ts';
import { type OpenSession, openSession } from '../../diagnosis/session.ts';
import { databaseFor } from '../../test/support/database.ts';
import type { Refusal } from './conditions.ts';
import {
  findRewrites,
  isRewrite,
  type Rewrite,
  type RewriteAnswer,
  rewriteContext,
  rewriteStatement,
} from './rewrite.ts';

const database = databaseFor('all');
let session: OpenSession;

async function version(): Promise<number> {
  const { rows } = await database.client.query(
    "SELECT current_setting('server_version_num')::int AS version",
  );
  return rows[0].version;
}

/** What is said of a statement that was not run. */
async function ask(sql: string, searchPath: string[] = []): Promise<RewriteAnswer[]> {
  return rewriteStatement(sql, await rewriteContext(session, await version(), searchPath));
}
const offered = async (sql: string, kind?: Rewrite['kind']): Promise<Rewrite> => {
  const answers = await ask(sql);
  const found = answers.filter(isRewrite).find((each) => !kind || each.kind === kind);
  if (!found) throw new Error(`no rewrite of ${sql}: ${JSON.stringify(answers)}`);
  return found;
};
const refused = async (sql: string, searchPath?: string[]): Promise<Refusal> => {
  const answers = await ask(sql, searchPath);
  expect(answers.filter(isRewrite)).toEqual([]);
  const [answer] = answers;
  if (!answer || isRewrite(answer)) throw new Error('no answer');
  expect(describeRewrite(answer)).not.toContain('undefined');
  return answer.refusal;
};

/** Rows as text with the names and types of their columns, or the error's SQLSTATE. */
async function outcome(sql: string, values: unknown[]): Promise<unknown> {
  try {
    const { rows, fields } = await database.client.query({
      text: sql,
      values,
      rowMode: 'array',
      types: { getTypeParser: () => String },
    });
    return { rows, columns: fields.map(({ name, dataTypeID }) => [name, dataTypeID]) };
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

const CHECK = `CHECK (at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$'
  AND at = to_char(at::timestamp, 'YYYY-MM-DD HH24:MI:SS'))`;

const PAGE = 'SELECT id, at FROM events WHERE kind = $1 ORDER BY at DESC, id DESC LIMIT 10 OFFSET $2';
const DATED = 'SELECT id FROM events WHERE at::timestamp > $1';
const BY_NUMBER = 'SELECT at FROM events WHERE id::text = $1';
const JOINED = 'SELECT count(*) FROM events a JOIN events b USING (id) OFFSET $1';

beforeAll(async () => {
  session = await openSession({
    url: database.url,
    statementTimeoutMs: 60_000,
    lockTimeoutMs: 60_000,
    budgetMs: 600_000,
    dutyCycle: 1,
  });
});
beforeEach(async () => {
  // Ten rows have the same time, so that only the key makes their order total.
  await database.client.query(`RESET ALL; CREATE SCHEMA IF NOT EXISTS other; CREATE SCHEMA IF NOT EXISTS ours;
    SET client_min_messages = warning; DROP SCHEMA public, other, ours CASCADE; CREATE SCHEMA public;
    CREATE TABLE events (id int PRIMARY KEY, at text NOT NULL, kind text, n int, big bigint, name text, tags text[], price numeric);
    INSERT INTO events SELECT i, to_char(timestamp '2024-01-01' + (i / 10) * interval '1 hour', 'YYYY-MM-DD HH24:MI:SS'), 'k' || i % 3, i % 7, i * 4611686018427387, 'n' || -i, ARRAY['a', 'b'], i
      FROM generate_series(1, 300) AS i;
    ANALYZE events`);
});
afterAll(async () => {
  await session.close();
});

it('OFFSET becomes a keyset: the rewritten statement, followed from page to page, gives all rows in order', async () => {
  const { rewritten, firstPage, comparison, keys, conditions } = await offered(PAGE);
  expect(comparison.cases).toBeGreaterThan(10);
  expect(keys).toEqual([
    { parameter: 2, column: 'at' },
    { parameter: 3, column: 'id' },
  ]);
  expect(conditions).toContainEqual({ kind: 'unique key', index: 'events_pkey', columns: ['id'] });
  expect(conditions).toContainEqual({ kind: 'not null', column: 'at' });
  const { rows: all } = await database.client.query(
    "SELECT id, at FROM events WHERE kind = 'k1' ORDER BY at DESC, id DESC",
  );
  const seen: { id: number; at: string }[] = (await database.client.query(firstPage ?? '', ['k1'])).rows;
  for (;;) {
    const last = seen.at(-1);
    const { rows } = await database.client.query(rewritten, ['k1', last?.at, last?.id]);
    if (rows.length === 0) break;
    seen.push(...rows);
  }
  expect(seen).toEqual(all);
});

it('an OFFSET that is followed by a page which is not there, or a table without rows, is no error', async () => {
  await database.client.query('DELETE FROM events');
  expect((await offered(PAGE)).comparison).toEqual({ cases: 0, rows: 0 });
});

const NUMBERS = [
  null,
  '',
  'x',
  '7',
  '007',
  '+7',
  '-7',
  ' 7',
  '7 ',
  '7\n',
  '7.0',
  '1e3',
  '0',
  '-0',
  '７',
  '٧',
  '2147483648',
  '99999999999',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '-9223372036854775809',
  '99999999999999999999',
];

it.each(['id', 'n', 'big'])(
  'a comparison of %s as text keeps its answer for what is no number',
  async (column) => {
    await database.client.query(
      `UPDATE events SET big = 9223372036854775807, n = 0 WHERE id = 1;
     UPDATE events SET big = -9223372036854775808, n = NULL WHERE id = 2; UPDATE events SET big = NULL WHERE id = 3`,
    );
    for (const sql of [
      `SELECT id, at FROM events WHERE ${column}::text = $1`,
      `SELECT count(*) FROM events WHERE $1 = CAST(${column} AS varchar) AND kind <> 'k9'`,
    ]) {
      const { rewritten, conditions } = await offered(sql);
      expect(rewritten).not.toMatch(new RegExp(`${column}::|CAST\\(${column}`));
      expect(conditions).toContainEqual({ kind: 'parameter type', parameter: 1, type: 'text' });
      for (const mode of ['force_generic_plan', 'force_custom_plan']) {
        await database.client.query(`SET plan_cache_mode = ${mode}`);
        for (const value of NUMBERS)
          expect([value, await outcome(rewritten, [value])]).toEqual([value, await outcome(sql, [value])]);
      }
    }
  },
);

it('id::text = $1 uses the index on id once its cast is gone', async () => {
  const { rewritten } = await offered(BY_NUMBER);
  await database.client.query('SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan');
  await database.client.query(`PREPARE byNumber AS ${rewritten}`);
  const { rows } = await database.client.query("EXPLAIN EXECUTE byNumber('7')");
  expect(JSON.stringify(rows)).toContain('Index Cond');
});

const MOMENTS = [
  null,
  '2024-01-01 05:00:00',
  '2024-01-01 05:00:00.5',
  '2024-01-01 04:59:59.999999',
  '2024-01-01 05:00:00.000001',
  '2024-01-01T05:00:00+05',
  '2024-01-01',
  '01/02/2024',
  'infinity',
  '-infinity',
  '0044-03-15 BC',
  '0001-01-01',
  '1999-12-31 23:59:59.5',
  '9999-12-31 23:59:59',
  '9999-12-31 23:59:59.5',
  '12024-01-01',
  '',
  'x',
];

it('a date as text is compared without its cast where a CHECK makes sure of its form, for all that may be passed', async () => {
  await database.client.query(`ALTER TABLE events ADD CONSTRAINT at_is_a_date ${CHECK};
    INSERT INTO events (id, at) VALUES (1001, '0001-01-01 00:00:00'), (1002, '9999-12-31 23:59:59'), (1003, '1999-12-31 23:59:59')`);
  for (const operator of ['<', '<=', '=', '>=', '>']) {
    const sql = `SELECT id FROM events WHERE at::timestamp ${operator} $1 ORDER BY at::timestamp, id`;
    const { rewritten, conditions } = await offered(sql);
    expect(rewritten).not.toMatch(/at::|CAST\(at/);
    expect(conditions).toContainEqual({
      kind: 'check',
      column: 'at',
      constraints: ['at_is_a_date'],
      form: 'timestamp',
    });
    for (const settings of [
      "SET DateStyle = 'ISO, MDY'; SET TimeZone = 'UTC'; SET plan_cache_mode = force_custom_plan",
      "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Pacific/Apia'; SET plan_cache_mode = force_generic_plan",
    ]) {
      await database.client.query(settings);
      for (const value of MOMENTS)
        expect([operator, value, await outcome(rewritten, [value])]).toEqual([
          operator,
          value,
          await outcome(sql, [value]),
        ]);
    }
  }
});

it('a day as text is compared without the time zone of the session, in which days can be missing', async () => {
  await database.client.query(`CREATE TABLE days (day varchar(10) CHECK (day ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'), CHECK (day = to_char(day::timestamp, 'YYYY-MM-DD')));
    INSERT INTO days VALUES ('2011-12-29'), ('2011-12-30'), ('2011-12-31'), (NULL), ('0001-01-01'), ('9999-12-31')`);
  for (const operator of ['<', '<=', '=', '>=', '>']) {
    const sql = `SELECT day FROM days WHERE day::date ${operator} $1 ORDER BY day::date`;
    const { rewritten } = await offered(sql);
    await database.client.query("SET TimeZone = 'Pacific/Apia'");
    for (const value of [
      null,
      '2011-12-30',
      '2011-12-31',
      'infinity',
      '-infinity',
      '0044-03-15 BC',
      '5874897-12-31',
      '2011-12-30 23:00',
      'x',
    ])
      expect([operator, value, await outcome(rewritten, [value])]).toEqual([
        operator,
        value,
        await outcome(sql, [value]),
      ]);
  }
});

describe('a date as text stays as it is', () => {
  it.each([
    ['without a constraint, although every row has the form today', 'SELECT'],
    [
      'with a constraint of the form alone: 24:00:00 is the next day, and a month 13 raises an error',
      "ALTER TABLE events ADD CHECK (at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$')",
    ],
    ['with a constraint that was not validated', `ALTER TABLE events ADD ${CHECK} NOT VALID`],
    ['with a constraint that is not enforced', `ALTER TABLE events ADD ${CHECK} NOT ENFORCED`],
    [
      'with either of two',
      `ALTER TABLE events ADD CHECK (n > 3 OR at = to_char(at::timestamp, 'YYYY-MM-DD HH24:MI:SS'))`,
    ],
    [
      'with a to_char() of the user’s',
      `CREATE FUNCTION to_char(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
       ALTER TABLE events ADD CHECK (at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$' AND at = to_char(at, 'YYYY-MM-DD HH24:MI:SS'))`,
    ],
  ])('%s', async (_what, ddl) => {
    if (!ddl.includes('NOT ENFORCED') || (await version()) >= 180_000) await database.client.query(ddl);
    expect(await refused(DATED)).toMatchObject({ kind: 'no check', column: 'at', form: 'timestamp' });
    // A statement with such a cast has no pages either: which rows raise the error depends on the plan.
    expect(
      await refused(`SELECT id FROM events WHERE at::timestamp > $1 ORDER BY id OFFSET $2`),
    ).toMatchObject({
      kind: 'no check',
    });
  });

  it('and the constraint that it is said to need is one by which it goes', async () => {
    const refusal = await refused(DATED);
    if (refusal.kind !== 'no check') throw new Error(refusal.kind);
    await database.client.query(refusal.remedy);
    expect(await refused(DATED)).toMatchObject({ kind: 'no check' });
    await database.client.query('ALTER TABLE events VALIDATE CONSTRAINT events_at_check');
    await offered(DATED);
  });

  it('under a collation that equates or reorders', async () => {
    await database.client.query(
      "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
    );
    const hasRules = (await version()) >= 160_000;
    if (hasRules)
      await database.client.query(
        "CREATE COLLATION backwards (provider = icu, locale = 'und', rules = '&9 < 0')",
      );
    for (const collation of ['loose', ...(hasRules ? ['backwards'] : [])]) {
      await database.client.query(
        `DROP TABLE IF EXISTS dated; CREATE TABLE dated (id int, at text COLLATE ${collation} ${CHECK})`,
      );
      expect(await refused('SELECT id FROM dated WHERE at::timestamp > $1')).toMatchObject({
        kind: 'collation',
        column: 'at',
      });
    }
  });
});

describe('is refused by its form, whatever the data are', () => {
  it.each<[string, Refusal['kind']]>([
    ['SELECT id FROM events WHERE id::text = $1 ORDER BY n FETCH FIRST 5 ROWS WITH TIES', 'ties'],
    ['SELECT id, n FROM events ORDER BY n FETCH FIRST 5 ROWS WITH TIES OFFSET $1', 'ties'],
    ['SELECT id, n FROM events ORDER BY n OFFSET $1 FETCH FIRST 5 ROWS WITH TIES', 'ties'],
    ['SELECT id, unnest(tags) FROM events ORDER BY id LIMIT 10 OFFSET $1', 'select list'],
    ['SELECT id, generate_series(1, n) FROM events ORDER BY id LIMIT 10 OFFSET $1', 'select list'],
    ['SELECT id, random() FROM events WHERE id::text = $1', 'select list'],
    ['SELECT id, 1 / n FROM events ORDER BY id LIMIT 10 OFFSET $1', 'select list'],
    ['SELECT id, row_number() OVER (ORDER BY id) FROM events WHERE id::text = $1', 'select list'],
    ['SELECT id, sum(n) OVER w FROM events WHERE id::text = $1 WINDOW w AS (ORDER BY id)', 'clause'],
    ['SELECT string_agg(name, $2) FROM events WHERE id::text = $1', 'select list'],
    ['SELECT count(DISTINCT n) FROM events WHERE id::text = $1', 'select list'],
    ['SELECT count(*) FILTER (WHERE n > 3) FROM events WHERE id::text = $1', 'select list'],
    ['SELECT count(*) FROM events WHERE n > $1 LIMIT 1 OFFSET $2', 'aggregate'],
    ['SELECT events FROM events WHERE id::text = $1', 'select list'],
    ['SELECT ctid FROM events WHERE id::text = $1', 'select list'],
    ['SELECT id::text FROM events WHERE id::text = $1', 'select list'],
    ['SELECT big AS id, id AS x FROM events ORDER BY id LIMIT 10 OFFSET $1', 'output name'],
    ['SELECT lower(name) AS name, id FROM events ORDER BY name, id LIMIT 10 OFFSET $1', 'select list'],
    ['SELECT n AS at, id FROM events WHERE id::text = $1 ORDER BY at::timestamp', 'output name'],
    ['SELECT id FROM events ORDER BY 1 LIMIT 10 OFFSET $1', 'order by'],
    ['SELECT id FROM events ORDER BY id USING > LIMIT 10 OFFSET $1', 'order by'],
    ['SELECT id FROM events ORDER BY lower(name), id LIMIT 10 OFFSET $1', 'order by'],
    ['SELECT id FROM events ORDER BY id::text COLLATE "C" LIMIT 10 OFFSET $1', 'order by'],
    ['SELECT id, at FROM events ORDER BY at LIMIT 10 OFFSET $1', 'order not total'],
    ['SELECT id, n FROM events ORDER BY n, id LIMIT 10 OFFSET $1', 'nullable key'],
    ['SELECT id, price FROM events ORDER BY price DESC NULLS LAST, id DESC OFFSET $1', 'nullable key'],
    ['SELECT id, at FROM events ORDER BY at DESC, id LIMIT 10 OFFSET $1', 'both directions'],
    ['SELECT at FROM events ORDER BY at, id LIMIT 10 OFFSET $1', 'key not selected'],
    ['SELECT big AS id, id AS x FROM events ORDER BY events.id LIMIT 10 OFFSET $1', 'key not selected'],
    ['SELECT id FROM events LIMIT 10 OFFSET $1', 'no order'],
    ['SELECT id FROM events WHERE n::text = $1 LIMIT 1', 'order not total'],
    ['SELECT id FROM events WHERE n::text = $1 ORDER BY at LIMIT 1', 'order not total'],
    ['SELECT id FROM events WHERE id::varchar(2) = $1', 'where'],
    ['SELECT id FROM events WHERE id::char(2) = $1', 'where'],
    ['SELECT id FROM events WHERE price::text = $1', 'where'],
    ['SELECT id FROM events WHERE n::text > $1', 'where'],
    ["SELECT id FROM events WHERE id::text = lpad($1, 3, '0')", 'where'],
    ['SELECT id FROM events WHERE id::text = $1 COLLATE "C"', 'where'],
    ['SELECT id FROM events WHERE id::text = ANY($1)', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 OR n = $2', 'where'],
    ['SELECT id FROM events WHERE NOT id::text = $1', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND 1 / n > 0', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND name LIKE $2', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND name ~ $2', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND name::int > 5', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND random() < 0.5', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND n = $2::text::int', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND n IN (SELECT n FROM events)', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND id OPERATOR(pg_catalog.>) $2', 'where'],
    ['SELECT id FROM events WHERE at::timestamp(0) > $1', 'where'],
    ['SELECT id FROM events WHERE at::timestamptz > $1', 'where'],
    ['SELECT id FROM events WHERE at::timestamp > $1::date', 'where'],
    ['SELECT id FROM events WHERE at::timestamp > now()', 'where'],
    ['SELECT id FROM events WHERE id::text = $1 AND name = $1', 'repeated parameter'],
    ['SELECT id FROM events WHERE n = $1 ORDER BY id LIMIT $1 OFFSET $2', 'repeated parameter'],
    ['SELECT id FROM events WHERE id::text = $1 ORDER BY id LIMIT $2 + 1', 'limit'],
    ['SELECT id FROM events ORDER BY id OFFSET ($1 - 1) * 10', 'limit'],
    ['SELECT id FROM events WHERE id::text = $1 AND n IN ($2 /*, ... */)', 'shortened list'],
    ['SELECT DISTINCT n FROM events WHERE id::text = $1', 'clause'],
    ['SELECT DISTINCT ON (n) id FROM events ORDER BY n, id OFFSET $1', 'clause'],
    ['SELECT n FROM events WHERE id::text = $1 GROUP BY n', 'clause'],
    ['SELECT count(*) FROM events WHERE id::text = $1 HAVING count(*) > 1', 'clause'],
    ['SELECT id FROM events WHERE id::text = $1 FOR UPDATE', 'clause'],
    ['SELECT id FROM events ORDER BY id LIMIT 5 OFFSET $1 FOR UPDATE SKIP LOCKED', 'clause'],
    ['SELECT id INTO copied FROM events WHERE id::text = $1', 'clause'],
    ['WITH gone AS (DELETE FROM events RETURNING id) SELECT id FROM events WHERE id::text = $1', 'clause'],
    ['SELECT id FROM events WHERE id::text = $1 UNION SELECT 1', 'clause'],
    ['SELECT id FROM events TABLESAMPLE BERNOULLI (50) WHERE id::text = $1', 'not one table'],
    ['SELECT a FROM events AS e (a) WHERE a::text = $1', 'clause'],
    ['SELECT id FROM generate_series(1, 5) AS id WHERE id::text = $1', 'not one table'],
    [JOINED, 'not one table'],
    ['SELECT id FROM nowhere WHERE id::text = $1', 'no such table'],
    ['SELECT id FROM events; SELECT 1', 'several statements'],
    ["UPDATE events SET n = 1 WHERE id::text = '1'", 'no SELECT'],
    ['SELECT id FROM events WHERE id = $1', 'nothing to rewrite'],
  ])('%s', async (sql, kind) => {
    expect(await refused(sql)).toMatchObject({ kind });
  });
});

describe('is refused by its table', () => {
  const NUMBERED = 'SELECT id FROM things WHERE id::text = $1';
  it.each<[what: string, ddl: string, sql: string, refusal: Partial<Refusal>]>([
    ['a view', 'CREATE VIEW things AS SELECT id FROM events', NUMBERED, { kind: 'table' }],
    [
      'a materialized view',
      'CREATE MATERIALIZED VIEW things AS SELECT id FROM events',
      NUMBERED,
      { kind: 'table' },
    ],
    [
      'row-level security',
      'CREATE TABLE things (id int); ALTER TABLE things ENABLE ROW LEVEL SECURITY',
      NUMBERED,
      { kind: 'table', has: 'row-level security' },
    ],
    [
      'child tables, whose rows no unique key of the parent is for',
      'CREATE TABLE things (id int PRIMARY KEY); CREATE TABLE child () INHERITS (things)',
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'table', has: 'child tables' },
    ],
    [
      'two tables of the name',
      'CREATE TABLE things (id int); CREATE SCHEMA other; CREATE TABLE other.things (id text)',
      NUMBERED,
      { kind: 'ambiguous table', schemas: ['other', 'public'] },
    ],
    [
      'a key that may be late',
      'CREATE TABLE things (id int NOT NULL UNIQUE DEFERRABLE)',
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'order not total' },
    ],
    [
      'a key of some rows',
      'CREATE TABLE things (id int NOT NULL, n int); CREATE UNIQUE INDEX ON things (id) WHERE n > 0',
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'order not total' },
    ],
    [
      'a key of an expression',
      'CREATE TABLE things (id int NOT NULL); CREATE UNIQUE INDEX ON things ((id + 0))',
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'order not total' },
    ],
    [
      'a key whose equality is not that of the column',
      `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
       CREATE TABLE things (id text COLLATE loose NOT NULL); CREATE UNIQUE INDEX ON things (id COLLATE "C")`,
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'order not total' },
    ],
    [
      'a unique column that may be NULL',
      'CREATE TABLE things (id int UNIQUE)',
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'nullable key', column: 'id' },
    ],
    [
      'a float as key, which a session may print shorter than it is',
      'CREATE TABLE things (id float8 PRIMARY KEY)',
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'key type' },
    ],
    [
      'a domain',
      'CREATE DOMAIN number AS int; CREATE TABLE things (id number PRIMARY KEY)',
      NUMBERED,
      { kind: 'where' },
    ],
    [
      'an operator of the user’s between types of the server',
      `CREATE TABLE things (id int PRIMARY KEY);
       CREATE FUNCTION ci(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) OPERATOR(pg_catalog.=) lower($2)';
       CREATE SCHEMA ours; CREATE OPERATOR ours.= (LEFTARG = text, RIGHTARG = text, FUNCTION = ci)`,
      NUMBERED,
      { kind: 'user-defined' },
    ],
    [
      'dates that the database prints so that they may not be read back',
      `CREATE TABLE things (id timestamptz PRIMARY KEY);
       DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = %L', current_database(), 'SQL, DMY'); END$$`,
      'SELECT id FROM things ORDER BY id OFFSET $1',
      { kind: 'date style' },
    ],
  ])('%s', async (_what, ddl, sql, refusal) => {
    await database.client.query(ddl);
    try {
      expect(await refused(sql)).toMatchObject(refusal);
    } finally {
      await database.client.query(
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I RESET ALL', current_database()); END$$",
      );
    }
  });

  it('a NOT NULL that was not validated, and a virtual column (Postgres 18)', async () => {
    if ((await version()) < 180_000) return;
    await database.client.query(
      'CREATE TABLE things (id int, n int, UNIQUE (id)); ALTER TABLE things ADD CONSTRAINT known NOT NULL id NOT VALID',
    );
    expect(await refused('SELECT id FROM things ORDER BY id OFFSET $1')).toMatchObject({
      kind: 'nullable key',
    });
    await database.client.query(
      'ALTER TABLE things ADD COLUMN inverse int GENERATED ALWAYS AS (1 / n) VIRTUAL',
    );
    expect(await refused(NUMBERED)).toMatchObject({ kind: 'table', has: 'virtual columns' });
  });

  it('a table of the name in two schemas is taken where the search path that is given leads', async () => {
    await database.client.query('CREATE SCHEMA other; CREATE TABLE other.events (id text, at text)');
    expect(await refused(BY_NUMBER)).toMatchObject({ kind: 'ambiguous table' });
    expect(await refused(BY_NUMBER, ['other', 'public'])).toMatchObject({ kind: 'where' });
    const [answer] = await ask(BY_NUMBER, ['public']);
    expect(answer && isRewrite(answer) && answer.conditions[0]).toEqual({
      kind: 'table',
      schema: 'public',
      table: 'events',
      by: 'search path',
    });
    await offered('SELECT at FROM public.events WHERE id::text = $1');
  });
});

it('LIMIT stays where a unique key leaves one row at most, or one order', async () => {
  const one = await offered('SELECT at FROM events WHERE id::text = $1 LIMIT $2');
  expect(one.conditions).toContainEqual({ kind: 'at most one row', index: 'events_pkey', columns: ['id'] });
  const ordered = await offered('SELECT id FROM events WHERE n::text = $1 ORDER BY at DESC, id LIMIT 5');
  expect(ordered.conditions).toContainEqual({ kind: 'unique key', index: 'events_pkey', columns: ['id'] });
});

it('both statements and all that their equality rests on are shown', async () => {
  await database.client.query('CREATE EXTENSION pg_stat_statements');
  await database.client.query(PAGE, ['k1', 20]);
  await database.client.query(BY_NUMBER, ['7']);
  await database.client.query(JOINED, [0]);
  const answers = await findRewrites({
    url: database.url,
    searchPath: [],
    signal: new AbortController().signal,
  });
  const text = answers.map(describeRewrite).join('\n');
  expect(text).not.toMatch(/undefined|\[object/);
  for (const part of [
    'its order is total, by the unique index events_pkey (id)',
    'at has a NOT NULL constraint',
    '$2, $4 are at, id of the last row of the previous page',
    '$1 is passed as text',
    'any text may be passed for $1',
    'the only table of that name',
    'Not rewritten: it reads something other than a single table.',
    'Compared: the same in',
  ])
    expect(text).toContain(part);
});
