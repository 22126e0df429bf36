import { expect, it } from 'vitest';
import { takeAtMost } from './valueSize.ts';

const cycle: { itself?: unknown } = {};
cycle.itself = cycle;

it.each<[string, unknown, boolean]>([
  ['none', [], true],
  ['a few', [1, 'anna', null, new Date(), { a: [1, 2] }, Buffer.alloc(10)], true],
  ['a long text', ['x'.repeat(1_000)], false],
  ['many numbers', [Array.from({ length: 1_000 }, (_, at) => at)], false],
  ['bytes', [Buffer.alloc(1_000)], false],
  ['a document', [{ list: Array.from({ length: 1_000 }, () => ({ a: 1 })) }], false],
  ['a document of itself', [cycle], false],
])('%s', (_name, values, fits) => {
  expect(takeAtMost(values, 500)).toBe(fits);
});

it('nothing of the application is called, and no more is looked at than that', () => {
  const value = {
    get secret(): string {
      throw new Error('called');
    },
  };
  expect(takeAtMost([value], 500)).toBe(true);
  let looked = 0;
  const values = new Proxy(
    Array.from({ length: 1e6 }, () => 1),
    {
      get(target, key) {
        looked += 1;
        return Reflect.get(target, key);
      },
    },
  );
  expect(takeAtMost(values, 500)).toBe(false);
  expect(looked).toBeLessThan(1_000);
});
