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

/** Dates are text in this schema, in a form that sorts as the dates do. */
const NOW = "to_char(now(), 'YYYY-MM-DD HH24:MI:SS')";

const lineOf = (row: Row): OrderLine => ({
  productId: Number(row['product_id']),
  name: text(row['product_name']),
  unitPrice: euros(row['unit_price']),
  quantity: Number(row['quantity']),
});

/**
 * The same shop on the same legacy tables, with its statements rewritten: one statement for all rows instead of one
 * a row, only the columns that are shown, dates compared as the text that they are, sums of closed days kept in
 * `sales_daily` (sample-shop/schema/tuned.sql), and a checkout whose transaction waits for nobody outside. Answers
 * equal those of the legacy store.
 *
 * It may run beside the legacy store while that is being exchanged: order numbers come from the same counter, in a
 * statement of its own, so that the row is locked for a moment only. A number whose order fails is lost.
 */
export class TunedStore implements ShopStore {
  readonly name = 'tuned';
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async #rows(sql: string, values: unknown[] = [], client?: pg.ClientBase): Promise<Row[]> {
    return (await (client ?? this.#pool).query<Row>(sql, values)).rows;
  }

  async facets() {
    const [row] = await this.#rows(
      `SELECT (SELECT count(*) FROM products) AS products, (SELECT count(*) FROM customers) AS customers,
              ARRAY(SELECT DISTINCT category_path FROM products ORDER BY category_path) AS categories`,
    );
    return {
      products: Number(row?.['products']),
      customers: Number(row?.['customers']),
      categories: (row?.['categories'] as unknown as string[] | undefined) ?? [],
    };
  }

  browse(category: string, page: number) {
    return this.#listing('category_path LIKE $1', `%${category}`, page);
  }

  search(words: string, page: number) {
    return this.#listing('name ILIKE $1 OR description ILIKE $1 OR tags ILIKE $1', `%${words}%`, page);
  }

  async #listing(condition: string, pattern: string, page: number) {
    const rows = await this.#rows(
      `WITH found AS MATERIALIZED (SELECT id, name, price FROM products WHERE ${condition}),
            shown AS (SELECT * FROM found ORDER BY name LIMIT ${PRODUCTS_PER_PAGE} OFFSET $2)
       SELECT counted.n, shown.id, shown.name, shown.price, rated.reviews, rated.stars
         FROM (SELECT count(*) AS n FROM found) AS counted
         LEFT JOIN shown ON true
         LEFT JOIN LATERAL (SELECT count(*) AS reviews, sum(rating::numeric) AS stars
                              FROM reviews WHERE product_id = shown.id) AS rated ON true
        ORDER BY shown.name`,
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

