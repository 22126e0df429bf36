import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { KPI_PAGE, kpiPage } from './kpiPage.ts';

it('the page of the docs is what the catalogue says (npm run docs)', async () => {
  expect(await readFile(KPI_PAGE, 'utf8')).toBe(kpiPage());
});
