import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { createRoles, grantOnShop, type RolePasswords } from '../schema/roles.ts';
import { fillTasks, helpers } from './fill.sql.ts';
import { type Size, scaleOf } from './scales.ts';

export interface ShopDatabaseOptions {
  /** Superuser URL of the server; its database is used only to reach the server. */
  adminUrl: string;
  passwords: RolePasswords;
  scale: Size;
  seed: number;
  /** Newest moment in the data, `YYYY-MM-DD`; the server's today by default, so that none lies ahead of its clock. */
  asOf?: string;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number; title: string }) => void;
}

type FillOptions = ShopDatabaseOptions & { asOf: string };

async function connect(adminUrl: string, database?: string): Promise<pg.Client> {
  const url = new URL(adminUrl);
  if (database) url.pathname = `/${encodeURIComponent(database)}`;
  const client = new pg.Client({ connectionString: url.href, application_name: 'sqltrail-data' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** The template's name says what is in it, so that other data never passes for it. */
export async function templateName({
  scale,
  seed,
}: Pick<ShopDatabaseOptions, 'scale' | 'seed'>): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [
    '../schema/legacy.sql',
    './fill.sql.ts',
    './scales.ts',
    './database.ts',
    '../schema/roles.ts',
  ])
    hash.update(await readFile(new URL(file, import.meta.url)));
  return `shop_template_${scale}_${seed}_${hash.digest('hex').slice(0, 10)}`;
}

async function exists(admin: pg.ClientBase, database: string): Promise<boolean> {
  return (await admin.query('SELECT FROM pg_database WHERE datname = $1', [database])).rowCount === 1;
}

/**
 * The shop's roles may connect to the shop, and nowhere else: not to templates that earlier versions left open, nor to
 * the server's own databases, as long as no other role would lose something by it.
 */
async function closeOtherDatabases(admin: pg.ClientBase): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database
      WHERE datname LIKE 'shop\\_template\\_%'
         OR datname IN ('postgres', 'template1') AND NOT EXISTS (
              SELECT FROM pg_roles
               WHERE rolcanlogin AND NOT rolsuper AND rolname NOT IN ('shop_owner', 'shop_app', 'sqltrail_monitor'))`,
  );
  for (const { name } of rows)
    await admin.query(`REVOKE ALL ON DATABASE ${pg.escapeIdentifier(name)} FROM PUBLIC`);
}

/** Runs the fill tasks on `connections` connections, each as soon as what it needs is there. */
async function fill(clients: pg.Client[], { scale, asOf, signal, onProgress }: FillOptions): Promise<void> {
  const open = fillTasks(scaleOf(scale), asOf);
  const total = open.length;
  const done = new Set<string>();
  let wake = () => {};
  let changed = new Promise<void>((resolve) => {
    wake = resolve;
  });
  let failed = false;
  const worker = async (client: pg.Client) => {
    while (open.length > 0 && !failed) {
      signal?.throwIfAborted();
      const at = open.findIndex(({ needs }) => needs.every((title) => done.has(title)));
      const [task] = at < 0 ? [] : open.splice(at, 1);
      if (!task) {
        await changed;
        continue;
      }
      onProgress?.({ done: done.size, total, title: task.title });
      try {
        await client.query(task.sql);
        done.add(task.title);
      } catch (error) {
        failed = true;
        throw new Error(`filling ${task.title} failed: ${(error as Error).message}`, { cause: error });
      } finally {
        wake();
        changed = new Promise((resolve) => {
          wake = resolve;
        });
      }
    }
  };
  const results = await Promise.allSettled(clients.map(worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * Makes the template database with the shop's data at critical size, or returns at once when it is there.
 * It is built under a temporary name and renamed when complete, so a run that was killed leaves nothing
 * that passes for data; the next run removes what it left.
 *
 * @returns the template's name
 */
export async function createShopDatabase(options: ShopDatabaseOptions): Promise<string> {
  const template = await templateName(options);
  const admin = await connect(options.adminUrl);
  const clients: pg.Client[] = [];
  const onAbort = () => {
    for (const client of clients)
      void admin
        .query('SELECT pg_cancel_backend($1)', [(client as unknown as { processID: number }).processID])
        .catch(() => {});
  };
  try {
    // One builder at a time on this server; the lock goes with the connection.
    await admin.query("SELECT pg_advisory_lock(hashtextextended('sqltrail shop data', 0))");
    await createRoles(admin, options.passwords);
    await closeOtherDatabases(admin);
    if (await exists(admin, template)) return template;
    const building = `${template}_building`;
    await admin.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(building)} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(building)} OWNER shop_owner`);
    // It keeps its rights when it is renamed.
    await admin.query(`REVOKE ALL ON DATABASE ${pg.escapeIdentifier(building)} FROM PUBLIC`);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    for (let i = 0; i < 2; i += 1) {
      const client = await connect(options.adminUrl, building);
      await client.query(
        "SET synchronous_commit = off; SET work_mem = '128MB'; SET maintenance_work_mem = '256MB'; SET jit = off",
      );
      clients.push(client);
    }
    const [first] = clients as [pg.Client];
    await first.query('CREATE EXTENSION pg_stat_statements');
    await first.query(await readFile(new URL('../schema/legacy.sql', import.meta.url), 'utf8'));
    await first.query(helpers(options.seed));
    // Asked once: at midnight the two would differ.
    const { rows } = await first.query<{ today: string }>("SELECT to_char(now(), 'YYYY-MM-DD') AS today");
    const dated = { ...options, asOf: options.asOf ?? (rows[0]?.today as string) };
    await fill(clients, dated);
    await finish(clients, dated);
    await Promise.all(clients.splice(0).map((client) => client.end()));
    await admin.query(
      `ALTER DATABASE ${pg.escapeIdentifier(building)} RENAME TO ${pg.escapeIdentifier(template)}`,
    );
    return template;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
    await admin.end();
  }
}

