import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';

export const ROOT = path.join(import.meta.dirname, '..');

/**
 * Makes the tarball of @sqltrail/instrumentation in a directory, in place of an earlier one.
 *
 * @param npm runs npm to its end in a directory
 * @returns its path within the directory, as `npm install` takes it
 */
export async function packInstrumentation(
  dir: string,
  npm: (args: string[], cwd: string) => Promise<unknown>,
): Promise<string> {
  for (const file of await readdir(dir)) if (file.endsWith('.tgz')) await rm(path.join(dir, file));
  await npm(['pack', '--workspace', 'instrumentation', '--pack-destination', dir], ROOT);
  return `./${(await readdir(dir)).find((file) => file.endsWith('.tgz'))}`;
}
