-- A shop of three years. Few products sell much, and more is bought lately.
INSERT INTO address_country (iso_3166_1_a2, iso_3166_1_a3, iso_3166_1_numeric, printable_name, name, display_order, is_shipping_country)
  SELECT a2, a3, num, name, upper(name), 0, true
    FROM (VALUES ('GB','GBR','826','United Kingdom'), ('DE','DEU','276','Germany'), ('FR','FRA','250','France'), ('AT','AUT','040','Austria'), ('US','USA','840','United States')) v(a2, a3, num, name);
INSERT INTO partner_partner (id, code, name) SELECT i, 'partner-' || i, 'Partner ' || i FROM generate_series(1, 8) i;
INSERT INTO catalogue_productclass (id, name, slug, requires_shipping, track_stock) SELECT i, 'Class ' || i, 'class-' || i, true, true FROM generate_series(1, 4) i;
INSERT INTO catalogue_category (id, path, depth, numchild, name, description, slug, ancestors_are_public, is_public, exclude_from_menu, long_description)
  SELECT i, lpad(i::text, 4, '0'), 1, 0, 'Category ' || i, '', 'category-' || i, true, true, false, '' FROM generate_series(1, 40) i;
INSERT INTO catalogue_product (id, structure, upc, title, slug, description, rating, date_created, date_updated, is_discountable, product_class_id, is_public, priority)
  SELECT i, 'standalone', lpad((4000000000000 + i * 7919)::text, 13, '0'),
         (ARRAY['Oak','Steel','Linen','Glass','Copper','Felt','Stone'])[1 + i % 7] || ' ' ||
         (ARRAY['lamp','table','chair','shelf','bowl','rug','clock','vase','desk','mirror','stool'])[1 + i % 11] || ' ' || i, 'product-' || i,
         repeat('A thing for the house, well made and of good material. ', 2 + i % 5), 1 + (i * 7 % 9) / 2.0,
         now() - (4000 - i) * interval '6 hours', now() - (i * 7 % 4000) * interval '2 hours' - interval '1 day', true, 1 + i % 4, true, 0
    FROM generate_series(1, 4000) i;
UPDATE catalogue_product SET date_updated = greatest(date_created, date_updated);
INSERT INTO catalogue_productcategory (category_id, product_id) SELECT 1 + id % 40, id FROM catalogue_product;
INSERT INTO catalogue_productattribute (id, name, code, type, required, product_class_id)
  SELECT i, 'Attribute ' || i, 'attribute_' || i, (ARRAY['text','integer','boolean','float'])[1 + i % 4], false, 1 + i % 4 FROM generate_series(1, 16) i;
INSERT INTO catalogue_productattributevalue (attribute_id, product_id, value_text, value_integer, value_boolean, value_float)
  SELECT a.id, p.id, CASE a.type WHEN 'text' THEN (ARRAY['red','blue','oak','steel'])[1 + p.id % 4] END,
         CASE a.type WHEN 'integer' THEN p.id % 90 END, CASE a.type WHEN 'boolean' THEN p.id % 3 = 0 END, CASE a.type WHEN 'float' THEN p.id % 77 * 0.5 END
    FROM catalogue_product p JOIN catalogue_productattribute a ON (p.id + a.id) % 3 <> 0;
INSERT INTO partner_stockrecord (id, partner_sku, price_currency, price, num_in_stock, num_allocated, date_created, date_updated, partner_id, product_id)
  SELECT id, 'S' || id * 13, 'GBP', 5 + (id * 7919 % 30000) / 100.0, id * 31 % 500, id % 7, date_created, date_updated, 1 + id % 8, id FROM catalogue_product;
INSERT INTO auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
  SELECT i, '!', now() - (i % 90) * interval '1 day', false, 'buyer' || i, 'First' || i % 300, 'Last' || i % 1700, 'buyer' || i || '@example.com', false, true,
         now() - (5000 - i) * interval '5 hours'
    FROM generate_series(1, 5000) i;
INSERT INTO address_useraddress (title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text, phone_number, notes,
    is_default_for_shipping, is_default_for_billing, num_orders_as_shipping_address, hash, date_created, country_id, user_id, num_orders_as_billing_address)
  SELECT '', first_name, last_name, id % 200 || ' Long Street', '', '', 'Town ' || id * 7 % 400, '', 'P' || id * 13 % 1500, first_name || ' ' || last_name || ' ' || id % 200 || ' Long Street Town ' || id * 7 % 400,
         '+4420' || 10000000 + id, '', true, true, id % 5, md5(id::text), date_joined, (ARRAY['GB','DE','FR','AT','US'])[1 + id % 5], id, id % 5
    FROM auth_user;

CREATE TEMPORARY TABLE placed AS
  SELECT i AS id, now() - interval '1090 days' * (1 - sqrt(i / 20000.0)) AS at, 1 + (4999 * pow((i * 7919 % 9973) / 9973.0, 2))::int AS buyer FROM generate_series(1, 20000) i;
