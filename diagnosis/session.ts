import pg from 'pg';
import { restMs } from '../lib/dutyCycle.ts';
import { clientConfig, describeTarget } from '../lib/pg/connect.ts';
import { isPooled, refusedParameter } from '../lib/pg/pooler.ts';
import { quote } from '../lib/pg/quote.ts';
import { readOnlyEach, readOnlyTransaction, type Settings } from '../lib/pg/transaction.ts';
import { OWN_STATEMENT } from './catalogue.ts';
import type { QueryLimits, Session } from './readSession.ts';
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
   * Share of wall-clock time that the diagnosis may keep a server busy that has little else to do (0..1): after each
   * statement it rests long enough. 1 never rests. See {@link OpenSession.besides} for a server that has much to do.
   */
  dutyCycle: number;
  /** On whose account a statement goes that is asked for now; asked within the caller's asynchronous context. */
  account?: () => Account | undefined;
  signal?: AbortSignal;
}

/** Takes the wall-clock milliseconds of statements; those that went together share theirs alike. */
export interface Account {
  busyMs: number;
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

const APPLICATION_NAME = 'sqltrail-diagnose';

/** A shorter timeout would cancel nearly anything on a busy server, setting the next timeout too. Milliseconds. */
const MIN_TIMEOUT_MS = 100;

/**
 * Statements that wait for their turn together go to the server together, as many as this: on a busy server each round
 * trip waits for the processor, on both sides. Not more, so that the rest that follows them comes soon.
 */
const MAX_TOGETHER = 8;

/**
 * How long the transaction took so far by the server's clock. Neither the way there and back is in it, nor a client that
 * waits for a processor, which are no work of the server's. Milliseconds.
 */
const SERVER_MS: pg.QueryConfig = {
  text: `SELECT 1000 * extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp())::float8 AS ms
${OWN_STATEMENT}`,
};

/** So often others go before a statement that reads many rows, and then it has its turn. */
const MOST_PASSED_OVER = 4;

/**
 * What the diagnosis may take from the statements that run beside it (0..1): with n of them, and with itself busy for a
 * share d of the time, processors that are dealt out fairly give each of them n / (n + d) of what it had.
 */
const MOST_TAKEN = 0.05;

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
  /** It goes through a connection pooler. */
  readonly pooled: boolean;
  /**
   * Beside so many running statements the server gives the diagnosis its share of the processors and no more, so that it
   * rests less, up to not at all: as long as it takes at most {@link MOST_TAKEN} from them.
   */
  besides(running: number): void;
  close(): Promise<void>;
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
  const parameter = refusedParameter(error);
  if (parameter)
    return say(
      `the connection pooler there does not take the parameter "${parameter}". Remove it from the URL (or from PGOPTIONS), or give the URL of the Postgres server itself.`,
    );
  if (message?.includes('does not support SSL'))
    return say('the server speaks no TLS. Add ?sslmode=disable if that is intended.');
  return say(`the connection failed (${code ?? message ?? 'unknown cause'}).`);
}

/**
 * Opens a session that cannot change anything, and leaves nothing on the server's connection, which a pooler may give
 * to the application next: every statement runs in a READ ONLY transaction of its own (so no snapshot is held and vacuum
 * is not kept back), and statement and lock timeouts end with it.
 *
 * @throws ConnectionFailed
 */
