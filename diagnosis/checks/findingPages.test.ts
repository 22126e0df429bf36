import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { findingPages, PAGES_FOLDER } from './findingPages.ts';
import { indexes } from './guide/indexes.ts';
import { model } from './guide/model.ts';
import { queries } from './guide/queries.ts';
import { setUp } from './guide/setUp.ts';
import { size } from './guide/size.ts';
import { allChecks } from './index.ts';

it('every check has a page that says what its findings mean, and no page is left over (npm run docs)', async () => {
  const pages = findingPages();
  expect((await readdir(PAGES_FOLDER)).sort()).toEqual([...pages.keys()].sort());
  for (const [file, content] of pages)
    expect(await readFile(path.join(PAGES_FOLDER, file), 'utf8'), file).toBe(content);
  const written = [indexes, queries, setUp, size, model].flatMap((group) => Object.keys(group));
  expect(written.sort()).toEqual(allChecks.map(({ id }) => id).sort());
});
