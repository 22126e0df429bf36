import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { generatedFiles, generatedFolders } from './generate.ts';

const root = path.join(import.meta.dirname, '..');
const files = generatedFiles();

it.each(Object.entries(files))(
  '%s is what the configuration gives (npm run generate)',
  async (file, content) => {
    expect(await readFile(path.join(root, file), 'utf8')).toBe(content);
  },
);

it.each(generatedFolders)('%s has no file that the configuration does not give', async (folder) => {
  for (const file of await readdir(path.join(root, folder)))
    expect(Object.keys(files)).toContain(`${folder}/${file}`);
});
