import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitCurve, fitPowerLaw, reach, sizeAt, valueAt } from './powerLaw.ts';

const sizes = [1, 2, 4, 8];
const factor = fc.double({ min: 0.01, max: 1_000, noNaN: true });
const exponent = fc.double({ min: -0.5, max: 2.5, noNaN: true });
const noise = fc.array(
  fc.array(fc.double({ min: 0.8, max: 1.25, noNaN: true }), { minLength: 5, maxLength: 8 }),
  {
    minLength: sizes.length,
    maxLength: sizes.length,
  },
);
const readingsOf = (law: { factor: number; exponent: number }, noises: number[][]) =>
  sizes.map((size, at) => ({ size, values: (noises[at] ?? []).map((share) => valueAt(law, size) * share) }));

describe('a power law', () => {
  it('is found again in readings without noise', () => {
    fc.assert(
      fc.property(factor, exponent, (a, b) => {
        const law = fitPowerLaw(sizes.map((size) => ({ size, values: [a * size ** b] })));
        expect(law.factor).toBeCloseTo(a, 6 - Math.ceil(Math.log10(a + 1)));
        expect(law.exponent).toBeCloseTo(b, 8);
      }),
    );
  });

  it('keeps its exponent in any unit of size or value', () => {
    fc.assert(
      fc.property(factor, exponent, noise, factor, factor, (a, b, noises, perSize, perValue) => {
        const readings = readingsOf({ factor: a, exponent: b }, noises);
        const scaled = readings.map(({ size, values }) => ({
          size: size * perSize,
          values: values.map((value) => value * perValue),
        }));
        expect(fitPowerLaw(scaled).exponent).toBeCloseTo(fitPowerLaw(readings).exponent, 6);
      }),
    );
  });

  it('has an interval around its exponent, and misses no more than the noise', () => {
    fc.assert(
      fc.property(factor, exponent, noise, (a, b, noises) => {
        const found = fitCurve(readingsOf({ factor: a, exponent: b }, noises));
        expect(found.exponentLow).toBeLessThanOrEqual(found.exponent + 1e-9);
        expect(found.exponentHigh).toBeGreaterThanOrEqual(found.exponent - 1e-9);
        expect(found.worstMiss).toBeLessThan(1.25 / 0.8 - 1);
      }),
      { numRuns: 25 },
    );
  });

  it('gives the size of a value back', () => {
    fc.assert(
      fc.property(factor, fc.double({ min: 0.05, max: 2.5, noNaN: true }), (a, b) => {
        const law = { factor: a, exponent: b };
        expect(sizeAt(law, valueAt(law, 3)) / 3).toBeCloseTo(1, 6);
      }),
    );
    expect(sizeAt({ factor: 5, exponent: 0 }, 10)).toBe(Number.POSITIVE_INFINITY);
    expect(sizeAt({ factor: 20, exponent: -0.1 }, 10)).toBe(0);
  });

  it('refuses readings that no power law goes through', () => {
    expect(() => fitPowerLaw([{ size: 1, values: [1, 2] }])).toThrow('two sizes');
    expect(() => fitPowerLaw([1, 2].map((size) => ({ size, values: [0] })))).toThrow('above zero');
  });
});

describe('the day of the limit', () => {
  const growth = { slowest: 0.01, likely: 0.02, fastest: 0.04 };

  it('lies between its bounds, and comes no sooner for a higher limit', () => {
    fc.assert(
      fc.property(factor, exponent, noise, factor, (a, b, noises, limit) => {
        const curve = fitCurve(readingsOf({ factor: a, exponent: b }, noises));
        const near = reach(curve, limit, 4, growth);
        const far = reach(curve, limit * 1.5, 4, growth);
        expect(near.earliest).toBeLessThanOrEqual(near.latest);
        if (b > 0.3) {
          expect(near.earliest).toBeLessThanOrEqual(near.likely + 1e-6);
          expect(near.latest).toBeGreaterThanOrEqual(near.likely - 1e-6);
        }
        if (curve.exponent > 0) expect(far.likely).toBeGreaterThanOrEqual(near.likely);
      }),
      { numRuns: 25 },
    );
  });

  it('is today at the size of today, and never for what does not grow', () => {
    const linear = fitCurve(sizes.map((size) => ({ size, values: [10 * size, 10 * size] })));
    expect(reach(linear, 40, 4, growth).likely).toBeCloseTo(0, 6);
    expect(reach(linear, 80, 4, growth)).toMatchObject({
      size: expect.closeTo(8, 6),
      likely: expect.closeTo(200, 3),
    });
    expect(reach(linear, 20, 4, growth).latest).toBeCloseTo(-50, 3);
    const flat = fitCurve(sizes.map((size) => ({ size, values: [10, 10] })));
    expect(reach(flat, 80, 4, growth).earliest).toBe(Number.POSITIVE_INFINITY);
  });
});
