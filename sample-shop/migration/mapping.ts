import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { Mapping, TableMapping } from '../../migrate/mapping.ts';

const S = 'shop_sync';

/**
 * The time zone of the sessions of a role: where no one has set another for itself, the one in which the legacy store,
 * which keeps dates as text, wrote them.
 */
export async function sessionTimeZone(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ zone: string }>("SELECT current_setting('TimeZone') AS zone");
    return rows[0]?.zone as string;
  } finally {
    await client.end();
  }
}

/**
 * The shop's migration: sample-shop/schema/legacy.sql to sample-shop/schema/refactored.sql.
 *
 * Rules by which contradicting copies are resolved:
 * - what an order or a line said is kept as it was said (contacts, addresses, product_versions are history);
 *   customers and products say what is true today;
 * - carts and reviews follow their master: the copies of e-mail, author and product name go;
 * - a category's or a brand's attributes are those of the product with the lowest id; others go to the ledger;
 * - a value that cannot be read as its type is NULL where it may be, and its row is set aside where it may not.
 *
 * @param timeZone the zone in which the legacy text dates are meant; that of the sessions that wrote them
 */
export async function shopMapping({ timeZone }: { timeZone: string }): Promise<Mapping> {
  return {
    name: 'shop',
    leastServer: {
      version: 160_000,
      because: 'IS JSON tells payloads that are JSON from those that are not',
    },
    legacySchema: 'public',
    targetSchema: 'shop',
    syncSchema: S,
    writers: ['shop_app'],
    stores: { reads: 'refactored-reads', writes: 'refactored' },
    extensions: ['pg_trgm'],
    model: `${await readFile(new URL('../schema/refactored.sql', import.meta.url), 'utf8')}
CREATE OR REPLACE FUNCTION shop.time_zone() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ${pg.escapeLiteral(timeZone)}`,
    helpers: helpers(pg.escapeLiteral(timeZone)),
    ids: [
      ['customers', 'id', 'customers_id_seq', 'customers'],
      ['products', 'id', 'products_id_seq', 'products'],
      ['reviews', 'id', 'reviews_id_seq', 'reviews'],
      ['carts', 'id', 'carts_id_seq', 'carts'],
      ['cart_items', 'id', 'cart_items_id_seq', 'cart_items'],
      ['order_keys', 'order_id', 'orders_id_seq', 'orders'],
      ['order_lines', 'id', 'order_lines_id_seq', 'order_items'],
    ].map(([table, column, sequence, legacyTable]) => ({
      table: `shop.${table}`,
      column: column as string,
      sequence: `shop.${sequence}`,
      legacyTable: `public.${legacyTable}`,
      legacyColumn: 'id',
    })),
    partitions: {
      moments: `SELECT DISTINCT moment FROM (
          SELECT to_timestamp(left(placed_at, 7), 'YYYY-MM') AS moment FROM public.orders WHERE placed_at ~ '^20\\d\\d-(0[1-9]|1[0-2])-'
          UNION SELECT to_timestamp(left(at, 7), 'YYYY-MM') FROM public.activity_log WHERE at ~ '^20\\d\\d-(0[1-9]|1[0-2])-'
          UNION SELECT date_trunc('month', now()) + i * interval '1 month' FROM generate_series(0, 3) AS i) AS months
        WHERE moment < now() + interval '1 year' ORDER BY moment`,
      // The middle of the month, whatever the time zone.
      make: "SELECT shop.ensure_month($1::timestamptz + interval '14 days')",
    },
    registry: ['months'],
    derived: {
      table: 'sales_daily',
      missing: 'SELECT day AS part FROM shop.days_to_keep() AS day ORDER BY 1',
      make: 'SELECT shop.keep_sales($1::date, $2::date)',
      // Each day is a lock while it is being summed up.
      most: 31,
    },
    dualWrite: [orderNumbers],
    tables: [
      customers,
      products,
      productAttributes,
      reviews,
      carts,
      cartItems,
      orders,
      orderItems,
      activityLog,
    ],
    obsolete: ['counters'],
    money: [
      {
        name: 'orders.total',
        legacy: `SELECT sum(total)::text FROM ${S}.readable_orders AS l ${carried('orders', 'id')}`,
        target: 'SELECT sum(total)::text FROM shop.orders',
      },
      {
        name: 'order_lines.unit_price * quantity',
        legacy: `SELECT sum(unit_price * quantity)::text FROM ${S}.readable_order_items AS l ${carried('order_items', 'order_id')}`,
        target: 'SELECT sum(unit_price * quantity)::text FROM shop.order_lines',
      },
      {
        name: 'cart_items.unit_price * quantity',
        legacy: `SELECT sum(unit_price * quantity)::text FROM ${S}.readable_cart_items AS l ${carried('cart_items', 'id')}`,
        target: 'SELECT sum(unit_price * quantity)::text FROM shop.cart_items',
      },
      {
        name: 'products.price * stock',
        legacy: `SELECT sum(price * stock)::text FROM ${S}.readable_products AS l ${carried('products', 'id')}`,
        target: 'SELECT sum(price * stock)::text FROM shop.products WHERE NOT stand_in',
      },
      {
        name: 'sales_daily, days equal to their lines',
        legacy: 'SELECT count(*)::text FROM shop.sales_daily',
        target: `SELECT count(*)::text FROM shop.sales_daily AS kept
          LEFT JOIN (SELECT (placed_at AT TIME ZONE shop.time_zone())::date AS day, count(*) AS orders, sum(revenue) AS revenue
                       FROM (SELECT placed_at, sum(unit_price * quantity) AS revenue FROM shop.order_lines GROUP BY order_id, placed_at) AS o
                      GROUP BY 1) AS live USING (day)
         WHERE kept.day < (now() AT TIME ZONE shop.time_zone())::date
           AND (kept.orders, kept.revenue) = (coalesce(live.orders, 0), coalesce(live.revenue, 0))`,
      },
    ],
  };
}

