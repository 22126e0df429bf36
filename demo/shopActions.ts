import { setTimeout as sleep } from 'node:timers/promises';
import type { Finding } from '../diagnosis/finding.ts';
import type { Action } from '../fix/action.ts';
import type { Handler, Handlers } from '../fix/handler.ts';
import { runStatements } from '../fix/indexes.ts';
import type { Application } from '../fix/mitigate.ts';
import { adviseOnPool, readPools } from '../fix/pool.ts';
import { kpiById, observed } from '../kpis/catalogue.ts';
import { quantile, requestRate } from '../kpis/promql.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { mean } from '../lib/stats/interval.ts';
import { WINDOW_SECONDS } from '../report/recording.ts';
import { type IndexStep, tunedIndexes, tunedObjects } from '../sample-shop/schema/tuned.ts';
import {
  ErrorAnswer,
  poolMax,
  queryVector,
  type ShopTarget,
  type StoryTargets,
  setPoolMax,
  setStore,
  storeInForce,
} from './clients.ts';

/** Findings that only other statements can answer. */
const ANSWERED = [
  'n-plus-one',
  'offset-paging',
  'counts-everything',
  'aggregate-at-request-time',
  'cast-defeats-index',
  'select-star',
  'hot-row',
  'unbounded-read',
];

const TUNED = 'query:tuned';
/** By which the shop's connections are known. */
export const SHOP_APPLICATION = 'shop';

const indexAction = ({ name, table, keys, up, down }: IndexStep): Action => ({
  id: `index:public.${name}`,
  kind: 'index',
  title: `index ${name}, which the rewritten statements need`,
  findings: [],
  reason: 'The rewritten sales report looks orders up by their day.',
  sql: [up],
  undo: [down],
  lock: 'SHARE UPDATE EXCLUSIVE while it is built; reads and writes go on',
  risk: 'Each order writes one more index entry.',
  bytes: null,
  predictedSpeedup: null,
  statements: [],
  index: { schema: 'public', table, name, method: 'btree', keys: [...keys] },
  temporary: true,
  neededBy: TUNED,
});

/** What the shop offers beyond the fixes of the findings: its statements rewritten, exchanged at run time. */
export function shopActions(findings: readonly Finding[]): Action[] {
  const answered = findings.filter(({ check }) => ANSWERED.includes(check));
  return [
    ...tunedIndexes.map(indexAction),
    {
      id: TUNED,
      kind: 'query',
      title: 'the shop’s statements rewritten (store “tuned”)',
      findings: answered.map(({ id }) => id),
      reason:
        'One statement for all rows instead of one a row, bounded pages, sums of closed days kept, a checkout that holds no lock while it pays. Answers are the same.',
      sql: tunedObjects.map(({ up }) => up),
      // The sums of the days that are over.
      reads: ['orders', 'order_items'].map((table) => ({ schema: 'public', table })),
      undo: tunedObjects.map(({ down }) => down).reverse(),
      lock: 'none on existing tables',
      risk: 'Another code path; it is compared with the old one, method by method, on the same data (sample-shop/stores/tuned.integration.test.ts).',
      bytes: null,
      predictedSpeedup: null,
      // Other texts are other statements: before and after are compared by the KPIs of the phases, not by queryid.
      statements: [],
      index: null,
      temporary: false,
    },
  ];
}

/** The shop's pool for the load that is there now; no action where its size fits, and `reason` says why. */
export async function poolAction(
  targets: ShopTarget,
  url: string,
  signal: AbortSignal,
): Promise<{ action: Action | undefined; reason: string }> {
  const pool = (await readPools({ url, signal })).find(({ application }) => application === SHOP_APPLICATION);
  if (!pool)
    return {
      action: undefined,
      reason: 'no connection of it could be seen, for which the role needs pg_monitor.',
    };
  const from = await poolMax(targets);
  const { size: to, reason } = adviseOnPool(pool, from);
  if (to === null) return { action: undefined, reason };
  return {
    reason,
    action: {
      // Another size is another action, also after this one is done.
      id: `pool:shop:${from}-${to}`,
      kind: 'pool',
      title: `the shop’s pool from ${from} to ${to} connections`,
      findings: [],
      reason,
      sql: [],
      undo: [],
      lock: 'none',
      risk: 'Erlang’s model takes requests as independent; a burst of more than twice the load waits.',
      bytes: null,
      predictedSpeedup: null,
      statements: [],
      index: null,
      temporary: false,
      pool: { from, to },
    },
  };
}

const WINDOWS = 2;
/** So that the first window holds nothing of what was before the last change. */
const SETTLE_SECONDS = 5;

type Query = (range: string) => string;
/** By what they show. */
type Counted = Record<string, Query>;
const pageP95: Query = (range) => `${quantile(0.95, 'load_request_duration_seconds', '', [], range)} * 1000`;
const calls: Query = (range) => `sum(increase(load_requests_total${range}))`;
/** What a request asks of the database, the same on an overloaded machine as on an idle one. */
const QUERY_WORK: Counted = {
  'statements a request': (range) => kpiById('queries-per-request').promql(range),
  'pages touched a request': (range) =>
    `(sum(rate(sqltrail_database_blks_hit${range})) + sum(rate(sqltrail_database_blks_read${range}))) / ${requestRate(observed, range)}`,
};
const WAIT = 'ms waited for a connection';
const POOL_WORK: Counted = {
  [WAIT]: (range) =>
    `sum(rate(db_client_connection_wait_time_sum${range})) / sum(rate(db_client_connection_wait_time_count${range})) * 1000`,
};
/** A shorter wait is that of taking an idle connection. */
const MIN_WAIT_MS = 1;

