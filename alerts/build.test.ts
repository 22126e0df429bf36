import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { buildAlertFiles } from './build.ts';

const here = import.meta.dirname;

it.each(Object.entries(buildAlertFiles()))('%s is what the definitions make', async (file, content) => {
  expect(await readFile(path.join(here, file), 'utf8')).toBe(content);
});

it('has no rule or test file that the definitions do not make', async () => {
  const made = Object.keys(buildAlertFiles());
  for (const dir of ['rules', 'tests'])
    for (const file of await readdir(path.join(here, dir))) expect(made).toContain(`${dir}/${file}`);
});
