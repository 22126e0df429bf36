import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..');

it('no text is compared or written by the locale of whoever runs it', async () => {
  const found: string[] = [];
  for await (const file of glob('**/*.{ts,tsx}', {
    cwd: ROOT,
    exclude: (name) => ['node_modules', 'out', '.sqltrail'].includes(path.basename(name)),
  })) {
    const text = await readFile(path.join(ROOT, file), 'utf8');
    // Without a locale as its argument; strings and nested calls within one line are enough for what is written here.
    const calls = text.matchAll(
      /\.localeCompare\((?:[^(),']|\([^()]*\))+\)|\.toLocale\w+\(\)|\bIntl\.\w+(?:Format|Collator)?\(\)/g,
    );
    for (const [call] of calls) found.push(`${file}: ${call}`);
  }
  expect(found).toEqual([]);
});
