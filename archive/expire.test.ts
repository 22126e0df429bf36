import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anyMoment } from '../test/support/dates.ts';
import { keepUntil } from './expire.ts';

it.each([
  ['2025-01-31T12:00:00Z', 1, '2025-02-28'],
  ['2024-02-29T00:00:00Z', 12, '2025-02-28'],
  ['2025-11-30T23:59:59Z', 3, '2026-02-28'],
  ['2025-05-15T00:00:00Z', 120, '2035-05-15'],
])('%s and %i months is %s', (from, months, until) => {
  expect(keepUntil(from, months)).toBe(until);
});

it('is that many months later on every date: the same day, or the last of a month that has no such day', () => {
  const monthOf = (date: Date) => date.getUTCFullYear() * 12 + date.getUTCMonth();
  fc.assert(
    fc.property(anyMoment, fc.integer({ min: 1, max: 600 }), (from, months) => {
      const until = new Date(keepUntil(from.toISOString(), months));
      expect(monthOf(until) - monthOf(from)).toBe(months);
      if (until.getUTCDate() !== from.getUTCDate()) {
        expect(until.getUTCDate()).toBeLessThan(from.getUTCDate());
        expect(monthOf(new Date(until.getTime() + 86_400_000))).toBe(monthOf(until) + 1);
      }
      // Who waits longer is not kept shorter.
      expect(keepUntil(from.toISOString(), months + 1) > keepUntil(from.toISOString(), months)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
