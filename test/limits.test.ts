import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..');

it('no test has a time limit of its own: they stand in vitest.config.ts', async () => {
  const found: string[] = [];
  for await (const file of glob('**/*.test.{ts,tsx}', {
    cwd: ROOT,
    exclude: (name) => ['node_modules', 'out', '.sqltrail'].includes(path.basename(name)),
  })) {
    const lines = (await readFile(path.join(ROOT, file), 'utf8')).split('\n');
    // A test's or hook's end as the formatter writes it, with a third argument; or options before its function.
    for (const [at, line] of lines.entries())
      if (/^ {0,4}\}, [\d_A-Z]+\);$|^\s*(?:it|test|before\w+|after\w+)\(.*\{ timeout: /.test(line))
        found.push(`${file}:${at + 1}`);
  }
  expect(found).toEqual([]);
});
