import path from 'node:path';
import { expect, it } from 'vitest';
import { sources } from './support/sources.ts';

const ROOT = path.join(import.meta.dirname, '..');

/** What each folder may import, beside itself. Only the last ones may know the shop. */
const MAY_IMPORT: Record<string, string[]> = {
  lib: [],
  config: ['lib'],
  kpis: ['config', 'lib'],
  instrumentation: [],
  collector: ['kpis', 'config', 'lib'],
  alerts: ['kpis', 'config', 'lib'],
  dashboards: ['alerts', 'kpis', 'config', 'lib'],
  diagnosis: ['instrumentation', 'kpis', 'lib'],
  watch: ['diagnosis', 'lib'],
  fix: ['diagnosis', 'lib'],
  archive: ['diagnosis', 'lib'],
  migrate: ['lib'],
  report: ['fix', 'archive', 'migrate', 'diagnosis', 'kpis', 'lib'],
  console: ['report', 'dashboards', 'alerts', 'fix', 'watch', 'diagnosis', 'instrumentation', 'kpis', 'lib'],
  stack: ['lib'],
  deploy: ['stack', 'lib'],
  cli: [
    'stack',
    'console',
    'report',
    'fix',
    'archive',
    'migrate',
    'watch',
    'diagnosis',
    'instrumentation',
    'dashboards',
    'alerts',
    'collector',
    'kpis',
    'config',
    'lib',
  ],
};
const KNOW_THE_SHOP = ['sample-shop', 'demo', 'bench', 'test', 'docker'];

/** Against the direction today; one that is gone has to leave this list. */
const EXCEPTIONS: string[] = [
  'cli/clone.ts -> demo',
  'cli/clone.ts -> sample-shop',
  'cli/fix.ts -> demo',
  'cli/migrate.ts -> demo',
  'cli/migrate.ts -> sample-shop',
  'stack/native.ts -> sample-shop',
];

const foldersOf = (file: string, text: string): string[] =>
  [...text.matchAll(/(?:from|import\(|import) ?'(\.\.?\/[^']+)'/g)].map(
    ([, specifier = '']) =>
      path.relative(ROOT, path.resolve(ROOT, path.dirname(file), specifier)).split(path.sep)[0] ?? '',
  );

it('imports run in one direction through the folders', async () => {
  const against: string[] = [];
  const unknown = new Set<string>();
  for await (const { file, text } of sources('*/**/*.{ts,tsx,mjs}')) {
    const [folder = ''] = file.split(path.sep);
    if (/\.test\.ts$/.test(file) || KNOW_THE_SHOP.includes(folder)) continue;
    const allowed = MAY_IMPORT[folder];
    if (!allowed) unknown.add(folder);
    for (const other of new Set(foldersOf(file, text)))
      if (other !== folder && !allowed?.includes(other)) against.push(`${file} -> ${other}`);
  }
  expect([...unknown]).toEqual([]);
  expect(against.sort()).toEqual(EXCEPTIONS);
});
