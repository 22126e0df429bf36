import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { traceShapes } from '../../test/support/traceShapes.ts';

const BOUND = 6_000_000;
// The store at its bound twice over would not fit, and a request's garbage does.
const HEAP_MB = 48;
const script = path.join(import.meta.dirname, '../../test/support/fillStore.ts');

it.each(Object.keys(traceShapes))('%s take no more of the heap than the store counts', async (shape) => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    `--max-old-space-size=${HEAP_MB}`,
    script,
    shape,
    String(BOUND),
  ]);
  const { counted, used } = JSON.parse(stdout) as { counted: number; used: number };
  expect(used).toBeLessThanOrEqual(counted);
  expect(counted).toBeLessThanOrEqual(BOUND);
  // A bound that counts far too much would keep next to nothing.
  expect(used).toBeGreaterThan(counted / 3);
});
