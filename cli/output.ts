import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigurationError } from '../stack/errors.ts';

/**
 * Writes what --output asks for, making its directory.
 *
 * @throws ConfigurationError naming the file and why it cannot be written
 */
export async function writeOutput(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(path.resolve(file)), { recursive: true });
    await writeFile(file, text);
  } catch (error) {
    throw new ConfigurationError(
      `--output: ${file} cannot be written (${(error as Error).message}). Name another file or directory.`,
      { cause: error },
    );
  }
}
