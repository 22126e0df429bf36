-- A middling shop of three years: what its own server wrote at its first start stays.
INSERT INTO region ("createdAt", "updatedAt", code, type, enabled, discriminator)
  SELECT now(), now(), code, 'country', true, 'Country' FROM unnest('{GB,DE,FR,US,NL,AT,CH,IT}'::text[]) code;
INSERT INTO region_translation ("languageCode", name, "baseId") SELECT 'en', 'Country ' || code, id FROM region;
INSERT INTO tax_category (name, "isDefault") VALUES ('Standard', true);
INSERT INTO zone (name) VALUES ('Europe');
INSERT INTO zone_members_region ("zoneId", "regionId") SELECT z.id, r.id FROM zone z, region r;
INSERT INTO tax_rate (name, enabled, value, "categoryId", "zoneId")
  SELECT 'Standard', true, 20, c.id, z.id FROM tax_category c, zone z LIMIT 1;
UPDATE channel SET "defaultTaxZoneId" = (SELECT min(id) FROM zone), "defaultShippingZoneId" = (SELECT min(id) FROM zone);

INSERT INTO product (id, "createdAt", "updatedAt", enabled)
  SELECT i, now() - (3000 - i) * interval '8 hours', now() - (i * 7 % 3000) * interval '4 hours' - interval '1 day', true
    FROM generate_series(1, 3000) i;
UPDATE product SET "updatedAt" = greatest("createdAt", "updatedAt");
INSERT INTO product_translation ("createdAt", "updatedAt", "languageCode", name, slug, description, "baseId")
  SELECT "createdAt", "updatedAt", 'en',
         (ARRAY['Oak','Steel','Linen','Glass','Copper','Felt','Stone'])[1 + id % 7] || ' ' ||
         (ARRAY['lamp','table','chair','shelf','bowl','rug','clock','vase','desk','mirror','stool'])[1 + id % 11] || ' ' || id,
         'product-' || id, repeat('A thing for the house, well made and of good material. ', 2 + id % 5), id
    FROM product;
INSERT INTO product_channels_channel SELECT id, 1 FROM product;
INSERT INTO product_variant (id, "createdAt", "updatedAt", enabled, sku, "outOfStockThreshold", "useGlobalOutOfStockThreshold", "trackInventory", "productId", "taxCategoryId")
  SELECT p.id * 2 + v, p."createdAt", p."updatedAt", true, 'SKU-' || p.id || '-' || v, 0, true, 'INHERIT', p.id, (SELECT min(id) FROM tax_category)
    FROM product p, generate_series(0, 1) v;
INSERT INTO product_variant_translation ("createdAt", "updatedAt", "languageCode", name, "baseId")
  SELECT v."createdAt", v."updatedAt", 'en', t.name || CASE WHEN v.id % 2 = 0 THEN ' small' ELSE ' large' END, v.id
    FROM product_variant v JOIN product_translation t ON t."baseId" = v."productId";
INSERT INTO product_variant_channels_channel SELECT id, 1 FROM product_variant;
INSERT INTO product_variant_price ("createdAt", "updatedAt", "currencyCode", "channelId", price, "variantId")
  SELECT "createdAt", "updatedAt", 'USD', 1, 500 + (id * 7919) % 30000, id FROM product_variant;
INSERT INTO stock_level ("createdAt", "updatedAt", "stockOnHand", "stockAllocated", "productVariantId", "stockLocationId")
  SELECT "createdAt", "updatedAt", (id * 31) % 500, id % 7, id, 1 FROM product_variant;

INSERT INTO "user" (id, "createdAt", "updatedAt", identifier, verified, "lastLogin")
  SELECT 1000 + i, now() - (6000 - i) * interval '4 hours', now() - (i % 90) * interval '1 day', 'buyer' || i || '@example.com', true,
         now() - (i % 90) * interval '1 day'
    FROM generate_series(1, 6000) i;
INSERT INTO user_roles_role SELECT u.id, r.id FROM "user" u, role r WHERE r.code = '__customer_role__' AND u.id > 1000;
INSERT INTO authentication_method ("createdAt", "updatedAt", identifier, "passwordHash", type, "userId")
  SELECT u."createdAt", u."createdAt", u.identifier, m."passwordHash", m.type, u.id
    FROM "user" u, (SELECT * FROM authentication_method ORDER BY id LIMIT 1) m WHERE u.id > 1000;
INSERT INTO customer (id, "createdAt", "updatedAt", "firstName", "lastName", "phoneNumber", "emailAddress", "userId")
  SELECT id, "createdAt", "updatedAt", 'First' || id % 300, 'Last' || id % 1700, '+44 20 ' || id * 37, identifier, id FROM "user" WHERE id > 1000;
