import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, forgetStatements, type TestDatabase } from '../../test/support/database.ts';
import { unhurried } from '../../test/support/unhurried.ts';
import { type Diagnosis, notesOf } from '../diagnosis.ts';
import type { Finding } from '../finding.ts';
import { fixSql } from '../fixSql.ts';
import { type DiagnosisOptions, diagnose } from '../run.ts';

/** Makes the schema, runs the statements often enough to matter, and diagnoses. */
async function diagnosed(
  database: TestDatabase,
  schema: string,
  calls: readonly [sql: string, values: unknown[]][],
  more: Partial<DiagnosisOptions> = {},
): Promise<{ diagnosis: Diagnosis; owner: pg.Client }> {
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(`CREATE EXTENSION pg_stat_statements; ${schema}`);
  await owner.query('ANALYZE');
  await owner.query(forgetStatements);
  for (let at = 0; at < 20; at += 1) for (const [sql, values] of calls) await owner.query(sql, values);
  return { diagnosis: await diagnose(unhurried(database.url, more)), owner };
}

const of = ({ findings }: Pick<Diagnosis, 'findings'>, check: string, table: string, column?: string) =>
  findings.filter(
    (finding) =>
      finding.check === check &&
      finding.objects[0]?.table === table &&
      (column === undefined || finding.objects[0]?.columns?.includes(column)),
  );

const sqlOf = (finding: Finding | undefined) => (finding?.fix ? fixSql(finding.fix).sql : []);
const undoOf = (finding: Finding | undefined) => (finding?.fix ? fixSql(finding.fix).undo : []);
/** The index that a fix builds, where Postgres would build it. */
const createOf = ({ fix }: Partial<Finding> = {}) =>
  fix && 'create' in fix && !fix.refused ? fix.create : undefined;

/** What is proposed, one after another, outside of a transaction as CONCURRENTLY asks. */
async function carryOut(owner: pg.Client, finding: Finding | undefined): Promise<void> {
  expect(sqlOf(finding), finding?.id).not.toEqual([]);
  for (const sql of sqlOf(finding)) await owner.query(sql);
}

