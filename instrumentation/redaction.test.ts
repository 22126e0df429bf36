import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { maskLiterals, tokens } from './lexer.ts';
import {
  isSqlState,
  redactAttributes,
  redactMessage,
  redactPlan,
  redactQuery,
  redactUrl,
} from './redaction.ts';
import { describeStatement, loadParser } from './statement.ts';

beforeAll(loadParser);

/** Begins every planted value, so that any part of one that is long enough to matter is found. */
const MARK = 'zqv';
const PROPERTY = { numRuns: Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? 400) };
const secret = fc.stringMatching(/^[a-z0-9]{0,12}$/).map((rest) => MARK + rest);

/** All forms of a constant that Postgres's lexer has, each with a value inside, some of it awkward. */
const constant = fc
  .tuple(
    secret,
    fc.constantFrom('', '\\', "''", '"', '--', '/*', '$', '$1', '\n', '; ', '😀', '%', '\u0000'),
    secret,
  )
  .chain(([a, awkward, b]) => {
    const inner = `${a}${awkward}${b}`;
    const hex = Buffer.from(inner).toString('hex');
    return fc.constantFrom(
      `'${inner}'`,
      `E'${inner.replaceAll('\\', '\\\\')}\\'${b}'`,
      `e'\\\\${a}\\\\'`,
      `U&'${inner.replaceAll('\\', '')}'`,
      `N'${inner}'`,
      `$$${a}'${b}$$`,
      `$t9$${inner.replaceAll('$', '')} $$ ${b} $t9$`,
      `$ü$${a}$ü$`,
      `'${a}'\n  '${b}'`,
      `E'${a}'\n '${b}\\''`,
      `/* ${a} /* ${b} */ '${a} */ 1`,
      `1 -- ${a}\n`,
      `B'01' || X'${hex}' || '${a}'`,
      `'{${a},"${b}"}'::text[]`,
      `interval '${a}'`,
      `'${a}'::"char"`,
    );
  });

/** Where statements hold constants: queries, every kind of utility statement, and texts that are no SQL. */
const forms: ((value: string) => string)[] = [
  (v) => `SELECT * FROM t WHERE a = ${v} AND b <> $1`,
  (v) => `SELECT ${v} AS x, f(${v}) FROM t ORDER BY loc <-> ${v} LIMIT 5`,
  (v) => `INSERT INTO t (a) VALUES (${v}), (${v}) ON CONFLICT DO NOTHING`,
  (v) => `UPDATE t SET a = ${v} WHERE b IN (${v}, ${v})`,
  (v) => `DELETE FROM t USING u WHERE t.a LIKE ${v}`,
  (v) => `MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = ${v}`,
  (v) => `WITH x AS (SELECT ${v}) SELECT * FROM x`,
  (v) => `VALUES (${v})`,
  (v) => `EXECUTE p(${v}, 1)`,
  (v) => `PREPARE p AS SELECT ${v}`,
  (v) => `CALL p(${v})`,
  (v) => `DO ${v}`,
  (v) => `COMMENT ON TABLE t IS ${v}`,
  (v) => `SECURITY LABEL ON TABLE t IS ${v}`,
  (v) => `SET app.tenant = ${v}`,
  (v) => `SET LOCAL search_path TO ${v}`,
  (v) => `SET TIME ZONE ${v}`,
  (v) => `ALTER ROLE r SET app.key = ${v}`,
  (v) => `ALTER DATABASE d SET app.key TO ${v}`,
  (v) => `ALTER SYSTEM SET primary_conninfo = ${v}`,
  (v) => `ALTER ROLE r PASSWORD ${v}`,
  (v) => `CREATE ROLE r LOGIN PASSWORD ${v} VALID UNTIL ${v}`,
  (v) => `CREATE USER MAPPING FOR r SERVER s OPTIONS (password ${v})`,
  (v) => `CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host ${v}, user ${v})`,
  (v) => `CREATE SUBSCRIPTION s CONNECTION ${v} PUBLICATION p`,
  (v) => `COPY t FROM PROGRAM ${v}`,
  (v) => `COPY (SELECT ${v}) TO ${v} WITH (FORMAT csv, NULL ${v})`,
  (v) => `CREATE TABLE t (a text DEFAULT ${v} CHECK (a <> ${v}))`,
  (v) => `ALTER TABLE t ADD COLUMN b text DEFAULT ${v}`,
  (v) => `CREATE VIEW w AS SELECT ${v} AS a`,
  (v) => `CREATE MATERIALIZED VIEW w AS SELECT * FROM t WHERE a = ${v}`,
  (v) => `CREATE POLICY p ON t USING (a = ${v})`,
  (v) => `CREATE INDEX i ON t (a) WHERE b = ${v}`,
  (v) => `CREATE TYPE e AS ENUM (${v}, ${v})`,
  (v) => `ALTER TYPE e ADD VALUE ${v}`,
  (v) => `CREATE DOMAIN d AS text CHECK (value <> ${v})`,
  (v) => `CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW WHEN (new.a = ${v}) EXECUTE FUNCTION f(${v})`,
  (v) => `CREATE RULE r AS ON INSERT TO t DO ALSO SELECT ${v}`,
  (v) => `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS ${v}`,
  (v) => `CREATE TABLE q PARTITION OF t FOR VALUES IN (${v})`,
  (v) => `PREPARE TRANSACTION ${v}`,
  (v) => `COMMIT PREPARED ${v}`,
  (v) => `NOTIFY c, ${v}`,
  (v) => `LOAD ${v}`,
  (v) => `DECLARE c CURSOR FOR SELECT ${v}`,
  (v) => `EXPLAIN ANALYZE SELECT * FROM t WHERE a = ${v}`,
  (v) => `IMPORT FOREIGN SCHEMA s FROM SERVER r INTO t OPTIONS (x ${v})`,
  (v) => `SELECT 1; SET app.x TO ${v}; SELECT ${v}`,
  (v) => `SELEC * FORM t WHERE a = ${v}`,
  (v) => `${v} is no statement`,
];

