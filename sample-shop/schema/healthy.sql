-- What the legacy schema would need at the least: the indexes behind every statement of the legacy store. Tests use
-- it to show that no alert fires on a healthy schema under ordinary load; mitigation finds its own.
CREATE INDEX customers_email_idx ON customers (lower(email));
CREATE INDEX products_category_path_idx ON products (category_path text_pattern_ops);
CREATE INDEX product_attributes_product_id_idx ON product_attributes (product_id);
CREATE INDEX reviews_product_id_idx ON reviews (product_id);
CREATE INDEX carts_session_id_idx ON carts (session_id);
CREATE INDEX cart_items_cart_id_idx ON cart_items (cart_id);
CREATE INDEX orders_customer_email_idx ON orders (lower(customer_email));
CREATE INDEX orders_order_number_idx ON orders (order_number);
CREATE INDEX orders_placed_at_idx ON orders (placed_at);
CREATE INDEX order_items_product_id_idx ON order_items (product_id);
ANALYZE;
