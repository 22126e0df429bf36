import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { checksIndex, INDEX_FILE } from './generate.ts';
import { allChecks } from './index.ts';

it('the list of checks is made from their files (node diagnosis/checks/generate.ts)', async () => {
  expect(await readFile(INDEX_FILE, 'utf8')).toBe(await checksIndex());
});

it('each check has an id of its own', () => {
  expect(new Set(allChecks.map(({ id }) => id)).size).toBe(allChecks.length);
});
