import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { isTransient } from '../../lib/pg/errors.ts';
import {
  MigrationPaused,
  migrationStatus,
  type Progress,
  planMigration,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from '../../migrate/engine.ts';
import { phases } from '../../migrate/mapping.ts';
import { differences, verify } from '../../migrate/verify.ts';
import { kept } from '../../test/support/kept.ts';
import { createMigratedShop, type MigratedShop } from '../../test/support/migration.ts';
import { startNode } from '../../test/support/process.ts';
import { THINK_MS } from '../../test/support/writers.ts';
import type { StoreName } from '../stores/registry.ts';
import { Conflict } from '../stores/store.ts';

let shop: MigratedShop;
afterEach(() => shop?.close());

const drain = async (progress: AsyncIterable<Progress>) => {
  for await (const _ of progress);
};

/** All legacy rows as text, without the added key. */
async function legacyRows(): Promise<Record<string, string[]>> {
  const tables = [...shop.mapping.tables.map(({ table }) => table)];
  const rows: Record<string, string[]> = {};
  for (const table of tables)
    rows[table] = (
      await shop.owner.query(
        `SELECT (to_jsonb(t) - 'sqltrail_key')::text AS row FROM ${table} AS t ORDER BY 1`,
      )
    ).rows.map(({ row }) => row);
  return rows;
}

const expectEqual = async () => {
  const verification = await verifyMigration(shop.options);
  expect(differences(verification)).toEqual([]);
  return verification;
};

const numbersIn = async (sql: string) =>
  (await shop.owner.query<{ n: string }>(sql)).rows.map(({ n }) => n).sort();

describe('while customers buy', () => {
  it('loses no order, doubles none and fails none, through every phase and store', async () => {
    shop = await createMigratedShop();
    const { rows: before } = await shop.owner.query('SELECT count(*)::int AS n FROM orders');
    const acknowledged: string[] = [];
    const failures: unknown[] = [];
    let buying = true;
    let serial = 0;
    const customers = Array.from({ length: 4 }, async (_, i) => {
      while (buying) {
        serial += 1;
        const at = serial;
        // Few products, so that checkouts meet in the same rows; each value is unlike the last one's.
        const bought = await shop
          .buy(`w${i}-${at}`, 1 + (at % 5), 1 + (at % 200), 1 + (at % 7))
          .catch((error) => {
            if (!(error instanceof Conflict)) failures.push(error);
            return undefined;
          });
        if (bought) acknowledged.push(bought);
        await sleep(THINK_MS);
      }
    });
    try {
      await shop.run('cutover-writes', { dutyCycle: 0.7 });
      expect(shop.store).toBe('refactored');
    } finally {
      buying = false;
      await Promise.all(customers);
    }
    expect(failures).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(50);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    await expectEqual();
    for (const sql of [
      'SELECT order_number AS n FROM orders',
      'SELECT order_number AS n FROM shop.order_keys',
    ]) {
      const numbers = await numbersIn(sql);
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(numbers.length).toBe(before[0].n + acknowledged.length);
      expect(acknowledged.filter((number) => !numbers.includes(number))).toEqual([]);
    }
  });

  it('lets both stores write at once while one takes over from the other', async () => {
    shop = await createMigratedShop(80);
    await shop.run('reverse-sync');
    const names: StoreName[] = ['legacy', 'tuned', 'refactored', 'refactored-reads'];
    // The stores lock the two models in either order: one may have to give up, and its customer tries again.
    const buy = (i: number): Promise<string | undefined> =>
      shop.buy(`both-${i}`, 1 + (i % 2), 1 + i, 1 + (i % 9), names[i % 4]).catch((error) => {
        if (!isTransient(error)) throw error;
        return buy(i);
      });
    const bought = await Promise.all(Array.from({ length: 60 }, (_, i) => buy(i)));
    expect(new Set(bought).size).toBe(60);
    await expectEqual();
    const stock = await shop.owner.query(
      'SELECT count(*)::int AS n FROM public.products AS l JOIN shop.products AS p USING (id) WHERE l.stock <> p.stock',
    );
    expect(stock.rows[0].n).toBe(0);
  });
});

describe('the ledger', () => {
  it('keeps what contradicts itself, refers to nothing or cannot be read, and the view gives it back', async () => {
    shop = await createMigratedShop(60);
    await shop.owner.query(`
      UPDATE orders SET customer_email = 'old@example.com' WHERE id = (SELECT min(id) FROM orders);
      UPDATE orders SET customer_id = 99999 WHERE id = (SELECT max(id) FROM orders);
      UPDATE products SET price = '12.5', category_name = 'Another name' WHERE id = 5;
      UPDATE products SET price = 'ask us' WHERE id = 6;
      UPDATE products SET stock = -3, tags = '' WHERE id = 7;
      UPDATE customers SET created = 'long ago', newsletter = 'maybe' WHERE id = 4;
      UPDATE reviews SET rating = 'great' WHERE id = 2;
      UPDATE reviews SET customer_name = 'A. Nonymous' WHERE id = 3;
      UPDATE carts SET customer_email = 'typo@example' WHERE id = 3;
      INSERT INTO cart_items (cart_id, product_id, product_name, unit_price, quantity) VALUES (88888, 1, 'x', '1.00', 1);
      INSERT INTO order_items (order_id, product_id, product_name, unit_price, quantity, line_total) VALUES (77777, 1, 'x', '1.00', 1, '1.00');
      INSERT INTO product_attributes VALUES (1, 'colour', 'zebra'), (66666, 'colour', 'red');
      INSERT INTO activity_log VALUES ('once', 's', NULL, 'view', '/', NULL, NULL), ('2024-02-03 04:05:06', 's', NULL, 'view', '/', NULL, 'no json')`);
    const before = await legacyRows();
    await expect(shop.run('verify')).rejects.toThrow(/only kept in the ledger/);
    const verification = await expectEqual();
    expect(verification.setAside).toBeGreaterThan(0);
    expect(await kept(shop.owner, shop.options)).toContainEqual({
      kind: 'set aside',
      table: 'activity_log',
      entries: 1,
    });
    await shop.run('reverse-sync', { acceptSetAside: true });
    expect(await legacyRows()).toEqual(before);
    const { rows } = await shop.owner.query(
      'SELECT legacy_table, kind, columns, said, became, rule FROM sqltrail.migration_resolution ORDER BY id',
    );
    const of = (table: string, kind: string, column?: string) =>
      rows.filter(
        (row) =>
          row.legacy_table === table && row.kind === kind && (!column || row.columns?.includes(column)),
      );
    expect(of('orders', 'contradiction', 'customer_email')[0]).toMatchObject({
      said: { customer_email: 'old@example.com' },
      became: { customer_email: expect.stringContaining('@example.com') },
    });
    expect(of('orders', 'orphan', 'customer_id')).toHaveLength(1);
    expect(of('products', 'normalised', 'price')[0]).toMatchObject({
      said: { price: '12.5' },
      became: { price: '12.50' },
    });
    expect(of('products', 'set aside')[0].said).toMatchObject({ id: 6, price: 'ask us' });
    expect(of('products', 'normalised', 'stock')).toHaveLength(1);
    expect(of('customers', 'normalised', 'created')[0].columns).toEqual(['created', 'newsletter']);
    expect(of('reviews', 'set aside')).toHaveLength(1);
    expect(of('reviews', 'contradiction', 'customer_name')).toHaveLength(1);
    expect(of('carts', 'contradiction', 'customer_email')).toHaveLength(1);
    expect(of('cart_items', 'set aside')[0].said).toMatchObject({ cart_id: 88888 });
    expect(of('order_items', 'set aside')[0].said[0]).toMatchObject({ order_id: 77777 });
    expect(of('product_attributes', 'orphan')).toHaveLength(1);
    expect(of('activity_log', 'set aside')).toHaveLength(1);
    expect(of('activity_log', 'normalised', 'payload')).toHaveLength(1);
    expect(rows.every(({ rule }) => rule.length > 10)).toBe(true);
    // What is corrected in the legacy tables leaves the ledger, and what waited for its parent comes in.
    await shop.owner.query(`
      UPDATE products SET price = '7.00' WHERE id = 6;
      INSERT INTO carts (id, session_id, customer_id, status, created, updated) VALUES (88888, 's', 1, 'open', '2026-01-01 00:00:00', '2026-01-01 00:00:00');
      INSERT INTO orders (id, order_number, customer_id, status, total, currency, placed_at) VALUES (77777, 'SO-late', 1, 'paid', '1.00', 'EUR', '2026-01-01 00:00:00')`);
    const after = await expectEqual();
    expect(
      after.ledger.filter(
        ({ kind, table }) => kind === 'set aside' && /^(products|cart_items|order_items)$/.test(table),
      ),
    ).toEqual([]);
    expect((await shop.owner.query('SELECT FROM shop.order_lines WHERE order_id = 77777')).rowCount).toBe(1);
  });

  it('never lets the new model fail a write of the shop', async () => {
    shop = await createMigratedShop(40);
    await shop.run('dual-write');
    const twin = await shop.owner.query('SELECT order_number FROM orders LIMIT 1');
    await shop.owner.query(
      `INSERT INTO orders (order_number, status, total, currency, placed_at) VALUES ($1, 'paid', '1.00', 'EUR', '2026-02-02 00:00:00')`,
      [twin.rows[0].order_number],
    );
    await shop.run('backfill');
    const { rows } = await shop.owner.query(
      "SELECT problem FROM sqltrail.migration_resolution WHERE kind = 'set aside'",
    );
    // The one that came first is in the new model; the other one, and the lines of it, wait for a number of its own.
    expect(rows.map(({ problem }) => problem).join()).toMatch(/order_keys_order_number_key/);
    await expectEqual();
    await expect(shop.owner.query('TRUNCATE order_items')).rejects.toThrow(/refused while the migration/);
  });
});

describe('verification', () => {
  it('catches a planted corruption in every table of the new model, and in the legacy ones', async () => {
    shop = await createMigratedShop(60);
    await shop.run('verify');
    const caught = async (table: string, sql: string) => {
      const client = await shop.owner.connect();
      try {
        // As if it had happened behind the triggers' backs.
        await client.query("SET sqltrail.origin = 'legacy'");
        const { rowCount } = await client.query(sql);
        expect(rowCount, sql).toBeGreaterThan(0);
      } finally {
        await client.query('RESET sqltrail.origin');
        client.release();
      }
      const found = differences(await verifyMigration(shop.options));
      expect(found, sql).not.toEqual([]);
      expect(found.join('\n')).toMatch(table);
    };
    const one = (table: string, key = 'id') => `(SELECT min(${key}) FROM ${table})`;
    const plants: [string, string, string][] = [
      [
        'contacts',
        `UPDATE shop.contacts SET email = 'x' || email WHERE id = (SELECT contact_id FROM shop.customers WHERE id = 1)`,
        `UPDATE shop.contacts SET email = substr(email, 2) WHERE id = (SELECT contact_id FROM shop.customers WHERE id = 1)`,
      ],
      [
        'addresses',
        `UPDATE shop.addresses SET city = city || 'x' WHERE id = (SELECT address_id FROM shop.customers WHERE id = 1)`,
        `UPDATE shop.addresses SET city = rtrim(city, 'x') WHERE id = (SELECT address_id FROM shop.customers WHERE id = 1)`,
      ],
      [
        'customers',
        'UPDATE shop.customers SET newsletter = NOT newsletter WHERE id = 1',
        'UPDATE shop.customers SET newsletter = NOT newsletter WHERE id = 1',
      ],
      [
        'categories',
        `UPDATE shop.categories SET name = name || 'x' WHERE id = (SELECT category_id FROM shop.products WHERE id = 1)`,
        `UPDATE shop.categories SET name = rtrim(name, 'x') WHERE id = (SELECT category_id FROM shop.products WHERE id = 1)`,
      ],
      [
        'brands',
        `UPDATE shop.brands SET country = 'XX' || country WHERE id = (SELECT brand_id FROM shop.products WHERE id = 1)`,
        `UPDATE shop.brands SET country = substr(country, 3) WHERE id = (SELECT brand_id FROM shop.products WHERE id = 1)`,
      ],
      [
        'products',
        'UPDATE shop.products SET price = price + 0.01 WHERE id = 1',
        'UPDATE shop.products SET price = price - 0.01 WHERE id = 1',
      ],
      [
        'products',
        'UPDATE shop.products SET stock = stock + 1 WHERE id = 1',
        'UPDATE shop.products SET stock = stock - 1 WHERE id = 1',
      ],
      [
        'product_attributes',
        `UPDATE shop.products SET attributes = attributes || '{"planted": "1"}' WHERE id = 1`,
        `UPDATE shop.products SET attributes = attributes - 'planted' WHERE id = 1`,
      ],
      [
        'tags',
        `UPDATE shop.tags SET name = name || 'x' WHERE id = 1`,
        `UPDATE shop.tags SET name = rtrim(name, 'x') WHERE id = 1`,
      ],
      [
        'product_tags',
        'UPDATE shop.product_tags SET position = position + 10 WHERE product_id = 1 AND position = 1',
        'UPDATE shop.product_tags SET position = position - 10 WHERE product_id = 1 AND position = 11',
      ],
      [
        'product_images',
        `UPDATE shop.product_images SET url = url || 'x' WHERE product_id = 1 AND position = 1`,
        `UPDATE shop.product_images SET url = rtrim(url, 'x') WHERE product_id = 1 AND position = 1`,
      ],
      [
        'reviews',
        `UPDATE shop.reviews SET rating = 6 - rating, title = title || 'x' WHERE id = ${one('shop.reviews')}`,
        `UPDATE shop.reviews SET rating = 6 - rating, title = rtrim(title, 'x') WHERE id = ${one('shop.reviews')}`,
      ],
      [
        'carts',
        `UPDATE shop.carts SET updated_at = updated_at + interval '1 hour' WHERE id = ${one('shop.carts')}`,
        `UPDATE shop.carts SET updated_at = updated_at - interval '1 hour' WHERE id = ${one('shop.carts')}`,
      ],
      [
        'cart_items',
        `UPDATE shop.cart_items SET quantity = quantity + 1 WHERE id = ${one('shop.cart_items')}`,
        `UPDATE shop.cart_items SET quantity = quantity - 1 WHERE id = ${one('shop.cart_items')}`,
      ],
      [
        'order_keys',
        `UPDATE shop.order_keys SET order_number = order_number || 'x' WHERE order_id = ${one('shop.order_keys', 'order_id')}`,
        `UPDATE shop.order_keys SET order_number = rtrim(order_number, 'x') WHERE order_id = ${one('shop.order_keys', 'order_id')}`,
      ],
      [
        'orders',
        `UPDATE shop.orders SET total = total + 100 WHERE id = ${one('shop.orders')}`,
        `UPDATE shop.orders SET total = total - 100 WHERE id = ${one('shop.orders')}`,
      ],
      [
        'order_lines',
        `UPDATE shop.order_lines SET unit_price = unit_price + 0.01 WHERE order_id = ${one('shop.orders')}`,
        `UPDATE shop.order_lines SET unit_price = unit_price - 0.01 WHERE order_id = ${one('shop.orders')}`,
      ],
      [
        'sales_daily',
        'UPDATE shop.sales_daily SET orders = orders + 1 WHERE day = (SELECT max(day) FROM shop.sales_daily WHERE orders > 0)',
        'UPDATE shop.sales_daily SET orders = orders - 1 WHERE day = (SELECT max(day) FROM shop.sales_daily WHERE orders > 0)',
      ],
      [
        'product_versions',
        `UPDATE shop.product_versions SET name = name || 'x' WHERE id = 1`,
        `UPDATE shop.product_versions SET name = rtrim(name, 'x') WHERE id = 1`,
      ],
      [
        'user_agents',
        `UPDATE shop.user_agents SET name = name || 'x' WHERE id = 1`,
        `UPDATE shop.user_agents SET name = rtrim(name, 'x') WHERE id = 1`,
      ],
      [
        'activity',
        `UPDATE shop.activity SET path = path || 'x' WHERE id = ${one('shop.activity')}`,
        `UPDATE shop.activity SET path = rtrim(path, 'x') WHERE id = ${one('shop.activity')}`,
      ],
    ];
    // Every table of the new model that holds data of the shop is in the list.
    const { rows: tables } = await shop.owner.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'months'`,
    );
    expect(new Set(plants.map(([table]) => table).filter((table) => table !== 'product_attributes'))).toEqual(
      new Set(tables.map(({ relname }) => relname)),
    );
    const names: Record<string, string> = {
      contacts: 'customers',
      addresses: 'customers',
      categories: 'products',
      brands: 'products',
      tags: 'products',
      product_tags: 'products',
      product_images: 'products',
      order_keys: 'orders',
      order_lines: 'order_items',
      product_versions: 'order_items',
      user_agents: 'activity_log',
      activity: 'activity_log',
    };
    for (const [table, plant, mend] of plants) {
      await caught(names[table] ?? table, plant);
      await shop.owner.query(mend);
      await expectEqual();
    }
    // A lost row, a row too much, and a change of the legacy table that no trigger saw.
    await caught('cart_items', `DELETE FROM shop.cart_items WHERE id = ${one('shop.cart_items')}`);
    await caught('reviews', 'INSERT INTO shop.reviews (id, product_id, rating) VALUES (1000000, 1, 3)');
    await shop.owner.query('ALTER TABLE carts DISABLE TRIGGER USER');
    await caught('carts', `UPDATE carts SET session_id = 'planted' WHERE id = ${one('carts')}`);
    await expect(shop.run('reverse-sync')).resolves.toBeDefined();
  });

  it('catches any change of any column of any row of the new model, always', async () => {
    shop = await createMigratedShop(60);
    await shop.run('verify');
    const { rows: columns } = await shop.owner.query<{ table: string; column: string; type: string }>(
      `SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type
         FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''
        WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'months'
          AND a.attname <> 'position'
        ORDER BY 1, a.attnum`,
    );
    // Of positions only the order counts: a gap says the same.
    const changed: Record<string, (column: string) => string> = {
      text: (column) => `coalesce(${column}, '') || 'x'`,
      character: () => "'XXX'",
      smallint: (column) => `coalesce(${column}, 0) + 1`,
      integer: (column) => `coalesce(${column}, 0) + 1`,
      bigint: (column) => `${column} + 1`,
      numeric: (column) => `coalesce(${column}, 0) + 0.01`,
      boolean: (column) => `NOT coalesce(${column}, false)`,
      date: (column) => `${column} + 1`,
      'timestamp with time zone': (column) => `coalesce(${column}, now()) + interval '1 hour'`,
      jsonb: (column) => `${column} || '{"planted": "1"}'`,
      json: () => `'{"planted": 1}'`,
    };
    let caught = 0;
    const client = await shop.owner.connect();
    try {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...columns), fc.integer(), async ({ table, column, type }, row) => {
          // As if it had happened behind the triggers' backs.
          await client.query("BEGIN; SET LOCAL sqltrail.origin = 'legacy'");
          try {
            const planted = await client
              .query(
                `UPDATE shop.${table} SET "${column}" = ${changed[type]?.(`"${column}"`)}
                  WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM shop.${table} ORDER BY md5(ctid::text || tableoid || $1) LIMIT 1)`,
                [String(row)],
              )
              .catch((error) => {
                // The model itself refuses it: keys, references, checks, months that are not there.
                if (/^23/.test(error.code)) return undefined;
                throw error;
              });
            fc.pre(planted !== undefined && planted.rowCount === 1);
            expect(differences(await verify(client, shop.mapping)), `${table}.${column}`).not.toEqual([]);
            caught += 1;
          } finally {
            await client.query('ROLLBACK');
          }
        }),
        { numRuns: Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? 40) },
      );
    } finally {
      client.release();
    }
    expect(caught).toBeGreaterThan(20);
    await expectEqual();
  });

  it('stops before the switch when the models differ', async () => {
    shop = await createMigratedShop(40);
    await shop.run('backfill');
    const client = await shop.owner.connect();
    await client.query(
      "BEGIN; SET LOCAL sqltrail.origin = 'legacy'; UPDATE shop.orders SET total = total + 1 WHERE id = (SELECT min(id) FROM shop.orders); COMMIT",
    );
    client.release();
    await expect(shop.run('cutover-writes')).rejects.toThrow(/not equal(.|\n)*orders(.|\n)*orders\.total/);
    expect(shop.store).toBe('legacy');
    expect((await migrationStatus(shop.options))?.phase).toBe('backfill');
  });
});

describe('going back', () => {
  it('loses nothing from any phase before the contract, and leaves nothing behind', async () => {
    shop = await createMigratedShop(40);
    const shape = async () =>
      (
        await shop.owner.query(
          `SELECT c.relname, c.relkind, array_agg(a.attname ORDER BY a.attnum) AS columns,
                  (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid) AS triggers
             FROM pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i', 'S') GROUP BY c.oid, c.relname, c.relkind ORDER BY 1`,
        )
      ).rows;
    const before = await shape();
    const bought: string[] = [];
    for (const [i, phase] of phases.slice(0, -1).entries()) {
      await shop.run(phase);
      bought.push((await shop.buy(`back-${phase}`, 1 + i, 1 + i)) ?? 'none');
      await shop.owner.query('UPDATE customers SET notes = $1 WHERE id = 1', [phase]);
      if (shop.store === 'refactored')
        // A write to the new model alone, which only the reverse sync brings back.
        await shop.app.query("UPDATE shop.products SET name = name || '!' WHERE id = 2");
      const rows = await legacyRows();
      await drain(rollbackMigration({ ...shop.options, to: 'none' }));
      expect(shop.store).toBe('legacy');
      expect(await legacyRows()).toEqual(rows);
      expect(await shape(), phase).toEqual(before);
      expect(await numbersIn("SELECT nspname AS n FROM pg_namespace WHERE nspname LIKE 'shop%'")).toEqual([]);
      // Numbers go on where they were, whichever store gave them.
      bought.push((await shop.buy(`after-${phase}`, 1 + i, 50 + i)) ?? 'none');
    }
    const numbers = await numbersIn('SELECT order_number AS n FROM orders');
    expect(bought.filter((number) => !numbers.includes(number))).toEqual([]);
    expect(new Set(numbers).size).toBe(numbers.length);
    const names = await shop.owner.query('SELECT name FROM products WHERE id = 2');
    expect(names.rows[0].name).toMatch(/!$/);
  });

  it('goes back by single phases and forward again', async () => {
    shop = await createMigratedShop(40);
    await shop.run('cutover-writes');
    for (const [i, phase] of [...phases].reverse().slice(2).entries()) {
      await drain(rollbackMigration({ ...shop.options, to: phase }));
      expect((await migrationStatus(shop.options))?.phase).toBe(phase);
      await shop.buy(`single-${phase}`, 3 + i, 3);
      await shop.owner.query('DELETE FROM cart_items WHERE id = (SELECT min(id) FROM cart_items)');
    }
    await shop.run('cutover-writes');
    expect(shop.store).toBe('refactored');
    await expectEqual();
  });

  it('drops the legacy tables only with an explicit yes, and then goes on without them', async () => {
    shop = await createMigratedShop(40);
    await shop.run('cutover-writes');
    const orders = await numbersIn('SELECT order_number AS n FROM shop.order_keys');
    await expect(drain(runMigration({ ...shop.options, until: 'contract' }))).rejects.toThrow(/explicit yes/);
    await shop.run('contract');
    expect((await shop.owner.query("SELECT to_regclass('public.orders') AS t")).rows[0].t).toBeNull();
    const number = await shop.buy('contracted', 1, 1);
    expect(orders).not.toContain(number);
    expect((await numbersIn('SELECT order_number AS n FROM shop.order_keys')).length).toBe(orders.length + 1);
    await expect(drain(rollbackMigration({ ...shop.options, to: 'none' }))).rejects.toThrow(
      /cannot be rolled back/,
    );
    expect(await shop.run('contract')).toEqual([]);
  });
});

