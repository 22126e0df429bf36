import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparable, type Effect, effectOf, joinWindows, judge, type StatementEffect } from './measure.ts';

const windowsOf = (statements: Record<string, StatementEffect>) => ({
  seconds: 1,
  statements: new Map(Object.entries(statements)),
});
const seen = (meanMs: number[], pages: number[] = []): StatementEffect => ({
  meanMs,
  pages,
  calls: meanMs.length,
});
const effect = (statements: Record<string, StatementEffect>) =>
  effectOf(windowsOf(statements), Object.keys(statements));
const verdict = (before: Effect, after: Effect) => {
  const sides = comparable(before, after);
  return judge(sides.before, sides.after);
};

describe('judge', () => {
  it('takes a gain in time, or in pages where time is noise', () => {
    expect(verdict(effect({ a: seen([10, 11]) }), effect({ a: seen([1, 2]) })).is).toBe('better');
    const noisy = verdict(effect({ a: seen([10, 30], [900, 901]) }), effect({ a: seen([25, 14], [9, 10]) }));
    expect(noisy).toMatchObject({ is: 'better', work: { what: 'pages touched by a call' } });
    expect(noisy.work?.ratio.speedup).toBeCloseTo(900.5 / 9.5);
  });

  it('sees what an index does for one of several statements', () => {
    const [before, after] = [
      effect({ large: seen([50, 50], [9_000, 9_000]), small: seen([1, 1], [200, 200]) }),
      effect({ large: seen([50, 50], [9_000, 9_000]), small: seen([1, 1], [3, 3]) }),
    ];
    expect(verdict(before, after).is).toBe('better');
  });

  it('shows nothing where nothing changed, or by less than windows differ by chance', () => {
    expect(verdict(effect({ a: seen([10, 12], [80, 80]) }), effect({ a: seen([11, 11], [80, 80]) })).is).toBe(
      'unshown',
    );
    expect(verdict(effect({ a: seen([10.5, 10.6]) }), effect({ a: seen([10, 10.1]) })).is).toBe('unshown');
    // Half a page a call leaves nothing to be saved.
    expect(verdict(effect({ a: seen([9, 9], [0.5, 0.5]) }), effect({ a: seen([9, 9], [0, 0]) })).is).toBe(
      'unshown',
    );
  });

  it('worse in time and better in pages is told as both; a statement seen on one side only tells nothing', () => {
    expect(verdict(effect({ a: seen([1, 1], [90, 90]) }), effect({ a: seen([9, 9], [9, 9]) })).is).toBe(
      'mixed',
    );
    expect(verdict(effect({ a: seen([1, 1], [90, 90]) }), effect({ a: seen([9, 9], [90, 90]) })).is).toBe(
      'worse',
    );
    expect(verdict(effect({ a: seen([9, 9]) }), effect({ b: seen([1, 1]) })).is).toBe('unmeasured');
    expect(verdict(effect({ a: seen([9, 9]) }), effect({ a: seen([1, 1]), dear: seen([500, 500]) })).is).toBe(
      'better',
    );
  });

  it('windows joined are the windows of both', () => {
    const values = fc.array(fc.double({ min: 1, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 6 });
    const statements = fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.record({ meanMs: values, pages: values, calls: fc.nat() }),
      { minKeys: 1 },
    );
    fc.assert(
      fc.property(statements, statements, (first, second) => {
        const both = joinWindows(windowsOf(first), windowsOf(second)).statements;
        for (const [queryid, { meanMs, calls }] of both) {
          expect(meanMs).toEqual([...(first[queryid]?.meanMs ?? []), ...(second[queryid]?.meanMs ?? [])]);
          expect(calls).toBe((first[queryid]?.calls ?? 0) + (second[queryid]?.calls ?? 0));
        }
      }),
      { numRuns: 50 },
    );
  });
});