/** Page time p95 as customers see it, and what is counted beside it, in windows that do not overlap. */
const pageTime = (
  targets: Pick<StoryTargets, 'prometheus'>,
  counted: Counted,
): NonNullable<Handler['measure']> => ({
  what: 'page time (p95)',
  seconds: SETTLE_SECONDS + WINDOWS * WINDOW_SECONDS,
  async run(_what, signal) {
    await sleep((SETTLE_SECONDS + WINDOWS * WINDOW_SECONDS) * 1000, undefined, { signal });
    const ends = Array.from({ length: WINDOWS }, (_, at) => (WINDOWS - 1 - at) * WINDOW_SECONDS);
    const inWindows = async (query: Query) => {
      const values = await Promise.all(
        ends.map(async (ago) => {
          const [sample] = await queryVector(targets, query(`[${WINDOW_SECONDS}s] offset ${ago}s`)).catch(
            (error: Error) => {
              const why = error.cause instanceof Error ? error.cause.message : error.message;
              throw new Error(`Prometheus (${targets.prometheus}) does not answer: ${why}`, { cause: error });
            },
          );
          return sample && Number.isFinite(sample.value) ? [sample.value] : [];
        }),
      );
      return values.flat();
    };
    const work: Record<string, number[]> = {};
    for (const [what, query] of Object.entries(counted)) work[what] = await inWindows(query);
    const waited = work[WAIT];
    return {
      meanMs: await inWindows(pageP95),
      calls: Math.round((await inWindows(calls)).reduce((sum, value) => sum + value, 0)),
      windowSeconds: WINDOW_SECONDS,
      work,
      ...(waited && (waited.length === 0 || mean(waited) < MIN_WAIT_MS)
        ? { nothingToGain: 'nobody waits for a connection at the load of now; the size is for twice as much' }
        : {}),
    };
  },
});

/** Longer than any call of a store: it waits for a connection and for some statements, each with its timeout. */
const MAX_DRAIN_MS = 60_000;
const ASK_AGAIN_MS = 500;

/**
 * Until no statement needs what the tuned store does. A shop that has left it already, for the new data model, stays
 * where it is: the legacy tables may be gone.
 *
 * @throws OperationError when a call of it does not come to its end
 */
async function leaveTuned(targets: ShopTarget, signal: AbortSignal): Promise<void> {
  const now = await storeInForce(targets);
  const store = now === 'tuned' ? 'legacy' : now;
  const end = performance.now() + MAX_DRAIN_MS;
  for (;;) {
    try {
      return await setStore(targets, store, true);
    } catch (error) {
      if (!(error instanceof ErrorAnswer && error.status === 503)) throw error;
      if (performance.now() > end)
        throw new OperationError(
          `The shop uses the store ${store}, but after ${MAX_DRAIN_MS / 1000} s a request still uses what is to be dropped. Look for long statements in pg_stat_activity, then run this again.`,
          { cause: error },
        );
      await sleep(ASK_AGAIN_MS, undefined, { signal });
    }
  }
}

/** @throws OperationError for a shop on the new data model: what it writes would go to the old one again */
async function refuseNewModel(targets: ShopTarget): Promise<void> {
  const now = await storeInForce(targets);
  if (now !== 'legacy' && now !== 'tuned')
    throw new OperationError(
      `the shop uses the store ${now}, of the new data model, whose statements need no rewriting; skip this action (--skip ${TUNED}).`,
    );
}

/**
 * The sample shop, as `fix` knows an application.
 *
 * @param targets with Prometheus, the effect on the customers is measured as well
 */
export const shopApplication = (
  targets: ShopTarget & Partial<Pick<StoryTargets, 'prometheus'>>,
): Application => ({
  handlers: shopHandlers(targets),
  actions: shopActions,
  sizePool: (readUrl, signal) => poolAction(targets, readUrl, signal),
});

/** @param targets with Prometheus, the effect on the customers is measured as well */
export function shopHandlers(targets: ShopTarget & Partial<Pick<StoryTargets, 'prometheus'>>): Handlers {
  const { prometheus } = targets;
  const measured = (counted: Counted) => (prometheus ? { measure: pageTime({ prometheus }, counted) } : {});
  return {
    query: {
      ...measured(QUERY_WORK),
      async apply(client, { sql }, signal) {
        await refuseNewModel(targets);
        await runStatements(client, sql, signal);
        await setStore(targets, 'tuned');
      },
      async undo(client, { undo }, signal) {
        await leaveTuned(targets, signal);
        await runStatements(client, undo, signal);
      },
    },
    pool: {
      ...measured(POOL_WORK),
      async apply(_client, { pool }) {
        if (pool) await setPoolMax(targets, pool.to);
      },
      async undo(_client, { pool }) {
        if (pool) await setPoolMax(targets, pool.from);
      },
    },
  };
}
