import path from 'node:path';
import { ConfigurationError } from '../lib/errors.ts';
import { makePrivateDirectory, writePrivate } from '../lib/privateFiles.ts';

/**
 * Writes what --output asks for, making its directory: findings are for this user alone.
 *
 * @throws ConfigurationError naming the file and why it cannot be written
 */
export async function writeOutput(file: string, text: string): Promise<void> {
  try {
    await makePrivateDirectory(path.dirname(path.resolve(file)));
    await writePrivate(file, text);
  } catch (error) {
    throw new ConfigurationError(
      `--output: ${file} cannot be written (${(error as Error).message}). Name another file or directory.`,
      { cause: error },
    );
  }
}
