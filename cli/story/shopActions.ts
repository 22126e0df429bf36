import type pg from 'pg';
import type { Finding } from '../../diagnosis/finding.ts';
import { type Action, indexTarget } from '../../remediation/action.ts';
import { withLockRetries } from '../../remediation/indexes.ts';
import type { Handler } from '../../remediation/shortTerm.ts';
import { type SchemaStep, tunedIndexes, tunedObjects } from '../../sample-shop/schema/tuned.ts';
import { type StoryTargets, setStore } from './clients.ts';

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

const run = (client: pg.Client, sql: readonly string[], signal: AbortSignal) =>
  sql.reduce<Promise<void>>(
    (before, statement) =>
      before.then(() => withLockRetries(client, () => client.query(statement), { signal })),
    Promise.resolve(),
  );

export function shopHandlers(targets: StoryTargets): Partial<Record<Action['kind'], Handler>> {
  return {
    query: {
      async apply(client, { sql }, signal) {
        await run(client, sql, signal);
        await setStore(targets, 'tuned');
      },
      async undo(client, { undo }, signal) {
        await setStore(targets, 'legacy');
        await run(client, undo, signal);
      },
    },
  };
}
