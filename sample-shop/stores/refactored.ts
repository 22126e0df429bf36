import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { payByStub } from './payment.ts';
import {
  type Cart,
  type CartAddition,
  Conflict,
  CURRENCY,
  ORDERS_PER_PAGE,
  type Order,
  type OrderLine,
  type PlacedOrder,
  PRODUCTS_PER_PAGE,
  type ProductPage,
  type ProductSummary,
  type ShopStore,
} from './store.ts';

type Row = Record<string, string | number | null>;

const euros = (value: unknown) => Math.round(Number(value) * 100) / 100;
const text = (value: unknown) => String(value ?? '');
const pagesOf = (all: unknown, perPage: number) => Math.ceil(Number(all) / perPage);

const lineOf = (row: Row): OrderLine => ({
  productId: Number(row['product_id']),
  name: text(row['name']),
  unitPrice: euros(row['unit_price']),
  quantity: Number(row['quantity']),
});

/** "Also bought" looks at this many latest lines of a product … */
const ALSO_BOUGHT_LINES = 200;
/** … of the last year, so that it reads 13 partitions however old the shop is. */
export const ALSO_BOUGHT_DAYS = 365;

/**
 * How long a statement of a checkout waits for a row, milliseconds. Below the server's deadlock_timeout (1 s): while
 * the stores are exchanged, one of the legacy store may wait for this one and this one for it, and then it is this
 * one that lets go and tries again.
 */
const LOCK_TIMEOUT_MS = 300;
const ATTEMPTS = 5;
/** lock_not_available, deadlock_detected, serialization_failure: nothing was done, and doing it again may work. */
const passing = new Set(['55P03', '40P01', '40001']);

/** Partitions are made this often, milliseconds, and at the first write. */
const MONTHS_EVERY_MS = 24 * 3_600_000;
/** Days that are over are summed up this often, milliseconds, and at the first report. */
const SALES_EVERY_MS = 3_600_000;

/**
 * The shop on the refactored model (sample-shop/schema/refactored.sql). Each statement on a partitioned table names
 * the time, or finds it in `order_keys` first, so that the planner reads the months that matter and no others.
 * Answers equal those of the legacy store but for "also bought", which looks at the last year by time of sale.
 */
export class RefactoredStore implements ShopStore {
  readonly name = 'refactored';
  readonly #pool: pg.Pool;
  /** When months ahead were last ensured, milliseconds since the epoch. */
  #monthsAt = 0;
  /** When closed days were last summed up, milliseconds since the epoch. */
  #salesAt = 0;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async #rows(sql: string, values: unknown[] = [], client?: pg.ClientBase): Promise<Row[]> {
    return (await (client ?? this.#pool).query<Row>(sql, values)).rows;
  }

  async facets() {
    const [row] = await this.#rows(
      `SELECT (SELECT count(*) FROM shop.products WHERE NOT stand_in) AS products,
              (SELECT count(*) FROM shop.customers WHERE NOT stand_in) AS customers,
              ARRAY(SELECT path FROM shop.categories AS c
                     WHERE EXISTS (SELECT FROM shop.products WHERE category_id = c.id) ORDER BY path) AS categories`,
    );
    return {
      products: Number(row?.['products']),
      customers: Number(row?.['customers']),
      categories: (row?.['categories'] as unknown as string[] | undefined) ?? [],
    };
  }

