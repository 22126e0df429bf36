import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cliffsDelta, effectOf, magnitudeOf } from './effect.ts';

const windows = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 12 });

describe('Cliff’s delta', () => {
  it('lies between -1 and 1, turns with its sides, and asks only for the order', () => {
    fc.assert(
      fc.property(windows, windows, (before, after) => {
        const delta = cliffsDelta(before, after);
        expect(Math.abs(delta)).toBeLessThanOrEqual(1);
        expect(cliffsDelta(after, before)).toBeCloseTo(-delta, 12);
        const stretched = (values: number[]) => values.map((value) => value ** 3);
        expect(cliffsDelta(stretched(before), stretched(after))).toBeCloseTo(delta, 12);
      }),
    );
  });

  it('is 1 when every window after is better, and has the names of Romano et al.', () => {
    expect(cliffsDelta([5, 6], [1, 2, 3])).toBe(1);
    expect(cliffsDelta([1, 2], [1, 2])).toBe(0);
    expect([0.1, -0.2, 0.4, -0.9].map(magnitudeOf)).toEqual(['negligible', 'small', 'medium', 'large']);
  });
});

it('what is gone, came up, or never was there has no ratio; only what came up is worse', () => {
  expect(effectOf([1, 2], [0, 0])).toMatchObject({ turned: 'gone', ratio: undefined, worse: false });
  expect(effectOf([0, 0], [0, 1])).toMatchObject({ turned: 'appeared', ratio: undefined, worse: true });
  expect(effectOf([0], [0])).toMatchObject({ turned: 'never there', worse: false });
  expect(effectOf([1, 2, 1], [4, 5, 4])).toMatchObject({ turned: undefined, worse: true, delta: -1 });
  expect(effectOf([1, 9, 2], [2, 8, 1])?.worse).toBe(false);
  expect(effectOf([], [1])).toBeUndefined();
});
