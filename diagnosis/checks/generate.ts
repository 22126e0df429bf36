import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Check } from '../check.ts';

/** The groups in the order in which they run: first what costs the server least and explains most. */
const GROUPS: readonly Check['group'][] = ['indexes', 'queries', 'set-up', 'size', 'model'];

export const INDEX_FILE = path.join(import.meta.dirname, 'index.ts');

/** A file of a group that exports a `check` is one. */
async function checksOf(group: string): Promise<string[]> {
  const folder = path.join(import.meta.dirname, group);
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  const found = await Promise.all(
    files
      .sort()
      .map(async (file) =>
        (await readFile(path.join(folder, file), 'utf8')).includes('export const check: Check')
          ? [path.basename(file, '.ts')]
          : [],
      ),
  );
  return found.flat();
}

/** Text of index.ts: static imports, so that the package's bundle has them. */
export async function checksIndex(): Promise<string> {
  const groups = new Map<string, string[]>();
  for (const group of GROUPS) groups.set(group, await checksOf(group));
  const imports = [...groups]
    .sort(([a], [b]) => a.localeCompare(b, 'en'))
    .flatMap(([group, names]) =>
      names.map((name) => `import { check as ${name} } from './${group}/${name}.ts';`),
    );
  return `// Made by \`node diagnosis/checks/generate.ts\` from the files of the groups.
import type { Check } from '../check.ts';
${imports.join('\n')}

/** Every check, in the order in which they run. */
export const allChecks: readonly Check[] = [
${GROUPS.flatMap((group) => groups.get(group) ?? [])
  .map((name) => `  ${name},`)
  .join('\n')}
];
`;
}

if (import.meta.main) await writeFile(INDEX_FILE, await checksIndex());
