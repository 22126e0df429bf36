import { expect, it } from 'vitest';
import { uniform } from '../lib/stats/interval.ts';
import { type Effect, effectOf } from './measure.ts';
import { MAX_REPEATS, SequentialTest } from './sequentialTest.ts';

const TRIALS = 80;
const WINDOWS = 2;
/** Log-normal: two of three windows are within 1.35 times the median, as on a busy machine. */
const SIGMA = 0.3;

/** Windows of one source, as slow as `times` says; pages of a call vary with its parameters. */
function source(seed: number) {
  const random = uniform(seed);
  const noise = (sigma: number) =>
    Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
  const some = (of: number, sigma: number) => Array.from({ length: WINDOWS }, () => of * noise(sigma));
  return (times: number): Effect =>
    effectOf(
      {
        seconds: 4,
        statements: new Map([
          ['1', { meanMs: some(20 * times, SIGMA), pages: some(400 * times, SIGMA / 3), calls: 9 }],
        ]),
      },
      ['1'],
    );
}

/** What it comes to, and after how many looks, for an action that makes its statements so many times as fast. */
function tried(gain: number) {
  const counts: Record<string, number> = {};
  let looks = 0;
  for (let seed = 1; seed <= TRIALS; seed += 1) {
    const windows = source(seed);
    const found = new SequentialTest(windows(1));
    let looked: ReturnType<SequentialTest['add']>;
    while (!looked) {
      looked = found.add(windows(1 / gain));
      looks += 1;
    }
    const { is } = looked.verdict;
    counts[is] = (counts[is] ?? 0) + 1;
  }
  const share = (is: string) => (counts[is] ?? 0) / TRIALS;
  return { share, looks: looks / TRIALS };
}

it('windows of one source are seldom taken for a gain or for harm, and looked at no longer than bounded', () => {
  const { share, looks } = tried(1);
  // One look alone would take three in ten for a gain: two windows before lie above two after in one of six draws.
  expect(share('better')).toBeLessThan(0.2);
  expect(share('worse')).toBeLessThan(0.2);
  expect(looks).toBeLessThanOrEqual(MAX_REPEATS + 1);
});

it('what is five times as fast is kept, nearly always at the first look', () => {
  const { share, looks } = tried(5);
  expect(share('better')).toBeGreaterThan(0.99);
  expect(looks).toBeLessThan(1.2);
});