  async recordView(id: number, session: string | undefined): Promise<void> {
    await this.#rows(
      `INSERT INTO activity_log (at, session_id, action, path) VALUES (${NOW}, $1, 'view', $2)`,
      [session ?? '', `/products/${id}`],
    );
  }

  async product(id: number, session: string | undefined): Promise<ProductPage | undefined> {
    const [product] = await this.#rows('SELECT name, price, stock FROM products WHERE id = $1', [id]);
    if (!product) return undefined;
    await this.recordView(id, session);
    const attributes = await this.#rows(
      'SELECT attribute, value FROM product_attributes WHERE product_id = $1',
      [id],
    );
    const reviews = await this.#rows(
      `SELECT customer_name, rating, title, body, created FROM reviews
        WHERE product_id = $1 ORDER BY created DESC LIMIT 10`,
      [id],
    );
    const together = await this.#rows(
      `SELECT product.id, product.name, product.price
         FROM (SELECT other.product_id, count(*) AS times
                 FROM (SELECT DISTINCT order_id FROM (
                         SELECT order_id FROM order_items WHERE product_id = $1 ORDER BY id DESC LIMIT 200) AS latest) AS mine
                 JOIN order_items AS other USING (order_id)
                WHERE other.product_id <> $1
                GROUP BY other.product_id ORDER BY times DESC, other.product_id LIMIT 5) AS best
         JOIN products AS product ON product.id = best.product_id
        ORDER BY best.times DESC, best.product_id`,
      [id],
    );
    return {
      id,
      name: text(product['name']),
      price: euros(product['price']),
      stock: Number(product['stock']),
      attributes: Object.fromEntries(attributes.map((row) => [text(row['attribute']), text(row['value'])])),
      reviews: reviews.map((row) => ({
        author: text(row['customer_name']),
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
    const [customer] = await this.#rows('SELECT email FROM customers WHERE id = $1', [customerId]);
    if (!customer) return undefined;
    const rows = await this.#rows(
      `WITH mine AS MATERIALIZED (
         SELECT id, order_number, placed_at, status, total, currency FROM orders WHERE lower(customer_email) = lower($1))
       SELECT (SELECT count(*) FROM mine) AS n, shown.*
         FROM (SELECT 1) AS always
         LEFT JOIN (SELECT * FROM mine ORDER BY placed_at DESC LIMIT ${ORDERS_PER_PAGE} OFFSET $2) AS shown ON true
        ORDER BY shown.placed_at DESC`,
      [customer['email'], (page - 1) * ORDERS_PER_PAGE],
    );
    const orders = await this.#withItems(rows.filter((row) => row['id'] !== null));
    return { orders, page, pages: pagesOf(rows[0]?.['n'], ORDERS_PER_PAGE) };
  }

  async order(orderNumber: string) {
    const rows = await this.#rows(
      'SELECT id, order_number, placed_at, status, total, currency FROM orders WHERE order_number = $1',
      [orderNumber],
    );
    return (await this.#withItems(rows.slice(0, 1)))[0];
  }

  async #withItems(orders: Row[]): Promise<Order[]> {
    if (orders.length === 0) return [];
    const items = await this.#rows(
      `SELECT order_id, product_id, product_name, unit_price, quantity
         FROM order_items WHERE order_id = ANY($1::int[]) ORDER BY id`,
      [orders.map((row) => row['id'])],
    );
    const byOrder = Map.groupBy(items, (item) => item['order_id']);
    return orders.map((row) => ({
      orderNumber: text(row['order_number']),
      placedAt: text(row['placed_at']),
      status: text(row['status']),
      total: euros(row['total']),
      currency: text(row['currency']),
      items: (byOrder.get(row['id'] ?? null) ?? []).map(lineOf),
    }));
  }

  async #openCart(
    session: string,
    client?: pg.ClientBase,
  ): Promise<{ id: number; lines: OrderLine[] } | undefined> {
    const rows = await this.#rows(
      `SELECT cart.id AS cart_id, item.product_id, item.product_name, item.unit_price, item.quantity
         FROM (SELECT id FROM carts WHERE session_id = $1 AND status = 'open' ORDER BY updated DESC LIMIT 1) AS cart
         LEFT JOIN cart_items AS item ON item.cart_id = cart.id
        ORDER BY item.id`,
      [session],
      client,
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
      `SELECT product.name, product.price, customer.email
         FROM products AS product, customers AS customer WHERE product.id = $1 AND customer.id = $2`,
      [productId, customerId],
    );
    if (!known) return undefined;
    const open = await this.#openCart(session);
    const [made] = open
      ? []
      : await this.#rows(
          `INSERT INTO carts (session_id, customer_id, customer_email, status, created, updated)
           VALUES ($1, $2, $3, 'open', ${NOW}, ${NOW}) RETURNING id`,
          [session, customerId, known['email']],
        );
    await this.#rows(
      'INSERT INTO cart_items (cart_id, product_id, product_name, unit_price, quantity) VALUES ($1, $2, $3, $4, $5)',
      [open?.id ?? made?.['id'], productId, known['name'], known['price'], quantity],
    );
    return this.cart(session);
  }

  async checkout(session: string, customerId: number): Promise<PlacedOrder | undefined> {
    const [customer] = await this.#rows(
      'SELECT full_name, email, phone, street, zip, city, country FROM customers WHERE id = $1',
      [customerId],
    );
    if (!customer) return undefined;
    const cart = await this.#openCart(session);
    if (!cart || cart.lines.length === 0) throw new Conflict('The cart is empty.');
    const total = euros(
      cart.lines.reduce((sum, { unitPrice, quantity }) => sum + unitPrice * quantity, 0),
    ).toFixed(2);
    const [twin] = await this.#rows(
      `SELECT order_number FROM orders WHERE lower(customer_email) = lower($1) AND total = $2
          AND placed_at > to_char(localtimestamp - interval '10 seconds', 'YYYY-MM-DD HH24:MI:SS')`,
      [customer['email'], total],
    );
    if (twin) throw new Conflict(`The same order was placed a moment ago: ${text(twin['order_number'])}.`);
    const payment = await payByStub();
    // On its own: the row that every checkout needs is locked for this statement only.
    const [counter] = await this.#rows(
      "UPDATE counters SET value = value + 1 WHERE name = 'order_number' RETURNING value",
    );
    const orderNumber = `SO-${text(counter?.['value']).padStart(9, '0')}`;
    await this.#inTransaction((client) =>
      this.#place(client, cart, { orderNumber, customerId, customer, total, payment: payment.reference }),
    );
    return { orderNumber, total: Number(total), currency: CURRENCY, payment: payment.message };
  }

  async #inTransaction(work: (client: pg.ClientBase) => Promise<void>): Promise<void> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('BEGIN');
      await work(client);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch((cause: Error) => {
        broken = cause;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async #place(
    client: pg.ClientBase,
    cart: { id: number; lines: OrderLine[] },
    order: { orderNumber: string; customerId: number; customer: Row; total: string; payment: string },
  ): Promise<void> {
    // First, so that of two checkouts of one cart the second finds it closed.
    const closed = await this.#rows(
      "UPDATE carts SET status = 'ordered' WHERE id = $1 AND status = 'open' RETURNING id",
      [cart.id],
      client,
    );
    if (closed.length === 0) throw new Conflict('The cart is empty.');
    const wanted = new Map<number, number>();
    for (const { productId, quantity } of cart.lines)
      wanted.set(productId, (wanted.get(productId) ?? 0) + quantity);
    // In the order of the ids, as every checkout does, so that none waits for another in a circle.
    const ids = [...wanted.keys()].sort((a, b) => a - b);
    await this.#rows(
      'SELECT id FROM products WHERE id = ANY($1::int[]) ORDER BY id FOR UPDATE',
      [ids],
      client,
    );
    const taken = await this.#rows(
      `UPDATE products SET stock = stock - wanted.quantity
         FROM unnest($1::int[], $2::int[]) AS wanted (id, quantity)
        WHERE products.id = wanted.id AND products.stock >= wanted.quantity
        RETURNING products.id`,
      [ids, ids.map((id) => wanted.get(id))],
      client,
    );
    if (taken.length < ids.length) {
      const got = new Set(taken.map((row) => Number(row['id'])));
      const short = cart.lines.find(({ productId }) => !got.has(productId));
      throw new Conflict(`Not enough of "${short?.name}" in stock.`);
    }
    const [placed] = await this.#rows(
      `INSERT INTO orders (order_number, customer_id, customer_name, customer_email, customer_phone,
         ship_street, ship_zip, ship_city, ship_country, bill_street, bill_zip, bill_city, bill_country,
         status, payment_method, payment_reference, total, currency, placed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $6, $7, $8, $9, 'paid', 'card', $10, $11, $12, ${NOW})
       RETURNING id`,
      [
        order.orderNumber,
        order.customerId,
        ...['full_name', 'email', 'phone', 'street', 'zip', 'city', 'country'].map(
          (name) => order.customer[name],
        ),
        order.payment,
        order.total,
        CURRENCY,
      ],
      client,
    );
    await this.#rows(
      `INSERT INTO order_items (order_id, product_id, product_name, product_category, product_brand, unit_price, quantity, line_total)
       SELECT $1, line.product_id, line.name, product.category_name, product.brand, line.unit_price, line.quantity, line.line_total
         FROM unnest($2::int[], $3::text[], $4::text[], $5::int[], $6::text[])
           WITH ORDINALITY AS line (product_id, name, unit_price, quantity, line_total, at)
         JOIN products AS product ON product.id = line.product_id
        ORDER BY line.at`,
      [
        placed?.['id'],
        cart.lines.map(({ productId }) => productId),
        cart.lines.map(({ name }) => name),
        cart.lines.map(({ unitPrice }) => unitPrice.toFixed(2)),
        cart.lines.map(({ quantity }) => quantity),
        cart.lines.map(({ unitPrice, quantity }) => euros(unitPrice * quantity).toFixed(2)),
      ],
      client,
    );
  }

  /**
   * Closed days come from `sales_daily`; the first day, of which a part only is asked for, and today are summed up.
   */
  async sales(days: number) {
    // Asked for first, so that the planner knows the dates themselves, and finds the few orders by the index.
    const [bounds] = await this.#rows(
      `SELECT to_char(since, 'YYYY-MM-DD HH24:MI:SS') AS since, to_char(since + interval '1 day', 'YYYY-MM-DD') AS whole,
              (SELECT to_char(max(day)::date + 1, 'YYYY-MM-DD') FROM sales_daily) AS live
         FROM (SELECT localtimestamp - $1 * interval '1 day' AS since) AS asked`,
      [days],
    );
    const [since, whole] = [text(bounds?.['since']), text(bounds?.['whole'])];
    const kept = text(bounds?.['live']);
    // biome-ignore lint/complexity/useMathMinMax: these are dates as text
    const live = kept > whole ? kept : whole;
    const [closed, first, last] = [
      await this.#rows(
        `SELECT day, orders::float8 AS orders, revenue::float8 AS revenue FROM sales_daily
          WHERE day >= $1 AND day < $2 ORDER BY day`,
        [whole, live],
      ),
      await this.#summed(since, whole),
      await this.#summed(live, '9'),
    ];
    return [...first, ...closed, ...last].map((row) => ({
      day: text(row['day']),
      orders: Number(row['orders']),
      revenue: euros(row['revenue']),
    }));
  }

  /** Sums of the orders after `from` and before `to`, both text as in `placed_at`. */
  #summed(from: string, to: string): Promise<Row[]> {
    return this.#rows(
      `SELECT left(o.placed_at, 10) AS day, count(DISTINCT o.order_number)::float8 AS orders, sum(i.line_total::numeric)::float8 AS revenue
         FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
        WHERE o.placed_at > $1 AND o.placed_at < $2
        GROUP BY 1 ORDER BY 1`,
      [from, to],
    );
  }
}