/** But for units that the new model has refused; they are in the ledger, with the reason. */
const carried = (table: string, key: string) => `WHERE NOT EXISTS (
    SELECT FROM sqltrail.migration_resolution AS r WHERE r.migration = 'shop' AND r.legacy_table = '${table}'
       AND r.key = l.${key} AND r.problem IS NOT NULL AND r.superseded_at IS NULL)`;

/**
 * Text to types and back, without regular expressions, which would take a sixth of the backfill's time; and the legacy
 * rows that can be carried over, typed.
 */
const helpers = (zone: string) => `
CREATE FUNCTION ${S}.as_time(t text) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN t LIKE '____-__-__%' AND translate(t, '0123456789-: T.', '') = '' AND pg_input_is_valid(t, 'timestamp')
            THEN t::timestamp AT TIME ZONE ${zone} END;
CREATE FUNCTION ${S}.as_text(t timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(t AT TIME ZONE ${zone}, 'YYYY-MM-DD HH24:MI:SS');
CREATE FUNCTION ${S}.as_money(t text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN translate(t, '0123456789-. ', '') = '' AND pg_input_is_valid(t, 'numeric(12, 2)') THEN t::numeric(12, 2) END;

CREATE VIEW ${S}.readable_products AS
SELECT id, sku, name, category_code, brand, ${S}.as_money(price) AS price, greatest(coalesce(stock, 0), 0) AS stock,
       description, ${S}.as_time(created) AS created_at
  FROM public.products WHERE name IS NOT NULL AND ${S}.as_money(price) >= 0;

CREATE VIEW ${S}.readable_tags AS
SELECT l.id AS product_id, tag.position::smallint AS position, tag.name
  FROM public.products AS l, unnest(string_to_array(l.tags, ',')) WITH ORDINALITY AS tag (name, position);
CREATE VIEW ${S}.readable_images AS
SELECT l.id AS product_id, image.position::smallint AS position, image.url
  FROM public.products AS l, unnest(string_to_array(l.image_urls, ',')) WITH ORDINALITY AS image (url, position);

CREATE VIEW ${S}.readable_reviews AS
SELECT id, product_id, customer_id, rating::smallint AS rating, title, body, ${S}.as_time(created) AS created_at
  FROM public.reviews WHERE product_id IS NOT NULL AND rating ~ '^[1-5]$';

CREATE VIEW ${S}.readable_carts AS
SELECT id, session_id, customer_id, status, ${S}.as_time(created) AS created_at, ${S}.as_time(updated) AS updated_at
  FROM public.carts
 WHERE session_id IS NOT NULL AND status IN ('open', 'ordered')
   AND ${S}.as_time(created) IS NOT NULL AND ${S}.as_time(updated) IS NOT NULL;

CREATE VIEW ${S}.readable_cart_items AS
SELECT l.id, l.cart_id, l.product_id, ${S}.as_money(l.unit_price) AS unit_price, l.quantity
  FROM public.cart_items AS l JOIN shop.carts AS c ON c.id = l.cart_id
 WHERE l.product_id IS NOT NULL AND ${S}.as_money(l.unit_price) >= 0 AND l.quantity > 0;

CREATE VIEW ${S}.readable_orders AS
SELECT id, order_number, customer_id, ${S}.as_time(placed_at) AS placed_at,
       shop.fingerprint(customer_name, customer_email, customer_phone, NULL) AS contact,
       shop.fingerprint(ship_street, ship_zip, ship_city, ship_country) AS ship,
       shop.fingerprint(bill_street, bill_zip, bill_city, bill_country) AS bill,
       status, payment_method, payment_reference, ${S}.as_money(total) AS total, currency,
       ${S}.as_time(shipped_at) AS shipped_at, ${S}.as_time(closed_at) AS closed_at, comment
  FROM public.orders
 WHERE order_number IS NOT NULL AND ${S}.as_money(total) >= 0 AND currency ~ '^[A-Z]{3}$'
   AND status IN ('paid', 'packed', 'shipped', 'closed', 'returned')
   AND ${S}.as_time(placed_at) >= '2000-01-02Z' AND ${S}.as_time(placed_at) < now() + interval '9 years';

CREATE VIEW ${S}.readable_order_items AS
SELECT l.id, l.order_id, k.placed_at, l.product_id, ${S}.as_money(l.unit_price) AS unit_price, l.quantity,
       shop.fingerprint(l.product_id::text, l.product_name, l.product_category, l.product_brand) AS version
  FROM public.order_items AS l JOIN shop.order_keys AS k ON k.order_id = l.order_id
 WHERE l.product_id IS NOT NULL AND ${S}.as_money(l.unit_price) >= 0 AND l.quantity > 0;

CREATE VIEW ${S}.readable_activity AS
SELECT sqltrail_key AS id, ${S}.as_time(at) AS at, user_agent, session_id, customer_email, action, path,
       CASE WHEN payload IS JSON THEN payload::json END AS payload
  FROM public.activity_log
 WHERE sqltrail_key IS NOT NULL
   AND ${S}.as_time(at) >= '2000-01-02Z' AND ${S}.as_time(at) < now() + interval '9 years';
`;

/** Partitions for the months of rows that are about to be put; an archived month says so. */
const ensureMonths = (readable: string, key: string, moment: string) => `
  PERFORM shop.ensure_month(needed.moment)
     FROM (SELECT DISTINCT date_trunc('month', ${moment}, 'UTC') AS moment FROM ${readable} WHERE ${key} = ANY (keys)) AS needed
    WHERE NOT EXISTS (SELECT FROM shop.months
                       WHERE month = (needed.moment AT TIME ZONE 'UTC')::date AND archived_at IS NULL);`;

