import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..', '..');
/** Made, fetched, or recorded. */
const LEFT_OUT = ['node_modules', 'out', '.sqltrail', '.git'];

/**
 * Files of the checkout, each with its path from the root and its text.
 *
 * @param without names of further directories that are left out
 */
export async function* sources(
  pattern: string,
  without: readonly string[] = [],
): AsyncGenerator<{ file: string; text: string }> {
  for await (const file of glob(pattern, {
    cwd: ROOT,
    exclude: (name) => [...LEFT_OUT, ...without].includes(path.basename(name)),
  }))
    yield { file, text: await readFile(path.join(ROOT, file), 'utf8') };
}
