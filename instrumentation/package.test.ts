import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const here = import.meta.dirname;
const packageOf = async (directory: string) =>
  JSON.parse(await readFile(path.join(directory, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
const { dependencies = {}, peerDependencies = {} } = await packageOf(here);

describe('package.json', () => {
  it('names what the sources import, and nothing else', async () => {
    const files = (await readdir(here)).filter(
      (file) => /(?<!\.test|\.vectors)\.ts$/.test(file) && file !== 'build.ts',
    );
    const imported = new Set<string>();
    for (const file of files)
      for (const [, specifier = ''] of (await readFile(path.join(here, file), 'utf8')).matchAll(
        /^(?:import|export) (?!type )[^;]*?from '([^']+)'/gms,
      )) {
        const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? '';
        if (name && !/^[.]|^node:/.test(name)) imported.add(name);
      }
    // By `import()` and `resolve()`.
    for (const name of ['libpg-query', '@opentelemetry/instrumentation']) imported.add(name);
    expect([...imported].sort()).toEqual(Object.keys({ ...dependencies, ...peerDependencies }).sort());
  });

  it('pins what it depends on, as the repository does, so that there is one copy of each', async () => {
    const root = await packageOf(path.join(here, '..'));
    const pinned = { ...root['dependencies'], ...root['devDependencies'] };
    for (const [name, version] of Object.entries(dependencies)) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(pinned[name] ?? version, name).toBe(version);
    }
  });
});
