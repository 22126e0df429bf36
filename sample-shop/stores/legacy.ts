import type pg from 'pg';
import { payByStub } from './payment.ts';
import {
  type Cart,
  type CartAddition,
  Conflict,
  CURRENCY,
  ORDERS_PER_PAGE,
  type Order,
  type PlacedOrder,
  PRODUCTS_PER_PAGE,
  type ProductPage,
  type ProductSummary,
  type ShopStore,
} from './store.ts';

type Row = Record<string, string | number | null>;

const euros = (value: unknown) => Math.round(Number(value) * 100) / 100;
const text = (value: unknown) => String(value ?? '');

/**
 * The shop as it was written before anybody looked at the database: a query a row (N+1), OFFSET paging, patterns
 * with a leading wildcard, SELECT *, casts that no index can serve, totals counted at request time, one hot row for
 * order numbers and a payment call inside the transaction. Every one of them is what a later store puts right.
 */
export class LegacyStore implements ShopStore {
  readonly name = 'legacy';
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async #rows(sql: string, values: unknown[] = [], client?: pg.ClientBase): Promise<Row[]> {
    return (await (client ?? this.#pool).query<Row>(sql, values)).rows;
  }

  async facets() {
    const [products] = await this.#rows('SELECT count(*) AS n FROM products');
    const [customers] = await this.#rows('SELECT count(*) AS n FROM customers');
    const paths = await this.#rows('SELECT DISTINCT category_path FROM products ORDER BY category_path');
    return {
      products: Number(products?.['n']),
      customers: Number(customers?.['n']),
      categories: paths.map((row) => text(row['category_path'])),
    };
  }

  browse(category: string, page: number) {
    return this.#listing('category_path LIKE $1', `%${category}`, page);
  }

  search(words: string, page: number) {
    return this.#listing('name ILIKE $1 OR description ILIKE $1 OR tags ILIKE $1', `%${words}%`, page);
  }

  async #listing(condition: string, pattern: string, page: number) {
    const [all] = await this.#rows(`SELECT count(*) AS n FROM products WHERE ${condition}`, [pattern]);
    const rows = await this.#rows(
      `SELECT * FROM products WHERE ${condition} ORDER BY name LIMIT ${PRODUCTS_PER_PAGE} OFFSET $2`,
      [pattern, (page - 1) * PRODUCTS_PER_PAGE],
    );
    const items: ProductSummary[] = [];
    for (const row of rows) {
      const reviews = await this.#rows('SELECT * FROM reviews WHERE product_id = $1', [row['id']]);
      const sum = reviews.reduce((total, review) => total + Number(review['rating']), 0);
      items.push({
        id: Number(row['id']),
        name: text(row['name']),
        price: euros(row['price']),
        rating: reviews.length > 0 ? Math.round((sum / reviews.length) * 10) / 10 : null,
        reviews: reviews.length,
      });
    }
    return { items, page, pages: Math.ceil(Number(all?.['n']) / PRODUCTS_PER_PAGE) };
  }

  async product(id: number, session: string | undefined): Promise<ProductPage | undefined> {
    const [product] = await this.#rows('SELECT * FROM products WHERE id = $1', [id]);
    if (!product) return undefined;
    await this.#rows(
      "INSERT INTO activity_log VALUES (to_char(now(), 'YYYY-MM-DD HH24:MI:SS'), $1, NULL, 'view', $2, NULL, NULL)",
      [session ?? '', `/products/${id}`],
    );
    const attributes = await this.#rows('SELECT * FROM product_attributes WHERE product_id = $1', [id]);
    const reviews = await this.#rows(
      'SELECT * FROM reviews WHERE product_id = $1 ORDER BY created::timestamp DESC LIMIT 10',
      [id],
    );
    const together = await this.#rows(
      `SELECT other.product_id, count(*) AS times
         FROM order_items AS other
        WHERE other.order_id IN (SELECT mine.order_id FROM order_items AS mine WHERE mine.product_id = $1 ORDER BY mine.id DESC LIMIT 200)
          AND other.product_id <> $1
        GROUP BY other.product_id ORDER BY times DESC, other.product_id LIMIT 5`,
      [id],
    );
    const alsoBought: ProductPage['alsoBought'] = [];
    for (const row of together) {
      const [other] = await this.#rows('SELECT * FROM products WHERE id = $1', [row['product_id']]);
      if (other)
        alsoBought.push({ id: Number(other['id']), name: text(other['name']), price: euros(other['price']) });
    }
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
      alsoBought,
    };
  }

  async history(customerId: number, page: number) {
    const [customer] = await this.#rows('SELECT * FROM customers WHERE id = $1', [customerId]);
    if (!customer) return undefined;
    const [all] = await this.#rows(
      'SELECT count(*) AS n FROM orders WHERE lower(customer_email) = lower($1)',
      [customer['email']],
    );
    const rows = await this.#rows(
      `SELECT * FROM orders WHERE lower(customer_email) = lower($1)
        ORDER BY placed_at::timestamp DESC LIMIT ${ORDERS_PER_PAGE} OFFSET $2`,
      [customer['email'], (page - 1) * ORDERS_PER_PAGE],
    );
    const orders: Order[] = [];
    for (const row of rows) orders.push(await this.#withItems(row));
    return { orders, page, pages: Math.ceil(Number(all?.['n']) / ORDERS_PER_PAGE) };
  }

  async order(orderNumber: string) {
    const [row] = await this.#rows('SELECT * FROM orders WHERE order_number = $1', [orderNumber]);
    return row && this.#withItems(row);
  }

  async #withItems(row: Row): Promise<Order> {
    const items = await this.#rows('SELECT * FROM order_items WHERE order_id = $1 ORDER BY id', [row['id']]);
    return {
      orderNumber: text(row['order_number']),
      placedAt: text(row['placed_at']),
      status: text(row['status']),
      total: euros(row['total']),
      currency: text(row['currency']),
      items: items.map((item) => ({
        productId: Number(item['product_id']),
        name: text(item['product_name']),
        unitPrice: euros(item['unit_price']),
        quantity: Number(item['quantity']),
      })),
    };
  }

  async #openCart(session: string, client?: pg.ClientBase): Promise<Row | undefined> {
    const [cart] = await this.#rows(
      "SELECT * FROM carts WHERE session_id = $1 AND status = 'open' ORDER BY updated::timestamp DESC LIMIT 1",
      [session],
      client,
    );
    return cart;
  }

  async cart(session: string): Promise<Cart> {
    const cart = await this.#openCart(session);
    const rows = cart ? await this.#rows('SELECT * FROM cart_items WHERE cart_id = $1', [cart['id']]) : [];
    const items = rows.map((row) => ({
      productId: Number(row['product_id']),
      name: text(row['product_name']),
      unitPrice: euros(row['unit_price']),
      quantity: Number(row['quantity']),
    }));
    const value = items.reduce((total, item) => total + item.unitPrice * item.quantity, 0);
    return { session, items, value: euros(value), currency: CURRENCY };
  }

  async addToCart(session: string, { productId, quantity, customerId }: CartAddition) {
    const [product] = await this.#rows('SELECT * FROM products WHERE id = $1', [productId]);
    const [customer] = await this.#rows('SELECT * FROM customers WHERE id = $1', [customerId]);
    if (!product || !customer) return undefined;
    let cart = await this.#openCart(session);
    if (!cart)
      [cart] = await this.#rows(
        `INSERT INTO carts (session_id, customer_id, customer_email, status, created, updated)
         VALUES ($1, $2, $3, 'open', to_char(now(), 'YYYY-MM-DD HH24:MI:SS'), to_char(now(), 'YYYY-MM-DD HH24:MI:SS'))
         RETURNING *`,
        [session, customerId, customer['email']],
      );
    await this.#rows(
      `INSERT INTO cart_items (cart_id, product_id, product_name, unit_price, quantity) VALUES ($1, $2, $3, $4, $5)`,
      [cart?.['id'], productId, product['name'], product['price'], quantity],
    );
    return this.cart(session);
  }

  async checkout(session: string, customerId: number): Promise<PlacedOrder | undefined> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('BEGIN');
      const placed = await this.#placeOrder(client, session, customerId);
      await client.query(placed ? 'COMMIT' : 'ROLLBACK');
      return placed;
    } catch (error) {
      await client.query('ROLLBACK').catch((cause: Error) => {
        broken = cause;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async #placeOrder(client: pg.ClientBase, session: string, customerId: number) {
    const [counter] = await this.#rows(
      "UPDATE counters SET value = value + 1 WHERE name = 'order_number' RETURNING value",
      [],
      client,
    );
    const [customer] = await this.#rows('SELECT * FROM customers WHERE id = $1', [customerId], client);
    if (!customer) return undefined;
    const cart = await this.#openCart(session, client);
    const items = cart
      ? await this.#rows('SELECT * FROM cart_items WHERE cart_id = $1', [cart['id']], client)
      : [];
    if (!cart || items.length === 0) throw new Conflict('The cart is empty.');
    const total = euros(
      items.reduce((sum, item) => sum + Number(item['unit_price']) * Number(item['quantity']), 0),
    ).toFixed(2);
    const [twin] = await this.#rows(
      `SELECT * FROM orders WHERE lower(customer_email) = lower($1) AND total = $2
          AND placed_at::timestamp > localtimestamp - interval '10 seconds'`,
      [customer['email'], total],
      client,
    );
    if (twin) throw new Conflict(`The same order was placed a moment ago: ${text(twin['order_number'])}.`);
    const orderNumber = `SO-${text(counter?.['value']).padStart(9, '0')}`;
    const payment = await payByStub();
    const [order] = await this.#rows(
      `INSERT INTO orders (order_number, customer_id, customer_name, customer_email, customer_phone,
         ship_street, ship_zip, ship_city, ship_country, bill_street, bill_zip, bill_city, bill_country,
         status, payment_method, payment_reference, total, currency, placed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $6, $7, $8, $9, 'paid', 'card', $10, $11, $12,
         to_char(now(), 'YYYY-MM-DD HH24:MI:SS'))
       RETURNING id`,
      [
        orderNumber,
        customerId,
        ...['full_name', 'email', 'phone', 'street', 'zip', 'city', 'country'].map((name) => customer[name]),
        payment.reference,
        total,
        CURRENCY,
      ],
      client,
    );
    for (const item of items) {
      const [product] = await this.#rows(
        'SELECT * FROM products WHERE id = $1',
        [item['product_id']],
        client,
      );
      if (Number(product?.['stock']) < Number(item['quantity']))
        throw new Conflict(`Not enough of "${text(item['product_name'])}" in stock.`);
      await this.#rows(
        'UPDATE products SET stock = stock - $2 WHERE id = $1',
        [item['product_id'], item['quantity']],
        client,
      );
      await this.#rows(
        `INSERT INTO order_items (order_id, product_id, product_name, product_category, product_brand, unit_price, quantity, line_total)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          order?.['id'],
          item['product_id'],
          item['product_name'],
          product?.['category_name'],
          product?.['brand'],
          item['unit_price'],
          item['quantity'],
          euros(Number(item['unit_price']) * Number(item['quantity'])).toFixed(2),
        ],
        client,
      );
    }
    await this.#rows("UPDATE carts SET status = 'ordered' WHERE id = $1", [cart['id']], client);
    return { orderNumber, total: Number(total), currency: CURRENCY, payment: payment.message };
  }

  async sales(days: number) {
    const rows = await this.#rows(
      `SELECT to_char(o.placed_at::timestamp, 'YYYY-MM-DD') AS day, count(DISTINCT o.order_number) AS orders,
              sum(i.line_total::numeric) AS revenue
         FROM orders o JOIN order_items i ON i.order_id = o.id
        WHERE o.placed_at::timestamp > localtimestamp - $1 * interval '1 day'
        GROUP BY 1 ORDER BY 1`,
      [days],
    );
    return rows.map((row) => ({
      day: text(row['day']),
      orders: Number(row['orders']),
      revenue: euros(row['revenue']),
    }));
  }
}