describe('indexes on expressions', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  let diagnosis: Diagnosis;

  beforeAll(async () => {
    database = await createTestDatabase();
    ({ owner, diagnosis } = await diagnosed(
      database,
      `CREATE SCHEMA tools;
       CREATE FUNCTION tools.plain(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
       CREATE FUNCTION public.pathless(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN plain($1); END';
       CREATE FUNCTION public.unaccent(text) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN translate($1, ''éè'', ''ee''); END';
       ALTER DATABASE "${database.name}" SET search_path = public, tools;
       SET search_path = public, tools;
       CREATE TABLE post (id int PRIMARY KEY, body text NOT NULL, name text NOT NULL, at timestamptz NOT NULL, on_day timestamp NOT NULL,
         kind name NOT NULL, code char(12) NOT NULL, url text NOT NULL, title text NOT NULL, point point NOT NULL, tags text[] NOT NULL, data json);
       INSERT INTO post SELECT i, 'word' || i || ' and more', 'Name ' || i, timestamptz '2026-01-01 00:00Z' + i * interval '1 hour', timestamp '2026-01-01' + i * interval '1 hour',
         'kind' || i, 'code' || i, 'https://' || i || (SELECT string_agg(md5(i || 'x' || part), '') FROM generate_series(1, CASE WHEN i % 997 = 0 THEN 200 ELSE 1 END) part),
         'Title ' || i, point(i, i), ARRAY['t' || i % 500, 'u' || i % 700], '{}' FROM generate_series(1, 20000) i`,
      [
        ['SELECT id FROM post WHERE to_tsvector(body) @@ plainto_tsquery($1)', ['word77']],
        ['SELECT id FROM post WHERE unaccent(name) = $1', ['Name 7']],
        ['SELECT id FROM post WHERE at::text = $1', ['2026-01-03 00:00:00+00']],
        ['SELECT id, at FROM post WHERE date(at) = $1', ['2026-01-03']],
        ['SELECT id FROM post WHERE date(on_day) = $1', ['2026-01-03']],
        ['SELECT id FROM post WHERE plain(title) = $1', ['title 3']],
        ['SELECT id FROM post WHERE pathless(title) = $1', ['title 3']],
        ['SELECT id FROM post WHERE kind LIKE $1', ['%ind77']],
        ['SELECT id FROM post WHERE code LIKE $1', ['%ode77%']],
        ['SELECT id FROM post WHERE lower(name) LIKE $1', ['%ame 77%']],
        ['SELECT id FROM post WHERE url = $1', ['https://7']],
        ['SELECT id FROM post WHERE $1 = ANY (tags)', ['t7']],
      ],
    ));
  });
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  it('an expression that is not immutable is no index; what would serve is said', async () => {
    expect(diagnosis.partial, notesOf(diagnosis).join()).toBe(false);
    const proposed = diagnosis.findings.flatMap((finding) => createOf(finding)?.keys ?? []);
    expect(proposed.map(({ expression }) => expression)).not.toEqual(
      expect.arrayContaining([
        expect.stringMatching(/unaccent|::text|date\("at"\)|pathless|to_tsvector\("body"\)/),
      ]),
    );
    const [search] = of(diagnosis, 'cast-defeats-index', 'post', 'body');
    expect(sqlOf(search)[0]).toContain(`USING gin ((to_tsvector('pg_catalog.english'::regconfig, "body")))`);
    await carryOut(owner, search);
    const [day] = of(diagnosis, 'cast-defeats-index', 'post', 'at');
    expect(day?.fix?.summary).toMatch(/at|compare/);
    expect(sqlOf(of(diagnosis, 'cast-defeats-index', 'post', 'name')[0])).toEqual([]);
  });

  it('one that is immutable is, with every function named by its schema', async () => {
    const keys = (column: string) =>
      of(diagnosis, 'missing-index', 'post', column).map((finding) => createOf(finding)?.keys[0]?.expression);
    expect(keys('on_day')).toEqual(['date("on_day")']);
    expect(keys('title')).toEqual(['"tools".plain("title")']);
    for (const column of ['on_day', 'title'])
      await carryOut(owner, of(diagnosis, 'missing-index', 'post', column)[0]);
  });

  it('trigrams are of text only, and of the expression that is searched', async () => {
    const [lower] = of(diagnosis, 'leading-wildcard', 'post', 'name');
    expect(createOf(lower)?.keys).toMatchObject([
      { expression: 'lower("name")', operatorClass: 'gin_trgm_ops' },
    ]);
    await carryOut(owner, lower);
    for (const [column, type] of [
      ['kind', 'name'],
      ['code', 'character(12)'],
    ] as const) {
      const [finding] = of(diagnosis, 'leading-wildcard', 'post', column);
      expect(sqlOf(finding), column).toEqual([]);
      expect(finding?.fix?.caveats?.join()).toContain(`does not take the type of ${column} (${type})`);
    }
  });

  it('values that are too long for a B-tree get a hash index', async () => {
    const [url] = of(diagnosis, 'missing-index', 'post', 'url');
    expect(createOf(url)?.method).toBe('hash');
    expect(url?.fix?.caveats?.join()).toMatch(/too long for a B-tree: a hash index/);
    await carryOut(owner, url);
  });

  it('an array is no list of keys: @> and GIN', async () => {
    expect(of(diagnosis, 'missing-index', 'post', 'tags')).toEqual([]);
    const [tags] = of(diagnosis, 'cast-defeats-index', 'post', 'tags');
    expect(tags?.fix).toMatchObject({ summary: expect.stringContaining('tags @> ARRAY[value]') });
    await carryOut(owner, tags);
    const { rows } = await owner
      .query("SET enable_seqscan = off; EXPLAIN SELECT id FROM post WHERE tags @> ARRAY['t7']")
      .then((answers) => (answers as unknown as pg.QueryResult[])[1] as pg.QueryResult);
    expect(JSON.stringify(rows)).toContain('Bitmap Index Scan');
  });
});