  browse(category: string, page: number) {
    return this.#listing(
      `SELECT id, name, price FROM shop.products
        WHERE category_id = ANY (ARRAY(SELECT id FROM shop.categories WHERE path LIKE $1)) AND NOT stand_in`,
      `%${category}`,
      page,
    );
  }

  search(words: string, page: number) {
    return this.#listing(
      `SELECT id, name, price FROM shop.products WHERE (name ILIKE $1 OR description ILIKE $1) AND NOT stand_in
       UNION
       SELECT p.id, p.name, p.price FROM shop.tags AS t
         JOIN shop.product_tags AS pt ON pt.tag_id = t.id
         JOIN shop.products AS p ON p.id = pt.product_id
        WHERE t.name ILIKE $1 AND NOT p.stand_in`,
      `%${words}%`,
      page,
    );
  }

  async #listing(found: string, pattern: string, page: number) {
    const rows = await this.#rows(
      `WITH found AS MATERIALIZED (${found}),
            shown AS (SELECT * FROM found ORDER BY name, id LIMIT ${PRODUCTS_PER_PAGE} OFFSET $2)
       SELECT counted.n, shown.*, rated.reviews, rated.stars
         FROM (SELECT count(*) AS n FROM found) AS counted
         LEFT JOIN shown ON true
         LEFT JOIN LATERAL (SELECT count(*) AS reviews, sum(rating) AS stars
                              FROM shop.reviews WHERE product_id = shown.id) AS rated ON true
        ORDER BY shown.name, shown.id`,
      [pattern, (page - 1) * PRODUCTS_PER_PAGE],
    );
    const items = rows.flatMap((row): ProductSummary[] => {
      if (row['id'] === null) return [];
      const reviews = Number(row['reviews']);
      return [
        {
          id: Number(row['id']),
          name: text(row['name']),
          price: euros(row['price']),
          rating: reviews > 0 ? Math.round((Number(row['stars']) / reviews) * 10) / 10 : null,
          reviews,
        },
      ];
    });
    return { items, page, pages: pagesOf(rows[0]?.['n'], PRODUCTS_PER_PAGE) };
  }

  async product(id: number, session: string | undefined): Promise<ProductPage | undefined> {
    const page = await this.productPage(id);
    if (page) await this.#recordView(id, session);
    return page;
  }

  async #recordView(id: number, session: string | undefined): Promise<void> {
    await this.#ensureMonths();
    await this.#rows(
      "INSERT INTO shop.activity (at, session_id, action, path) VALUES (now(), $1, 'view', $2)",
      [session ?? '', `/products/${id}`],
    );
  }

  /** The product page without the note in the activity log, for whom that is written elsewhere. */
  async productPage(id: number): Promise<ProductPage | undefined> {
    const [product] = await this.#rows(
      'SELECT name, price, stock, attributes FROM shop.products WHERE id = $1 AND NOT stand_in',
      [id],
    );
    if (!product) return undefined;
    const reviews = await this.#rows(
      `SELECT coalesce(k.name, '') AS author, r.rating, r.title, r.body,
              to_char(r.created_at AT TIME ZONE shop.time_zone(), 'YYYY-MM-DD HH24:MI:SS') AS created
         FROM shop.reviews AS r
         LEFT JOIN shop.customers AS c ON c.id = r.customer_id
         LEFT JOIN shop.contacts AS k ON k.id = c.contact_id
        WHERE r.product_id = $1 ORDER BY r.created_at DESC LIMIT 10`,
      [id],
    );
    const together = await this.#rows(alsoBoughtSql, [id]);
    return {
      id,
      name: text(product['name']),
      price: euros(product['price']),
      stock: Number(product['stock']),
      attributes: Object.fromEntries(
        Object.entries(product['attributes'] as unknown as Record<string, unknown>).map(([name, value]) => [
          name,
          text(value),
        ]),
      ),
      reviews: reviews.map((row) => ({
        author: text(row['author']),
        rating: Number(row['rating']),
        title: text(row['title']),
        body: text(row['body']),
        created: text(row['created']),
      })),
      alsoBought: together.map((row) => ({
        id: Number(row['id']),
        name: text(row['name']),
        price: euros(row['price']),
      })),
    };
  }

  async history(customerId: number, page: number) {
    const keys = await this.#rows(historySql, [customerId, (page - 1) * ORDERS_PER_PAGE]);
    if (!keys[0]) return undefined;
    const orders = await this.#orders(keys.filter((row) => row['order_id'] !== null));
    return { orders, page, pages: pagesOf(keys[0]['n'], ORDERS_PER_PAGE) };
  }

  async order(orderNumber: string) {
    const keys = await this.#rows(
      'SELECT order_id, order_number, placed_at::text AS placed_at FROM shop.order_keys WHERE order_number = $1',
      [orderNumber],
    );
    return (await this.#orders(keys))[0];
  }

  /** Orders whose month is archived are left out here; their keys stay (`order_keys`). */
  async #orders(keys: Row[]): Promise<Order[]> {
    if (keys.length === 0) return [];
    const ids = keys.map((row) => row['order_id']);
    const times = keys.map((row) => text(row['placed_at']));
    const orders = await this.#rows(ordersSql, [ids, times]);
    const lines = await this.#rows(linesSql, [ids, times]);
    const byId = new Map(orders.map((row) => [row['id'], row]));
    const byOrder = Map.groupBy(lines, (line) => line['order_id']);
    return keys.flatMap((key): Order[] => {
      const row = byId.get(key['order_id'] ?? null);
      if (!row) return [];
      return [
        {
          orderNumber: text(key['order_number']),
          placedAt: text(row['placed_at']),
          status: text(row['status']),
          total: euros(row['total']),
          currency: text(row['currency']),
          items: (byOrder.get(row['id'] ?? null) ?? []).map(lineOf),
        },
      ];
    });
  }

  async #openCart(session: string): Promise<{ id: number; lines: OrderLine[] } | undefined> {
    const rows = await this.#rows(
      `SELECT cart.id AS cart_id, item.product_id, product.name, item.unit_price, item.quantity
         FROM (SELECT id FROM shop.carts WHERE session_id = $1 AND status = 'open'
                ORDER BY updated_at DESC LIMIT 1) AS cart
         LEFT JOIN shop.cart_items AS item ON item.cart_id = cart.id
         LEFT JOIN shop.products AS product ON product.id = item.product_id
        ORDER BY item.id`,
      [session],
    );
    const [first] = rows;
    if (!first) return undefined;
    return {
      id: Number(first['cart_id']),
      lines: rows.filter((row) => row['product_id'] !== null).map(lineOf),
    };
  }

  async cart(session: string): Promise<Cart> {
    const items = (await this.#openCart(session))?.lines ?? [];
    const value = items.reduce((total, item) => total + item.unitPrice * item.quantity, 0);
    return { session, items, value: euros(value), currency: CURRENCY };
  }

  async addToCart(session: string, { productId, quantity, customerId }: CartAddition) {
    const [known] = await this.#rows(
      `SELECT p.price FROM shop.products AS p, shop.customers AS c
        WHERE p.id = $1 AND NOT p.stand_in AND c.id = $2 AND NOT c.stand_in`,
      [productId, customerId],
    );
    if (!known) return undefined;
    await this.#rows(
      `WITH open AS (
         SELECT id FROM shop.carts WHERE session_id = $1 AND status = 'open' ORDER BY updated_at DESC LIMIT 1),
       made AS (
         INSERT INTO shop.carts (session_id, customer_id, status, created_at, updated_at)
         SELECT $1, $2, 'open', now(), now() WHERE NOT EXISTS (SELECT FROM open) RETURNING id)
       INSERT INTO shop.cart_items (cart_id, product_id, unit_price, quantity)
       SELECT id, $3, $4, $5 FROM (TABLE open UNION ALL TABLE made) AS cart`,
      [session, customerId, productId, known['price'], quantity],
    );
    return this.cart(session);
  }

  async checkout(session: string, customerId: number): Promise<PlacedOrder | undefined> {
    const [customer] = await this.#rows(
      'SELECT contact_id, address_id FROM shop.customers WHERE id = $1 AND NOT stand_in',
      [customerId],
    );
    if (!customer) return undefined;
    const cart = await this.#openCart(session);
    if (!cart || cart.lines.length === 0) throw new Conflict('The cart is empty.');
    const total = euros(cart.lines.reduce((sum, line) => sum + line.unitPrice * line.quantity, 0));
    const twin = await this.#twin(customerId, total);
    if (twin) throw new Conflict(`The same order was placed a moment ago: ${twin}.`);
    await this.#ensureMonths();
    // Before the transaction: no row is locked while the gateway thinks.
    const payment = await payByStub();
    const orderNumber = await this.#inTransaction((client) =>
      this.#place(client, cart, { customerId, customer, payment: payment.reference }),
    );
    return { orderNumber, total, currency: CURRENCY, payment: payment.message };
  }

  /** The number of the same order by the same customer of a moment ago. Most have none: then no partition is read. */
  async #twin(customerId: number, total: number): Promise<string | undefined> {
    const recent = await this.#rows(
      `SELECT order_id, order_number, placed_at::text AS placed_at FROM shop.order_keys
        WHERE customer_id = $1 AND placed_at > now() - interval '10 seconds'`,
      [customerId],
    );
    if (recent.length === 0) return undefined;
    const [same] = await this.#rows(
      'SELECT id FROM shop.orders WHERE id = ANY($1::int[]) AND placed_at = ANY($2::timestamptz[]) AND total = $3',
      [recent.map((row) => row['order_id']), recent.map((row) => row['placed_at']), total],
    );
    const key = recent.find((row) => row['order_id'] === same?.['id']);
    return key && text(key['order_number']);
  }

  /** Runs `work` in a transaction, and again when it was only in somebody's way. */
  async #inTransaction<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const client = await this.#pool.connect();
      let broken: Error | undefined;
      try {
        await client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch((cause: Error) => {
          broken = cause;
        });
        if (attempt === ATTEMPTS || !passing.has((error as { code?: string }).code ?? '')) throw error;
      } finally {
        client.release(broken);
      }
      await sleep(10 + Math.random() * 40 * attempt);
    }
  }

  async #place(
    client: pg.ClientBase,
    cart: { id: number; lines: OrderLine[] },
    order: { customerId: number; customer: Row; payment: string },
  ): Promise<string> {
    // First, so that of two checkouts of one cart the second finds it closed.
    const closed = await this.#rows(
      "UPDATE shop.carts SET status = 'ordered' WHERE id = $1 AND status = 'open' RETURNING id",
      [cart.id],
      client,
    );
    if (closed.length === 0) throw new Conflict('The cart is empty.');
    const [key] = await this.#rows(
      `INSERT INTO shop.order_keys (order_number, customer_id, placed_at)
       VALUES ('SO-' || lpad(nextval('shop.order_number_seq')::text, 9, '0'), $1, now())
       RETURNING order_id, order_number`,
      [order.customerId],
      client,
    );
    const lines = [
      cart.lines.map(({ productId }) => productId),
      cart.lines.map(({ unitPrice }) => unitPrice),
      cart.lines.map(({ quantity }) => quantity),
    ];
    await this.#rows(
      `INSERT INTO shop.orders (id, placed_at, contact_id, ship_address_id, bill_address_id, status, payment_method, payment_reference, total, currency)
       SELECT $1, now(), $2, $3, $3, 'paid', 'card', $4, sum(unit_price * quantity), $5
         FROM unnest($6::numeric[], $7::int[]) AS line (unit_price, quantity)`,
      [
        key?.['order_id'],
        order.customer['contact_id'],
        order.customer['address_id'],
        order.payment,
        CURRENCY,
        lines[1],
        lines[2],
      ],
      client,
    );
    // In the order of the ids, as every checkout does, so that none waits for another in a circle. Late, because the
    // stock of a popular product is what checkouts wait for.
    await this.#rows(
      'SELECT id FROM shop.products WHERE id = ANY($1::int[]) ORDER BY id FOR NO KEY UPDATE',
      [lines[0]],
      client,
    );
    const taken = await this.#rows(
      `UPDATE shop.products AS p SET stock = stock - wanted.quantity
         FROM (SELECT id, sum(quantity)::int AS quantity FROM unnest($1::int[], $2::int[]) AS line (id, quantity)
                GROUP BY id) AS wanted
        WHERE p.id = wanted.id AND p.stock >= wanted.quantity RETURNING p.id`,
      [lines[0], lines[2]],
      client,
    );
    const got = new Set(taken.map((row) => Number(row['id'])));
    const short = cart.lines.find(({ productId }) => !got.has(productId));
    if (short) throw new Conflict(`Not enough of "${short.name}" in stock.`);
    await this.#rows(
      `INSERT INTO shop.product_versions (product_id, name, category, brand)
       SELECT DISTINCT p.id, p.name, c.name, b.name
         FROM shop.products AS p LEFT JOIN shop.categories AS c ON c.id = p.category_id LEFT JOIN shop.brands AS b ON b.id = p.brand_id
        WHERE p.id = ANY($1::int[])
          AND NOT EXISTS (SELECT FROM shop.product_versions WHERE fingerprint = shop.fingerprint(p.id::text, p.name, c.name, b.name))
       ON CONFLICT (fingerprint) DO NOTHING`,
      [lines[0]],
      client,
    );
    await this.#rows(
      `INSERT INTO shop.order_lines (order_id, placed_at, product_version_id, unit_price, quantity)
       SELECT $1, now(), v.id, line.unit_price, line.quantity
         FROM unnest($2::int[], $3::numeric[], $4::int[]) WITH ORDINALITY AS line (product_id, unit_price, quantity, at)
         JOIN shop.products AS p ON p.id = line.product_id
         LEFT JOIN shop.categories AS c ON c.id = p.category_id LEFT JOIN shop.brands AS b ON b.id = p.brand_id
         JOIN shop.product_versions AS v ON v.fingerprint = shop.fingerprint(p.id::text, p.name, c.name, b.name)
        ORDER BY line.at`,
      [key?.['order_id'], ...lines],
      client,
    );
    return text(key?.['order_number']);
  }

  /** Makes the partitions of this month and the next ones when that was not done for a day. */
  async #ensureMonths(): Promise<void> {
    const now = Date.now();
    if (now - this.#monthsAt < MONTHS_EVERY_MS) return;
    await this.#rows('SELECT shop.ensure_months_ahead()');
    this.#monthsAt = now;
  }

  /** Sums up days that are over and not kept, once an hour. A report needs none of them: what is missing, it sums up. */
  async #keepSales(): Promise<void> {
    const now = Date.now();
    if (now - this.#salesAt < SALES_EVERY_MS) return;
    // First, so that of the reports of one moment one does it, and a failure is not met again by the next.
    this.#salesAt = now;
    // The span of the statement has the error.
    await this.#rows('SELECT shop.keep_sales()').catch(() => {});
  }

  async sales(days: number) {
    await this.#keepSales();
    const rows = await this.#rows(salesSql, [days]);
    return rows.map((row) => ({
      day: text(row['day']),
      orders: Number(row['orders']),
      revenue: euros(row['revenue']),
    }));
  }
}

