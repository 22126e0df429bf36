import path from 'node:path';
import { expect, it } from 'vitest';
import { type Recording, readRecording } from '../../report/recording.ts';
import { stepVerdict } from './verdict.ts';

const fixture = () =>
  readRecording(path.join(import.meta.dirname, '..', '..', 'report', 'fixtures', 'recording.json'));

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
    'Checkout, p95 of its windows, peak-after-short-term: 6 s → 200 ms, 30 times as fast (95 % interval 30 to 30); wanted 10: reached.',
  ]);
  withSteps(recording, 'peak-after-short-term', 1);
  expect(stepVerdict(recording)[0]).toMatch(/ 6 times .* missed\.$/);
});