export async function openSession(options: SessionOptions): Promise<OpenSession> {
  let client: pg.Client;
  try {
    client = new pg.Client({ ...clientConfig(options.url), pipeline: true });
  } catch (error) {
    throw explainFailure(error, options.url);
  }
  await loadParser();
  let lost = false;
  client.on('error', () => {
    lost = true;
  });
  let pooled: boolean;
  try {
    await client.connect();
    pooled = await isPooled(client, OWN_STATEMENT);
    // Without a pooler the session is ours, and ends with us.
    if (!pooled)
      await client.query(
        `SET application_name = '${APPLICATION_NAME}' ${OWN_STATEMENT}; SET default_transaction_read_only = on ${OWN_STATEMENT}`,
      );
  } catch (error) {
    await client.end().catch(() => {});
    throw explainFailure(error, options.url);
  }
  const load: OwnLoad = { statements: 0, busyMs: 0 };
  interface Work {
    statements: readonly pg.QueryConfig[];
    settings: Settings;
    cleanUp?: string;
    limits?: QueryLimits | undefined;
  }
  interface Waiting {
    work: Work;
    /** Settings that its statements run with, all of them. */
    settings: Settings;
    /** Statements with the same one can go together; without it, alone. */
    company: string | undefined;
    account: Account | undefined;
    resolve(rows: object[]): void;
    reject(reason: unknown): void;
  }
  const cut = (cause?: unknown) =>
    new ConnectionFailed(`${describeTarget(options.url)}: the connection was cut during the diagnosis.`, {
      cause,
    });
  const whyFailed = (error: unknown) => {
    if (!lost && (error as { code?: string }).code !== '57P01') return error;
    lost = true;
    return cut(error);
  };
  /** Why nothing may be sent any more. */
  const prevented = (): unknown => {
    if (options.signal?.aborted) return options.signal.reason;
    if (lost) return cut();
    return load.busyMs >= options.budgetMs ? new BudgetExceeded(options.budgetMs) : undefined;
  };
  const tagged = ({ statements }: Work) =>
    statements.map((statement) => ({ ...statement, text: `${statement.text}\n${OWN_STATEMENT}` }));
  /** @returns the results, and for how long the server was at them where its own clock says so, milliseconds */
  const transact = async (
    together: readonly [Waiting, ...Waiting[]],
  ): Promise<{ results: PromiseSettledResult<pg.QueryResult>[]; serverMs?: number }> => {
    const [{ work, settings }] = together;
    if (!pooled && work.statements.length === 1 && work.cleanUp === undefined) {
      const results = await readOnlyEach(client, {
        settings,
        statements: [...together.flatMap((each) => tagged(each.work)), SERVER_MS] as [pg.QueryConfig],
        tag: OWN_STATEMENT,
      });
      const last = results.pop();
      return {
        results,
        ...(last?.status === 'fulfilled' ? { serverMs: last.value.rows[0]?.ms } : {}),
      };
    }
    const result = readOnlyTransaction(client, {
      settings,
      statements: tagged(work) as [pg.QueryConfig],
      cleanUp: work.cleanUp,
      tag: OWN_STATEMENT,
      readOnlySession: !pooled,
    });
    return { results: await Promise.allSettled([result]) };
  };
  let { dutyCycle } = options;
  const waiting: Waiting[] = [];
  let serving = false;
  let passedOver = 0;
  const serve = async () => {
    if (serving) return;
    serving = true;
    while (waiting.length > 0) {
      // What reads many rows would have the others wait for it, and for the rest after it.
      const short = waiting.findIndex(({ work }) => work.limits === undefined);
      const long = waiting.findIndex(({ work }) => work.limits !== undefined);
      const longsTurn = short < 0 || (long >= 0 && passedOver >= MOST_PASSED_OVER);
      passedOver = long < 0 || longsTurn ? 0 : passedOver + 1;
      const [first] = waiting.splice(longsTurn ? long : short, 1);
      if (!first) break;
      const { company } = first;
      const together: [Waiting, ...Waiting[]] = [first];
      while (company !== undefined && together.length < MAX_TOGETHER) {
        const at = waiting.findIndex((next) => next.company === company);
        if (at < 0) break;
        together.push(...waiting.splice(at, 1));
      }
      const reason = prevented();
      if (reason !== undefined) {
        for (const { reject } of together) reject(reason);
        continue;
      }
      const started = performance.now();
      let serverMs: number | undefined;
      try {
        const answer = await transact(together);
        ({ serverMs } = answer);
        const { results } = answer;
        for (const [at, result] of results.entries())
          if (result.status === 'fulfilled') together[at]?.resolve(result.value.rows);
          else together[at]?.reject(whyFailed(result.reason));
      } catch (error) {
        for (const { reject } of together) reject(whyFailed(error));
      }
      const tookMs = performance.now() - started;
      const busyMs = Math.min(serverMs ?? tookMs, tookMs);
      load.statements += together.length;
      load.busyMs += busyMs;
      for (const { account } of together) if (account) account.busyMs += busyMs / together.length;
      // What was asked is worked on meanwhile: it takes none of the server's time, as the way there did not. Nor does the
      // rest keep the process from its end.
      const rest = restMs(busyMs, dutyCycle) - (tookMs - busyMs);
      if (rest >= 1) await new Promise((resolve) => setTimeout(resolve, rest).unref());
    }
    serving = false;
  };
  const run = async <Row extends object>(work: Work): Promise<Row[]> => {
    const wantedMs = Math.min(
      options.statementTimeoutMs,
      Math.round((work.limits?.withinMs ?? Infinity) * dutyCycle),
    );
    if (work.limits && wantedMs < Math.min(MIN_TIMEOUT_MS, options.statementTimeoutMs))
      throw new NoTimeLeft();
    const settings = {
      application_name: APPLICATION_NAME,
      lock_timeout: String(options.lockTimeoutMs),
      idle_in_transaction_session_timeout: '10000',
      search_path: 'pg_catalog',
      // Statements of the workload are read as the parser reads them.
      standard_conforming_strings: 'on',
      ...work.settings,
      statement_timeout: String(wantedMs),
    };
    const alone =
      pooled || work.statements.length > 1 || work.cleanUp !== undefined || work.limits !== undefined;
    const company = alone ? undefined : JSON.stringify(settings);
    return new Promise<Row[]>((resolve, reject) => {
      waiting.push({
        work,
        settings,
        company,
        account: options.account?.(),
        resolve: (rows) => resolve(rows as Row[]),
        reject,
      });
      // Whoever asks at the same moment comes along.
      queueMicrotask(() => void serve());
    });
  };
  const explain = async (
    statement: string,
    options: string,
    settings: Settings,
    index?: { definition: string; hypopgSchema: string },
  ): Promise<unknown> => {
    // Only the simple protocol takes placeholders without values; the parser has seen that it is one statement.
    if (!isOneStatement(statement)) throw new Error('not one statement');
    const parameters = Math.max(
      0,
      ...[...statement.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)),
    );
    const statements: pg.QueryConfig[] = [];
    const cleanUps: string[] = [];
    // Neither a hypothetical index nor a prepared statement ends with the transaction: they are taken away by the same
    // message that ends it, so that nobody else can get the connection in between.
    if (index) {
      const hypopg = (name: string) => `${quote(index.hypopgSchema, name)}`;
      statements.push({
        text: `SELECT ${hypopg('hypopg_create_index')}($1)`,
        values: [index.definition],
      });
      cleanUps.push(`SELECT ${hypopg('hypopg_reset')}()`);
    }
    // Before Postgres 16 a prepared statement gives its generic plan; the values, all null, do not count in it.
    const prepared = options === '' && parameters > 0;
    if (prepared) {
      const nulls = Array.from({ length: parameters }, () => 'NULL').join(', ');
      statements.push(
        { text: `PREPARE sqltrail_plan AS ${statement}` },
        { text: `EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE sqltrail_plan(${nulls})` },
      );
      cleanUps.push('DEALLOCATE sqltrail_plan');
    } else statements.push({ text: `EXPLAIN (${options}VERBOSE, FORMAT JSON) ${statement}` });
    const [row] = await run<{ 'QUERY PLAN': unknown }>({
      statements,
      settings: prepared ? { ...settings, plan_cache_mode: 'force_generic_plan' } : settings,
      ...(cleanUps.length > 0
        ? { cleanUp: cleanUps.map((each) => `${each} ${OWN_STATEMENT}`).join('; ') }
        : {}),
    });
    return row?.['QUERY PLAN'];
  };
  const withSettings = (settings: Settings): Session => ({
    quote,
    // The extended protocol takes one statement only, so a read-only transaction cannot be left from within.
    query: async <Row extends object>(text: string, values: unknown[] = [], limits?: QueryLimits) =>
      run<Row>({ statements: [{ text, values, queryMode: 'extended' } as pg.QueryConfig], settings, limits }),
    plan: (statement, options, index) => explain(statement, options, settings, index),
    withSettings: (more) => withSettings({ ...settings, ...more }),
  });
  return {
    ...withSettings({}),
    get lost() {
      return lost;
    },
    pooled,
    besides(running) {
      const share = (running * MOST_TAKEN) / (1 - MOST_TAKEN);
      dutyCycle = Math.max(options.dutyCycle, Math.min(1, share));
    },
    ownLoad: () => ({ ...load }),
    close: () => client.end().catch(() => {}),
  };
}
