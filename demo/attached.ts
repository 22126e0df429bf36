import pg from 'pg';
import { ConfigurationError } from '../lib/errors.ts';
import type { StoryDatabases, StoryTargets } from './clients.ts';

/** Targets of a stack that runs already, from the environment (docker compose run story); undefined without them. */
export function attachedTargets(env: NodeJS.ProcessEnv): StoryTargets | undefined {
  const names = {
    prometheus: 'PROMETHEUS_URL',
    alertmanager: 'ALERTMANAGER_URL',
    console: 'CONSOLE_URL',
    shop: 'SHOP_URL',
    load: 'LOAD_URL',
    token: 'SQLTRAIL_TOKEN',
  } as const;
  const given = Object.values(names).filter((name) => env[name]);
  if (!env['SHOP_URL'] && !env['LOAD_URL']) return undefined;
  const missing = Object.values(names).filter((name) => !given.includes(name));
  if (missing.length > 0)
    throw new ConfigurationError(
      `To run the demo on a running stack, also set ${missing.join(', ')}; without SHOP_URL and LOAD_URL, a native stack is started.`,
    );
  const targets = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, env[name]]));
  const consolePage = env['CONSOLE_PUBLIC_URL'];
  return { ...targets, ...(consolePage ? { consolePage } : {}) } as unknown as StoryTargets;
}

function databaseUrl(env: NodeJS.ProcessEnv, name: string, passwordName: string): string | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (!URL.canParse(text))
    throw new ConfigurationError(`${name} is not a URL; for example postgres://shop_owner@127.0.0.1/shop`);
  const url = new URL(text);
  // A password of its own is for places where it comes as a file: PGPASSWORD can only be one role's.
  const password = env[passwordName];
  if (password && !url.password) url.password = encodeURIComponent(password);
  return url.href;
}

/**
 * Roles of a stack that runs already, by `OWNER_DATABASE_URL` and `MONITOR_DATABASE_URL`, the passwords in them or in
 * `SHOP_OWNER_PASSWORD` and `SQLTRAIL_MONITOR_PASSWORD`. The story goes beyond the breakdown only with both.
 */
export function attachedDatabases(env: NodeJS.ProcessEnv): StoryDatabases | undefined {
  const owner = databaseUrl(env, 'OWNER_DATABASE_URL', 'SHOP_OWNER_PASSWORD');
  const monitor = databaseUrl(env, 'MONITOR_DATABASE_URL', 'SQLTRAIL_MONITOR_PASSWORD');
  return owner && monitor ? { owner, monitor } : undefined;
}

/**
 * A story needs the shop as it was found. The schema `sqltrail` is where each treatment keeps its journal, so with it
 * there the shop has been treated.
 *
 * @throws ConfigurationError naming how to get a fresh shop
 */
export async function assertUntreated(databases: StoryDatabases): Promise<void> {
  const client = new pg.Client({
    connectionString: databases.owner,
    application_name: 'sqltrail-story',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query<{ treated: boolean }>(
      "SELECT to_regnamespace('sqltrail') IS NOT NULL AS treated",
    );
    if (!rows[0]?.treated) return;
  } finally {
    await client.end();
  }
  throw new ConfigurationError(
    [
      'This shop has been changed by an earlier run (its database has a schema sqltrail), but the demo needs a fresh one.',
      'To reset it, which deletes all orders: docker compose run --rm data node sample-shop/data/main.ts --yes && docker compose restart shop load',
      'To show only the breakdown, on the shop as it is: story --until breakdown',
    ].join('\n'),
  );
}
