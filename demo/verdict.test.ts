import path from 'node:path';
import { expect, it } from 'vitest';
import { DEFAULT_ASSUMPTIONS, readAssumptions } from '../report/assumptions.ts';
import { caseOf } from '../report/case.ts';
import { type Recording, readRecording } from '../report/recording.ts';
import { shortfalls, stepVerdict, verdict } from './verdict.ts';

const fixture = () =>
  readRecording(path.join(import.meta.dirname, '..', 'report', 'fixtures', 'recording.json'));

function withSteps(recording: Recording, phase: string, seconds: number): void {
  for (const { windows } of recording.phases.filter(({ name }) => name === phase))
    for (const window of windows) window.steps = [{ step: 'checkout', p95: seconds }];
}

it('says whether the checkout became ten times as fast, and nothing of what was not measured', async () => {
  const recording = await fixture();
  for (const { windows } of recording.phases) for (const window of windows) window.steps = [];
  expect(stepVerdict(recording)).toEqual([]);
  withSteps(recording, 'peak', 6);
  withSteps(recording, 'peak-after-short-term', 0.2);
  expect(stepVerdict(recording)).toEqual([
    'Checkout, p95 of its windows, peak-after-short-term: 6 s → 200 ms, 30 times as fast; wanted 10: reached.',
  ]);
  withSteps(recording, 'peak-after-short-term', 1);
  expect(stepVerdict(recording)[0]).toMatch(/ 6 times .* missed\.$/);
});

it('a whole run falls short of nothing; what is missing, damaged or lost is said', async () => {
  const recording = { ...(await fixture()), until: 'medium-term' as const };
  expect(shortfalls(recording)).toEqual([]);
  expect(shortfalls({ ...recording, alerts: [], trail: null }).join(' ')).toMatch(
    /Not fired at the peak: SlowStatements.*No trace of an alerted statement/,
  );
  expect(shortfalls({ ...recording, silentAfterSeconds: null }).join()).toContain('still active');
  expect(shortfalls({ ...recording, migration: null, archival: null })).toEqual([
    'Nothing was archived.',
    'The new data model was not introduced: the migration reached nothing.',
  ]);
  const lost = structuredClone(recording);
  if (lost.migration?.orders) lost.migration.orders.found = lost.migration.orders.acknowledged - 2;
  if (lost.migration?.verification) lost.migration.verification.equal = false;
  expect(shortfalls(lost)).toEqual(['The two data models differ.', 'Orders lost: 2.']);
});

it('the verdict says what is still outside its objective, and nothing of what was not measured', async () => {
  const assumptions = await readAssumptions(DEFAULT_ASSUMPTIONS);
  const recording = await fixture();
  const whole = verdict(caseOf(recording, assumptions)).join('\n');
  expect(whole).toContain('Medium term: the same peak');
  expect(whole).toContain('The KPIs of the table are within their objectives at the end.');
  const quieter = structuredClone(recording);
  for (const phase of quieter.phases) if (phase.name === 'peak-after-medium-term') phase.offeredRate = 1;
  const other = verdict(caseOf(quieter, assumptions)).join('\n');
  expect(other).toContain('Short term: the same peak');
  expect(other).toContain('Medium term: a peak');
  const slow = structuredClone(recording);
  for (const { kpis } of slow.phases.at(-1)?.windows ?? [])
    for (const kpi of kpis) if (kpi.id === 'statement-latency-p95') kpi.value = 0.5;
  expect(verdict(caseOf(slow, assumptions)).join('\n')).toContain(
    'Still outside its objective at the end: Slowest statement, p95 (500 ms).',
  );
  const broken = { ...recording, outcome: 'partial' as const, phases: recording.phases.slice(0, 2) };
  const short = verdict(caseOf(broken, assumptions)).join('\n');
  expect(short).not.toMatch(/Short term|Medium term|objective at the end/);
});
