-- The model that the shop is carried to: each fact once, typed, keyed, and split by month where it grows for ever.
-- It lives in a schema of its own beside the legacy tables until those are dropped. Run by the owner of the tables.
--
-- Kept on purpose although another table knows something like it:
--   order_lines.unit_price   what was paid at the time of sale is a fact of the sale; the product's price is today's
--   cart_items.unit_price    the price that the customer was shown
--   contacts, addresses, product_versions   what an order said of buyer, places and goods. Rows are never changed: a
--                            customer who moves gets a new row, and the old orders keep the one that was true then.

CREATE SCHEMA shop;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Identifies a row of values in 16 bytes: NULL and '' differ, and so do ('ab','c') and ('a','bc').
CREATE FUNCTION shop.fingerprint(a text, b text, c text, d text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(
  coalesce(length(a)::text || ':' || a, '-') || coalesce(length(b)::text || ':' || b, '-') ||
  coalesce(length(c)::text || ':' || c, '-') || coalesce(length(d)::text || ':' || d, '-'))::uuid;

CREATE TABLE shop.contacts (
  id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name         text,
  email        text,
  phone        text,
  fingerprint  uuid NOT NULL UNIQUE GENERATED ALWAYS AS (shop.fingerprint(name, email, phone, NULL)) STORED
);
CREATE INDEX contacts_email_idx ON shop.contacts (lower(email));

CREATE TABLE shop.addresses (
  id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  street       text,
  zip          text,
  city         text,
  country      text,
  fingerprint  uuid NOT NULL UNIQUE GENERATED ALWAYS AS (shop.fingerprint(street, zip, city, country)) STORED
);

-- stand_in: rows of other tables refer to this id, but the legacy table had no such row. Not shown by the shop.
CREATE SEQUENCE shop.customers_id_seq AS integer;
CREATE TABLE shop.customers (
  id          integer PRIMARY KEY DEFAULT nextval('shop.customers_id_seq'),
  contact_id  integer NOT NULL REFERENCES shop.contacts,
  address_id  integer NOT NULL REFERENCES shop.addresses,
  newsletter  boolean,
  created_at  timestamptz,
  notes       text,
  stand_in    boolean NOT NULL DEFAULT false
);
CREATE INDEX customers_contact_id_idx ON shop.customers (contact_id);

CREATE TABLE shop.categories (
  id    smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code  text NOT NULL UNIQUE,
  name  text,
  path  text
);

CREATE TABLE shop.brands (
  id       smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name     text NOT NULL UNIQUE,
  country  text
);

-- fillfactor: each sale changes the stock; with room on the page that touches no index.
CREATE SEQUENCE shop.products_id_seq AS integer;
CREATE TABLE shop.products (
  id           integer PRIMARY KEY DEFAULT nextval('shop.products_id_seq'),
  sku          text,
  name         text,
  category_id  smallint REFERENCES shop.categories,
  brand_id     smallint REFERENCES shop.brands,
  price        numeric(12, 2) CHECK (price >= 0),
  stock        integer NOT NULL DEFAULT 0 CHECK (stock >= 0),
  description  text,
  attributes   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
  created_at   timestamptz,
  stand_in     boolean NOT NULL DEFAULT false,
  CHECK (stand_in OR (name IS NOT NULL AND price IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX products_category_id_name_idx ON shop.products (category_id, name, id);
CREATE INDEX products_brand_id_idx ON shop.products (brand_id);
CREATE INDEX products_name_idx ON shop.products USING gin (name gin_trgm_ops);
CREATE INDEX products_description_idx ON shop.products USING gin (description gin_trgm_ops);

CREATE TABLE shop.tags (
  id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name  text NOT NULL UNIQUE
);

CREATE TABLE shop.product_tags (
  product_id  integer NOT NULL REFERENCES shop.products ON DELETE CASCADE,
  position    smallint NOT NULL CHECK (position > 0),
  tag_id      integer NOT NULL REFERENCES shop.tags,
  PRIMARY KEY (product_id, position)
);
CREATE INDEX product_tags_tag_id_idx ON shop.product_tags (tag_id, product_id);

CREATE TABLE shop.product_images (
  product_id  integer NOT NULL REFERENCES shop.products ON DELETE CASCADE,
  position    smallint NOT NULL CHECK (position > 0),
  url         text NOT NULL,
  PRIMARY KEY (product_id, position)
);

CREATE SEQUENCE shop.reviews_id_seq AS integer;
CREATE TABLE shop.reviews (
  id           integer PRIMARY KEY DEFAULT nextval('shop.reviews_id_seq'),
  product_id   integer NOT NULL REFERENCES shop.products,
  customer_id  integer REFERENCES shop.customers,
  rating       smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
  title        text,
  body         text,
  created_at   timestamptz
);
CREATE INDEX reviews_product_id_created_at_idx ON shop.reviews (product_id, created_at DESC) INCLUDE (rating);
CREATE INDEX reviews_customer_id_idx ON shop.reviews (customer_id);

CREATE SEQUENCE shop.carts_id_seq AS integer;
CREATE TABLE shop.carts (
  id           integer PRIMARY KEY DEFAULT nextval('shop.carts_id_seq'),
  session_id   text NOT NULL,
  customer_id  integer REFERENCES shop.customers,
  status       text NOT NULL CHECK (status IN ('open', 'ordered')),
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL
);
CREATE INDEX carts_session_id_open_idx ON shop.carts (session_id, updated_at DESC) WHERE status = 'open';
CREATE INDEX carts_customer_id_idx ON shop.carts (customer_id);

CREATE SEQUENCE shop.cart_items_id_seq AS integer;
CREATE TABLE shop.cart_items (
  id          integer PRIMARY KEY DEFAULT nextval('shop.cart_items_id_seq'),
  cart_id     integer NOT NULL REFERENCES shop.carts,
  product_id  integer NOT NULL REFERENCES shop.products,
  unit_price  numeric(12, 2) NOT NULL CHECK (unit_price >= 0),
  quantity    integer NOT NULL CHECK (quantity > 0)
);
CREATE INDEX cart_items_cart_id_idx ON shop.cart_items (cart_id);
CREATE INDEX cart_items_product_id_idx ON shop.cart_items (product_id);

-- What must be unique over all months, and where an order is: a unique key of a partitioned table has to contain the
-- partition key, so a number that is unique for ever needs a table that is not partitioned. It outlives the archiving
-- of a month, so that a customer is told "archived" and not "unknown".
CREATE SEQUENCE shop.orders_id_seq AS integer;
CREATE SEQUENCE shop.order_number_seq;
CREATE TABLE shop.order_keys (
  order_id      integer PRIMARY KEY DEFAULT nextval('shop.orders_id_seq'),
  order_number  text NOT NULL UNIQUE,
  customer_id   integer REFERENCES shop.customers,
  placed_at     timestamptz NOT NULL
);
CREATE INDEX order_keys_customer_id_placed_at_idx ON shop.order_keys (customer_id, placed_at DESC, order_id DESC);

CREATE TABLE shop.orders (
  id                 integer NOT NULL REFERENCES shop.order_keys,
  placed_at          timestamptz NOT NULL,
  contact_id         integer NOT NULL REFERENCES shop.contacts,
  ship_address_id    integer NOT NULL REFERENCES shop.addresses,
  bill_address_id    integer NOT NULL REFERENCES shop.addresses,
  status             text NOT NULL CHECK (status IN ('paid', 'packed', 'shipped', 'closed', 'returned')),
  payment_method     text,
  payment_reference  text,
  total              numeric(12, 2) NOT NULL CHECK (total >= 0),
  currency           char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  shipped_at         timestamptz,
  closed_at          timestamptz,
  comment            text,
  PRIMARY KEY (id, placed_at)
) PARTITION BY RANGE (placed_at);

CREATE TABLE shop.product_versions (
  id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id   integer NOT NULL REFERENCES shop.products,
  name         text,
  category     text,
  brand        text,
  fingerprint  uuid NOT NULL UNIQUE GENERATED ALWAYS AS (shop.fingerprint(product_id::text, name, category, brand)) STORED
);
CREATE INDEX product_versions_product_id_idx ON shop.product_versions (product_id);

-- The order's time is repeated in the line: it is the partition key, so that a month leaves with its lines.
CREATE SEQUENCE shop.order_lines_id_seq AS integer;
CREATE TABLE shop.order_lines (
  order_id            integer NOT NULL,
  id                  integer NOT NULL DEFAULT nextval('shop.order_lines_id_seq'),
  placed_at           timestamptz NOT NULL,
  product_version_id  integer NOT NULL REFERENCES shop.product_versions,
  unit_price          numeric(12, 2) NOT NULL CHECK (unit_price >= 0),
  quantity            integer NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (order_id, id, placed_at),
  FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders (id, placed_at) ON UPDATE CASCADE
) PARTITION BY RANGE (placed_at);
CREATE INDEX order_lines_product_version_id_idx ON shop.order_lines (product_version_id, placed_at DESC, id DESC) INCLUDE (order_id);

-- The zone in which the shop's days begin and end. The migration puts that of the legacy dates here.
CREATE FUNCTION shop.time_zone() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 'UTC';

-- Sums of days that are over, so that a report of a month reads some rows and not all lines of it. A day that is not
-- here is summed up from its lines. The sums of an archived month stay.
CREATE TABLE shop.sales_daily (
  day      date PRIMARY KEY,
  orders   integer NOT NULL,
  revenue  numeric(14, 2) NOT NULL
);

-- Whatever changes lines of a day takes its sums away, be it an order of a moment before midnight that is committed
-- after it. It holds a lock on the day until its transaction ends, by which shop.keep_sales knows that not all lines
-- are there to be seen yet; one lock is for all days long past, since a backfill may change any number of them.
-- Lines that come back from the archive are in the sums already: the restoring session says so.
CREATE FUNCTION shop.forget_sales() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  changed  date[];
  now_day  date := (now() AT TIME ZONE shop.time_zone())::date;
BEGIN
  IF TG_OP = 'INSERT' THEN
    changed := ARRAY(SELECT DISTINCT (placed_at AT TIME ZONE shop.time_zone())::date FROM came);
  ELSIF TG_OP = 'DELETE' THEN
    changed := ARRAY(SELECT DISTINCT (placed_at AT TIME ZONE shop.time_zone())::date FROM gone);
  ELSE
    changed := ARRAY(SELECT (placed_at AT TIME ZONE shop.time_zone())::date FROM came
               UNION SELECT (placed_at AT TIME ZONE shop.time_zone())::date FROM gone);
  END IF;
  PERFORM pg_advisory_xact_lock_shared(hashtext('shop.sales_daily'), kept.lock)
     FROM (SELECT DISTINCT CASE day WHEN now_day THEN day - date '2000-01-01' ELSE -1 END AS lock
             FROM unnest(changed) AS day) AS kept;
  IF current_setting('sqltrail.restoring', true) IS DISTINCT FROM 'shop.order_lines' THEN
    DELETE FROM shop.sales_daily WHERE day = ANY (changed);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER sales_daily_insert AFTER INSERT ON shop.order_lines REFERENCING NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION shop.forget_sales();
CREATE TRIGGER sales_daily_update AFTER UPDATE ON shop.order_lines REFERENCING OLD TABLE AS gone NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION shop.forget_sales();
CREATE TRIGGER sales_daily_delete AFTER DELETE ON shop.order_lines REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION shop.forget_sales();

CREATE TABLE shop.user_agents (
  id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name  text NOT NULL UNIQUE
);

CREATE SEQUENCE shop.activity_id_seq;
CREATE TABLE shop.activity (
  id              bigint NOT NULL DEFAULT nextval('shop.activity_id_seq'),
  at              timestamptz NOT NULL,
  user_agent_id   integer REFERENCES shop.user_agents,
  session_id      text,
  customer_email  text,
  action          text,
  path            text,
  payload         json,
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

-- The months for which there are partitions. There is no default partition: one would hide a missing month, would
-- have to be scanned under a lock whenever a month is added, and keeps the planner from reading months in order.
CREATE TABLE shop.months (
  month        date PRIMARY KEY CHECK (extract(day FROM month) = 1),
  archived_at  timestamptz
);

-- Makes the partitions of one month (UTC) of orders, order_lines and activity, unless they are there.
-- CREATE TABLE … PARTITION OF would lock the parent against everybody; making the table first and attaching it does not.
CREATE FUNCTION shop.ensure_month(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
  first   date := date_trunc('month', moment)::date;
  parent  text;
  child   text;
  state   shop.months;
BEGIN
  SELECT * INTO state FROM shop.months WHERE month = first;
  IF NOT FOUND THEN
    IF moment < '2000-01-01' OR moment >= now() + interval '10 years' THEN
      RAISE EXCEPTION 'no partitions are made for %: it is before 2000 or more than 10 years ahead', first
        USING ERRCODE = 'datetime_field_overflow';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('shop.ensure_month', 0));
    SELECT * INTO state FROM shop.months WHERE month = first;
  END IF;
  IF state.archived_at IS NOT NULL THEN
    RAISE EXCEPTION 'the month % was archived on %', to_char(first, 'YYYY-MM'), state.archived_at::date
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Restore the month from the archive before writing to it.';
  END IF;
  IF state.month IS NOT NULL THEN
    RETURN false;
  END IF;
  FOREACH parent IN ARRAY ARRAY['orders', 'order_lines', 'activity'] LOOP
    child := parent || to_char(first, '_YYYY_MM');
    EXECUTE format('CREATE TABLE shop.%I (LIKE shop.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
    EXECUTE format('ALTER TABLE shop.%I ATTACH PARTITION shop.%I FOR VALUES FROM (%L) TO (%L)',
      parent, child, first, (first + interval '1 month')::date);
  END LOOP;
  INSERT INTO shop.months (month) VALUES (first);
  RETURN true;
END $$;

-- This month and the next ones. Called by the store at its start and once a day, and by whatever finds a month
-- missing, so that the next month needs no person and no scheduler.
CREATE FUNCTION shop.ensure_months_ahead(ahead integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
  made  integer := 0;
BEGIN
  -- The shop needs a few; a number that is wrong must not fill the catalogue.
  FOR i IN 0..least(ahead, 24) LOOP
    IF shop.ensure_month(date_trunc('month', now()) + i * interval '1 month') THEN
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END $$;

-- Are the lines of a day where they were made? Not when a month that it touches (UTC) was archived, or is leaving.
CREATE FUNCTION shop.has_lines_of(day date) RETURNS boolean LANGUAGE sql STABLE
RETURN NOT EXISTS (
  SELECT FROM shop.months
   WHERE month IN (date_trunc('month', day::timestamp AT TIME ZONE shop.time_zone() AT TIME ZONE 'UTC')::date,
                   date_trunc('month', (day::timestamp + interval '1 day - 1 us') AT TIME ZONE shop.time_zone() AT TIME ZONE 'UTC')::date)
     AND (archived_at IS NOT NULL OR NOT EXISTS (
       SELECT FROM pg_inherits
        WHERE inhparent = 'shop.order_lines'::regclass AND NOT inhdetachpending
          AND inhrelid = to_regclass('shop.order_lines' || to_char(month, '_YYYY_MM')))));

-- Days of a range that are over and not summed up yet, the latest first.
CREATE FUNCTION shop.days_to_keep(first date DEFAULT '-infinity', last date DEFAULT 'infinity') RETURNS SETOF date
LANGUAGE sql STABLE BEGIN ATOMIC
  WITH missing AS MATERIALIZED (
    SELECT latest - i AS day
      FROM (SELECT greatest(first, min(month)) AS earliest, least(last, (now() AT TIME ZONE shop.time_zone())::date - 1) AS latest
              FROM shop.months HAVING count(*) > 0) AS range
     CROSS JOIN generate_series(0, latest - earliest) AS i
    EXCEPT SELECT day FROM shop.sales_daily)
  SELECT day FROM missing WHERE shop.has_lines_of(day) ORDER BY day DESC;
END;

-- Sums up the latest 31 of these days, but for those of which lines are being changed now. Called by the store once an
-- hour, so that it needs no scheduler; waits for nobody, and leaves a replica alone. Returns how many it added.
CREATE FUNCTION shop.keep_sales(first date DEFAULT '-infinity', last date DEFAULT 'infinity') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  days  date[];
  part  record;
BEGIN
  IF current_setting('transaction_read_only')::boolean
     OR NOT EXISTS (SELECT FROM shop.days_to_keep(first, last))
     OR NOT pg_try_advisory_xact_lock(hashtext('shop.sales_daily'), -1) THEN
    RETURN 0;
  END IF;
  days := ARRAY(SELECT day FROM (SELECT day FROM shop.days_to_keep(first, last) AS day LIMIT 31) AS latest
                 WHERE pg_try_advisory_xact_lock(hashtext('shop.sales_daily'), day - date '2000-01-01'));
  -- Statements of their own, so that they see all that was committed before the locks were free; and one a month, so
  -- that none reads more than these days need.
  FOR part IN SELECT array_agg(day) AS days, min(day) AS first, max(day) AS last
                FROM unnest(days) AS day GROUP BY date_trunc('month', day) LOOP
    INSERT INTO shop.sales_daily (day, orders, revenue)
    SELECT day, count(o.revenue), coalesce(sum(o.revenue), 0)
      FROM unnest(part.days) AS day
      LEFT JOIN (SELECT placed_at, sum(unit_price * quantity) AS revenue FROM shop.order_lines
                  WHERE placed_at >= part.first::timestamp AT TIME ZONE shop.time_zone()
                    AND placed_at < (part.last + 1)::timestamp AT TIME ZONE shop.time_zone()
                  GROUP BY order_id, placed_at) AS o ON (o.placed_at AT TIME ZONE shop.time_zone())::date = day
     GROUP BY day;
  END LOOP;
  -- Of a month that began to leave since the days were chosen, the sums may lack what was no longer to be seen.
  DELETE FROM shop.sales_daily WHERE day = ANY (days) AND NOT shop.has_lines_of(day);
  RETURN (SELECT count(*) FROM shop.sales_daily WHERE day = ANY (days));
END $$;

-- Whoever may call one of these acts with the owner's rights: the monitor, which reads, would add partitions.
REVOKE EXECUTE ON FUNCTION shop.keep_sales, shop.ensure_month, shop.ensure_months_ahead, shop.forget_sales FROM PUBLIC;

-- Partitions are reached through their parents, so these rights are all that the roles need. Rows of contacts,
-- addresses and product_versions are history: the shop adds to them and changes none.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_app') THEN
    GRANT USAGE ON SCHEMA shop TO shop_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shop_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA shop TO shop_app;
    GRANT EXECUTE ON FUNCTION shop.keep_sales, shop.ensure_months_ahead TO shop_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sqltrail_monitor') THEN
    GRANT USAGE ON SCHEMA shop TO sqltrail_monitor;
    GRANT SELECT ON ALL TABLES IN SCHEMA shop TO sqltrail_monitor;
    ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO sqltrail_monitor;
  END IF;
END $$;