INSERT INTO customer_channels_channel SELECT id, 1 FROM customer;
INSERT INTO address ("createdAt", "updatedAt", "fullName", company, "streetLine1", "streetLine2", city, province, "postalCode", "phoneNumber",
    "defaultShippingAddress", "defaultBillingAddress", "customerId", "countryId")
  SELECT c."createdAt", c."createdAt", c."firstName" || ' ' || c."lastName", '', c.id % 200 || ' Long Street', '', 'Town ' || (c.id * 7) % 400, '',
         'P' || (c.id * 13) % 1500, c."phoneNumber", true, true, c.id, 1 + c.id % 8
    FROM customer c;

-- Orders: few buyers buy much, and more is bought lately.
INSERT INTO "order" (id, "createdAt", "updatedAt", type, code, state, active, "orderPlacedAt", "couponCodes", "shippingAddress", "billingAddress",
    "currencyCode", "customerId", "subTotal", "subTotalWithTax", shipping, "shippingWithTax")
  SELECT i, at, at + interval '3 days', 'Regular', upper(substr(md5(i::text), 1, 16)), (ARRAY['Delivered','Delivered','Delivered','Shipped','Cancelled'])[1 + i % 5],
         false, at, CASE WHEN i % 10 < 7 THEN '' WHEN i % 10 < 9 THEN 'WELCOME' || i % 12 ELSE 'WELCOME' || i % 12 || ',SUMMER' || i % 5 END,
         json_build_object('fullName', a."fullName", 'streetLine1', a."streetLine1", 'city', a.city, 'postalCode', a."postalCode", 'countryCode', 'GB')::text,
         json_build_object('fullName', a."fullName", 'streetLine1', a."streetLine1", 'city', a.city, 'postalCode', a."postalCode", 'countryCode', 'GB')::text,
         'USD', c, 1000 + (i * 7919) % 60000, 1200 + (i * 7919) % 72000, 500, 600
    FROM (SELECT i, now() - interval '1090 days' * (1 - sqrt(i / 24000.0)) AS at, 1001 + (6000 * pow((i * 7919 % 9973) / 9973.0, 2))::int % 6000 AS c
            FROM generate_series(1, 24000) i) o
    JOIN address a ON a."customerId" = o.c;
INSERT INTO order_channels_channel SELECT id, 1 FROM "order";
INSERT INTO order_line ("createdAt", "updatedAt", quantity, "orderPlacedQuantity", "listPriceIncludesTax", adjustments, "taxLines", "productVariantId",
    "initialListPrice", "listPrice", "orderId")
  SELECT o."createdAt", o."updatedAt", 1 + (o.id + l) % 3, 1 + (o.id + l) % 3, false, '[]', '[{"description":"Standard","taxRate":20}]',
         2 + (5999 * pow((o.id * 31 + l * 977) % 7919 / 7919.0, 2))::int, 500 + (o.id * l * 7919) % 30000, 500 + (o.id * l * 7919) % 30000, o.id
    FROM "order" o, generate_series(1, 3) l WHERE l <= 1 + o.id % 3;
INSERT INTO payment ("createdAt", "updatedAt", method, state, "transactionId", metadata, amount, "orderId")
  SELECT "createdAt", "createdAt", 'card', 'Settled', md5(id::text), '{}', "subTotalWithTax" + "shippingWithTax", id FROM "order";
INSERT INTO history_entry ("createdAt", "updatedAt", type, "isPublic", data, discriminator, "orderId")
  SELECT o."createdAt" + e.n * interval '1 hour', o."createdAt" + e.n * interval '1 hour', 'ORDER_STATE_TRANSITION', true,
         json_build_object('from', e."from", 'to', e."to")::text, 'order-history-entry', o.id
    FROM "order" o, (VALUES (1, 'AddingItems', 'ArrangingPayment'), (2, 'ArrangingPayment', 'PaymentSettled'), (3, 'PaymentSettled', 'Shipped')) e(n, "from", "to");
INSERT INTO stock_movement ("createdAt", "updatedAt", type, quantity, "stockLocationId", discriminator, "productVariantId", "orderLineId")
  SELECT "createdAt", "createdAt", 'SALE', -quantity, 1, 'Sale', "productVariantId", id FROM order_line;
INSERT INTO session ("createdAt", "updatedAt", token, expires, invalidated, type, "activeChannelId")
  SELECT at, at, md5('s' || i) || md5('t' || i), at + interval '1 year', false, 'AnonymousSession', 1
    FROM (SELECT i, now() - i * interval '26 minutes' AS at FROM generate_series(1, 60000) i) s;
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id' AND column_default LIKE 'nextval%' LOOP
    EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), (SELECT coalesce(max(id), 1) FROM public.%I))', quote_ident(r.table_name), r.table_name);
  END LOOP;
END $$;
