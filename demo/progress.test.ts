import { expect, it } from 'vitest';
import { seldom } from './progress.ts';

it('a log gets a line when something else begins, and of one thing only now and then', () => {
  let now = 0;
  const isDue = seldom(10_000, () => now);
  const told: string[] = [];
  for (const text of [
    'prometheus: compiled 1 of at most 3 packages',
    'prometheus: compiled 2 of at most 3 packages',
    'otelcol: downloading modules',
    'otelcol: compiled 1 of at most 9 packages',
  ]) {
    now += 6_000;
    if (isDue(text)) told.push(text);
  }
  expect(told).toEqual(['prometheus: compiled 1 of at most 3 packages', 'otelcol: downloading modules']);
  now += 10_000;
  expect(isDue('otelcol: compiled 2 of at most 9 packages')).toBe(true);
});
