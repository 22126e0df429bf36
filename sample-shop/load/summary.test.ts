import { expect, it } from 'vitest';
import { Summary } from './summary.ts';

it('gives exact percentiles of all steps together, and none where samples of that time are gone', () => {
  const summary = new Summary(60);
  expect(summary.readAll(10)).toBeUndefined();
  for (let i = 1; i <= 100; i += 1) summary.add(i % 2 ? 'product' : 'checkout', i > 98 ? 'error' : 'ok', i);
  expect(summary.readAll(10)).toMatchObject({ requests: 100, ok: 98, error: 2, p50: 50, p95: 95, max: 100 });
  expect(summary.read()['product']).toMatchObject({ requests: 50, max: 99 });
  for (let i = 0; i < 50_000; i += 1) summary.add('product', 'ok', 1);
  expect(summary.readAll(3_600)).toBeUndefined();
});
