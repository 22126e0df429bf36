import type { Scale } from './scales.ts';

/**
 * Numbers in [0, 1) from a hash of (row, purpose, seed): the same on every run and whatever the order in which rows
 * are made, which `random()` is not. One-line SQL functions, so that the planner inlines them.
 */
export const helpers = (seed: number) => `
CREATE SCHEMA fill;
CREATE FUNCTION fill.u(i bigint, purpose integer) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (hashint8extended(i, ${Math.trunc(seed)}::bigint * 1000 + purpose) & 1073741823)::float8 / 1073741824;
CREATE FUNCTION fill.pick(i bigint, purpose integer, list text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN list[1 + floor(fill.u(i, purpose) * cardinality(list))::integer];
CREATE FUNCTION fill.first_names() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '{Anna,Ben,Clara,David,Elena,Felix,Greta,Hugo,Ida,Jonas,Klara,Leo,Mia,Noah,Olga,Paul,Rosa,Sven,Tara,Uwe,Vera,Willi,Yara,Zoe}'::text[];
CREATE FUNCTION fill.last_names() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '{Adler,Becker,Costa,Dupont,Engel,Fischer,Garcia,Huber,Ivanov,Jansen,Keller,Lehmann,Moreau,Novak,Olsen,Peters,Rossi,Schmidt,Tanaka,Urban,Vogel,Weber,Young,Zimmer}'::text[];
CREATE FUNCTION fill.cities() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '{Berlin,Hamburg,Lyon,Madrid,Milano,Porto,Praha,Utrecht,Wien,Zürich}'::text[];
-- By way of a moment: no clock has shown the hour that a change of the clocks leaves out, so no shop has written it.
CREATE FUNCTION fill.ts(t timestamp) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(t::timestamptz, 'YYYY-MM-DD HH24:MI:SS');
`;

const FIELDS = ['garden', 'kitchen', 'office', 'sports', 'toys', 'travel', 'music', 'home'];
const KINDS = ['lighting', 'storage', 'tools', 'textiles', 'care'];

/** The category paths of the shop, `field/kind`. */
export const CATEGORY_PATHS = FIELDS.flatMap((field) => KINDS.map((kind) => `${field}/${kind}`));

const LOREM =
  'made for everyday use, tested by people who mean it, easy to clean, and sent in a box that can be used again; ';

/** One statement that fills a table, run as soon as the tables that it reads are full. */
export interface FillTask {
  title: string;
  needs: string[];
  sql: string;
}

/**
 * The statements that fill the shop. `asOf` is the newest moment in the data, `YYYY-MM-DD`.
 *
 * Skew: a product or a customer is chosen by a power of a uniform number, so that few are very popular; orders
 * become denser towards `asOf`. Copies in orders and order_items are those of the moment of sale, and a small share
 * of customers and products has changed since: that is where redundancy contradicts itself.
 */
