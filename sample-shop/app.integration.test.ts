import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { createShopTestDatabase, SHOP_TOKEN, type ShopDatabase, startShop } from '../test/support/shop.ts';

let database: ShopDatabase;
let shop: Awaited<ReturnType<typeof startShop>>;
let admin: pg.Pool;

beforeAll(async () => {
  database = await createShopTestDatabase();
  shop = await startShop(database.url('shop_app'), {}, { drainMs: PATIENCE_MS });
  admin = new pg.Pool({ connectionString: database.url('postgres'), max: 2 });
  admin.on('error', () => {});
});

afterAll(async () => {
  await shop?.close();
  await admin?.end();
  await database?.drop();
});

async function get(path: string) {
  const response = await fetch(shop.base + path);
  return { status: response.status, headers: response.headers, body: await response.json() };
}
async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(shop.base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

describe('reading', () => {
  it('tells what a client may choose from', async () => {
    const { body } = await get('/facets');
    expect(body).toMatchObject({ products: 200, customers: 240 });
    expect(body.categories).toContain('garden/lighting');
  });

  it('pages through a category without losing a product or showing one twice', async () => {
    const { body: first } = await get('/products?category=garden/lighting');
    const ids: number[] = [];
    for (let page = 1; page <= first.pages; page += 1)
      ids.push(
        ...(await get(`/products?category=garden/lighting&page=${page}`)).body.items.map(
          (item: { id: number }) => item.id,
        ),
      );
    const { rows } = await admin.query(
      "SELECT id FROM products WHERE category_path = 'garden/lighting' ORDER BY id",
    );
    expect(ids.toSorted((a, b) => a - b)).toEqual(rows.map(({ id }) => id));
  });

  it('finds by a word anywhere in the name, and shows the mean rating of the reviews', async () => {
    const { body } = await get('/search?q=lamp');
    expect(body.items.length).toBeGreaterThan(0);
    const [item] = body.items;
    const { rows } = await admin.query(
      'SELECT round(avg(rating::numeric), 1)::float AS rating, count(*)::int AS reviews FROM reviews WHERE product_id = $1',
      [item.id],
    );
    expect(item).toMatchObject(rows[0]);
  });

  it('shows a product with attributes, reviews and what was bought with it', async () => {
    const { body } = await get('/products/1');
    expect(Object.keys(body.attributes)).toHaveLength(7);
    expect(body.alsoBought).toHaveLength(5);
    expect(body.alsoBought.map(({ id }: { id: number }) => id)).not.toContain(1);
    expect((await get('/products/999999')).status).toBe(404);
  });

  it("shows a customer's orders, newest first, with lines that add up to the total", async () => {
    const { body } = await get('/customers/1/orders');
    expect(body.orders).toHaveLength(10);
    const dates = body.orders.map(({ placedAt }: { placedAt: string }) => placedAt);
    expect(dates).toEqual(dates.toSorted().toReversed());
    for (const order of body.orders)
      expect(
        order.items.reduce(
          (sum: number, item: { unitPrice: number; quantity: number }) =>
            sum + item.unitPrice * item.quantity,
          0,
        ),
      ).toBeCloseTo(order.total, 2);
    const { body: again } = await get(`/orders/${body.orders[0].orderNumber}`);
    expect(again).toEqual(body.orders[0]);
  });

  it('reports sales by day', async () => {
    const { body } = await get('/reports/sales?days=30');
    expect(body.days.length).toBeGreaterThan(5);
    expect(body.days[0]).toEqual({
      day: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      orders: expect.any(Number),
      revenue: expect.any(Number),
    });
  });
});

describe('buying', () => {
  it('takes a cart through checkout: order, lines, stock and number', async () => {
    const { rows: before } = await admin.query('SELECT stock FROM products WHERE id = 3');
    await post('/carts/buy-1/items', { productId: 3, quantity: 2, customerId: 7 });
    const { body: cart } = await post('/carts/buy-1/items', { productId: 4, quantity: 1, customerId: 7 });
    expect(cart.items).toHaveLength(2);
    const { status, body: placed } = await post('/carts/buy-1/checkout', { customerId: 7 });
    expect(status).toBe(201);
    expect(placed).toEqual({
      orderNumber: expect.stringMatching(/^SO-\d{9}$/),
      total: cart.value,
      currency: 'EUR',
      payment: 'stub: no money was moved',
    });
    expect((await get(`/orders/${placed.orderNumber}`)).body.items).toEqual(cart.items);
    const { rows: after } = await admin.query('SELECT stock FROM products WHERE id = 3');
    expect(after[0].stock).toBe(before[0].stock - 2);
    expect((await get('/carts/buy-1')).body.items).toEqual([]);
  });

  it('refuses an empty cart and what is not in stock, and leaves nothing behind', async () => {
    expect((await post('/carts/empty/checkout', { customerId: 7 })).status).toBe(409);
    await admin.query('UPDATE products SET stock = 1 WHERE id = 9');
    await post('/carts/greedy/items', { productId: 8, quantity: 1, customerId: 8 });
    await post('/carts/greedy/items', { productId: 9, quantity: 2, customerId: 8 });
    const counts =
      'SELECT (SELECT count(*) FROM orders) AS orders, (SELECT sum(stock) FROM products) AS stock';
    const { rows: before } = await admin.query(counts);
    const { status, headers } = await post('/carts/greedy/checkout', { customerId: 8 });
    expect(status).toBe(409);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect((await admin.query(counts)).rows).toEqual(before);
  });

  it('gives every one of many checkouts at once a number of its own', async () => {
    const sessions = Array.from({ length: 12 }, (_, i) => `crowd-${i}`);
    await Promise.all(
      sessions.map((session, i) =>
        post(`/carts/${session}/items`, { productId: 20 + i, quantity: 1, customerId: 30 + i }),
      ),
    );
    const placed = await Promise.all(
      sessions.map((session, i) => post(`/carts/${session}/checkout`, { customerId: 30 + i })),
    );
    expect(new Set(placed.map(({ body }) => body.orderNumber)).size).toBe(12);
  });
});

describe('faults', () => {
  it.each([
    ['/products?category=', 400],
    ['/products/abc', 400],
    ['/products/1e9999', 400],
    ['/search?q=lamp&page=-1', 400],
    ["/orders/'; DROP TABLE orders; --", 404],
    ['/nowhere', 404],
  ])('answers %s with %i', async (path, status) => {
    const answer = await get(path);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ status, detail: expect.any(String) });
  });

  it('answers a body that is not JSON with 400', async () => {
    const response = await fetch(`${shop.base}/carts/x/items`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"productId":',
    });
    expect(response.status).toBe(400);
  });

  it('answers a statement timeout with 504 and no word of the statement', async () => {
    const slow = await startShop(database.url('shop_app'), { statement_timeout: 50 });
    const locker = await admin.connect();
    try {
      await locker.query('BEGIN; LOCK TABLE products');
      const response = await fetch(`${slow.base}/products/1`);
      expect(response.status).toBe(504);
      expect(await response.text()).not.toMatch(/select|products/i);
    } finally {
      await locker.query('ROLLBACK');
      locker.release();
      await slow.close();
    }
  });

  it('answers 503 with Retry-After when no connection is free', async () => {
    const narrow = await startShop(database.url('shop_app'), { max: 1 });
    const taken = await narrow.pool.connect();
    try {
      // Only now: it would also cut off the making of the connection that is taken.
      narrow.pool.options.connectionTimeoutMillis = 50;
      const response = await fetch(`${narrow.base}/products/1`);
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('2');
    } finally {
      taken.release();
      await narrow.close();
    }
  });

  it('answers 503 while the database is unavailable', async () => {
    const away = await startShop('postgres://shop_app:x@127.0.0.1:1/shop');
    expect((await fetch(`${away.base}/healthz`)).status).toBe(503);
    await away.close();
  });

  it('exchanges the store only for the bearer of the token', async () => {
    expect((await post('/admin/store', { store: 'legacy' })).status).toBe(401);
    const authorization = `Bearer ${SHOP_TOKEN}`;
    expect((await post('/admin/store', { store: 'legacy' }, { authorization })).status).toBe(200);
    expect((await post('/admin/store', { store: 'none' }, { authorization })).status).toBe(400);
  });

  it('an exchange waits for the statements of the old store, also of a customer who has left', async () => {
    const authorization = `Bearer ${SHOP_TOKEN}`;
    const leaving = new AbortController();
    const locker = await admin.connect();
    const order: string[] = [];
    try {
      await locker.query('BEGIN; LOCK TABLE reviews');
      const left = fetch(`${shop.base}/products/1`, { signal: leaving.signal });
      await waitFor(
        'the product page waits for its reviews',
        async () => {
          const { rowCount } = await admin.query(
            "SELECT FROM pg_stat_activity WHERE usename = 'shop_app' AND wait_event_type = 'Lock' AND datname = current_database()",
          );
          return rowCount === 1;
        },
        { deadlineMs: PATIENCE_MS },
      );
      leaving.abort();
      await expect(left).rejects.toThrow();
      const drained = post('/admin/store', { store: 'tuned', drain: true }, { authorization }).then(
        ({ status, body }) => order.push(`${status} ${body.store}`),
      );
      const inForce = async () => {
        const response = await fetch(`${shop.base}/admin/store`, { headers: { authorization } });
        return (await response.json()).store;
      };
      await waitFor('the store is exchanged', async () => (await inForce()) === 'tuned', {
        deadlineMs: PATIENCE_MS,
      });
      await inForce();
      order.push('let go');
      await locker.query('ROLLBACK');
      await drained;
    } finally {
      await locker.query('ROLLBACK');
      locker.release();
      await post('/admin/store', { store: 'legacy' }, { authorization });
    }
    expect(order).toEqual(['let go', '200 tuned']);
  });

  it('the pool is resized while requests run, with the token only', async () => {
    const authorization = `Bearer ${SHOP_TOKEN}`;
    const { max } = shop.pool.options;
    const many = async () => {
      await Promise.all(Array.from({ length: 12 }, () => shop.pool.query('SELECT pg_sleep(0.05)')));
      return shop.pool.totalCount;
    };
    expect((await post('/admin/pool', { max: 9 })).status).toBe(401);
    expect((await post('/admin/pool', { max: 0 }, { authorization })).status).toBe(400);
    expect((await post('/admin/pool', { max: 9 }, { authorization })).status).toBe(200);
    expect(await many()).toBe(9);
    expect((await post('/admin/pool', { max }, { authorization })).status).toBe(200);
    const shown = await fetch(`${shop.base}/admin/pool`, { headers: { authorization } });
    expect(await shown.json()).toEqual({ max });
  });
});

