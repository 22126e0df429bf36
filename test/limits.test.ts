import { expect, it } from 'vitest';
import { sources } from './support/sources.ts';

it('no test has a time limit of its own: they stand in vitest.config.ts', async () => {
  const found: string[] = [];
  for await (const { file, text } of sources('**/*.test.{ts,tsx}')) {
    // A test's or hook's end as the formatter writes it, with a third argument; or options before its function.
    for (const [at, line] of text.split('\n').entries())
      if (/^ {0,4}\}, [\d_A-Z]+\);$|^\s*(?:it|test|before\w+|after\w+)\(.*\{ timeout: /.test(line))
        found.push(`${file}:${at + 1}`);
  }
  expect(found).toEqual([]);
});
