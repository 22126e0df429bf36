import { expect, it } from 'vitest';
import { isTransient } from './errors.ts';

it.each([
  [{ code: '55P03', message: 'canceling statement due to lock timeout' }, true],
  [{ code: '40P01', message: 'deadlock detected' }, true],
  [{ code: '40001', message: 'could not serialize access due to concurrent update' }, true],
  [{ code: 'XX000', message: 'tuple concurrently updated' }, true],
  [{ code: 'XX000', message: 'tuple concurrently deleted' }, true],
  [{ code: 'XX000', message: 'could not open relation with OID 16384' }, false],
  [{ code: '42P01', message: 'relation "tuple concurrently updated" does not exist' }, false],
  [new Error('tuple concurrently updated'), false],
])('%o may do in a moment: %s', (error, transient) => {
  expect(isTransient(error)).toBe(transient);
});
