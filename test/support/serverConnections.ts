import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { THINK_MS } from './writers.ts';

/** All that a session of Postgres can keep from one transaction to the next. */
export interface SessionState {
  role: string;
  settings: Record<string, string | null>;
  preparedStatements: string[];
  cursors: string[];
  channels: string[];
  advisoryLocks: number;
  temporarySchema: boolean;
  hypotheticalIndexes: number;
}

async function stateOf(client: pg.ClientBase): Promise<SessionState> {
  // A setting that only a loaded library, or a SET LOCAL of its name, has made known counts once it has a value.
  const { rows } = await client.query<SessionState>(`
    SELECT session_user || ' as ' || current_user AS role,
           (SELECT json_object_agg(name, setting ORDER BY name) FROM pg_settings
             WHERE source <> 'default' OR setting IS DISTINCT FROM boot_val) AS settings,
           ARRAY(SELECT name FROM pg_prepared_statements WHERE name <> '') AS "preparedStatements",
           ARRAY(SELECT name FROM pg_cursors WHERE name <> '') AS cursors,
           ARRAY(SELECT pg_listening_channels()) AS channels,
           (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS "advisoryLocks",
           pg_my_temp_schema() <> 0 AS "temporarySchema", 0 AS "hypotheticalIndexes"`);
  const state = rows[0] as SessionState;
  const { rows: hypopg } = await client.query("SELECT FROM pg_extension WHERE extname = 'hypopg'");
  if (hypopg.length > 0)
    state.hypotheticalIndexes = (await client.query('SELECT FROM hypopg_list_indexes')).rowCount ?? 0;
  return state;
}

/** State of a connection as the server gives it to somebody who asks for nothing. */
export async function freshState(direct: string): Promise<SessionState> {
  const client = new pg.Client({ connectionString: direct });
  await client.connect();
  try {
    await client.query('BEGIN');
    return await stateOf(client);
  } finally {
    await client.end();
  }
}

/**
 * State of each server connection of a pooler, by the server's process: clients that all are in a transaction at the
 * same time hold all of them.
 *
 * @param url of the pooler
 * @param count size of the pool
 */
export async function pooledStates(url: string, count: number): Promise<Map<number, SessionState>> {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url }));
  try {
    const states = new Map<number, SessionState>();
    for (const client of clients) {
      await client.connect();
      await client.query('BEGIN');
    }
    for (const client of clients) {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      states.set(rows[0]?.pid ?? 0, await stateOf(client));
    }
    for (const client of clients) await client.query('ROLLBACK');
    return states;
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

/** An application that writes all the time and knows nothing of sqltrail. */
export interface Application {
  /** Writes that succeeded so far. */
  readonly writes: number;
  /** What went wrong: errors of its statements, and settings that were not those of its role. */
  readonly problems: string[];
  stop(): Promise<void>;
}

/** What an application notices of its session without looking for it. */
const NOTICED = [
  'search_path',
  'default_transaction_read_only',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'TimeZone',
  'DateStyle',
  // PgBouncer leaves another client's name there for a client that has none.
  'application_name',
  'role',
];

/**
 * Writes to a table of its own, found by the search_path, until it is stopped.
 *
 * @param reconnect after each write, as scripts do: through a pooler in session mode only that gets other connections
 */
export async function startApplication({
  url,
  direct,
  reconnect,
}: {
  url: string;
  direct: string;
  reconnect: boolean;
}): Promise<Application> {
  const owner = new pg.Client({ connectionString: direct });
  await owner.connect();
  await owner.query('CREATE TABLE IF NOT EXISTS written (at timestamptz NOT NULL DEFAULT now(), n int)');
  const look = `SELECT ARRAY[${NOTICED.map((name) => `'${name}=' || current_setting('${name}')`).join(', ')}] AS seen`;
  const expected = String((await owner.query<{ seen: string[] }>(look)).rows[0]?.seen);
  await owner.end();
  let writes = 0;
  let stopped = false;
  const problems = new Set<string>();
  const write = async (client: pg.Client) => {
    const { rows } = await client.query<{ seen: string[] }>(
      `WITH done AS (INSERT INTO written (n) VALUES ($1) RETURNING n) ${look} FROM done`,
      [writes],
    );
    if (String(rows[0]?.seen) !== expected) problems.add(`settings: ${rows[0]?.seen}`);
    writes += 1;
  };
  const visit = async (until: () => boolean) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', (error) => problems.add(`connection: ${error.message}`));
    try {
      await client.connect();
      do {
        await write(client).catch((error: Error) => problems.add(error.message));
        await sleep(THINK_MS);
      } while (!until() && !stopped);
    } catch (error) {
      problems.add((error as Error).message);
    } finally {
      await client.end().catch(() => {});
    }
  };
  const work = async () => {
    while (!stopped) await visit(() => reconnect);
  };
  const working = Promise.all([work(), work()]);
  return {
    get writes() {
      return writes;
    },
    get problems() {
      return [...problems];
    },
    async stop() {
      stopped = true;
      await working;
    },
  };
}
