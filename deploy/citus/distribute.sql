-- Beyond one machine for what grows for ever: orders and their lines over several nodes, by order. For a database with
-- the refactored model after the contract, on Citus 12 or newer (or a managed one); run once, by the owner, on the
-- coordinator. Not run here: no Citus was to be had. What was checked without it is in deploy/citus/keys.integration.test.ts.
--
-- Key: the order's id. The lines of an order lie where the order lies, so that an order is written and read on one
-- node, and its foreign key stays. Not the customer: orders of the refactored model name no customer (order_keys
-- does), and no statement of the shop asks the big tables by customer. Not the time: all of today would be one shard.
--
-- Statements that have no order id go to all shards: the sales report and "also bought". Both are summed up by shard;
-- the latter is a candidate for a kept aggregate before it is for more nodes.

CREATE EXTENSION IF NOT EXISTS citus;

-- Everything that orders refer to is on every node. These tables are read at each checkout and written rarely, but for
-- order_keys and products (stock), whose rows are small: a checkout writes them on each node, in two-phase commit.
-- order_keys is one of them because a number that is unique over all orders can't be held by shards.
SELECT create_reference_table('shop.contacts');
SELECT create_reference_table('shop.addresses');
SELECT create_reference_table('shop.customers');
SELECT create_reference_table('shop.categories');
SELECT create_reference_table('shop.brands');
SELECT create_reference_table('shop.products');
SELECT create_reference_table('shop.product_versions');
SELECT create_reference_table('shop.order_keys');
SELECT create_reference_table('shop.user_agents');

-- Citus takes no ON UPDATE CASCADE on a key that contains the distribution column; the time of an order never changes.
ALTER TABLE shop.order_lines DROP CONSTRAINT order_lines_order_id_placed_at_fkey;

-- Nor does it run triggers on distributed tables, by which kept sums go when lines change, and by which a day is left of
-- which lines are not committed yet. Kept without them, the day of a checkout at midnight would stay wrong. So none are
-- kept here: the report sums up the lines, on all shards at once. The policy's hold on months whose sums are not kept
-- (sample-shop/archive-refactored.yaml) has to go too; the report of an archived month is in the archive then.
DROP TRIGGER sales_daily_insert ON shop.order_lines;
DROP TRIGGER sales_daily_update ON shop.order_lines;
DROP TRIGGER sales_daily_delete ON shop.order_lines;
CREATE OR REPLACE FUNCTION shop.keep_sales(first date DEFAULT '-infinity', last date DEFAULT 'infinity') RETURNS integer
LANGUAGE sql RETURN 0;
TRUNCATE shop.sales_daily;

-- 64 shards: room for so many nodes; more can be made later by splitting.
SET citus.shard_count = 64;
SELECT create_distributed_table('shop.orders', 'id');
SELECT create_distributed_table('shop.order_lines', 'order_id', colocate_with => 'shop.orders');
SELECT create_distributed_table('shop.activity', 'id', colocate_with => 'none');

ALTER TABLE shop.order_lines ADD CONSTRAINT order_lines_order_id_placed_at_fkey
  FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders (id, placed_at);

-- carts, cart_items, reviews, tags and images stay on the coordinator: the archival policy and the catalogue bound them.
