import { quote } from '../lib/pg/quote.ts';
import { runMigration } from '../migrate/engine.ts';
import { createShopDatabase, resetShopDatabase } from '../sample-shop/data/database.ts';
import type { ScaleName, Size } from '../sample-shop/data/scales.ts';
import { shopMapping } from '../sample-shop/migration/mapping.ts';
import { tunedIndexes, tunedObjects } from '../sample-shop/schema/tuned.ts';
import type { Model } from './growthRecording.ts';
import { onDatabase } from './onDatabase.ts';

/**
 * The indexes that the short-term fixes built and kept in the recorded story (docs/roadmap.md), and what the tuned
 * store needs beside them.
 */
const shortTerm = [
  'CREATE INDEX ON reviews (product_id)',
  'CREATE INDEX ON orders (lower(customer_email))',
  'CREATE INDEX ON orders (order_number)',
  'CREATE INDEX ON order_items (product_id, id)',
  'CREATE INDEX ON product_attributes (product_id)',
  'CREATE INDEX ON carts (session_id)',
  'CREATE INDEX ON cart_items (cart_id)',
  'CREATE EXTENSION IF NOT EXISTS pg_trgm',
  'CREATE INDEX ON products USING gin (name gin_trgm_ops, description gin_trgm_ops, tags gin_trgm_ops)',
  'CREATE INDEX ON products USING gin (category_path gin_trgm_ops)',
  ...[...tunedIndexes, ...tunedObjects].map(({ up }) => up),
];

export interface Server {
  adminUrl: string;
  /** As the owner of the shop's tables. */
  ownerUrl(database: string): string;
  passwords: { owner: string; app: string; monitor: string };
  timeZone: string;
  say(text: string): void;
}

export interface Wanted {
  model: Model;
  base: ScaleName;
  /** Times the base. */
  size: number;
  /** Of the database's name. */
  prefix: string;
}

/**
 * The name of a database with the data of a size on a data model, made where it is not there: the legacy tables, the
 * same with the short-term fixes, or the refactored model, filled by the migration. It is made under another name and
 * renamed when complete, so a run that was killed resumes with it.
 */
export async function modelDatabase(server: Server, { model, base, size, prefix }: Wanted): Promise<string> {
  const { adminUrl, ownerUrl, passwords, timeZone, say } = server;
  const scale: Size = `${base}-x${size}`;
  const template = await createShopDatabase({ adminUrl, passwords, scale, seed: 1 });
  if (model === 'legacy') return template;
  const exists = (name: string) =>
    onDatabase(
      adminUrl,
      async (client) =>
        (await client.query('SELECT FROM pg_database WHERE datname = $1', [name])).rowCount === 1,
    );
  const name = `${prefix}_${model}_${base}_x${size}`;
  if (await exists(name)) return name;
  const building = `${name}_building`;
  if (!(await exists(building))) await resetShopDatabase({ adminUrl, template, name: building });
  if (model === 'tuned')
    await onDatabase(ownerUrl(building), async (client) => {
      for (const sql of shortTerm)
        await client.query(sql.replaceAll('CONCURRENTLY', 'CONCURRENTLY IF NOT EXISTS'));
    });
  else {
    const run = runMigration({
      url: ownerUrl(building),
      mapping: await shopMapping({ timeZone }),
      previousStore: 'legacy',
      // Nobody shops there yet, so there is nothing to switch, to wait for or to spare.
      switchStore: async () => {},
      dutyCycle: 1,
      drainMs: 0,
      observeMs: 0,
      until: 'contract',
      yes: true,
    });
    for await (const { event, phase } of run) if (event === 'phase done') say(`  ${building}: ${phase}`);
  }
  await onDatabase(ownerUrl(building), (client) => client.query('VACUUM (ANALYZE)'));
  await onDatabase(adminUrl, (client) =>
    client.query(`ALTER DATABASE ${quote(building)} RENAME TO ${quote(name)}`),
  );
  return name;
}
