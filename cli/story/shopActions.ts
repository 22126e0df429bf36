import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Finding } from '../../diagnosis/finding.ts';
import { type Action, indexTarget } from '../../remediation/action.ts';
import { withLockRetries } from '../../remediation/indexes.ts';
import { adviseOnPool, sightPools } from '../../remediation/pool.ts';
import type { Handler, Handlers } from '../../remediation/shortTerm.ts';
import { WINDOW_SECONDS } from '../../report/recording.ts';
import { type SchemaStep, tunedIndexes, tunedObjects } from '../../sample-shop/schema/tuned.ts';
import { poolMax, queryVector, type ShopTarget, type StoryTargets, setPoolMax, setStore } from './clients.ts';

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

const indexAction = ({ name, up, down }: SchemaStep): Action => ({
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
  index: indexTarget([up]),
  temporary: true,
});

/** What the shop offers beyond the fixes of the findings: its statements rewritten, exchanged at run time. */
export function shopActions(findings: readonly Finding[]): Action[] {
  const answered = findings.filter(({ check }) => ANSWERED.includes(check));
  return [
    ...tunedIndexes.map(indexAction),
    {
      id: 'query:tuned',
      kind: 'query',
      title: 'the shop’s statements rewritten (store “tuned”)',
      findings: answered.map(({ id }) => id),
      reason:
        'One statement for all rows instead of one a row, bounded pages, sums of closed days kept, a checkout that holds no lock while it pays. Answers are the same.',
      sql: tunedObjects.map(({ up }) => up),
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
  const sighting = (await sightPools({ url, signal })).find(({ application }) => application === 'shop');
  if (!sighting) return { action: undefined, reason: 'The shop has no connection that could be seen.' };
  const from = await poolMax(targets);
  const { size: to, reason } = adviseOnPool(sighting, from);
  if (to === null) return { action: undefined, reason };
  return {
    reason,
    action: {
      id: 'pool:shop',
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

const run = (client: pg.Client, sql: readonly string[], signal: AbortSignal) =>
  sql.reduce<Promise<void>>(
    (before, statement) =>
      before.then(() => withLockRetries(client, () => client.query(statement), { signal })),
    Promise.resolve(),
  );

const WINDOWS = 2;
/** So that the first window holds nothing of what was before the last change. */
const SETTLE_SECONDS = 5;

/** Page time p95 as customers see it, in windows that do not overlap. */
const pageTime = (targets: Pick<StoryTargets, 'prometheus'>): NonNullable<Handler['measure']> => ({
  what: 'page time (p95)',
  seconds: SETTLE_SECONDS + WINDOWS * WINDOW_SECONDS,
  async run(_what, signal) {
    await sleep((SETTLE_SECONDS + WINDOWS * WINDOW_SECONDS) * 1000, undefined, { signal });
    const ends = Array.from({ length: WINDOWS }, (_, at) => (WINDOWS - 1 - at) * WINDOW_SECONDS);
    const inWindows = (promql: (window: string) => string) =>
      Promise.all(
        ends.map(async (ago) => {
          const [sample] = await queryVector(targets, promql(`[${WINDOW_SECONDS}s] offset ${ago}s`));
          return sample && Number.isFinite(sample.value) ? sample.value : undefined;
        }),
      );
    const p95 = await inWindows(
      (window) =>
        `histogram_quantile(0.95, sum by (le) (rate(load_request_duration_seconds_bucket${window})))`,
    );
    const calls = await inWindows((window) => `sum(increase(load_requests_total${window}))`);
    return {
      meanMs: p95.flatMap((seconds) => (seconds === undefined ? [] : seconds * 1000)),
      calls: Math.round(calls.reduce<number>((sum, value) => sum + (value ?? 0), 0)),
      windowSeconds: WINDOW_SECONDS,
    };
  },
});

/** @param targets with Prometheus, the effect on the customers is measured as well */
export function shopHandlers(targets: ShopTarget & Partial<Pick<StoryTargets, 'prometheus'>>): Handlers {
  const { prometheus } = targets;
  const measured = prometheus ? { measure: pageTime({ prometheus }) } : {};
  return {
    query: {
      ...measured,
      async apply(client, { sql }, signal) {
        await run(client, sql, signal);
        await setStore(targets, 'tuned');
      },
      async undo(client, { undo }, signal) {
        await setStore(targets, 'legacy');
        await run(client, undo, signal);
      },
    },
    pool: {
      ...measured,
      async apply(_client, { pool }) {
        if (pool) await setPoolMax(targets, pool.to);
      },
      async undo(_client, { pool }) {
        if (pool) await setPoolMax(targets, pool.from);
      },
    },
  };
}
