import { expect, it } from 'vitest';
import { type Size, scaleOf, scales } from './scales.ts';

it('multiplies every table of a scale alike', () => {
  expect(scaleOf('small')).toEqual(scales.small);
  for (const [table, rows] of Object.entries(scaleOf('small-x8')))
    expect(rows).toBe(8 * scales.small[table as keyof typeof scales.small]);
});

it('names the sizes when it is given another', () => {
  for (const size of ['huge', 'small-x0', 'small-x', 'x8'])
    expect(() => scaleOf(size as Size)).toThrow('tiny, small');
});
