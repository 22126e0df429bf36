import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ConfigurationError, errorCode } from '../lib/errors.ts';

/** Beside the files: what was written, so that a later run can tell its own from those of others. */
const MANIFEST = '.sqltrail-export.json';
const manifestSchema = z.object({ version: z.literal(1), files: z.record(z.string(), z.string()) });

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function readManifest(directory: string): Promise<Record<string, string>> {
  const text = await readIfThere(path.join(directory, MANIFEST));
  if (text === undefined) return {};
  try {
    return manifestSchema.parse(JSON.parse(text)).files;
  } catch {
    // Then nothing there is known to be ours.
    return {};
  }
}

/**
 * Writes files below a directory, all or none of them: one that is there and that an earlier run did not write, or
 * that was changed since, stays.
 *
 * @throws ConfigurationError naming those files, or why the directory cannot be written
 */
export async function writeOwned(
  directory: string,
  files: Record<string, string>,
  { force }: { force: boolean },
): Promise<void> {
  try {
    const known = await readManifest(directory);
    const others: string[] = [];
    for (const [file, text] of Object.entries(files)) {
      const there = await readIfThere(path.join(directory, file));
      if (there !== undefined && there !== text && known[file] !== hashOf(there)) others.push(file);
    }
    if (others.length > 0 && !force)
      throw new ConfigurationError(
        `${others.map((file) => path.join(directory, file)).join(', ')}: not written by sqltrail, or changed since then. Nothing was written. Name another directory with --out, or overwrite with --force.`,
      );
    for (const [file, text] of Object.entries(files)) {
      const target = path.join(directory, file);
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, text);
    }
    const written = Object.fromEntries(Object.entries(files).map(([file, text]) => [file, hashOf(text)]));
    const manifest = { version: 1, files: { ...known, ...written } };
    await writeFile(path.join(directory, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  } catch (error) {
    if (error instanceof ConfigurationError || errorCode(error) === undefined) throw error;
    throw new ConfigurationError(
      `${directory} cannot be written (${(error as Error).message}). Name another directory with --out.`,
      { cause: error },
    );
  }
}
