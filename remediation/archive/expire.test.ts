import { expect, it } from 'vitest';
import { keepUntil } from './expire.ts';

it.each([
  ['2025-01-31T12:00:00Z', 1, '2025-02-28'],
  ['2024-02-29T00:00:00Z', 12, '2025-02-28'],
  ['2025-11-30T23:59:59Z', 3, '2026-02-28'],
  ['2025-05-15T00:00:00Z', 120, '2035-05-15'],
])('%s and %i months is %s', (from, months, until) => {
  expect(keepUntil(from, months)).toBe(until);
});
