import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { maskLiterals } from './lexer.ts';
import { redactMessage, redactPlan } from './redaction.ts';
import { describeStatement, loadParser } from './statement.ts';

beforeAll(loadParser);

describe('describeStatement', () => {
  it.each([
    ['SELECT * FROM orders WHERE id = $1', 'SELECT orders', 'SELECT', 'orders'],
    [
      'select o.id from orders o join order_items i on i.order_id = o.id',
      'SELECT orders order_items',
      'SELECT',
      undefined,
    ],
    ['WITH recent AS (SELECT * FROM orders) SELECT * FROM recent', 'SELECT orders', 'SELECT', 'orders'],
    ["INSERT INTO carts (session_id) VALUES ('x')", 'INSERT carts', 'INSERT', 'carts'],
    ['UPDATE counters SET value = value + 1', 'UPDATE counters', 'UPDATE', 'counters'],
    ['DELETE FROM carts', 'DELETE carts', 'DELETE', 'carts'],
    ['BEGIN', 'BEGIN', 'BEGIN', undefined],
    ['COMMIT', 'COMMIT', 'COMMIT', undefined],
    ['SELECT 1', 'SELECT', 'SELECT', undefined],
  ])('%s', (sql, summary, operation, collection) => {
    expect(describeStatement(sql)).toMatchObject({ summary, operation, collection });
  });

  it('gives statements that differ only in values one text and one fingerprint', () => {
    const [a, b] = [1, 2].map((n) =>
      describeStatement(`SELECT * FROM orders WHERE id = ${n} AND status = 'v${n}'`),
    );
    expect(a?.text).toBe(b?.text);
    expect(a?.fingerprint).toBe(b?.fingerprint);
  });

  it('lets no literal through, whatever it is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z@. ']{6,30}$/), (value) => {
        const secret = `zq${value}`;
        const { text } = describeStatement(
          `SELECT * FROM customers WHERE email = '${secret.replaceAll("'", "''")}'`,
        );
        expect(text).not.toContain('zq');
      }),
    );
  });

  it('masks what the parser does not take, and never throws', () => {
    expect(describeStatement("SELEC * FROM t WHERE a = 'secret' AND b = 42").text).toBe(
      'SELEC * FROM t WHERE a = ? AND b = ?',
    );
    fc.assert(
      fc.property(fc.string(), (sql) => {
        expect(typeof describeStatement(sql).summary).toBe('string');
      }),
    );
  });
});

describe('maskLiterals', () => {
  it('keeps names and placeholders, and takes strings, numbers and comments out', () => {
    expect(maskLiterals(`a."col1" = 'it''s' AND b > 3.5 AND c = $2 -- note 'x'`)).toBe(
      'a."col1" = ? AND b > ? AND c = $2',
    );
    expect(maskLiterals("x = 'never closed")).toBe('x = ?');
    expect(maskLiterals('x = $tag$ secret $tag$')).toBe('x = ?');
  });
});

describe('redaction', () => {
  it('replaces a database message by its SQLSTATE, and keeps what is harmless', () => {
    expect(redactMessage('duplicate key value (email)=(anna@example.com)', '23505')).toBe('SQLSTATE 23505');
    expect(redactMessage('canceling statement due to statement timeout', '57014')).toBe(
      'canceling statement due to statement timeout',
    );
    expect(redactMessage('no user anna@example.com with "secret" 42', undefined)).not.toMatch(
      /anna|secret|42/,
    );
  });

  it('masks the literals in a plan and keeps its figures', () => {
    const plan = [
      { Plan: { 'Node Type': 'Seq Scan', 'Plan Rows': 12, Filter: "(email = 'anna@example.com'::text)" } },
    ];
    expect(redactPlan(plan)).toEqual([
      { Plan: { 'Node Type': 'Seq Scan', 'Plan Rows': 12, Filter: '(email = ?::text)' } },
    ]);
  });
});