describe('partitions, references, settings and drops', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  let diagnosis: Diagnosis;

  beforeAll(async () => {
    database = await createTestDatabase();
    ({ owner, diagnosis } = await diagnosed(
      database,
      `CREATE TABLE buyer (id bigint PRIMARY KEY, mail text NOT NULL);
       CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, word text NOT NULL);
       CREATE TABLE sale (id int NOT NULL, buyer_id int NOT NULL, at date NOT NULL, code text NOT NULL) PARTITION BY RANGE (at);
       CREATE TABLE sale_2025 PARTITION OF sale FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
       CREATE TABLE sale_2026 PARTITION OF sale FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
       CREATE TABLE sale_2026_0 PARTITION OF sale_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
       CREATE TABLE sale_2026_1 PARTITION OF sale_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
       CREATE INDEX ON sale_2025 (code);
       CREATE INDEX one_of_the_parent ON sale (buyer_id);
       CREATE INDEX another_of_the_parent ON sale (buyer_id);
       CREATE TABLE answer (id int PRIMARY KEY, buyer_id int NOT NULL, scratch_id int NOT NULL, label_id text NOT NULL);
       CREATE TABLE label (id int PRIMARY KEY, word text NOT NULL);
       CREATE TABLE kept (id int NOT NULL, other int NOT NULL, n int NOT NULL, note text NOT NULL);
       CREATE UNIQUE INDEX kept_a ON kept (id); CREATE UNIQUE INDEX kept_b ON kept (id);
       CREATE INDEX kept_n ON kept (n); CREATE INDEX kept_n_note ON kept (n) INCLUDE (note);
       ALTER TABLE kept REPLICA IDENTITY USING INDEX kept_b;
       CREATE TABLE child_of_kept (id int PRIMARY KEY, kept int REFERENCES kept (id));
       CREATE INDEX ON child_of_kept (kept);
       CREATE VIEW answer_buyer_id_idx AS SELECT 1 AS a;
       INSERT INTO buyer SELECT i, 'mail ' || i FROM generate_series(1, 3000) i;
       INSERT INTO scratch SELECT i, 'w' || i FROM generate_series(1, 3000) i;
       INSERT INTO label SELECT i, 'w' || i FROM generate_series(1, 3000) i;
       INSERT INTO sale SELECT i, 1 + i % 3000, date '2025-01-01' + i % 700, 'code' || i FROM generate_series(1, 20000) i;
       INSERT INTO answer SELECT i, CASE WHEN i % 500 = 0 THEN 0 ELSE 1 + i % 3000 END, 1 + i % 3000, (1 + i % 3000)::text FROM generate_series(1, 20000) i;
       INSERT INTO kept SELECT i, i, i % 1000, 'note' || i FROM generate_series(1, 60000) i;
       INSERT INTO child_of_kept SELECT i, i FROM generate_series(1, 2000) i`,
      [
        ['SELECT * FROM answer WHERE buyer_id = $1', [7]],
        ['SELECT * FROM sale_2025 WHERE buyer_id = $1 AND id = $2', [7, 7]],
      ],
    ));
  });
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  it('a foreign key is validated only when no row refers to nothing, and not proposed where Postgres has none', async () => {
    const [answer] = of(diagnosis, 'missing-foreign-key', 'answer', 'buyer_id');
    expect(sqlOf(answer)).toEqual([expect.stringMatching(/ NOT VALID$/)]);
    expect(answer?.fix?.caveats?.join()).toMatch(/40 rows refer to nothing.*VALIDATE/);
    await carryOut(owner, answer);
    const [scratch] = of(diagnosis, 'missing-foreign-key', 'answer', 'scratch_id');
    expect(sqlOf(scratch)).toEqual([]);
    expect(scratch?.fix?.caveats?.join()).toContain('scratch is unlogged');
    const [sale] = of(diagnosis, 'missing-foreign-key', 'sale', 'buyer_id');
    await carryOut(owner, sale);
  });

  it('an index has a name that nothing has', async () => {
    const [answer] = of(diagnosis, 'missing-index', 'answer', 'buyer_id');
    expect(sqlOf(answer)[0]).toMatch(/CONCURRENTLY "answer_buyer_id_[0-9a-f]{6}_idx" ON/);
    await carryOut(owner, answer);
  });

  it('a needless index of a partitioned table is dropped without CONCURRENTLY, its parts not at all', async () => {
    const drops = diagnosis.findings.filter(({ check }) => check === 'duplicate-index');
    expect(drops.map(({ id }) => id).sort()).toEqual([
      'duplicate-index:public.another_of_the_parent',
      'duplicate-index:public.kept_n',
    ]);
    for (const drop of drops) {
      await carryOut(owner, drop);
      for (const sql of undoOf(drop)) await owner.query(sql);
    }
  });

  it('what Postgres reads of proposed libraries is their names, one by one', async () => {
    const { rows: before } = await owner.query("SELECT current_setting('shared_preload_libraries') AS list");
    expect(before[0].list).toBe('pg_stat_statements');
    const blind = of(diagnosis, 'telemetry-blind', '');
    expect(
      blind.every(({ fix }) => fix?.caveats?.every((caveat) => !caveat.startsWith('Postgres would not'))),
    ).toBe(true);
  });
});

it('an index on a partitioned table is built partition by partition, and one that is there is used', async () => {
  const database = await createTestDatabase();
  const { owner, diagnosis } = await diagnosed(
    database,
    `CREATE TABLE buyer (id int PRIMARY KEY);
     CREATE TABLE sale (id int NOT NULL, buyer int NOT NULL REFERENCES buyer, at date NOT NULL) PARTITION BY RANGE (at);
     CREATE TABLE sale_2025 PARTITION OF sale FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
     CREATE TABLE sale_2026 PARTITION OF sale FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
     CREATE TABLE sale_2026_0 PARTITION OF sale_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
     CREATE TABLE sale_2026_1 PARTITION OF sale_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
     CREATE INDEX own ON sale_2025 (buyer);
     INSERT INTO buyer SELECT i FROM generate_series(1, 3000) i;
     INSERT INTO sale SELECT i, 1 + i % 3000, date '2025-01-01' + i % 700 FROM generate_series(1, 20000) i`,
    [],
  );
  const [finding] = of(diagnosis, 'foreign-key-without-index', 'sale');
  expect(sqlOf(finding).filter((sql) => sql.includes('CONCURRENTLY'))).toHaveLength(2);
  expect(sqlOf(finding).some((sql) => sql.includes('ATTACH PARTITION "public"."own"'))).toBe(true);
  await carryOut(owner, finding);
  const { rows } = await owner.query(
    `SELECT bool_and(indisvalid) AS valid, count(*)::int AS indexes FROM pg_index
      WHERE indexrelid IN (SELECT relid FROM pg_partition_tree((SELECT indexrelid FROM pg_index WHERE indrelid = 'sale'::regclass)::regclass))`,
  );
  expect(rows).toEqual([{ valid: true, indexes: 5 }]);
  for (const sql of undoOf(finding)) await owner.query(sql);
  await owner.end();
  await database.drop();
});