const orderNumbers = {
  name: 'order numbers from one sequence',
  // The counter stays as it is for whoever updates it, but the number that comes back is the sequence's.
  up: `LOCK TABLE public.counters IN SHARE ROW EXCLUSIVE MODE;
SELECT setval('shop.order_number_seq', greatest(value, 1), value > 0) FROM public.counters WHERE name = 'order_number';
CREATE FUNCTION ${S}.next_order_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.value := nextval('shop.order_number_seq');
  RETURN NEW;
END $$;
CREATE TRIGGER sqltrail_order_number BEFORE UPDATE ON public.counters
  FOR EACH ROW WHEN (NEW.name = 'order_number') EXECUTE FUNCTION ${S}.next_order_number()`,
  down: `LOCK TABLE public.counters IN SHARE ROW EXCLUSIVE MODE;
DROP TRIGGER sqltrail_order_number ON public.counters;
DROP FUNCTION ${S}.next_order_number();
UPDATE public.counters SET value = (SELECT last_value FROM shop.order_number_seq) WHERE name = 'order_number'`,
};

const customers: TableMapping = {
  table: 'customers',
  key: 'id',
  unit: 'row',
  present: { table: 'shop.customers', column: 'id' },
  standIn: `
  INSERT INTO shop.contacts (name) SELECT NULL
   WHERE NOT EXISTS (SELECT FROM shop.contacts WHERE fingerprint = shop.fingerprint(NULL, NULL, NULL, NULL))
  ON CONFLICT (fingerprint) DO NOTHING;
  INSERT INTO shop.addresses (street) SELECT NULL
   WHERE NOT EXISTS (SELECT FROM shop.addresses WHERE fingerprint = shop.fingerprint(NULL, NULL, NULL, NULL))
  ON CONFLICT (fingerprint) DO NOTHING;
  INSERT INTO shop.customers (id, contact_id, address_id, stand_in)
  SELECT missed.id, k.id, a.id, true
    FROM unnest(missing) AS missed (id), shop.contacts AS k, shop.addresses AS a
   WHERE k.fingerprint = shop.fingerprint(NULL, NULL, NULL, NULL) AND a.fingerprint = shop.fingerprint(NULL, NULL, NULL, NULL)
  ON CONFLICT (id) DO NOTHING;`,
  put: `
  IF NOT fresh THEN
    gone := ARRAY(SELECT k FROM unnest(keys) AS k WHERE NOT EXISTS (SELECT FROM public.customers WHERE id = k));
    DELETE FROM shop.customers AS c WHERE c.id = ANY (gone)
       AND NOT EXISTS (SELECT FROM shop.order_keys WHERE customer_id = c.id)
       AND NOT EXISTS (SELECT FROM shop.reviews WHERE customer_id = c.id)
       AND NOT EXISTS (SELECT FROM shop.carts WHERE customer_id = c.id);
    UPDATE shop.customers SET stand_in = true WHERE id = ANY (gone);
  END IF;
  INSERT INTO shop.contacts (name, email, phone)
  SELECT DISTINCT l.full_name, l.email, l.phone FROM public.customers AS l
   WHERE l.id = ANY (keys)
     AND NOT EXISTS (SELECT FROM shop.contacts WHERE fingerprint = shop.fingerprint(l.full_name, l.email, l.phone, NULL))
  ON CONFLICT (fingerprint) DO NOTHING;
  INSERT INTO shop.addresses (street, zip, city, country)
  SELECT DISTINCT l.street, l.zip, l.city, l.country FROM public.customers AS l
   WHERE l.id = ANY (keys)
     AND NOT EXISTS (SELECT FROM shop.addresses WHERE fingerprint = shop.fingerprint(l.street, l.zip, l.city, l.country))
  ON CONFLICT (fingerprint) DO NOTHING;
  INSERT INTO shop.customers AS c (id, contact_id, address_id, newsletter, created_at, notes)
  SELECT l.id, k.id, a.id, CASE l.newsletter WHEN 'yes' THEN true WHEN 'no' THEN false END, ${S}.as_time(l.created), l.notes
    FROM public.customers AS l
    JOIN shop.contacts AS k ON k.fingerprint = shop.fingerprint(l.full_name, l.email, l.phone, NULL)
    JOIN shop.addresses AS a ON a.fingerprint = shop.fingerprint(l.street, l.zip, l.city, l.country)
   WHERE l.id = ANY (keys)
  ON CONFLICT (id) DO UPDATE SET contact_id = EXCLUDED.contact_id, address_id = EXCLUDED.address_id,
    newsletter = EXCLUDED.newsletter, created_at = EXCLUDED.created_at, notes = EXCLUDED.notes, stand_in = false;`,
  rebuilt: `SELECT c.id, k.email, k.name AS full_name, k.phone, a.street, a.zip, a.city, a.country,
       CASE c.newsletter WHEN true THEN 'yes' WHEN false THEN 'no' END AS newsletter,
       ${S}.as_text(c.created_at) AS created, c.notes
  FROM shop.customers AS c JOIN shop.contacts AS k ON k.id = c.contact_id JOIN shop.addresses AS a ON a.id = c.address_id
 WHERE NOT c.stand_in`,
  normalisedRule:
    'dates are timestamptz, newsletter is yes or no; what cannot be read as such is unknown (NULL)',
  setAsideRule: 'a customer that the new model refuses is kept here only',
  reverse: [{ table: 'customers', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' }],
};

const products: TableMapping = {
  table: 'products',
  key: 'id',
  unit: 'row',
  present: { table: 'shop.products', column: 'id' },
  standIn: `
  INSERT INTO shop.products (id, stand_in) SELECT missed.id, true FROM unnest(missing) AS missed (id)
  ON CONFLICT (id) DO NOTHING;`,
  put: `
  IF NOT fresh THEN
    gone := ARRAY(SELECT k FROM unnest(keys) AS k WHERE NOT EXISTS (SELECT FROM ${S}.readable_products WHERE id = k));
    DELETE FROM shop.products AS p WHERE p.id = ANY (gone) AND p.attributes = '{}'
       AND NOT EXISTS (SELECT FROM shop.product_versions WHERE product_id = p.id)
       AND NOT EXISTS (SELECT FROM shop.reviews WHERE product_id = p.id)
       AND NOT EXISTS (SELECT FROM shop.cart_items WHERE product_id = p.id);
    UPDATE shop.products SET stand_in = true WHERE id = ANY (gone);
  END IF;
  INSERT INTO shop.categories (code, name, path)
  SELECT DISTINCT ON (l.category_code) l.category_code, l.category_name, l.category_path FROM public.products AS l
   WHERE l.id = ANY (keys) AND l.category_code IS NOT NULL
     AND NOT EXISTS (SELECT FROM shop.categories WHERE code = l.category_code)
   ORDER BY l.category_code, l.id
  ON CONFLICT (code) DO NOTHING;
  INSERT INTO shop.brands (name, country)
  SELECT DISTINCT ON (l.brand) l.brand, l.brand_country FROM public.products AS l
   WHERE l.id = ANY (keys) AND l.brand IS NOT NULL AND NOT EXISTS (SELECT FROM shop.brands WHERE name = l.brand)
   ORDER BY l.brand, l.id
  ON CONFLICT (name) DO NOTHING;
  INSERT INTO shop.products AS p (id, sku, name, category_id, brand_id, price, stock, description, created_at)
  SELECT l.id, l.sku, l.name, c.id, b.id, l.price, l.stock, l.description, l.created_at
    FROM ${S}.readable_products AS l
    LEFT JOIN shop.categories AS c ON c.code = l.category_code LEFT JOIN shop.brands AS b ON b.name = l.brand
   WHERE l.id = ANY (keys)
  ON CONFLICT (id) DO UPDATE SET sku = EXCLUDED.sku, name = EXCLUDED.name, category_id = EXCLUDED.category_id,
    brand_id = EXCLUDED.brand_id, price = EXCLUDED.price, stock = EXCLUDED.stock, description = EXCLUDED.description,
    created_at = EXCLUDED.created_at, stand_in = false;
  INSERT INTO shop.tags (name)
  SELECT DISTINCT r.name FROM ${S}.readable_tags AS r
   WHERE r.product_id = ANY (keys) AND NOT EXISTS (SELECT FROM shop.tags WHERE name = r.name)
  ON CONFLICT (name) DO NOTHING;
  DELETE FROM shop.product_tags AS pt WHERE pt.product_id = ANY (keys)
     AND NOT EXISTS (SELECT FROM ${S}.readable_tags AS r JOIN shop.tags AS t ON t.name = r.name
                      WHERE r.product_id = pt.product_id AND r.position = pt.position AND t.id = pt.tag_id);
  INSERT INTO shop.product_tags (product_id, position, tag_id)
  SELECT r.product_id, r.position, t.id
    FROM ${S}.readable_tags AS r JOIN shop.tags AS t ON t.name = r.name
    JOIN shop.products AS p ON p.id = r.product_id AND NOT p.stand_in
   WHERE r.product_id = ANY (keys)
  ON CONFLICT (product_id, position) DO NOTHING;
  DELETE FROM shop.product_images AS i WHERE i.product_id = ANY (keys)
     AND NOT EXISTS (SELECT FROM ${S}.readable_images AS r
                      WHERE r.product_id = i.product_id AND r.position = i.position AND r.url = i.url);
  INSERT INTO shop.product_images (product_id, position, url)
  SELECT r.product_id, r.position, r.url
    FROM ${S}.readable_images AS r JOIN shop.products AS p ON p.id = r.product_id AND NOT p.stand_in
   WHERE r.product_id = ANY (keys)
  ON CONFLICT (product_id, position) DO NOTHING;`,
  light: {
    columns: ['stock'],
    put: `
  UPDATE shop.products AS p SET stock = l.stock FROM ${S}.readable_products AS l
   WHERE l.id = p.id AND p.id = ANY (keys) AND p.stock <> l.stock;`,
  },
  rebuilt: `SELECT p.id, p.sku, p.name, c.code AS category_code, c.name AS category_name, c.path AS category_path,
       b.name AS brand, b.country AS brand_country, p.price::text AS price, p.stock,
       (SELECT string_agg(t.name, ',' ORDER BY pt.position)
          FROM shop.product_tags AS pt JOIN shop.tags AS t ON t.id = pt.tag_id WHERE pt.product_id = p.id) AS tags,
       (SELECT string_agg(i.url, ',' ORDER BY i.position) FROM shop.product_images AS i WHERE i.product_id = p.id) AS image_urls,
       p.description, ${S}.as_text(p.created_at) AS created
  FROM shop.products AS p
  LEFT JOIN shop.categories AS c ON c.id = p.category_id LEFT JOIN shop.brands AS b ON b.id = p.brand_id
 WHERE NOT p.stand_in`,
  normalisedRule:
    'a code has one category and a brand one country: those of the product that was carried over first; prices have two decimals, stock is not below 0, lists hold no empty list',
  setAsideRule: 'a product needs a name and a price that can be read; until it has them it is kept here only',
  reverse: [
    {
      table: 'products',
      on: ['INSERT', 'UPDATE', 'DELETE'],
      keys: 'SELECT id FROM {changed}',
    },
    { table: 'product_tags', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT product_id FROM {changed}' },
    { table: 'product_images', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT product_id FROM {changed}' },
    {
      table: 'categories',
      on: ['UPDATE'],
      keys: 'SELECT p.id FROM shop.products AS p JOIN {changed} AS c ON c.id = p.category_id',
    },
    {
      table: 'brands',
      on: ['UPDATE'],
      keys: 'SELECT p.id FROM shop.products AS p JOIN {changed} AS b ON b.id = p.brand_id',
    },
    {
      table: 'tags',
      on: ['UPDATE'],
      keys: 'SELECT pt.product_id FROM shop.product_tags AS pt JOIN {changed} AS t ON t.id = pt.tag_id',
    },
  ],
};

const productAttributes: TableMapping = {
  table: 'product_attributes',
  key: 'product_id',
  unit: 'group',
  present: { table: 'shop.products', column: 'id' },
  put: `
  PERFORM ${S}.need_products(ARRAY(SELECT DISTINCT product_id FROM public.product_attributes WHERE product_id = ANY (keys)));
  -- Locked first, read after: what others have added to the same product is then seen.
  PERFORM FROM shop.products WHERE id = ANY (keys) ORDER BY id FOR NO KEY UPDATE;
  WITH wanted AS (
    SELECT k AS id, coalesce((SELECT jsonb_object_agg(a.attribute, a.value ORDER BY a.value) FROM public.product_attributes AS a
                               WHERE a.product_id = k AND a.attribute IS NOT NULL), '{}') AS attributes
      FROM unnest(keys) AS k)
  UPDATE shop.products AS p SET attributes = wanted.attributes FROM wanted
   WHERE p.id = wanted.id AND p.attributes IS DISTINCT FROM wanted.attributes;`,
  rebuilt: `SELECT p.id AS product_id, a.key AS attribute, a.value
  FROM shop.products AS p, jsonb_each_text(p.attributes) AS a`,
  references: [
    {
      column: 'product_id',
      table: 'products',
      rule: 'attributes of a product that is not there are kept at a product row that only stands in',
    },
  ],
  normalisedRule: 'a product has an attribute once: of several values the greatest counts',
  setAsideRule: 'attributes that the new model refuses are kept here only',
  reverse: [
    {
      table: 'products',
      on: ['INSERT', 'UPDATE', 'DELETE'],
      keys: 'SELECT id FROM {changed} GROUP BY id HAVING count(*) = 1 OR count(DISTINCT attributes) > 1',
    },
  ],
};

const reviews: TableMapping = {
  table: 'reviews',
  key: 'id',
  unit: 'row',
  present: { table: 'shop.reviews', column: 'id' },
  put: `
  IF NOT fresh THEN
    DELETE FROM shop.reviews AS r WHERE r.id = ANY (keys) AND NOT EXISTS (SELECT FROM ${S}.readable_reviews WHERE id = r.id);
  END IF;
  PERFORM ${S}.need_products(ARRAY(SELECT DISTINCT product_id FROM ${S}.readable_reviews WHERE id = ANY (keys)));
  PERFORM ${S}.need_customers(ARRAY(SELECT DISTINCT customer_id FROM ${S}.readable_reviews WHERE id = ANY (keys) AND customer_id IS NOT NULL));
  INSERT INTO shop.reviews AS r (id, product_id, customer_id, rating, title, body, created_at)
  SELECT l.id, l.product_id, l.customer_id, l.rating, l.title, l.body, l.created_at
    FROM ${S}.readable_reviews AS l WHERE l.id = ANY (keys)
  ON CONFLICT (id) DO UPDATE SET product_id = EXCLUDED.product_id, customer_id = EXCLUDED.customer_id,
    rating = EXCLUDED.rating, title = EXCLUDED.title, body = EXCLUDED.body, created_at = EXCLUDED.created_at;`,
  rebuilt: `SELECT r.id, r.product_id, r.customer_id, k.name AS customer_name, r.rating::text AS rating, r.title, r.body,
       ${S}.as_text(r.created_at) AS created
  FROM shop.reviews AS r LEFT JOIN shop.customers AS c ON c.id = r.customer_id LEFT JOIN shop.contacts AS k ON k.id = c.contact_id`,
  copies: ['customer_name'],
  disputes: [
    {
      join: 'JOIN public.customers AS c ON c.id = l.customer_id',
      columns: { customer_name: 'c.full_name' },
      rule: 'a review is shown under the name that its customer has today',
    },
  ],
  references: [
    {
      column: 'product_id',
      table: 'products',
      rule: 'the review is kept at a product row that only stands in',
    },
    {
      column: 'customer_id',
      table: 'customers',
      rule: 'the review is kept with a customer row that only stands in; the name that it showed is here',
    },
  ],
  normalisedRule: 'ratings are whole numbers, dates are timestamptz; a date that cannot be read is unknown',
  setAsideRule: 'a review needs a product and a rating of 1 to 5; until then it is kept here only',
  reverse: [{ table: 'reviews', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' }],
};

const carts: TableMapping = {
  table: 'carts',
  key: 'id',
  unit: 'row',
  present: { table: 'shop.carts', column: 'id' },
  put: `
  IF NOT fresh THEN
    gone := ARRAY(SELECT k FROM unnest(keys) AS k WHERE NOT EXISTS (SELECT FROM ${S}.readable_carts WHERE id = k));
    DELETE FROM shop.cart_items WHERE cart_id = ANY (gone);
    DELETE FROM shop.carts WHERE id = ANY (gone);
    PERFORM ${S}.record_cart_items(ARRAY(SELECT id FROM public.cart_items WHERE cart_id = ANY (gone)), NULL)
      WHERE gone <> '{}';
  END IF;
  PERFORM ${S}.need_customers(ARRAY(SELECT DISTINCT customer_id FROM ${S}.readable_carts WHERE id = ANY (keys) AND customer_id IS NOT NULL));
  INSERT INTO shop.carts AS c (id, session_id, customer_id, status, created_at, updated_at)
  SELECT l.id, l.session_id, l.customer_id, l.status, l.created_at, l.updated_at
    FROM ${S}.readable_carts AS l WHERE l.id = ANY (keys)
  ON CONFLICT (id) DO UPDATE SET session_id = EXCLUDED.session_id, customer_id = EXCLUDED.customer_id,
    status = EXCLUDED.status, created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at;
  -- Items that came before their cart.
  PERFORM ${S}.apply_cart_items(ARRAY(SELECT r.key FROM sqltrail.migration_resolution AS r
      WHERE r.migration = 'shop' AND r.legacy_table = 'cart_items' AND r.kind = 'set aside' AND r.superseded_at IS NULL
        AND (r.said ->> 'cart_id')::bigint = ANY (keys)), true, false);`,
  rebuilt: `SELECT c.id, c.session_id, c.customer_id, k.email AS customer_email, c.status,
       ${S}.as_text(c.created_at) AS created, ${S}.as_text(c.updated_at) AS updated
  FROM shop.carts AS c LEFT JOIN shop.customers AS b ON b.id = c.customer_id LEFT JOIN shop.contacts AS k ON k.id = b.contact_id`,
  copies: ['customer_email'],
  disputes: [
    {
      join: 'JOIN public.customers AS c ON c.id = l.customer_id',
      columns: { customer_email: 'c.email' },
      rule: 'a cart belongs to a customer; the e-mail is the one that the customer has today',
    },
  ],
  references: [
    {
      column: 'customer_id',
      table: 'customers',
      rule: 'the cart is kept with a customer row that only stands in; the e-mail that it held is here',
    },
  ],
  normalisedRule: 'dates are timestamptz',
  setAsideRule:
    'a cart needs a session, a known status and dates that can be read; until then it is kept here only',
  reverse: [{ table: 'carts', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' }],
};

const cartItems: TableMapping = {
  table: 'cart_items',
  key: 'id',
  unit: 'row',
  present: { table: 'shop.cart_items', column: 'id' },
  put: `
  PERFORM ${S}.need_carts(ARRAY(SELECT DISTINCT cart_id FROM public.cart_items WHERE id = ANY (keys) AND cart_id IS NOT NULL));
  IF NOT fresh THEN
    DELETE FROM shop.cart_items AS i WHERE i.id = ANY (keys) AND NOT EXISTS (SELECT FROM ${S}.readable_cart_items WHERE id = i.id);
  END IF;
  PERFORM ${S}.need_products(ARRAY(SELECT DISTINCT product_id FROM ${S}.readable_cart_items WHERE id = ANY (keys)));
  INSERT INTO shop.cart_items AS i (id, cart_id, product_id, unit_price, quantity)
  SELECT l.id, l.cart_id, l.product_id, l.unit_price, l.quantity
    FROM ${S}.readable_cart_items AS l WHERE l.id = ANY (keys)
  ON CONFLICT (id) DO UPDATE SET cart_id = EXCLUDED.cart_id, product_id = EXCLUDED.product_id,
    unit_price = EXCLUDED.unit_price, quantity = EXCLUDED.quantity;`,
  rebuilt: `SELECT i.id, i.cart_id, i.product_id, p.name AS product_name, i.unit_price::text AS unit_price, i.quantity
  FROM shop.cart_items AS i JOIN shop.products AS p ON p.id = i.product_id`,
  copies: ['product_name'],
  disputes: [
    {
      join: 'JOIN public.products AS p ON p.id = l.product_id',
      columns: { product_name: 'p.name' },
      rule: 'a cart shows the name that the product has today',
    },
  ],
  references: [
    {
      column: 'product_id',
      table: 'products',
      rule: 'the item is kept with a product row that only stands in; the name that it showed is here',
    },
    { column: 'cart_id', table: 'carts', rule: 'an item of a cart that is not there is kept here only' },
  ],
  normalisedRule: 'prices have two decimals',
  setAsideRule:
    'an item needs its cart, a product, a price and a quantity above 0; until then it is kept here only',
  reverse: [{ table: 'cart_items', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' }],
};

const orders: TableMapping = {
  table: 'orders',
  key: 'id',
  unit: 'row',
  present: { table: 'shop.order_keys', column: 'order_id' },
  put: `
  IF NOT fresh THEN
    gone := ARRAY(SELECT k FROM unnest(keys) AS k WHERE NOT EXISTS (SELECT FROM ${S}.readable_orders WHERE id = k));
    IF gone <> '{}' THEN
      DELETE FROM shop.order_lines AS l USING shop.order_keys AS k
       WHERE k.order_id = ANY (gone) AND l.order_id = k.order_id AND l.placed_at = k.placed_at;
      DELETE FROM shop.orders AS o USING shop.order_keys AS k
       WHERE k.order_id = ANY (gone) AND o.id = k.order_id AND o.placed_at = k.placed_at;
      DELETE FROM shop.order_keys WHERE order_id = ANY (gone);
      PERFORM ${S}.record_order_items(gone, NULL);
    END IF;
  END IF;
  PERFORM ${S}.need_customers(ARRAY(SELECT DISTINCT customer_id FROM ${S}.readable_orders WHERE id = ANY (keys) AND customer_id IS NOT NULL));
  ${ensureMonths(`${S}.readable_orders`, 'id', 'placed_at')}
  INSERT INTO shop.contacts (name, email, phone)
  SELECT DISTINCT l.customer_name, l.customer_email, l.customer_phone FROM public.orders AS l
   WHERE l.id = ANY (keys)
     AND NOT EXISTS (SELECT FROM shop.contacts WHERE fingerprint = shop.fingerprint(l.customer_name, l.customer_email, l.customer_phone, NULL))
  ON CONFLICT (fingerprint) DO NOTHING;
  INSERT INTO shop.addresses (street, zip, city, country)
  SELECT said.street, said.zip, said.city, said.country
    FROM (SELECT ship_street AS street, ship_zip AS zip, ship_city AS city, ship_country AS country FROM public.orders WHERE id = ANY (keys)
          UNION SELECT bill_street, bill_zip, bill_city, bill_country FROM public.orders WHERE id = ANY (keys)) AS said
   WHERE NOT EXISTS (SELECT FROM shop.addresses WHERE fingerprint = shop.fingerprint(said.street, said.zip, said.city, said.country))
  ON CONFLICT (fingerprint) DO NOTHING;
  IF NOT fresh THEN
    -- An order whose time has changed moves to its month, and its lines with it.
    UPDATE shop.orders AS o SET placed_at = l.placed_at
      FROM shop.order_keys AS k JOIN ${S}.readable_orders AS l ON l.id = k.order_id
     WHERE k.order_id = ANY (keys) AND k.placed_at <> l.placed_at AND o.id = k.order_id AND o.placed_at = k.placed_at;
  END IF;
  INSERT INTO shop.order_keys AS k (order_id, order_number, customer_id, placed_at)
  SELECT l.id, l.order_number, l.customer_id, l.placed_at FROM ${S}.readable_orders AS l WHERE l.id = ANY (keys)
  ON CONFLICT (order_id) DO UPDATE SET order_number = EXCLUDED.order_number, customer_id = EXCLUDED.customer_id, placed_at = EXCLUDED.placed_at;
  INSERT INTO shop.orders AS o (id, placed_at, contact_id, ship_address_id, bill_address_id, status, payment_method, payment_reference,
    total, currency, shipped_at, closed_at, comment)
  SELECT l.id, l.placed_at, k.id, s.id, b.id, l.status, l.payment_method, l.payment_reference, l.total, l.currency, l.shipped_at, l.closed_at, l.comment
    FROM ${S}.readable_orders AS l
    JOIN shop.contacts AS k ON k.fingerprint = l.contact
    JOIN shop.addresses AS s ON s.fingerprint = l.ship JOIN shop.addresses AS b ON b.fingerprint = l.bill
   WHERE l.id = ANY (keys)
  ON CONFLICT (id, placed_at) DO UPDATE SET contact_id = EXCLUDED.contact_id, ship_address_id = EXCLUDED.ship_address_id,
    bill_address_id = EXCLUDED.bill_address_id, status = EXCLUDED.status, payment_method = EXCLUDED.payment_method,
    payment_reference = EXCLUDED.payment_reference, total = EXCLUDED.total, currency = EXCLUDED.currency,
    shipped_at = EXCLUDED.shipped_at, closed_at = EXCLUDED.closed_at, comment = EXCLUDED.comment;
  -- Lines that came before their order.
  PERFORM ${S}.apply_order_items(ARRAY(SELECT r.key FROM sqltrail.migration_resolution AS r
      WHERE r.migration = 'shop' AND r.legacy_table = 'order_items' AND r.key = ANY (keys) AND r.kind = 'set aside'
        AND r.superseded_at IS NULL), true, false);`,
  // The id is that of order_keys: with it comes the month, and the other partitions are left out.
  rebuilt: `SELECT n.order_id AS id, n.order_number, n.customer_id, k.name AS customer_name, k.email AS customer_email, k.phone AS customer_phone,
       s.street AS ship_street, s.zip AS ship_zip, s.city AS ship_city, s.country AS ship_country,
       b.street AS bill_street, b.zip AS bill_zip, b.city AS bill_city, b.country AS bill_country,
       o.status, o.payment_method, o.payment_reference, o.total::text AS total, o.currency::text AS currency,
       ${S}.as_text(o.placed_at) AS placed_at, ${S}.as_text(o.shipped_at) AS shipped_at, ${S}.as_text(o.closed_at) AS closed_at, o.comment
  FROM shop.order_keys AS n JOIN shop.orders AS o ON o.id = n.order_id AND o.placed_at = n.placed_at
  JOIN shop.contacts AS k ON k.id = o.contact_id
  JOIN shop.addresses AS s ON s.id = o.ship_address_id JOIN shop.addresses AS b ON b.id = o.bill_address_id`,
  disputes: [
    {
      join: 'JOIN public.customers AS c ON c.id = l.customer_id',
      columns: {
        customer_name: 'c.full_name',
        customer_email: 'c.email',
        customer_phone: 'c.phone',
        ship_street: 'c.street',
        ship_zip: 'c.zip',
        ship_city: 'c.city',
        ship_country: 'c.country',
      },
      rule: 'the order keeps what it said, in a contact and addresses of its own; the customer says what is true today',
    },
  ],
  references: [
    {
      column: 'customer_id',
      table: 'customers',
      rule: 'the order is kept with a customer row that only stands in; its own contact says who bought',
    },
  ],
  normalisedRule: 'amounts have two decimals, dates are timestamptz; a date that cannot be read is unknown',
  setAsideRule:
    'an order needs a number of its own, a date, a total, a currency and a known status; until then it is kept here only',
  reverse: [
    // The order's row follows its key in the same transaction, so the insert of the key alone tells nothing.
    { table: 'order_keys', on: ['UPDATE', 'DELETE'], keys: 'SELECT order_id FROM {changed}' },
    { table: 'orders', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' },
  ],
};

const orderItems: TableMapping = {
  table: 'order_items',
  key: 'order_id',
  unit: 'group',
  identity: 'id',
  present: { table: 'shop.order_lines', column: 'order_id' },
  put: `
  PERFORM ${S}.need_orders(ARRAY(SELECT DISTINCT order_id FROM public.order_items WHERE order_id = ANY (keys)));
  PERFORM FROM shop.order_keys WHERE order_id = ANY (keys) ORDER BY order_id FOR NO KEY UPDATE;
  PERFORM ${S}.need_products(ARRAY(SELECT DISTINCT product_id FROM ${S}.readable_order_items WHERE order_id = ANY (keys)));
  IF NOT fresh THEN
    DELETE FROM shop.order_lines AS t USING shop.order_keys AS k
     WHERE k.order_id = ANY (keys) AND t.order_id = k.order_id AND t.placed_at = k.placed_at
       AND NOT EXISTS (SELECT FROM ${S}.readable_order_items WHERE order_id = t.order_id AND id = t.id);
  END IF;
  INSERT INTO shop.product_versions (product_id, name, category, brand)
  SELECT DISTINCT l.product_id, l.product_name, l.product_category, l.product_brand FROM public.order_items AS l
   WHERE l.order_id = ANY (keys) AND l.product_id IS NOT NULL
     AND EXISTS (SELECT FROM shop.products WHERE id = l.product_id)
     AND NOT EXISTS (SELECT FROM shop.product_versions
                      WHERE fingerprint = shop.fingerprint(l.product_id::text, l.product_name, l.product_category, l.product_brand))
  ON CONFLICT (fingerprint) DO NOTHING;
  INSERT INTO shop.order_lines AS t (order_id, id, placed_at, product_version_id, unit_price, quantity)
  SELECT l.order_id, l.id, l.placed_at, v.id, l.unit_price, l.quantity
    FROM ${S}.readable_order_items AS l JOIN shop.product_versions AS v ON v.fingerprint = l.version
   WHERE l.order_id = ANY (keys)
  ON CONFLICT (order_id, id, placed_at) DO UPDATE SET product_version_id = EXCLUDED.product_version_id,
    unit_price = EXCLUDED.unit_price, quantity = EXCLUDED.quantity
   WHERE (t.product_version_id, t.unit_price, t.quantity) IS DISTINCT FROM (EXCLUDED.product_version_id, EXCLUDED.unit_price, EXCLUDED.quantity);`,
  rebuilt: `SELECT l.id, n.order_id, v.product_id, v.name AS product_name, v.category AS product_category, v.brand AS product_brand,
       l.unit_price::text AS unit_price, l.quantity, (l.unit_price * l.quantity)::numeric(12, 2)::text AS line_total
  FROM shop.order_keys AS n JOIN shop.order_lines AS l ON l.order_id = n.order_id AND l.placed_at = n.placed_at
  JOIN shop.product_versions AS v ON v.id = l.product_version_id`,
  disputes: [
    {
      join: 'JOIN public.products AS p ON p.id = l.product_id',
      columns: { product_name: 'p.name', product_category: 'p.category_name', product_brand: 'p.brand' },
      rule: 'the line keeps what it said, as a version of the product; the product says what is sold today',
    },
  ],
  references: [
    {
      column: 'order_id',
      table: 'orders',
      rule: 'a line without its order has no date, and is kept here only',
    },
    {
      column: 'product_id',
      table: 'products',
      rule: 'the line is kept with a product row that only stands in; its version says what was sold',
    },
  ],
  normalisedRule:
    'a line’s total is its price times its quantity; the lines of the order as they were are here',
  setAsideRule: 'a line needs its order; until then it is kept here only',
  reverse: [
    { table: 'order_lines', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT order_id FROM {changed}' },
  ],
};

const activityLog: TableMapping = {
  table: 'activity_log',
  key: 'sqltrail_key',
  unit: 'row',
  addKey: { sequence: 'shop.activity_id_seq' },
  present: { table: 'shop.activity', column: 'id' },
  put: `
  IF NOT fresh THEN
    DELETE FROM shop.activity AS t WHERE t.id = ANY (keys)
       AND NOT EXISTS (SELECT FROM ${S}.readable_activity AS l WHERE l.id = t.id AND l.at = t.at);
  END IF;
  ${ensureMonths(`${S}.readable_activity`, 'id', 'at')}
  INSERT INTO shop.user_agents (name)
  SELECT DISTINCT l.user_agent FROM ${S}.readable_activity AS l
   WHERE l.id = ANY (keys) AND l.user_agent IS NOT NULL AND NOT EXISTS (SELECT FROM shop.user_agents WHERE name = l.user_agent)
  ON CONFLICT (name) DO NOTHING;
  INSERT INTO shop.activity AS t (id, at, user_agent_id, session_id, customer_email, action, path, payload)
  SELECT l.id, l.at, u.id, l.session_id, l.customer_email, l.action, l.path, l.payload
    FROM ${S}.readable_activity AS l LEFT JOIN shop.user_agents AS u ON u.name = l.user_agent
   WHERE l.id = ANY (keys)
  ON CONFLICT (id, at) DO UPDATE SET user_agent_id = EXCLUDED.user_agent_id, session_id = EXCLUDED.session_id,
    customer_email = EXCLUDED.customer_email, action = EXCLUDED.action, path = EXCLUDED.path, payload = EXCLUDED.payload;`,
  rebuilt: `SELECT ${S}.as_text(t.at) AS at, t.session_id, t.customer_email, t.action, t.path, u.name AS user_agent,
       t.payload::text AS payload, t.id AS sqltrail_key
  FROM shop.activity AS t LEFT JOIN shop.user_agents AS u ON u.id = t.user_agent_id`,
  normalisedRule: 'times are timestamptz; a payload that is not JSON is kept here only',
  setAsideRule: 'an entry needs a time that can be read; until then it is kept here only',
  reverse: [{ table: 'activity', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' }],
};
