-- The legacy schema as it has grown over the years. Every fault below is there on purpose; sample-shop/data/expectedFindings.ts
-- lists them for whoever judges a diagnosis.

CREATE TABLE customers (
  id          serial PRIMARY KEY,
  email       text,
  full_name   text,
  phone       text,
  street      text,
  zip         text,
  city        text,
  country     text,
  newsletter  text,
  created     text,
  notes       text
);

-- Category and brand are copied into each product; tags and image_urls are comma-separated lists.
CREATE TABLE products (
  id             serial PRIMARY KEY,
  sku            text,
  name           text,
  category_code  text,
  category_name  text,
  category_path  text,
  brand          text,
  brand_country  text,
  price          text,
  stock          integer,
  tags           text,
  image_urls     text,
  description    text,
  created        text
);

-- Entity, attribute, value: no key, no types, no index.
CREATE TABLE product_attributes (
  product_id  integer,
  attribute   text,
  value       text
);

CREATE TABLE reviews (
  id             serial PRIMARY KEY,
  product_id     integer,
  customer_id    integer,
  customer_name  text,
  rating         text,
  title          text,
  body           text,
  created        text
);

-- Never purged.
CREATE TABLE carts (
  id              serial PRIMARY KEY,
  session_id      text,
  customer_id     integer,
  customer_email  text,
  status          text,
  created         text,
  updated         text
);

CREATE TABLE cart_items (
  id            serial PRIMARY KEY,
  cart_id       integer,
  product_id    integer,
  product_name  text,
  unit_price    text,
  quantity      integer
);

-- Wide: the customer and both addresses are copied into each order; dates and money are text.
CREATE TABLE orders (
  id                 serial PRIMARY KEY,
  order_number       text,
  customer_id        integer,
  customer_name      text,
  customer_email     text,
  customer_phone     text,
  ship_street        text,
  ship_zip           text,
  ship_city          text,
  ship_country       text,
  bill_street        text,
  bill_zip           text,
  bill_city          text,
  bill_country       text,
  status             text,
  payment_method     text,
  payment_reference  text,
  total              text,
  currency           text,
  placed_at          text,
  shipped_at         text,
  closed_at          text,
  comment            text
);

-- The product is copied into each line.
CREATE TABLE order_items (
  id                serial PRIMARY KEY,
  order_id          integer,
  product_id        integer,
  product_name      text,
  product_category  text,
  product_brand     text,
  unit_price        text,
  quantity          integer,
  line_total        text
);

-- Never purged, no key.
CREATE TABLE activity_log (
  at              text,
  session_id      text,
  customer_email  text,
  action          text,
  path            text,
  user_agent      text,
  payload         text
);

-- Order numbers come from one row that every checkout locks.
CREATE TABLE counters (
  name   text PRIMARY KEY,
  value  bigint NOT NULL
);
