import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { LIBRARY, leastConfig, libraryConfig } from '../test/support/configs.ts';
import { kinds } from './exportFiles.ts';
import { writeOwned } from './ownedFiles.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-owned-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const read = (file: string) => readFile(path.join(dir, file), 'utf8');
const write = (files: Record<string, string>, force = false) => writeOwned(dir, files, { force });

describe('a file that is there', () => {
  it('is replaced when an earlier run wrote it', async () => {
    await write({ 'a/b.yaml': 'one' });
    await write({ 'a/b.yaml': 'two' });
    expect(await read('a/b.yaml')).toBe('two');
  });

  it('stays when somebody else wrote it, and nothing is written', async () => {
    await writeFile(path.join(dir, 'a'), 'theirs');
    await expect(write({ b: 'one', a: 'two' })).rejects.toThrow(/\/a: not written by sqltrail.*--force/);
    await expect(read('b')).rejects.toThrow('ENOENT');
    expect(await read('a')).toBe('theirs');
  });

  it('stays when it was changed since, unless forced', async () => {
    await write({ a: 'one' });
    await writeFile(path.join(dir, 'a'), 'changed');
    await expect(write({ a: 'two' })).rejects.toThrow('changed since');
    await write({ a: 'two' }, true);
    expect(await read('a')).toBe('two');
  });

  it('is ours still after a run that wrote other files', async () => {
    await write({ a: 'one' });
    await write({ b: 'one' });
    await write({ a: 'two' });
    expect(await read('a')).toBe('two');
  });

  it('names a directory that cannot be written', async () => {
    await writeFile(path.join(dir, 'file'), '');
    await expect(writeOwned(path.join(dir, 'file'), { a: '' }, { force: false })).rejects.toThrow(/--out/);
  });
});

describe('an imported dashboard', () => {
  it('asks for its data sources, and names no other', async () => {
    const files = (await kinds['dashboards']?.files(libraryConfig)) ?? {};
    const imported = Object.entries(files).filter(([file]) => file.startsWith('dashboards/import/'));
    expect(imported.length).toBe(7);
    for (const [file, text] of imported) {
      const { __inputs, templating } = JSON.parse(text);
      expect(__inputs.map(({ name }: { name: string }) => name)).toEqual(['DS_PROMETHEUS', 'DS_POSTGRES']);
      const chosen = templating.list.filter(({ type }: { type: string }) => type === 'datasource');
      expect(chosen.map(({ current }: { current: { value: string } }) => current.value)).toEqual([
        '${DS_PROMETHEUS}',
        '${DS_POSTGRES}',
      ]);
      for (const [, uid] of text.matchAll(/"uid": "([^"]+)"/g))
        expect(uid, file).toMatch(/^(\$\{(prometheus|postgres)\}|sqltrail-\w+)$/);
    }
  });

  it('chooses from several services and databases', async () => {
    const files = (await kinds['dashboards']?.files(libraryConfig)) ?? {};
    const text = files['dashboards/import/overview.json'] ?? '';
    expect(text).toContain('"allValue": "lending\\\\\\\\.api|catalogue-web"');
    expect(text).toContain('service_name=~\\"$service\\"');
    expect(text).toContain('database=~\\"$database\\"');
    expect(text).toContain('db_client_connection_pool_name=~\\"$pool\\"');
  });
});

it('the queries are a file for each database where there are several', async () => {
  expect(Object.keys((await kinds['queries']?.files(libraryConfig)) ?? {})).toEqual([
    'postgres_exporter.queries.lending.yaml',
    'postgres_exporter.queries.books.yaml',
  ]);
  const only = (await kinds['queries']?.files(leastConfig)) ?? {};
  expect(Object.keys(only)).toEqual(['postgres_exporter.queries.yaml']);
  expect(only['postgres_exporter.queries.yaml']).not.toContain('sqltrail_age:');
});

// Of compose, all parts are in its own containers, which ask themselves whether they are healthy.
it.each(Object.keys(kinds).filter((kind) => kind !== 'compose'))(
  'what is exported has the addresses of its configuration, and none of this machine or the demo: %s',
  async (kind) => {
    const urls = 'urls: { prometheus: "http://prometheus.library.example:9090",';
    const config = parseConfig(LIBRARY.replace('urls: {', urls), 'library.yaml');
    const texts = Object.entries((await kinds[kind]?.files(config)) ?? {});
    expect(texts.length).toBeGreaterThan(0);
    for (const [file, text] of texts)
      expect(text.match(/127\.0\.0\.1|localhost|55432|\bshop\w*/g), file).toBeNull();
  },
);
