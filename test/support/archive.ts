import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ArchivePolicy, ArchiveUnit } from '../../archive/policy.ts';

/** A policy with the units that are given in part: rows with an old date in `day` go. */
export const policyOf = (...units: Partial<ArchiveUnit>[]): ArchivePolicy => ({
  version: 1,
  units: units.map((unit) => ({
    name: 'unit',
    reason: 'a test',
    table: { schema: 'public', table: 'rows' },
    age: 'day',
    olderThanDays: 30,
    holds: [],
    children: [],
    retention: { months: 12, rule: 'a test' },
    ...unit,
  })),
});

/** Each file below a directory, with its mode and what it holds. */
export async function contentsOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(directory, { recursive: true })).sort()) {
    const at = path.join(directory, name);
    const { mode } = await stat(at);
    const hash = (await stat(at)).isFile()
      ? createHash('sha256')
          .update(await readFile(at))
          .digest('hex')
      : 'directory';
    found[name] = `${(mode & 0o777).toString(8)} ${hash}`;
  }
  return found;
}
