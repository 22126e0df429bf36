import { expect, it } from 'vitest';
import type { MigrationPlan, MigrationStatus } from './engine.ts';
import { timeline } from './timeline.ts';

const step = (name: string, units: number) => ({
  phase: 'backfill' as const,
  name,
  lock: '',
  done: false,
  reversible: true,
  units,
});
const plan: MigrationPlan = { name: 'm', phase: 'none', steps: [step('a', 1_000), step('b', 4_000)] };
const measured = { unitMs: { a: 2, b: 1 }, seconds: { expand: 5, verify: 10 }, units: 2_500 };
const cursor = (table: string, reached: string, upper: string, wallMs: number) => ({
  table,
  reached,
  upper,
  units: 0,
  batches: 1,
  busyMs: wallMs / 2,
  wallMs,
  done: false,
});
const status = (more: Partial<MigrationStatus>): MigrationStatus => ({
  name: 'm',
  phase: 'dual-write',
  inPhase: 'backfill',
  previousStore: 'legacy',
  stepsDone: 1,
  cursors: [],
  ledger: [],
  lastEvents: [],
  phases: [{ phase: 'expand', startedAt: '2026-01-01T00:00:00Z', seconds: 7 }],
  ...more,
});
const of = (times: ReturnType<typeof timeline>, phase: string) => times.find((each) => each.phase === phase);

it('plans from what was measured, at the size of production', () => {
  const times = timeline({ plan, status: undefined, measured, duty: 0.5, times: 3 });
  // (1000 x 2 ms + 4000 x 1 ms) / 0.5, three times.
  expect(of(times, 'backfill')).toMatchObject({ state: 'to come', seconds: 36 });
  // Twice the units, three times the size.
  expect(of(times, 'verify')?.seconds).toBe(60);
  expect(of(times, 'expand')?.seconds).toBe(5);
  expect(of(times, 'cutover-reads')?.seconds).toBeNull();
});

it('says so where nothing was measured', () => {
  const times = timeline({ plan, status: undefined, measured: undefined, duty: 0.5, times: 1 });
  expect(times.every(({ seconds }) => seconds === null)).toBe(true);
  expect(of(times, 'backfill')?.from).toContain('no rate was measured for a');
});

it('plans again from the journal and the cursors while it runs', () => {
  const times = timeline({
    plan,
    status: status({ cursors: [cursor('a', '250', '1000', 30_000)] }),
    measured,
    duty: 0.5,
    times: 1,
  });
  expect(of(times, 'expand')).toMatchObject({ state: 'done', seconds: 7 });
  // A quarter took 30 s: 90 s are left of a, and 8 s of b by the rate.
  expect(of(times, 'backfill')).toMatchObject({ state: 'running', seconds: 98, from: 'its own pace so far' });
});
