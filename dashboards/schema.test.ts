import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const JSON_DIRECTORY = path.join(import.meta.dirname, 'json');
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-schema-'));
  await symlink(path.join(root, 'node_modules'), path.join(directory, 'node_modules'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Lets the compiler hold each dashboard against the schema. @returns its complaints */
async function faults(dashboards: Record<string, string>): Promise<string> {
  const schema = path.join(root, 'dashboards', 'schema.ts');
  for (const [name, json] of Object.entries(dashboards))
    await writeFile(
      path.join(directory, `${name}.ts`),
      `import type { DashboardJson } from ${JSON.stringify(schema)};\nexport const dashboard: DashboardJson = ${json};\n`,
    );
  const files = Object.keys(dashboards).map((name) => `${name}.ts`);
  const options =
    '--noEmit --strict --module nodenext --target esnext --allowImportingTsExtensions --skipLibCheck';
  const tsc = path.join(root, 'node_modules', '.bin', 'tsc');
  return promisify(execFile)(tsc, [...options.split(' '), ...files], { cwd: directory }).then(
    () => '',
    (error: { stdout?: string }) => error.stdout ?? String(error),
  );
}

const read = async (file: string) => readFile(path.join(JSON_DIRECTORY, file), 'utf8');

it('every dashboard is as Grafana’s schema has it', async () => {
  const files = await readdir(JSON_DIRECTORY);
  expect(files.length).toBeGreaterThan(5);
  const texts = await Promise.all(
    files.map(async (file) => [path.parse(file).name, await read(file)] as const),
  );
  expect(await faults(Object.fromEntries(texts))).toBe('');
});

it('a dashboard that is not is refused', async () => {
  const text = await read('overview.json');
  const broken: Record<string, [string, string]> = {
    field: ['"schemaVersion"', '"schemaVersions"'],
    plugin: ['"type": "stat"', '"type": "stats"'],
    option: ['"graphMode"', '"graphModes"'],
    choice: ['"graphMode": "none"', '"graphMode": "sometimes"'],
    defaults: ['"thresholds"', '"threshold"'],
    query: ['"instant"', '"instantly"'],
    type: ['"instant": true', '"instant": "yes"'],
    undescribed: ['"unit": "s"', '"decimals": 2'],
  };
  const dashboards = Object.fromEntries(
    Object.entries(broken).map(([name, [is, becomes]]) => {
      expect(text).toContain(is);
      return [name, text.replace(is, becomes)];
    }),
  );
  const found = await faults(dashboards);
  for (const name of Object.keys(broken)) expect(found, name).toContain(`${name}.ts(`);
});
