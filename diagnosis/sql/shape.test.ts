import { beforeAll, describe, expect, it } from 'vitest';
import { isOneStatement, loadParser, shapeOf, type TableUse } from './shape.ts';

const columns: Record<string, string[]> = {
  orders: ['id', 'customer_email', 'placed_at', 'status', 'total'],
  order_items: ['id', 'order_id', 'product_id'],
  products: ['id', 'name', 'tags'],
};
const columnsOf = (table: string) => (columns[table] ? new Set(columns[table]) : undefined);
const shape = (sql: string) => {
  const found = shapeOf(sql, columnsOf);
  if (!found) throw new Error(`not understood: ${sql}`);
  return found;
};
const use = (sql: string, alias: string): TableUse => {
  const found = shape(sql).tables.find((table) => table.alias === alias);
  if (!found) throw new Error(`no ${alias}`);
  return found;
};

beforeAll(loadParser);

describe('conditions', () => {
  it('equality, ranges and their wrapping, of the table that has the column', () => {
    const orders = use(
      'SELECT * FROM orders o JOIN order_items i ON i.order_id = o.id WHERE lower(customer_email) = lower($1) AND placed_at::timestamp > $2 AND product_id IN ($3, $4)',
      'o',
    );
    expect(orders.equal).toEqual([
      { column: 'id', wrapped: null, join: true },
      { column: 'customer_email', wrapped: 'lower(%)', wrapping: [{ call: 'lower' }], join: false },
    ]);
    expect(orders.range).toEqual([
      { column: 'placed_at', wrapped: '(%)::timestamp', wrapping: [{ cast: 'timestamp' }], join: false },
    ]);
  });

  it('a member of an array is no equality, and IS NULL is told from it', () => {
    const products = use(
      'SELECT id FROM products WHERE $1 = ANY (tags) AND name IS NULL AND id = ANY ($2)',
      'products',
    );
    expect(products.member).toEqual([{ column: 'tags', wrapped: null, join: false }]);
    expect(products.equal).toEqual([
      { column: 'name', wrapped: null, join: false, isNull: true },
      { column: 'id', wrapped: null, join: false },
    ]);
  });

  it('a wrapping keeps schemas, lengths and dimensions, and one with a collation is none', () => {
    const orders = use(
      'SELECT id FROM orders WHERE audit.plain(status) = $1 AND total::numeric(10, 2) = $2 AND status::varchar(3)[] = $3 AND status COLLATE "C" = $4',
      'orders',
    );
    expect(orders.equal.map(({ wrapped }) => wrapped)).toEqual([
      'audit.plain(%)',
      '(%)::numeric(10, 2)',
      '(%)::varchar(3)[]',
    ]);
  });

  it('what stands below OR narrows nothing, but patterns are noted', () => {
    const products = use('SELECT id FROM products WHERE name ILIKE $1 OR tags LIKE $2 OR id = 3', 'products');
    expect(products.equal).toEqual([]);
    expect(products.pattern.map(({ column, anchored }) => [column, anchored])).toEqual([
      ['name', false],
      ['tags', false],
    ]);
  });

  it('a constant pattern tells whether it begins with a wildcard', () => {
    const anchored = (pattern: string) =>
      use(`SELECT id FROM products WHERE name LIKE '${pattern}'`, 'products').pattern[0]?.anchored;
    expect([anchored('lamp%'), anchored('%lamp'), anchored('_amp')]).toEqual([true, false, false]);
  });

  it('subqueries have a scope of their own, and see the outer one', () => {
    const sql =
      'SELECT status FROM orders o WHERE EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id AND i.product_id = $1)';
    expect(use(sql, 'i').equal.map(({ column, join }) => [column, join])).toEqual([
      ['order_id', true],
      ['product_id', false],
    ]);
  });

  it('a common table expression is no table', () => {
    expect(
      shape('WITH mine AS (SELECT id FROM orders WHERE status = $1) SELECT * FROM mine').tables.map(
        ({ table }) => table,
      ),
    ).toEqual(['orders']);
  });
});

describe('the outermost query', () => {
  it.each([
    ['SELECT count(*) FROM orders WHERE status = $1', { countsAll: true, aggregates: true }],
    ['SELECT status, count(*) FROM orders GROUP BY status', { countsAll: false, aggregates: true }],
    [
      'SELECT * FROM orders ORDER BY placed_at LIMIT $1 OFFSET $2',
      { limit: true, offset: true, countsAll: false },
    ],
    ['UPDATE orders SET status = $1 WHERE id = $2', { operation: 'UPDATE', writes: ['orders'] }],
    ['INSERT INTO orders (id) VALUES ($1)', { operation: 'INSERT', writes: ['orders'] }],
    [
      'DELETE FROM orders USING order_items i WHERE i.order_id = orders.id',
      { operation: 'DELETE', writes: ['orders'] },
    ],
  ])('%s', (sql, expected) => expect(shape(sql)).toMatchObject(expected));

  it('a star is of its own table only', () => {
    const sql = 'SELECT i.* FROM orders o JOIN order_items i ON i.order_id = o.id';
    expect([use(sql, 'o').star, use(sql, 'i').star]).toEqual([false, true]);
  });
});

it('takes one statement, and nothing that hides a second', () => {
  expect(isOneStatement('SELECT 1')).toBe(true);
  expect(isOneStatement('SELECT 1; DROP TABLE orders')).toBe(false);
  expect(isOneStatement('SELECT 1 FROM (')).toBe(false);
  expect(shapeOf('not sql', columnsOf)).toBeUndefined();
});
