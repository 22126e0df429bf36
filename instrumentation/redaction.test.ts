import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { propertyRuns } from '../test/support/property.ts';
import { maskLiterals, tokens } from './lexer.ts';
import {
  isSqlState,
  redactAttributes,
  redactMessage,
  redactPlan,
  redactQuery,
  redactUrl,
} from './redaction.ts';
import { MARK, messages, plantedStatement, urls } from './redaction.vectors.ts';
import { describeStatement, loadParser } from './statement.ts';

beforeAll(loadParser);

const PROPERTY = { numRuns: propertyRuns(400) };

describe('statements', () => {
  it('lose every planted value, whatever the statement, the constant and the place where it is cut', () => {
    fc.assert(
      fc.property(plantedStatement, (sql) => {
        const said = JSON.stringify(describeStatement(sql));
        expect(said, sql).not.toContain(MARK);
        expect(maskLiterals(sql), sql).not.toContain(MARK);
      }),
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
  it.each(messages)('%s (%s) leaves as %s', (message, sqlState, said) => {
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

  it.each([...urls, ['http://api.example/', 'http://api.example/']])('%s leaves as %s', (url, said) => {
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
