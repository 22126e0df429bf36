import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { shopConfig } from './support/configs.ts';

const root = path.join(import.meta.dirname, '..');
const read = (file: string) => readFile(path.join(root, file), 'utf8');

async function textOf(pattern: string): Promise<string> {
  let text = '';
  for await (const file of glob(pattern, { cwd: root })) text += await read(file);
  return text;
}

const found = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name);

/** Words of the language that happen to be tables too. */
const WORDS = [
  'activity',
  'addresses',
  'contacts',
  'counters',
  'customers',
  'months',
  'orders',
  'products',
  'reviews',
  'tags',
];

/** What the shop calls things: its tables, routes, metrics, and itself. */
async function namesOfTheShop(): Promise<RegExp> {
  const tables = found(
    await textOf('sample-shop/schema/**/*.sql'),
    /CREATE TABLE (?:IF NOT EXISTS )?(?:\w+\.)?(\w+)/gi,
  );
  const routes = found(await read('sample-shop/app.ts'), /app\.(?:get|post|put|delete)\('([^']+)'/g);
  const metrics = [
    ...found(await read('sample-shop/app.ts'), /createCounter\('(\w+)'/g),
    ...found(await read('sample-shop/load/metrics.ts'), /\b(load_\w+)/g),
  ];
  for (const names of [tables, routes, metrics]) expect(names.length).toBeGreaterThan(4);
  const escaped = (name: string) => name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  const words = [...tables.filter((name) => !WORDS.includes(name)), ...metrics, shopConfig.system];
  const paths = routes.filter((route) => /^\/[a-z]/.test(route) && route !== '/healthz');
  return new RegExp(
    [...new Set(words)]
      .map((name) => `(?<![\\w-])${escaped(name)}(?!\\w)`)
      .concat(paths.map((route) => `'${escaped(route)}'`))
      .join('|'),
    'g',
  );
}

/** The command line of the demo; `fix` has a flag of its own for the shop, as test/imports.test.ts knows. */
const OF_THE_DEMO = ['cli/clone.ts', 'cli/fix.ts', 'cli/migrate.ts', 'cli/modelPage.ts', 'cli/report.ts'];

it('no name of the shop is in what any service and any database use', async () => {
  const names = await namesOfTheShop();
  const hits: string[] = [];
  for (const folder of ['config', 'kpis', 'alerts', 'collector', 'dashboards', 'cli'])
    for await (const file of glob(folder === 'cli' ? 'cli/*.ts' : `${folder}/**/*.ts`, { cwd: root })) {
      if (/\.test\.ts$/.test(file) || OF_THE_DEMO.includes(file)) continue;
      for (const [index, line] of (await read(file)).split('\n').entries())
        for (const [name] of line.matchAll(names)) hits.push(`${file}:${index + 1}: ${name}`);
    }
  expect(hits).toEqual([]);
});