describe('stopping', () => {
  it('waits while the KPIs are bad, stops when they stay bad, and goes on later', async () => {
    shop = await createMigratedShop(40);
    let asked = 0;
    const progress = await shop.run('dual-write', {
      mayContinue: async () => {
        asked += 1;
        return asked === 2 ? { ok: false, reason: 'p95 is 2 s' } : { ok: true };
      },
    });
    expect(progress.map(({ event }) => event)).toEqual(expect.arrayContaining(['paused', 'resumed']));
    await expect(
      shop.run('backfill', { mayContinue: async () => ({ ok: false, reason: 'p95 is 3 s' }), maxPauseMs: 0 }),
    ).rejects.toThrow(MigrationPaused);
    await shop.run('reverse-sync');
    // Bad KPIs after the switch: back to the store of before, in step.
    let bad = false;
    await expect(
      shop.run('cutover-reads', {
        observeMs: 2_000,
        mayContinue: async () => (bad ? { ok: false, reason: 'p95 is 4 s' } : { ok: true }),
        switchStore: async (name) => {
          await shop.options.switchStore?.(name);
          bad = name === 'refactored-reads';
        },
      }),
    ).rejects.toThrow(/p95 is 4 s.*uses legacy again/);
    expect(shop.store).toBe('legacy');
    await expectEqual();
  });

  it('lets go of a lock at once, and tries again', async () => {
    shop = await createMigratedShop(40);
    await shop.run('expand');
    const holder = await shop.owner.connect();
    await holder.query('BEGIN; UPDATE customers SET notes = notes WHERE id = 1');
    let retries = 0;
    for await (const { event, step } of runMigration({ ...shop.options, until: 'dual-write' })) {
      if (event !== 'retry' || step !== 'triggers on customers') continue;
      retries += 1;
      if (retries === 1) await holder.query('COMMIT');
    }
    holder.release();
    expect(retries).toBeGreaterThan(0);
    await shop.run('verify');
  });

  it('keeps the sums of every day, although lines of old days are being changed for a while', async () => {
    shop = await createMigratedShop(40);
    const holder = await shop.owner.connect();
    const seen: string[] = [];
    for await (const { event, step } of runMigration({ ...shop.options, until: 'backfill' })) {
      if (step !== 'sales_daily') continue;
      if (event === 'begun')
        await holder.query(
          'BEGIN; UPDATE shop.order_lines SET quantity = quantity WHERE order_id = (SELECT order_id FROM shop.order_lines ORDER BY placed_at LIMIT 1)',
        );
      if (event === 'retry' && !seen.includes('retry')) await holder.query('COMMIT');
      seen.push(event);
    }
    holder.release();
    expect(seen).toContain('retry');
    expect((await shop.owner.query('SELECT day FROM shop.days_to_keep() AS day')).rows).toEqual([]);
    expect((await shop.owner.query('SELECT FROM shop.sales_daily')).rowCount).toBeGreaterThan(0);
    await shop.run('verify');
  });

  it('lets one run at a time work, and plans without changing anything', async () => {
    shop = await createMigratedShop(40);
    const plan = await planMigration(shop.options);
    expect(plan.phase).toBe('none');
    expect(new Set(plan.steps.map(({ phase }) => phase))).toEqual(new Set(phases));
    expect((await shop.owner.query("SELECT to_regclass('sqltrail.migration') AS t")).rows[0].t).toBeNull();
    await shop.run('expand');
    expect(
      (await planMigration(shop.options)).steps.filter(({ done }) => done).map(({ phase }) => phase),
    ).toContain('expand');
  });

  it('goes on after kill -9 at every step, with writes between', async () => {
    shop = await createMigratedShop(150);
    let kills = 0;
    const points = new Set<string>();
    for (let at = 3; ; at = at === 3 ? 4 : 3) {
      const migrating = startNode(['test/support/migrateAndDie.ts', 'cutover-writes', String(at)], {
        DATABASE_URL: shop.database.url('shop_owner'),
      });
      const ended = await migrating.exited;
      if (ended !== 'SIGKILL') {
        expect(ended, migrating.output()).toBe(0);
        break;
      }
      kills += 1;
      points.add(migrating.output().trim().split('\n').at(-1) ?? '');
      await shop.buy(`kill-${kills}`, 1 + (kills % 9), 1 + kills, 1, 'legacy');
      await shop.owner.query('UPDATE customers SET phone = $1 WHERE id = $2', [String(kills), kills]);
    }
    expect(kills).toBeGreaterThan(25);
    expect([...points].some((point) => point.endsWith('begun'))).toBe(true);
    expect([...points].some((point) => point.endsWith('done'))).toBe(true);
    await expectEqual();
    const numbers = await numbersIn('SELECT order_number AS n FROM shop.order_keys');
    expect(numbers.length).toBe(150 + kills);
  });
});

