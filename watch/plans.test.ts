import { describe, expect, it } from 'vitest';
import type { PlanNode } from '../diagnosis/plans.ts';
import type { Statement } from '../diagnosis/relations.ts';
import type { WorkloadEntry } from '../diagnosis/workloadEntry.ts';
import { type PlanHistory, planHistorySchema, planShape, recordPlans, slowdowns } from './plans.ts';

const node = (type: string, more: Partial<PlanNode> = {}): PlanNode => ({
  'Node Type': type,
  'Startup Cost': 0,
  'Total Cost': 1,
  'Plan Rows': 1,
  'Plan Width': 1,
  ...more,
});
const BY_INDEX = node('Index Scan', { Schema: 'public', 'Relation Name': 'loan', 'Index Name': 'loan_book' });
const BY_SCAN = node('Seq Scan', { Schema: 'public', 'Relation Name': 'loan' });

const at = (run: number) => new Date(Date.UTC(2026, 0, 1, 0, 15 * run)).toISOString();

/** Runs of a statement: the plan that each saw, and the calls and their mean since the one before. */
function slowdownsOf(
  runs: { plan: PlanNode; calls?: number; meanMs: number; queryid?: string; reset?: boolean }[],
) {
  let history: PlanHistory = [];
  let [calls, totalMs] = [0, 0];
  for (const [run, { plan, calls: more = 100, meanMs, queryid = '1', reset }] of runs.entries()) {
    if (reset) [calls, totalMs] = [0, 0];
    calls += more;
    totalMs += more * meanMs;
    const statement = { queryid, calls, totalMs, text: '', meanMs: 0 } as Statement;
    const entry = { statement, summary: 'SELECT loan', fingerprint: 'f', plan } as WorkloadEntry;
    history = recordPlans(history, [entry], [statement], at(run));
  }
  return slowdowns(planHistorySchema.parse(history), at(runs.length));
}
const steady = (length: number) => Array.from({ length }, () => ({ plan: BY_INDEX, meanMs: 2 }));

describe('a plan regression', () => {
  it('is another plan that is slower by the statement’s own history', () => {
    expect(slowdownsOf([...steady(5), { plan: BY_SCAN, meanMs: 30 }, { plan: BY_SCAN, meanMs: 40 }])).toEqual(
      [
        {
          fingerprint: 'f',
          summary: 'SELECT loan',
          ratio: 20,
          meanMs: 40,
          formerMs: 2,
          scans: ['Seq Scan on public.loan'],
          formerScans: ['Index Scan using loan_book on public.loan'],
        },
      ],
    );
  });
  it('is none while the plan is the same, however slow', () => {
    expect(
      slowdownsOf([...steady(5), { plan: BY_INDEX, meanMs: 900 }, { plan: BY_INDEX, meanMs: 900 }]),
    ).toEqual([]);
  });
  it('has a ratio near one where the other plan is as fast', () => {
    expect(
      slowdownsOf([...steady(5), ...[2, 2.2].map((meanMs) => ({ plan: BY_SCAN, meanMs }))])[0]?.ratio,
    ).toBeCloseTo(1.1);
  });
  it('needs a history, calls and counters that went on', () => {
    const slow = { plan: BY_SCAN, meanMs: 40 };
    expect(slowdownsOf([...steady(2), slow, slow])).toEqual([]);
    expect(slowdownsOf([...steady(5), slow])).toEqual([]);
    expect(slowdownsOf([...steady(5), slow, { ...slow, calls: 3 }])).toEqual([]);
    expect(slowdownsOf([...steady(5), slow, { ...slow, reset: true, calls: 30 }])).toEqual([]);
    expect(slowdownsOf([...steady(5), slow, { ...slow, queryid: '2' }])).toEqual([]);
  });
  it('ends when the former plan is back', () => {
    const slow = { plan: BY_SCAN, meanMs: 40 };
    const [back] = slowdownsOf([...steady(5), slow, slow, slow, slow, ...steady(4)]);
    expect(back?.ratio).toBeLessThan(1);
  });
});

describe('the shape of a plan', () => {
  it('is of nodes, tables and indexes, and of no estimate', () => {
    expect(planShape({ ...BY_INDEX, 'Total Cost': 9e9, 'Plan Rows': 7 })).toBe(planShape(BY_INDEX));
    expect(planShape({ ...BY_INDEX, 'Index Name': 'other' })).not.toBe(planShape(BY_INDEX));
    expect(planShape(node('Limit', { Plans: [BY_INDEX] }))).not.toBe(planShape(BY_INDEX));
  });
  it('stays when a partition is added or dropped', () => {
    const partition = (month: number) =>
      node('Index Scan', { 'Relation Name': `loan_${month}`, 'Index Name': `loan_${month}_book` });
    const append = (months: number[]) => node('Append', { Plans: months.map(partition) });
    expect(planShape(append([1, 2, 3]))).toBe(planShape(append([2, 3, 4, 5])));
    expect(planShape(append([1, 2]))).not.toBe(
      planShape(node('Append', { Plans: [partition(1), node('Seq Scan', { 'Relation Name': 'loan_2' })] })),
    );
  });
});

it('a plan history is bounded', () => {
  let history: PlanHistory = [];
  for (let run = 0; run < 40; run += 1) {
    const statements = Array.from(
      { length: 90 },
      (_, index) =>
        ({ queryid: `${(run % 4) * 90 + index}`, calls: run * 100, totalMs: run * 200 }) as Statement,
    );
    history = recordPlans(
      history,
      statements.map(
        (statement) =>
          ({
            statement,
            summary: 's',
            fingerprint: undefined,
            plan: { ...BY_INDEX, 'Index Name': `i${run % 7}` },
          }) as unknown as WorkloadEntry,
      ),
      statements,
      at(run),
    );
  }
  expect(history.length).toBe(200);
  for (const { plans } of history) expect(plans.length).toBeLessThanOrEqual(4);
});