describe('the data', () => {
  it('is the same for the same seed, and another for another', async () => {
    const digest = async (client: pg.Pool) =>
      (
        await client.query(
          'SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) AS hash FROM orders o WHERE id <= 500',
        )
      ).rows[0].hash;
    const twin = await createShopTestDatabase();
    const pool = new pg.Pool({ connectionString: twin.url('postgres'), max: 1 });
    expect(await digest(pool)).toBe(await digest(admin));
    await pool.end();
    await twin.drop();
  });

  it('contradicts itself in a small share of its copies, as redundancy does', async () => {
    const { rows } = await admin.query(`SELECT
      avg((o.customer_name <> c.full_name)::int)::float AS names,
      (SELECT avg((i.product_name <> p.name)::int)::float FROM order_items i JOIN products p ON p.id = i.product_id) AS products
      FROM orders o JOIN customers c ON c.id = o.customer_id`);
    for (const share of [rows[0].names, rows[0].products]) {
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThan(0.1);
    }
  });

  it('lets the shop write rows and nothing else, and the monitor read only', async () => {
    const app = new pg.Pool({ connectionString: database.url('shop_app'), max: 1 });
    await expect(app.query('CREATE TABLE x (i int)')).rejects.toMatchObject({ code: '42501' });
    await expect(app.query('DROP TABLE orders')).rejects.toMatchObject({ code: '42501' });
    await app.end();
    const monitor = new pg.Pool({ connectionString: database.url('sqltrail_monitor'), max: 1 });
    await expect(monitor.query('DELETE FROM orders')).rejects.toMatchObject({ code: /42501|25006/ });
    expect((await monitor.query('SELECT count(*) FROM orders')).rows).toHaveLength(1);
    await monitor.end();
  });
});