export function fillTasks(scale: Scale, asOf: string): FillTask[] {
  const { customers, products, reviews, carts, orders, activity } = scale;
  const day = `'${asOf}'::timestamp`;
  const order = (i: string) => `(${day} - (1825 * power(fill.u(${i}, 20), 1.6)) * interval '1 day')`;
  const customer = (i: string, purpose: number) =>
    `(1 + floor(${customers} * power(fill.u(${i}, ${purpose}), 2.2)))::integer`;
  const product = (i: string, purpose: number) =>
    `(1 + floor(${products} * power(fill.u(${i}, ${purpose}), 2.5)))::integer`;
  return [
    {
      title: 'customers',
      needs: [],
      sql: `INSERT INTO customers
SELECT i, lower(f) || '.' || lower(l) || i || '@example.com', f || ' ' || l, '+49 30 ' || lpad((i * 7919 % 10000000)::text, 7, '0'),
       'Long Street ' || (1 + i % 200), lpad((10000 + i * 31 % 89999)::text, 5, '0'), fill.pick(i, 3, fill.cities()),
       fill.pick(i, 3, '{DE,DE,FR,ES,IT,PT,CZ,NL,AT,CH}'), CASE WHEN fill.u(i, 4) < 0.4 THEN 'yes' ELSE 'no' END,
       fill.ts(${day} - (2000 * fill.u(i, 5)) * interval '1 day'),
       CASE WHEN fill.u(i, 6) < 0.1 THEN 'called twice about delivery' END
  FROM generate_series(1, ${customers}) AS i,
       LATERAL (SELECT fill.pick(i, 1, fill.first_names()) AS f, fill.pick(i, 2, fill.last_names()) AS l) AS n`,
    },
    {
      title: 'products',
      needs: [],
      sql: `INSERT INTO products
SELECT i, 'SKU-' || lpad(i::text, 7, '0'),
       initcap(fill.pick(i, 8, '{compact,classic,folding,solar,smart,woven,steel,oak,travel,studio}')) || ' ' ||
         fill.pick(i, 9, '{lamp,box,chair,rack,bottle,blanket,drill,bag,speaker,planter}') || ' ' || i,
       'C' || lpad(c::text, 3, '0'), initcap(split_part(path, '/', 2)) || ' for ' || split_part(path, '/', 1), path,
       brand, fill.pick(ascii(brand)::bigint, 13, '{DE,FR,IT,SE,NL}'),
       to_char(4 + 190 * power(fill.u(i, 11), 2), 'FM999990.00'), 100000 + (i % 977),
       fill.pick(i, 14, '{new,sale,eco,gift}') || ',' || fill.pick(i, 15, '{indoor,outdoor,kids,pro}') || ',' || split_part(path, '/', 1),
       '/img/' || i || '-1.jpg,/img/' || i || '-2.jpg,/img/' || i || '-3.jpg',
       repeat('${LOREM}', 3) || 'model ' || i, fill.ts(${day} - (1900 * fill.u(i, 16)) * interval '1 day')
  FROM generate_series(1, ${products}) AS i,
       LATERAL (SELECT 1 + floor(fill.u(i, 7) * ${CATEGORY_PATHS.length})::integer AS c) AS choice,
       LATERAL (SELECT ('{${CATEGORY_PATHS.join(',')}}'::text[])[c] AS path,
                       fill.pick(i, 10, '{Aster,Birk,Cedro,Dalen,Ember,Fjord,Gusto,Halm,Iris,Juno,Kobalt,Lumen}') AS brand) AS copied`,
    },
    {
      title: 'orders',
      needs: ['customers', 'order totals'],
      // moved: the customer has moved or changed the name since; the older orders keep what was true then.
      sql: `INSERT INTO orders
SELECT i, 'SO-' || lpad(i::text, 9, '0'), c.id,
       CASE WHEN moved THEN split_part(c.full_name, ' ', 1) || ' ' || fill.pick(c.id, 31, fill.last_names()) ELSE c.full_name END,
       c.email, c.phone,
       CASE WHEN moved THEN 'Old Lane ' || (1 + c.id % 90) ELSE c.street END, c.zip, c.city, c.country,
       CASE WHEN moved THEN 'Old Lane ' || (1 + c.id % 90) ELSE c.street END, c.zip, c.city, c.country,
       CASE WHEN placed > ${day} - interval '10 days' THEN fill.pick(i, 22, '{paid,packed,shipped}')
            WHEN fill.u(i, 23) < 0.04 THEN 'returned' ELSE 'closed' END,
       fill.pick(i, 24, '{card,card,invoice,wallet}'), md5(i::text), t.total::text, 'EUR', fill.ts(placed),
       CASE WHEN placed < ${day} - interval '3 days' THEN fill.ts(placed + interval '2 days') END,
       CASE WHEN placed < ${day} - interval '10 days' THEN fill.ts(placed + interval '9 days') END,
       CASE WHEN fill.u(i, 25) < 0.08 THEN 'please leave with the neighbour' END
  FROM (SELECT i, ${order('i')} AS placed, ${customer('i', 21)} AS customer_id FROM generate_series(1, ${orders}) AS i) AS o
  JOIN customers c ON c.id = o.customer_id JOIN fill.totals t ON t.order_id = o.i,
       LATERAL (SELECT fill.u(c.id, 30) < 0.06 AND o.placed < ${day} - interval '1 year' AS moved) AS m`,
    },
    { title: 'order numbers', needs: [], sql: `INSERT INTO counters VALUES ('order_number', ${orders})` },
    {
      title: 'order items',
      needs: ['products'],
      // The price at the time of sale is a fact of the sale; name, category and brand are mere copies, of which
      // those of renamed products contradict the product table.
      sql: `INSERT INTO order_items
SELECT i * 8 + line, i, p.id,
       CASE WHEN fill.u(p.id, 44) < 0.03 AND fill.u(i, 45) < 0.5 THEN p.name || ' (old model)' ELSE p.name END,
       CASE WHEN fill.u(p.id, 46) < 0.03 AND fill.u(i, 47) < 0.5 THEN 'Discontinued' ELSE p.category_name END, p.brand,
       sale.paid::text, quantity, (sale.paid * quantity)::text
  FROM generate_series(1, ${orders}) AS i
  CROSS JOIN LATERAL generate_series(1, 1 + floor(power(fill.u(i, 40), 2) * 6)::integer) AS line
  CROSS JOIN LATERAL (SELECT ${product('i * 8 + line', 41)} AS product_id, 1 + floor(power(fill.u(i * 8 + line, 42), 3) * 4)::integer AS quantity) AS chosen
  JOIN products p ON p.id = chosen.product_id,
       LATERAL (SELECT round(p.price::numeric * (1 - 0.2 * floor(fill.u(i, 43) * 2)::numeric), 2) AS paid) AS sale`,
    },
    {
      title: 'order totals',
      needs: ['order items'],
      sql: 'CREATE UNLOGGED TABLE fill.totals AS SELECT order_id, sum(line_total::numeric) AS total FROM order_items GROUP BY order_id',
    },
    {
      title: 'product attributes',
      needs: ['products'],
      sql: `INSERT INTO product_attributes
SELECT p.id, a.name, CASE a.name WHEN 'weight_g' THEN (100 + p.id % 4000)::text WHEN 'warranty_months' THEN (12 * (1 + p.id % 3))::text
         WHEN 'colour' THEN fill.pick(p.id, 50, '{red,blue,green,black,white}') WHEN 'material' THEN fill.pick(p.id, 51, '{oak,steel,cotton,glass}')
         ELSE (10 + (p.id * a.at) % 190)::text END
  FROM products p, unnest('{weight_g,warranty_months,colour,material,width_cm,height_cm,depth_cm}'::text[]) WITH ORDINALITY AS a(name, at)`,
    },
    {
      title: 'reviews',
      needs: ['customers'],
      sql: `INSERT INTO reviews
SELECT i, ${product('i', 60)}, c.id, c.full_name, (1 + floor(power(fill.u(i, 62), 0.5) * 5))::integer::text,
       fill.pick(i, 63, '{Good value,As described,Would buy again,Arrived late,Not for me}'),
       repeat('${LOREM}', 1 + floor(fill.u(i, 64) * 3)::integer), fill.ts(${day} - (1500 * fill.u(i, 65)) * interval '1 day')
  FROM generate_series(1, ${reviews}) AS i JOIN customers c ON c.id = ${customer('i', 61)}`,
    },
    {
      title: 'carts',
      needs: ['customers'],
      sql: `INSERT INTO carts
SELECT i, md5('session' || i), c.id, c.email, CASE WHEN fill.u(i, 71) < 0.3 THEN 'ordered' ELSE 'open' END, fill.ts(at), fill.ts(at)
  FROM generate_series(1, ${carts}) AS i JOIN customers c ON c.id = ${customer('i', 70)},
       LATERAL (SELECT ${day} - (1200 * fill.u(i, 72)) * interval '1 day' AS at) AS t`,
    },
    {
      title: 'cart items',
      needs: ['products'],
      sql: `INSERT INTO cart_items
SELECT i * 8 + line, i, p.id, p.name, p.price, 1 + (line % 2)
  FROM generate_series(1, ${carts}) AS i CROSS JOIN LATERAL generate_series(1, 1 + floor(fill.u(i, 80) * 4)::integer) AS line
  JOIN products p ON p.id = ${product('i * 8 + line', 81)}`,
    },
    {
      title: 'activity log',
      needs: [],
      sql: `INSERT INTO activity_log
SELECT fill.ts(${day} - (1100 * fill.u(i, 91)) * interval '1 day'), md5('session' || (i / 8)),
       CASE WHEN fill.u(i, 92) < 0.5 THEN 'customer' || (i % ${customers}) || '@example.com' END,
       fill.pick(i, 93, '{view,view,view,search,cart,login}'), '/products/' || ${product('i', 90)},
       'Mozilla/5.0 (compatible; shop client ' || (i % 40) || ')', '{"ab":"' || (i % 16) || '","ref":"newsletter"}'
  FROM generate_series(1, ${activity}) AS i`,
    },
  ];
}