INSERT INTO basket_basket (id, status, date_created, date_submitted, owner_id) SELECT id, 'Submitted', at - interval '1 hour', at, buyer FROM placed;
INSERT INTO basket_basket (id, status, date_created) SELECT 20000 + i, 'Open', now() - i * interval '50 minutes' FROM generate_series(1, 30000) i;
INSERT INTO basket_line (line_reference, quantity, price_currency, price_excl_tax, price_incl_tax, date_created, date_updated, basket_id, product_id, stockrecord_id)
  SELECT p || '_' || p, 1 + (b.id * 17 + p) % 3, 'GBP', s.price, s.price, b.date_created, b.date_created, b.id, p, p
    FROM basket_basket b, generate_series(1, 2) l, LATERAL (SELECT 1 + (3999 * pow((b.id * 31 + l * 977) % 7919 / 7919.0, 2))::int AS p) x JOIN partner_stockrecord s ON s.id = x.p
   WHERE l <= 1 + b.id % 2 ON CONFLICT DO NOTHING;
INSERT INTO order_shippingaddress (id, title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text, phone_number, notes, country_id)
  SELECT p.id, '', first_name, last_name, line1, '', '', line4, '', postcode, search_text, phone_number, '', country_id FROM placed p JOIN address_useraddress a ON a.user_id = p.buyer;
INSERT INTO order_billingaddress (id, title, first_name, last_name, line1, line2, line3, line4, state, postcode, search_text, country_id)
  SELECT id, '', first_name, last_name, line1, '', '', line4, '', postcode, search_text, country_id FROM order_shippingaddress;
INSERT INTO order_order (id, number, currency, total_incl_tax, total_excl_tax, shipping_incl_tax, shipping_excl_tax, shipping_method, shipping_code, status, guest_email,
    date_placed, basket_id, billing_address_id, shipping_address_id, site_id, user_id, analytics_tracked)
  SELECT id, (100000 + id)::text, 'GBP', 12 + (id * 7919 % 60000) / 100.0, 10 + (id * 7919 % 50000) / 100.0, 5, 4, 'Standard', 'standard',
         (ARRAY['Complete','Complete','Complete','Being processed','Cancelled'])[1 + id % 5], '', at, id, id, id, 1, buyer, true
    FROM placed;
INSERT INTO order_line (partner_name, partner_sku, partner_line_reference, partner_line_notes, title, upc, quantity, line_price_incl_tax, line_price_excl_tax,
    line_price_before_discounts_incl_tax, line_price_before_discounts_excl_tax, unit_price_incl_tax, unit_price_excl_tax, status, order_id, partner_id, product_id, stockrecord_id,
    allocation_cancelled, num_allocated)
  SELECT a.name, s.partner_sku, '', '', p.title, p.upc, l.quantity, s.price * 1.2 * l.quantity, s.price * l.quantity, s.price * 1.2 * l.quantity, s.price * l.quantity, s.price * 1.2, s.price,
         o.status, o.id, a.id, p.id, s.id, false, 0
    FROM basket_line l JOIN order_order o ON o.basket_id = l.basket_id JOIN catalogue_product p ON p.id = l.product_id
    JOIN partner_stockrecord s ON s.id = p.id JOIN partner_partner a ON a.id = s.partner_id;
INSERT INTO order_lineprice (quantity, price_incl_tax, price_excl_tax, shipping_incl_tax, shipping_excl_tax, line_id, order_id)
  SELECT quantity, unit_price_incl_tax, unit_price_excl_tax, 0, 0, id, order_id FROM order_line;
INSERT INTO order_orderstatuschange (old_status, new_status, date_created, order_id)
  SELECT s.old, s.new, o.date_placed + s.n * interval '1 day', o.id FROM order_order o, (VALUES (1, 'Pending', 'Being processed'), (2, 'Being processed', 'Complete')) s(n, old, new);
INSERT INTO payment_sourcetype (id, name, code) VALUES (1, 'Card', 'card');
INSERT INTO payment_source (currency, amount_allocated, amount_debited, amount_refunded, reference, label, order_id, source_type_id)
  SELECT 'GBP', total_incl_tax, total_incl_tax, 0, md5(id::text), '', id, 1 FROM order_order;
INSERT INTO reviews_productreview (score, title, body, name, email, homepage, status, total_votes, delta_votes, date_created, product_id, user_id)
  SELECT 1 + i % 5, 'Good', repeat('It does what it should. ', 1 + i % 6), '', '', '', 1, 0, 0, now() - i * interval '2 hours', 1 + i * 31 % 4000, 1 + i * 7 % 5000 FROM generate_series(1, 8000) i ON CONFLICT DO NOTHING;
INSERT INTO analytics_productrecord (num_views, num_basket_additions, num_purchases, score, product_id) SELECT id % 900, id % 70, id % 30, id % 13 * 0.1, id FROM catalogue_product;
INSERT INTO analytics_userproductview (date_created, product_id, user_id) SELECT now() - i * interval '13 minutes', 1 + i * 31 % 4000, 1 + i * 7 % 5000 FROM generate_series(1, 100000) i;
INSERT INTO communication_email (subject, body_text, body_html, date_sent, user_id)
  SELECT 'Order ' || number || ' received', 'Thank you for order ' || number || repeat('. It will be sent soon', 6), '<p>Thank you for order ' || number || '</p>', date_placed, user_id FROM order_order;
INSERT INTO django_session (session_key, session_data, expire_date)
  SELECT md5(i::text), repeat(md5(i::text), 4), now() + interval '14 days' - i * interval '26 minutes' FROM generate_series(1, 50000) i;
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id' AND is_identity = 'YES' LOOP
    EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), (SELECT coalesce(max(id), 1) FROM public.%I))', quote_ident(r.table_name), r.table_name);
  END LOOP;
END $$;
