import { expect, it } from 'vitest';
import type { CheckContext } from '../check.ts';
import type { QueryLimits } from '../readSession.ts';
import { NoTimeLeft } from '../session.ts';
import { askWithin } from './shared.ts';

const cancelled = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });

it('what one statement leaves of the share is for the next, and the rest of the run keeps its own', async () => {
  let remainingMs = 10_000;
  const ask = askWithin({ remainingMs: () => remainingMs } as CheckContext, 0.6);
  const given = async () => ask(async ({ withinMs }: QueryLimits) => withinMs);
  expect(await given()).toBeCloseTo(2_000, 6);
  remainingMs -= 600;
  expect(await given()).toBeCloseTo(1_800, 6);
  remainingMs = 4_000;
  expect(await given()).toBeCloseTo(0, 6);
});

it('after one that does not come to its end no larger one is asked; another error is that table’s own', async () => {
  const context = { remainingMs: () => 10_000 } as CheckContext;
  const fail = (error: Error) => () => Promise.reject(error);
  const ask = askWithin(context, 0.5);
  await expect(ask(fail(Object.assign(new Error('permission denied'), { code: '42501' })))).rejects.toThrow(
    'denied',
  );
  expect(await ask(async () => 'asked')).toBe('asked');
  await expect(ask(fail(cancelled))).rejects.toThrow('canceling');
  let asked = false;
  await expect(
    ask(async () => {
      asked = true;
    }),
  ).rejects.toThrow(NoTimeLeft);
  expect(asked).toBe(false);
});