describe('statements', () => {
  it('lose every planted value, whatever the statement, the constant and the place where it is cut', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...forms),
        constant,
        fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        (form, value, cutAt) => {
          const whole = form(value);
          const sql = cutAt === null ? whole : whole.slice(0, Math.round(whole.length * cutAt));
          const said = JSON.stringify(describeStatement(sql));
          expect(said, sql).not.toContain(MARK);
          expect(maskLiterals(sql), sql).not.toContain(MARK);
        },
      ),
      PROPERTY,
    );
  });

  it('lose unquoted words that SET assigns', () => {
    for (const sql of [
      'SET app.tenant TO zqv',
      'SET LOCAL app.tenant = zqv, zqv2',
      'SET ROLE zqv',
      'SET SESSION AUTHORIZATION zqv',
      'ALTER ROLE r SET app.key = zqv',
      'ALTER SYSTEM SET app.key TO zqv',
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql SET app.key TO zqv AS $$SELECT 1$$',
      'SELECT 1; SET app.tenant TO zqv',
    ])
      expect(JSON.stringify(describeStatement(sql)), sql).not.toContain('zqv');
  });

  it('have one text whatever is in their comments', () => {
    const texts = ['a', "b' OR 'c", '/* nested */'].map((note) =>
      describeStatement(`SELECT 1 /*trace='${note}'*/`),
    );
    expect(new Set(texts.map(({ text }) => text)).size).toBe(1);
  });

  it.each([
    ['CREATE TABLE a(); DROP TABLE b', 'CREATE a; DROP'],
    ['WITH orders AS (SELECT * FROM orders) SELECT * FROM orders', 'SELECT orders'],
    ['WITH RECURSIVE r AS (SELECT * FROM t UNION ALL SELECT * FROM r) SELECT * FROM r', 'SELECT t'],
    ['WITH x AS (SELECT * FROM y), y AS (SELECT * FROM x) SELECT * FROM y', 'SELECT y'],
    ['WITH x AS (SELECT 1) SELECT * FROM s.x', 'SELECT x'],
    ['anna@example.com', 'OTHER'],
    ['/* note */ ( select 1', 'SELECT'],
  ])('%s has the summary %s', (sql, summary) => {
    expect(describeStatement(sql).summary).toBe(summary);
  });

  it('of any length and depth are neither parsed for long nor leave memory behind', () => {
    const texts = [
      '/* a */ '.repeat(100_000),
      '('.repeat(20_000),
      `SELECT a${'||b'.repeat(9_000)}`,
      `SELECT 1${' UNION SELECT 1'.repeat(2_000)}`,
      `SELECT ${"'".repeat(30_001)}`,
      `SELECT ${'$'.repeat(30_001)}`,
      `SELECT ${'\\'.repeat(30_000)}'`,
      `SELECT ${'"'.repeat(30_001)}`,
      `SELECT E'${"\\'".repeat(500_000)}`,
    ];
    for (const sql of texts) expect(describeStatement(sql).fingerprint, sql.slice(0, 40)).toBeUndefined();
  });
});