it('ends in equal models whatever the interleaving of writes, batches, crashes and resumes', async () => {
  const id = fc.integer({ min: 1, max: 40 });
  const write = fc.oneof(
    fc.record({
      kind: fc.constant('buy' as const),
      store: fc.constantFrom<StoreName>('legacy', 'tuned'),
      product: id,
      customer: id,
    }),
    fc.record({
      kind: fc.constant('sql' as const),
      sql: fc.constantFrom(
        "UPDATE customers SET full_name = 'New ' || id, street = 'Moved' WHERE id = $1",
        "UPDATE products SET price = '9.5', name = 'Renamed' || id WHERE id = $1",
        "UPDATE products SET tags = 'a,b', category_name = 'Else' WHERE id = $1",
        'DELETE FROM products WHERE id = $1',
        'DELETE FROM customers WHERE id = $1',
        'DELETE FROM order_items WHERE order_id IN (SELECT id FROM orders ORDER BY id OFFSET $1 LIMIT 1)',
        'DELETE FROM orders WHERE id IN (SELECT id FROM orders ORDER BY id OFFSET $1 LIMIT 1)',
        "UPDATE orders SET placed_at = '2026-03-04 05:06:07', status = 'closed' WHERE id IN (SELECT id FROM orders ORDER BY id OFFSET $1 LIMIT 1)",
        "UPDATE orders SET total = 'free' WHERE id IN (SELECT id FROM orders ORDER BY id OFFSET $1 LIMIT 1)",
        'UPDATE order_items SET order_id = (SELECT min(id) FROM orders) WHERE order_id IN (SELECT id FROM orders ORDER BY id OFFSET $1 LIMIT 1)',
        'DELETE FROM carts WHERE id = $1',
        "INSERT INTO product_attributes VALUES ($1, 'colour', 'mauve')",
        'DELETE FROM product_attributes WHERE product_id = $1',
        "UPDATE activity_log SET path = '/x' WHERE ctid IN (SELECT ctid FROM activity_log OFFSET $1 LIMIT 1)",
        'DELETE FROM activity_log WHERE ctid IN (SELECT ctid FROM activity_log OFFSET $1 LIMIT 1)',
      ),
      id,
    }),
  );
  const action = fc.oneof(
    { weight: 5, arbitrary: write },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('engine' as const), events: fc.integer({ min: 1, max: 12 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 40 }), async (actions) => {
      shop = await createMigratedShop(30);
      try {
        await shop.run('expand');
        const start = () =>
          runMigration({ ...shop.options, until: 'backfill', maxBatch: 7 })[Symbol.asyncIterator]();
        let engine: AsyncIterator<Progress> | undefined;
        for (const [i, each] of actions.entries()) {
          if (each.kind === 'buy')
            await shop.buy(`p${i}`, each.product, each.customer, 1, each.store).catch((error) => {
              if (!(error instanceof Conflict)) throw error;
            });
          else if (each.kind === 'sql')
            await shop.owner.query(each.sql, each.sql.includes('$1') ? [each.id] : []);
          else if (each.kind === 'crash') {
            await shop.owner.query(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sqltrail-migrate'",
            );
            await engine?.return?.().catch(() => {});
            engine = undefined;
          } else {
            engine ??= start();
            for (let n = 0; n < each.events; n += 1) await engine.next();
          }
        }
        await engine?.return?.();
        await shop.run('backfill', { maxBatch: 7 });
        await expectEqual();
      } finally {
        await shop.close();
      }
    }),
    { numRuns: Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? 6) },
  );
});
