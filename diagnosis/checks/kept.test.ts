import { expect, it } from 'vitest';
import { severityOfPrepared } from './set-up/preparedTransaction.ts';
import { severityOfAge } from './set-up/wraparound.ts';

it('the age of transaction ids warns at half of the way, long after autovacuum had to come', () => {
  expect([0, 200e6, 1e9].map(severityOfAge)).toEqual([undefined, undefined, undefined]);
  expect([1.1e9, 1.5e9].map(severityOfAge)).toEqual(['warning', 'warning']);
  expect(severityOfAge(1.62e9)).toBe('critical');
});

it('a prepared transaction is forgotten after minutes', () => {
  expect([2, 290, 301, 4_000].map(severityOfPrepared)).toEqual([undefined, undefined, 'warning', 'critical']);
});
