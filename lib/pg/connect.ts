import pg from 'pg';
import { isPooled } from './pooler.ts';
import { ReadOnlyClient, type Settings } from './transaction.ts';

export interface ConnectOptions {
  /** Connection URL. */
  url: string;
  /** As pg_stat_activity shows it. */
  applicationName: string;
}

/** What is asked for cannot go through a connection pooler; `message` says why, and what to do. */
export class DirectConnectionNeeded extends Error {
  override readonly name = 'DirectConnectionNeeded';
}

/**
 * What every connection asks for. No setting is among it, not even `application_name`: PgBouncer refuses parameters
 * that it does not know, and leaves a name on the server's connection for the next client that has none of its own.
 */
export const clientConfig = (url: string): pg.ClientConfig => ({
  connectionString: url,
  connectionTimeoutMillis: 10_000,
  keepAlive: true,
});

/** Whether a text is the URL of a database. */
export const isDatabaseUrl = (text: string): boolean =>
  /^postgres(ql)?:\/\//.test(text) && URL.canParse(text);

/** `host:port/database` of a connection URL: what may be shown of it. */
export function describeTarget(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || 'localhost'}:${port || 5432}${pathname}`;
  } catch {
    return 'the given URL';
  }
}

/**
 * Servers from 14 on look while a statement runs whether its client is still there. Otherwise a command that was killed
 * leaves a session that continues its statement, an index of an hour maybe, and the next run cannot begin.
 */
const NOTICE_LOSS = `SELECT set_config(name, '2s', false) FROM pg_catalog.pg_settings WHERE name = 'client_connection_check_interval'`;

/**
 * A role or database may have limits for the application's transactions (from 17 on) and idle sessions (from 14 on), by
 * which a long build would end each time that it is tried. That of statements is each command's own.
 */
const NO_TIME_LIMITS = `SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('transaction_timeout', 'idle_session_timeout')`;

async function connected<Client extends pg.Client>(client: Client): Promise<Client> {
  // What runs on it is told; without a listener the driver would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/**
 * A connection whose session is ours alone and ends with it, for what a transaction cannot hold: advisory locks,
 * CREATE INDEX CONCURRENTLY and VACUUM with timeouts of their own, settings of a long run.
 *
 * @param what the command, as the subject of a sentence
 * @throws DirectConnectionNeeded when a pooler is in between; the driver's or the server's error
 */
export async function openDirect({
  url,
  applicationName,
  what,
}: ConnectOptions & { what: string }): Promise<pg.Client> {
  const client = await connected(new pg.Client(clientConfig(url)));
  try {
    if (await isPooled(client))
      throw new DirectConnectionNeeded(
        `${what} needs a connection of its own, and this one goes through a connection pooler (such as PgBouncer): locks and timeouts would stay behind on a connection that the application gets next. Nothing was changed. Give the URL of the Postgres server itself, which usually listens on port 5432.`,
      );
    await client.query(`SET application_name = ${pg.escapeLiteral(applicationName)}; ${NO_TIME_LIMITS}`);
    await client.query(NOTICE_LOSS).catch((error: { code?: string }) => {
      // The server's system cannot tell it.
      if (error.code !== '22023') throw error;
    });
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/**
 * A connection for reading, directly or through any pooler: each statement runs with these settings in a transaction
 * of its own, after which nothing is left of them.
 *
 * @throws the driver's or the server's error
 */
export const openReadOnly = ({
  url,
  applicationName,
  settings = {},
}: ConnectOptions & { settings?: Settings }): Promise<ReadOnlyClient> =>
  connected(new ReadOnlyClient(clientConfig(url), { application_name: applicationName, ...settings }));
