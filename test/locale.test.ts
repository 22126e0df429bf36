import { expect, it } from 'vitest';
import { sources } from './support/sources.ts';

it('no text is compared or written by the locale of whoever runs it', async () => {
  const found: string[] = [];
  for await (const { file, text } of sources('**/*.{ts,tsx}')) {
    // Without a locale as its argument; strings and nested calls within one line are enough for what is written here.
    const calls = text.matchAll(
      /\.localeCompare\((?:[^(),']|\([^()]*\))+\)|\.toLocale\w+\(\)|\bIntl\.\w+(?:Format|Collator)?\(\)/g,
    );
    for (const [call] of calls) found.push(`${file}: ${call}`);
  }
  expect(found).toEqual([]);
});
