import fc from 'fast-check';
import { expect, it } from 'vitest';
import { propertyRuns } from '../test/support/property.ts';
import { DEFAULT_ASSUMPTIONS, readAssumptions } from './assumptions.ts';
import { addDays, freezeOn, NoRoomError, schedule } from './plan.ts';

/** Any day of 40 years, leap days and turns of the year among them. */
const day = fc.integer({ min: 0, max: 40 * 365 }).map((days) => addDays('2020-01-01', days));
const freezes = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 365 }), fc.integer({ min: 0, max: 50 })).map(([from, days]) => ({
    from: addDays('2024-01-01', from).slice(5),
    to: addDays('2024-01-01', from + days).slice(5),
    reason: 'trade',
  })),
  { maxLength: 3 },
);

it('from any day, no phase that can wait lies in a freeze, and each follows the one before', () => {
  fc.assert(
    fc.property(day, freezes, (start, periods) => {
      let plan: ReturnType<typeof schedule>;
      try {
        plan = schedule(start, periods);
      } catch (error) {
        expect(error).toBeInstanceOf(NoRoomError);
        return;
      }
      let after = start;
      for (const { from, to, days, inFreeze } of plan) {
        expect(from >= after).toBe(true);
        expect(addDays(from, days - 1)).toBe(to);
        if (!inFreeze)
          for (let at = from; at <= to; at = addDays(at, 1)) expect(freezeOn(at, periods)).toBeUndefined();
        after = addDays(to, 1);
      }
    }),
    { numRuns: propertyRuns(100) },
  );
});

it('the plan of the week before Christmas waits until the year has turned', async () => {
  const { freezePeriods } = await readAssumptions(DEFAULT_ASSUMPTIONS);
  const plan = schedule('2026-12-17', freezePeriods);
  expect(plan.find(({ id }) => id === 'mitigation')?.from).toBe('2026-12-17');
  expect(plan.filter(({ inFreeze }) => !inFreeze).every(({ from }) => from >= '2027-01-07')).toBe(true);
});

it('a calendar without room says which phase has none', () => {
  expect(() => schedule('2026-01-01', [{ from: '01-01', to: '12-31', reason: 'always' }])).toThrow(
    /leave no 2 days in a row for “Archival/,
  );
});