/** The one index that somebody added years ago, sequences after the made rows, owner, grants, statistics. */
async function finish(clients: pg.Client[], { scale, seed, asOf }: FillOptions): Promise<void> {
  const [first, second = first] = clients as [pg.Client, pg.Client?];
  await Promise.all([
    first.query('CREATE INDEX order_items_order_id_idx ON order_items (order_id)'),
    second.query('VACUUM (ANALYZE) orders, activity_log'),
  ]);
  await first.query('DROP SCHEMA fill CASCADE');
  const tables = ['customers', 'products', 'reviews', 'carts', 'cart_items', 'orders', 'order_items'];
  for (const table of tables)
    await first.query(
      `SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT max(id) FROM ${pg.escapeIdentifier(table)}))`,
      [table],
    );
  await first.query(`COMMENT ON SCHEMA public IS ${pg.escapeLiteral(JSON.stringify({ scale, seed, asOf }))}`);
  for (const table of [...tables, 'product_attributes', 'activity_log', 'counters'])
    await first.query(`ALTER TABLE ${pg.escapeIdentifier(table)} OWNER TO shop_owner`);
  await grantOnShop(first);
  await first.query(
    'VACUUM (ANALYZE) customers, products, product_attributes, reviews, carts, cart_items, order_items, counters',
  );
}

/** Replaces the database `name` by a fresh copy of the template. Connections to it are closed. */
export async function resetShopDatabase(
  options: Pick<ShopDatabaseOptions, 'adminUrl'> & { template: string; name?: string },
): Promise<void> {
  const name = options.name ?? 'shop';
  const admin = await connect(options.adminUrl);
  try {
    await admin.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
    const { rows } = await admin.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::int AS version",
    );
    // Copying files is what Postgres 14 and older always do.
    const strategy = (rows[0]?.version ?? 0) >= 150_000 ? 'STRATEGY file_copy' : '';
    await admin.query(
      `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(options.template)} OWNER shop_owner ${strategy}`,
    );
    await admin.query(`REVOKE ALL ON DATABASE ${pg.escapeIdentifier(name)} FROM PUBLIC`);
    await admin.query(`GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(name)} TO shop_app, sqltrail_monitor`);
  } finally {
    await admin.end();
  }
}

/** Whether the server has a database of that name with the shop's tables in it; an empty database has not. */
export async function holdsShop(adminUrl: string, name: string): Promise<boolean> {
  const admin = await connect(adminUrl);
  try {
    if (!(await exists(admin, name))) return false;
  } finally {
    await admin.end();
  }
  const shop = await connect(adminUrl, name);
  try {
    const { rows } = await shop.query("SELECT to_regclass('public.orders') IS NOT NULL AS there");
    return rows[0]?.there === true;
  } finally {
    await shop.end();
  }
}