// The longer statements, apart; all are on tables that may be partitioned.

/** Where the orders of a customer are, newest first: from `order_keys`, without a partition. */
const historySql = `WITH mine AS (
    SELECT order_id, order_number, placed_at FROM shop.order_keys WHERE customer_id = $1)
  SELECT (SELECT count(*) FROM mine) AS n, shown.order_id, shown.order_number, shown.placed_at::text AS placed_at
    FROM shop.customers AS c
    LEFT JOIN (SELECT * FROM mine ORDER BY placed_at DESC, order_id DESC LIMIT ${ORDERS_PER_PAGE} OFFSET $2) AS shown ON true
   WHERE c.id = $1 AND NOT c.stand_in
   ORDER BY shown.placed_at DESC, shown.order_id DESC`;

/** Orders by id and time: the times are values, so the planner itself leaves out the other months. */
const ordersSql = `SELECT id, to_char(placed_at AT TIME ZONE shop.time_zone(), 'YYYY-MM-DD HH24:MI:SS') AS placed_at, status, total, currency
    FROM shop.orders WHERE id = ANY($1::int[]) AND placed_at = ANY($2::timestamptz[])`;

const linesSql = `SELECT l.order_id, v.product_id, v.name, l.unit_price, l.quantity
    FROM shop.order_lines AS l JOIN shop.product_versions AS v ON v.id = l.product_version_id
   WHERE l.order_id = ANY($1::int[]) AND l.placed_at = ANY($2::timestamptz[])
   ORDER BY l.id`;

