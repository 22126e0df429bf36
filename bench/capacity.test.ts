import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Capacity, type CapacityStep, capacityFigures, kneeOf } from '../report/capacity.ts';
import { Figures } from '../report/figures.ts';
import { propertyRuns } from '../test/support/property.ts';
import { staircase } from './staircase.ts';

const step = (rate: number, met: boolean, round = 1): CapacityStep => ({
  rate,
  round,
  requests: 100,
  failed: 0,
  p95: met ? 0.2 : 3,
  met,
  databaseCpuSeconds: rate,
  shopCpuSeconds: null,
  statementSeconds: rate / 2,
  visits: rate * 10,
  generatorLagSeconds: 0,
});

it('the staircase encloses the capacity, whatever it is and wherever it begins', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: 0.2, max: 400, noNaN: true }),
      fc.double({ min: 0.2, max: 64, noNaN: true }),
      async (capacity, first) => {
        const steps = await staircase({ first, highest: 512, between: 2 }, async (rate) =>
          step(rate, rate <= capacity),
        );
        const { met, missed } = kneeOf({ steps });
        if (met !== null) expect(met).toBeLessThanOrEqual(capacity);
        if (missed !== null) expect(missed).toBeGreaterThan(capacity);
        // Two means between a rate and its double leave a quarter of the octave.
        if (met !== null && missed !== null) expect(missed / met).toBeLessThan(1.2);
      },
    ),
    { numRuns: propertyRuns(100) },
  );
});

it('a rate is met when every round met it, and what was once missed is missed above', () => {
  expect(kneeOf({ steps: [step(1, true), step(2, true), step(4, false)] })).toEqual({ met: 2, missed: 4 });
  expect(kneeOf({ steps: [step(1, true), step(2, true), step(2, false, 2), step(4, true)] })).toEqual({
    met: 1,
    missed: 2,
  });
  expect(kneeOf({ steps: [step(1, false)] })).toEqual({ met: null, missed: 1 });
});

it('says at least where the highest rate was met, and nothing where CPU could not be read', () => {
  const capacity: Capacity = {
    format: 1,
    settings: { base: 'tiny', sizes: [1], rounds: 1, stepSeconds: 1, thinkMs: 1, objectiveSeconds: 1 },
    machine: { cores: 2, postgres: '18', node: '24' },
    measuredOn: '2026-11-30',
    cells: [
      { model: 'legacy', size: 1, steps: [step(1, true), step(2, false)] },
      { model: 'refactored', size: 1, steps: [step(8, true)] },
    ],
  };
  const figures = new Figures();
  capacityFigures(figures, capacity);
  expect(figures.text('capacity:legacy:1')).toBe('1 /s');
  expect(figures.text('capacity:refactored:1')).toBe('at least 8 /s');
  expect(figures.text('capacity:legacy:1:cpu')).toBe('100 ms');
  expect(figures.get('capacity:legacy:1:shop-cpu')).toBeUndefined();
});