describe('the lexer', () => {
  it('takes any text apart without losing a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...`'"$-/*\\eEuU&a1 .\n;é`) }), (text) => {
        expect([...tokens(text)].map((token) => token.text).join('')).toBe(text);
      }),
      PROPERTY,
    );
  });
});

describe('plans', () => {
  it('keep names and figures, and no other text', () => {
    const node = {
      'Node Type': 'Limit',
      'Plan Rows': 12,
      'Order By': "(loc <-> '(12.5,7.25)'::point)",
      'Sampling Parameters': ["'17'::real"],
      'Remote SQL': "SELECT a FROM t WHERE email = 'zqv'",
      'Function Call': "f('zqv')",
      'Run Condition': "(row_number() OVER (?) <= '5')",
      'Something New': "zqv = 'zqv2'",
      Filter: "((path <> 'ends in a \\') AND (lower(email) <> 'zqv'))",
      Plans: [{ 'Node Type': 'Seq Scan', 'Relation Name': 'customers', 'Hash Cond': "(a = 'zqv')" }],
    };
    const said = JSON.stringify(
      redactPlan([{ Plan: node, Settings: { work_mem: '4MB', search_path: 'zqv' } }]),
    );
    expect(said).not.toMatch(/zqv2|'zqv|"zqv"|12\.5|17/);
    expect(said).toContain('"Relation Name":"customers"');
    expect(said).toContain('"Plan Rows":12');
    expect(said).toContain('"work_mem":"4MB"');
  });
});

describe('error texts', () => {
  it.each([
    ['customer anna is blocked', 'SHOPX', 'SQLSTATE SHOPX'],
    ['customer anna is blocked', undefined, '?'],
    ['Unexpected token a in JSON at position 7: anna', undefined, '?'],
    ['connect ECONNREFUSED 10.0.0.1:5432', undefined, 'connect ECONNREFUSED'],
    ['EANNA anna', undefined, '?'],
    ['Query read timeout', undefined, 'Query read timeout'],
    ['canceling statement due to statement timeout', '57014', 'canceling statement due to statement timeout'],
  ])('%s (%s) leaves as %s', (message, sqlState, said) => {
    expect(redactMessage(message, sqlState)).toBe(said);
  });

  it("know an application's own SQLSTATE from an error of the operating system", () => {
    expect(isSqlState('SHOPX')).toBe(true);
    expect(isSqlState('23505')).toBe(true);
    expect(isSqlState('EPIPE')).toBe(false);
    expect(isSqlState('ECONNREFUSED')).toBe(false);
  });
});

describe('addresses', () => {
  it.each([
    ['q=anna&page=2', 'q=?&page=?'],
    ['anna', '?'],
    ['anna@example.com=1&ok=1', '?&ok=?'],
    ['', '?'],
  ])('the query %s leaves as %s', (query, said) => {
    expect(redactQuery(query)).toBe(said);
  });

  it.each([
    ['https://user:zqv@api.example/target?token=zqv', 'https://api.example/?'],
    ['http://api.example:8080/customers/zqv#zqv', 'http://api.example:8080/?'],
    ['http://api.example/', 'http://api.example/'],
    ['zqv', '?'],
  ])('%s leaves as %s', (url, said) => {
    expect(redactUrl(url)).toBe(said);
  });
});

describe('attributes', () => {
  it('are redacted by name, whoever made the span, and get what the metrics are made of', () => {
    const attributes = {
      'db.statement': "SELECT * FROM customers WHERE email = 'zqv'",
      'db.query.text': 'UPDATE t SET a = 5 /* zqv */',
      'db.postgresql.values': ['zqv'],
      'db.query.parameter.0': 'zqv',
      'http.url': 'http://h/zqv',
      'http.target': '/customers/zqv',
      'url.path': '/customers/zqv',
      'http.request.header.cookie': ['zqv'],
      'http.route': '/customers/:id',
      'http.response.status_code': 200,
    };
    redactAttributes(attributes, false);
    expect(JSON.stringify(attributes)).not.toContain('zqv');
    expect(attributes).toMatchObject({
      'db.query.summary': 'SELECT customers',
      'url.path': '/customers/:id',
      'http.response.status_code': 200,
    });
  });
});