const alsoBoughtSql = `WITH mine AS MATERIALIZED (
    SELECT DISTINCT order_id, placed_at FROM (
      SELECT l.order_id, l.placed_at
        FROM shop.product_versions AS v JOIN shop.order_lines AS l ON l.product_version_id = v.id
       WHERE v.product_id = $1 AND l.placed_at > now() - ${ALSO_BOUGHT_DAYS} * interval '1 day'
       ORDER BY l.placed_at DESC, l.id DESC LIMIT ${ALSO_BOUGHT_LINES}) AS latest),
  best AS (
    SELECT v.product_id, count(*) AS times
      FROM mine JOIN shop.order_lines AS l ON l.order_id = mine.order_id AND l.placed_at = mine.placed_at
       AND l.placed_at > now() - ${ALSO_BOUGHT_DAYS} * interval '1 day'
      JOIN shop.product_versions AS v ON v.id = l.product_version_id
     WHERE v.product_id <> $1
     GROUP BY v.product_id ORDER BY times DESC, v.product_id LIMIT 5)
  SELECT p.id, p.name, p.price FROM best JOIN shop.products AS p ON p.id = best.product_id
   WHERE NOT p.stand_in ORDER BY best.times DESC, p.id`;

/**
 * Days are those of the shop: over a change of its clocks, or of the session's, 30 of them are not 720 hours.
 *
 * Sums that are kept, and what is not kept from its lines: the first day, of which a part only is asked for, today
 * with whatever is dated later, and days that were changed since. By order first: few rows are sorted then, not all.
 */
