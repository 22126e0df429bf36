import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Throttle } from './throttle.ts';

/** @returns the duty at each reading of a shop that slows down by `cost` for a whole share of time */
function steer(most: number, cost: number, readings: number): number[] {
  const throttle = new Throttle(most, 0.05);
  return Array.from({ length: readings }, (_, i) => {
    throttle.read(1 + cost * throttle.duty, i * 5_000);
    return throttle.duty;
  });
}

it('works as much as it may without a reading, and as much as the shop bears with one', () => {
  expect(new Throttle(0.8, 0.05).duty).toBe(0.8);
  // It costs nothing: up to what is allowed.
  expect(steer(0.8, 0, 40).at(-1)).toBeCloseTo(0.8);
  fc.assert(
    fc.property(
      fc.double({ min: 0.3, max: 1, noNaN: true }),
      fc.double({ min: 0.2, max: 2, noNaN: true }),
      (most, cost) => {
        const settled = steer(most, cost, 200).slice(100);
        // On average the promise is kept, and it never stops altogether.
        const mean = settled.reduce((sum, duty) => sum + duty, 0) / settled.length;
        expect(1 + cost * mean).toBeLessThanOrEqual(1.2);
        expect(Math.min(...settled)).toBeGreaterThanOrEqual(0.05);
        expect(Math.max(...settled)).toBeLessThanOrEqual(most);
      },
    ),
  );
});

it('does not change its mind between readings that cannot show its effect yet', () => {
  const throttle = new Throttle(1, 0.05);
  throttle.read(1, 0);
  const { duty } = throttle;
  for (let ms = 500; ms < 5_000; ms += 500) throttle.read(3, ms);
  expect(throttle.duty).toBe(duty);
  throttle.read(3, 5_000);
  expect(throttle.duty).toBeLessThan(duty);
  expect(throttle.restMs(100)).toBeGreaterThan(100);
});
