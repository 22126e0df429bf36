import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { docsRoadmap, ROADMAP_PAGE } from './docsPage.ts';

it('the roadmap of the docs is what its recording says (npm run docs)', async () => {
  expect(await readFile(ROADMAP_PAGE, 'utf8')).toBe(await docsRoadmap());
});
