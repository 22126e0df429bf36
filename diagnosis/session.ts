import pg from 'pg';
import { OWN_STATEMENT } from './catalogue.ts';
import type { QueryLimits, Session } from './check.ts';
import { isOneStatement, loadParser } from './sql/shape.ts';

export interface SessionOptions {
  /** Connection URL; its password is never printed. */
  url: string;
  /** A statement of the diagnosis that takes longer is cancelled by the server. Milliseconds. */
  statementTimeoutMs: number;
  /** Waiting for a lock longer than this ends the statement. Milliseconds. */
  lockTimeoutMs: number;
  /** Database time that the whole run may use. Milliseconds. */
  budgetMs: number;
  /**
   * Share of wall-clock time that the diagnosis may keep the server busy (0..1): after each statement it rests
   * long enough. 1 never rests.
   */
  dutyCycle: number;
  signal?: AbortSignal;
}

/** The run has used the database time it was given; findings so far stay valid, the rest is marked partial. */
export class BudgetExceeded extends Error {
  constructor(budgetMs: number) {
    super(`the diagnosis used up its ${budgetMs / 1000} s of database time (raise it with --budget)`);
  }
}

/** A statement was not even begun, because the time that it was given is too short for any. */
export class NoTimeLeft extends Error {
  constructor() {
    super('no time was left for it');
  }
}

/** The connection could not be made, or was cut; `message` names the cause and the next step, never the password. */
export class ConnectionFailed extends Error {}

/** A shorter timeout would cancel nearly anything on a busy server, setting the next timeout too. Milliseconds. */
const LEAST_TIMEOUT_MS = 100;

/** What the diagnosis itself did to the server. */
export interface OwnLoad {
  statements: number;
  /** Wall-clock milliseconds in which one of its statements was running. */
  busyMs: number;
}

export interface OpenSession extends Session {
  ownLoad(): OwnLoad;
  /** The connection was lost; nothing more can be read. */
  readonly lost: boolean;
  close(): Promise<void>;
}

