import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { GROWTH_DOCS, growthPages } from './growthPage.ts';

it('the growth page of the docs and its charts are what the recording gives (npm run docs)', async () => {
  for (const [name, text] of await growthPages())
    expect(await readFile(path.join(GROWTH_DOCS, name), 'utf8'), name).toBe(text);
});