const salesSql = `WITH asked AS (
    SELECT since, kept.orders, kept.revenue, (first + i)::timestamp AT TIME ZONE shop.time_zone() AS begins,
           CASE WHEN first + i < today THEN ((first + i)::timestamp + interval '1 day') AT TIME ZONE shop.time_zone() ELSE 'infinity' END AS ends,
           first + i AS day
      FROM (SELECT since, (since AT TIME ZONE shop.time_zone())::date AS first, (now() AT TIME ZONE shop.time_zone())::date AS today
              FROM (SELECT (now() AT TIME ZONE shop.time_zone() - $1 * interval '1 day') AT TIME ZONE shop.time_zone() AS since) AS given) AS range
     CROSS JOIN generate_series(0, today - first) AS i
      LEFT JOIN shop.sales_daily AS kept ON kept.day = first + i AND i > 0 AND kept.day < today),
  gaps AS (
    SELECT since, min(begins) AS begins, max(ends) AS ends
      FROM (SELECT *, day - (row_number() OVER (ORDER BY day))::int AS gap FROM asked WHERE orders IS NULL) AS missing
     GROUP BY since, gap),
  sold AS (
    SELECT day, orders, revenue FROM asked WHERE orders > 0
     UNION ALL
    SELECT o.day, count(*), sum(o.revenue)
      FROM gaps CROSS JOIN LATERAL (
        SELECT (placed_at AT TIME ZONE shop.time_zone())::date AS day, sum(unit_price * quantity) AS revenue
          FROM shop.order_lines
         WHERE placed_at >= begins AND placed_at < ends AND placed_at > since
         GROUP BY order_id, placed_at) AS o
     GROUP BY o.day)
  SELECT to_char(day, 'YYYY-MM-DD') AS day, orders, revenue FROM sold ORDER BY day`;
