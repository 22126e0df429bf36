import type { Socket } from 'node:net';
import type { Client, ClientConfig } from 'pg';

/** Planning takes milliseconds; this only bounds what a locked catalogue could cost. */
const EXPLAIN_TIMEOUT_MS = 2_000;

type ClientClass = new (config: ClientConfig) => Client;

/** Where a statement ran, as far as a second connection can get there. */
export interface SessionTarget {
  key: string;
  config: ClientConfig;
  /** Address and port that the session is connected to; undefined for a socket of the file system. */
  address: string | undefined;
  Client: ClientClass;
}

interface Internals {
  host?: string;
  port?: number;
  database?: string;
  user?: string;
  password?: string;
  ssl?: boolean | object;
  connectionParameters?: { options?: string; client_encoding?: string; replication?: string };
  connection?: { stream?: Socket };
  processID?: number;
  unref?(): void;
}

const addressOf = (client: Internals): string | undefined => {
  const { remoteAddress, remotePort } = client.connection?.stream ?? {};
  return remoteAddress && `${remoteAddress} ${remotePort}`;
};

/** pg's own class, whatever class of the application's is derived from it. */
function driverOf(client: object): ClientClass | undefined {
  let driver: ClientClass | undefined;
  for (let owner = Object.getPrototypeOf(client); owner; owner = Object.getPrototypeOf(owner))
    if (Object.hasOwn(owner, 'query') && Object.hasOwn(owner, 'connect')) driver = owner.constructor;
  return driver;
}

/**
 * Where a client's session is. Undefined where a second connection could lead elsewhere: pg-native, which does not say
 * what it is connected to, replication, a stream of the application's own, a password that cannot be given again.
 */
export function targetOf(client: Client): SessionTarget | undefined {
  const internals = client as unknown as Internals;
  const { host, port, database, user, password, ssl, connectionParameters, connection } = internals;
  const Client = driverOf(client);
  if (!connection?.stream || !Client || connectionParameters?.replication) return undefined;
  if (
    password !== null &&
    password !== undefined &&
    typeof password !== 'string' &&
    typeof password !== 'function'
  )
    return undefined;
  const options = connectionParameters?.options;
  const encoding = connectionParameters?.client_encoding;
  return {
    key: JSON.stringify([host, port, database, user, options, Boolean(ssl)]),
    config: {
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(database === undefined ? {} : { database }),
      ...(user === undefined ? {} : { user }),
      ...(password ? { password } : {}),
      ...(options ? { options } : {}),
      ...(encoding ? { client_encoding: encoding } : {}),
      ssl: (ssl ?? false) as NonNullable<ClientConfig['ssl']>,
    },
    address: addressOf(internals),
    Client,
  };
}

const planClients = new WeakSet<object>();

/** Whether a client is here for plans, so that what it runs is no work of the service. */
export const isPlanClient = (client: object): boolean => planClients.has(client);

/** A connection for EXPLAIN, of the same parameters as that of the statement, to the same address. */
export class PlanSession {
  readonly #client: Client;
  readonly #key: string;
  #lost = false;

  private constructor(client: Client, key: string) {
    this.#client = client;
    this.#key = key;
    client.on('error', () => {
      this.#lost = true;
    });
  }

  /** @throws Error when the server does not answer in time, refuses, or is another one than the statement's */
  static async open({ key, config, address, Client }: SessionTarget): Promise<PlanSession> {
    const client = new Client({
      ...config,
      connectionTimeoutMillis: EXPLAIN_TIMEOUT_MS,
      query_timeout: EXPLAIN_TIMEOUT_MS * 2,
    });
    planClients.add(client);
    const session = new PlanSession(client, key);
    try {
      await client.connect();
      const internals = client as unknown as Internals;
      if (addressOf(internals) !== address)
        throw new Error('another server than the one that ran the statement');
      // Not asked for when connecting, because a pooler gives the name to the application next. Without one, the process
      // is the one that the server named for cancel requests, and the session is ours.
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      if (rows[0]?.pid === internals.processID) await client.query("SET application_name = 'sqltrail-plans'");
      // Not in the types; without it an idle connection would keep the application from ending.
      internals.unref?.();
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  isOf({ key }: SessionTarget): boolean {
    return !this.#lost && this.#key === key;
  }

  /**
   * The plan of a statement with its values, in JSON as EXPLAIN gives it, after what the session was told before. All of
   * that is rolled back.
   */
  async explain(sql: string, values: unknown[], before: readonly string[]): Promise<unknown> {
    try {
      // Nor is the timeout asked for when connecting: poolers refuse that parameter.
      await this.#client.query(
        `BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = ${EXPLAIN_TIMEOUT_MS}`,
      );
      for (const statement of before) await this.#client.query(statement);
      const { rows } = await this.#client.query({
        text: `EXPLAIN (FORMAT JSON, SETTINGS) ${sql}`,
        values,
        // The application may have a parser of its own for JSON, and what is no tree of values could not be redacted.
        types: { getTypeParser: () => (text: string) => text },
      });
      const [row] = rows;
      return row && JSON.parse(row['QUERY PLAN']);
    } finally {
      await this.#client.query('ROLLBACK');
    }
  }

  close(): void {
    void this.#client.end().catch(() => {});
  }
}