/** `host:port/database` of a connection URL: what may be shown of it. */
export function describeTarget(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || 'localhost'}:${port || 5432}${pathname}`;
  } catch {
    return 'the given URL';
  }
}

function explainFailure(error: unknown, url: string): ConnectionFailed {
  const { code, message } = error as { code?: string; message?: string };
  const target = describeTarget(url);
  const say = (text: string) => new ConnectionFailed(`${target}: ${text}`, { cause: error });
  if (code === '28P01' || code === '28000')
    return say('the server refused the user name or password. Check them, and pg_hba.conf for this host.');
  if (code === '3D000') return say('there is no such database. Check the name at the end of the URL.');
  if (code === '42501' || code === '28501')
    return say('the role may not connect. It needs: GRANT CONNECT ON DATABASE.');
  if (code === '53300')
    return say('the server has no connection left. Retry, or use a role with reserved_connections.');
  if (code === 'ECONNREFUSED')
    return say('nothing listens there. Is the server running, and is the port right?');
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return say('the host name is not known. Check it for a typing error.');
  if (code === 'ETIMEDOUT' || message?.includes('timeout'))
    return say('no answer within 10 s. A firewall, a wrong host or an overloaded server?');
  if (message?.includes('does not support SSL'))
    return say('the server speaks no TLS. Add ?sslmode=disable if that is intended.');
  return say(`the connection failed (${code ?? message ?? 'unknown cause'}).`);
}

/**
 * Opens a session that cannot change anything: the connection defaults to READ ONLY transactions, every statement runs
 * in one of its own (so no snapshot is held and vacuum is not kept back), with statement and lock timeouts.
 *
 * @throws ConnectionFailed
 */
export async function openSession(options: SessionOptions): Promise<OpenSession> {
  let client: pg.Client;
  try {
    client = new pg.Client({
      connectionString: options.url,
      connectionTimeoutMillis: 10_000,
      application_name: 'sqltrail-diagnose',
      keepAlive: true,
    });
  } catch (error) {
    throw explainFailure(error, options.url);
  }
  await loadParser();
  let lost = false;
  client.on('error', () => {
    lost = true;
  });
  try {
    await client.connect();
    await client.query(
      `SELECT set_config('default_transaction_read_only', 'on', false),
              set_config('statement_timeout', $1, false),
              set_config('lock_timeout', $2, false),
              set_config('idle_in_transaction_session_timeout', '10000', false),
              set_config('search_path', 'pg_catalog', false) ${OWN_STATEMENT}`,
      [String(options.statementTimeoutMs), String(options.lockTimeoutMs)],
    );
  } catch (error) {
    await client.end().catch(() => {});
    throw explainFailure(error, options.url);
  }
  const load: OwnLoad = { statements: 0, busyMs: 0 };
  let timeoutMs = options.statementTimeoutMs;
  const setTimeoutMs = async (wanted: number) => {
    if (wanted === timeoutMs) return;
    await client.query(`SELECT set_config('statement_timeout', $1, false) ${OWN_STATEMENT}`, [
      String(wanted),
    ]);
    timeoutMs = wanted;
  };
  const run = async <Row extends object>(query: pg.QueryConfig, limits?: QueryLimits): Promise<Row[]> => {
    const wantedMs = Math.min(
      options.statementTimeoutMs,
      Math.round((limits?.withinMs ?? Infinity) * options.dutyCycle),
    );
    if (limits && wantedMs < Math.min(LEAST_TIMEOUT_MS, options.statementTimeoutMs)) throw new NoTimeLeft();
    options.signal?.throwIfAborted();
    if (lost)
      throw new ConnectionFailed(
        `${describeTarget(options.url)}: the connection was cut during the diagnosis.`,
      );
    if (load.busyMs >= options.budgetMs) throw new BudgetExceeded(options.budgetMs);
    const started = performance.now();
    try {
      await setTimeoutMs(wantedMs);
      return (await client.query({ ...query, text: `${query.text}\n${OWN_STATEMENT}` })).rows as Row[];
    } catch (error) {
      if (lost || (error as { code?: string }).code === '57P01') {
        lost = true;
        throw new ConnectionFailed(
          `${describeTarget(options.url)}: the connection was cut during the diagnosis.`,
          {
            cause: error,
          },
        );
      }
      throw error;
    } finally {
      const busyMs = performance.now() - started;
      load.statements += 1;
      load.busyMs += busyMs;
      const restMs = busyMs * (1 / options.dutyCycle - 1);
      if (restMs >= 1) await new Promise((resolve) => setTimeout(resolve, Math.min(restMs, 5_000)));
    }
  };
  return {
    get lost() {
      return lost;
    },
    quote: (...parts) => parts.map((part) => pg.escapeIdentifier(part)).join('.'),
    query: async <Row extends object>(sql: string, values: unknown[] = [], limits?: QueryLimits) => {
      // The extended protocol takes one statement only, so a read-only transaction cannot be left from within.
      return run<Row>({ text: sql, values, queryMode: 'extended' } as pg.QueryConfig, limits);
    },
    plan: async (statement, options) => {
      // Only the simple protocol takes placeholders without values; the parser has seen that it is one statement.
      if (!isOneStatement(statement)) throw new Error('not one statement');
      const parameters = Math.max(
        0,
        ...[...statement.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)),
      );
      const explain = async (text: string) =>
        (await run<{ 'QUERY PLAN': unknown }>({ text }))[0]?.['QUERY PLAN'];
      if (options !== '' || parameters === 0) return explain(`EXPLAIN (${options}FORMAT JSON) ${statement}`);
      // Before Postgres 16 a prepared statement gives its generic plan; the values, all null, do not count in it.
      await run({ text: "SELECT set_config('plan_cache_mode', 'force_generic_plan', false)" });
      await run({ text: `PREPARE sqltrail_plan AS ${statement}` });
      try {
        const nulls = Array.from({ length: parameters }, () => 'NULL').join(', ');
        return await explain(`EXPLAIN (FORMAT JSON) EXECUTE sqltrail_plan(${nulls})`);
      } finally {
        await run({ text: 'DEALLOCATE sqltrail_plan' }).catch(() => {});
      }
    },
    ownLoad: () => ({ ...load }),
    close: () => client.end().catch(() => {}),
  };
}
