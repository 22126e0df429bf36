import { readFile, rename, writeFile } from 'node:fs/promises';
import type { z } from 'zod';

/**
 * What a bench measured, of which a killed run resumes.
 *
 * @returns null where there is no such file yet
 * @throws Error naming the file and the field at fault; a file that cannot be read is not taken for a missing one, or
 *   the next write would replace what was measured
 */
export async function readMeasured<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return null;
  const parsed = schema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** In one step, so that a run that is killed leaves the file as it was before or as it is after. */
export async function writeMeasured<T>(file: string, schema: z.ZodType<T>, value: T): Promise<void> {
  await writeFile(`${file}.part`, `${JSON.stringify(schema.parse(value), null, 1)}\n`);
  await rename(`${file}.part`, file);
}
