import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';
import { bundlePage, pageSources } from '../console/bundlePage.ts';
import type { Asset } from '../console/page.ts';

/**
 * Makes the directory that `npm pack` and `npm publish` take: the command line in plain JavaScript for Node 22 and
 * newer, without the demo. Its dependencies are what the bundle imports, in the versions of this repository.
 *
 * node cli/pack.ts [directory]
 */

const ROOT = path.join(import.meta.dirname, '..');
/** Heavy, and needed by one command only: installed when somebody wants that. */
const OPTIONAL = [
  '@duckdb/node-api',
  '@grafana/grafana-foundation-sdk',
  '@modelcontextprotocol/sdk',
  '@viz-js/viz',
];
/** Read as files, from where they are in the repository too: pipelines, Go modules of the parts, runbooks. */
const BESIDE = [
  'collector/collector.yaml',
  'collector/collector.tempo.yaml',
  'collector/build',
  'docs/runbooks',
];

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** The console's page as it is served, in the place of the code that bundles it. */
const madePage = (page: Record<string, Asset>): Plugin => ({
  name: 'page',
  setup: ({ onLoad }) => {
    onLoad({ filter: /console\/bundlePage\.ts$/ }, () => ({
      contents: `export const bundlePage = async () => (${JSON.stringify(page)});`,
    }));
  },
});

/** The licences of the packages whose code is in the page: it is all that is passed on of others. */
async function licences(): Promise<string> {
  const directories = (await pageSources()).flatMap(
    (file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? [],
  );
  const texts = [...new Set(directories)].sort().map(async (directory) => {
    const { name, version } = JSON.parse(await readFile(path.join(directory, 'package.json'), 'utf8'));
    const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
      .filter((file) => /^(licen[cs]e|notice)/i.test(file))
      .sort();
    if (files.length === 0) throw new Error(`${directory} has no licence.`);
    const parts = await Promise.all(files.map((file) => readFile(path.join(directory, file), 'utf8')));
    return `${name} ${version}\n\n${parts.join('\n')}`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}

/** @returns the names of the packages that the bundle imports */
export async function bundle(directory: string): Promise<string[]> {
  // Before the other: it ends esbuild's helper.
  const page = await bundlePage();
  const { metafile } = await build({
    entryPoints: {
      sqltrail: path.join(ROOT, 'cli', 'packaged.ts'),
      console: path.join(ROOT, 'console', 'server.ts'),
    },
    plugins: [madePage(page)],
    outdir: path.join(directory, 'dist'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.15',
    packages: 'external',
    banner: { js: '#!/usr/bin/env node' },
    metafile: true,
    logLevel: 'warning',
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external).map(({ path: specifier }) => specifier),
  );
  return [
    ...new Set(
      imported
        .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name))
        .map((name) => packageOf(name)),
    ),
  ].sort();
}

export async function makePackage(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const needed = await bundle(directory);
  const own = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  const versions: Record<string, string> = {
    ...own.optionalDependencies,
    ...own.devDependencies,
    ...own.dependencies,
  };
  const versionsOf = (names: readonly string[]) =>
    Object.fromEntries(
      names.map((name) => {
        const version = versions[name];
        if (!version) throw new Error(`${name} is imported, but package.json does not have it.`);
        return [name, version];
      }),
    );
  const optional = needed.filter((name) => OPTIONAL.includes(name));
  const { version, license, type } = own;
  const manifest = {
    name: 'sqltrail',
    version,
    description:
      'Finds why a Postgres hurts, fixes it measured and reversible, archives and rewrites with proof.',
    license,
    type,
    engines: { node: '>=22.15' },
    bin: { sqltrail: './dist/sqltrail.js' },
    files: ['dist', ...BESIDE],
    dependencies: versionsOf(needed.filter((name) => !OPTIONAL.includes(name))),
    peerDependencies: versionsOf(optional),
    peerDependenciesMeta: Object.fromEntries(optional.map((name) => [name, { optional: true }])),
  };
  await writeFile(path.join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(path.join(directory, 'dist', 'THIRD-PARTY.txt'), await licences());
  for (const file of BESIDE) await cp(path.join(ROOT, file), path.join(directory, file), { recursive: true });
  await cp(path.join(ROOT, 'LICENSE'), path.join(directory, 'LICENSE'));
  await cp(path.join(ROOT, 'cli', 'README.md'), path.join(directory, 'README.md'));
}

if (import.meta.main) {
  const directory = path.resolve(process.argv[2] ?? path.join(ROOT, 'out', 'package'));
  await makePackage(directory);
  process.stdout.write(`${directory} is ready for npm pack.\n`);
}
