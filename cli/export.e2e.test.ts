import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { ensureBinaries } from '../stack/binaries.ts';
import { LEAST, LIBRARY } from '../test/support/configs.ts';
import { startNode } from '../test/support/process.ts';

const run = promisify(execFile);
const tools = ['promtool', 'amtool', 'otelcol'] as const;

let dir: string;
let binaries: Record<(typeof tools)[number], string>;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-export-'));
  binaries = await ensureBinaries(tools);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const fileOf = (name: string) => () => readFile(path.join(import.meta.dirname, '..', name), 'utf8');

describe.each([
  ['the shop', fileOf('sample-shop/sqltrail.yaml')],
  ['Vendure, as init wrote it', fileOf('test/fixtures/vendure.yaml')],
  ['a library with two services and two databases', async () => LIBRARY],
  ['the least', async () => LEAST],
])('what is exported for %s', (name, config) => {
  let out: string;
  const at = (...segments: string[]) => path.join(out, ...segments);

  beforeAll(async () => {
    out = path.join(dir, name.replaceAll(/\W+/g, '-'));
    await writeFile(`${out}.yaml`, await config());
    const exported = startNode(['cli/main.ts', 'export', '--config', `${out}.yaml`, '--out', out], {});
    expect(await exported.exited, exported.output()).toBe(0);
  });

  it('promtool takes the rules, and they fire on what they are for and on nothing else', async () => {
    const { stdout } = await run(binaries.promtool, ['check', 'rules', at('rules.yaml')]);
    expect(stdout).toMatch(/[1-9]\d* rules found/);
    const tests = (await readdir(at('tests'))).map((file) => at('tests', file));
    const { stderr } = await run(binaries.promtool, ['test', 'rules', ...tests]);
    expect(stderr).not.toContain('FAILED');
  });

  it('Prometheus takes the scrape jobs', async () => {
    await writeFile(
      at('prometheus.yml'),
      stringify({ rule_files: ['rules.yaml'], scrape_config_files: ['scrape.yaml'] }),
    );
    await run(binaries.promtool, ['check', 'config', at('prometheus.yml')]);
  });

  it('Alertmanager takes its configuration', async () => {
    const { stdout } = await run(binaries.amtool, ['check-config', at('alertmanager.yml')]);
    expect(stdout).toContain('2 inhibit rules');
  });

  it('a collector takes the pipelines beside its own', async () => {
    await writeFile(
      at('own.yaml'),
      stringify({
        receivers: { otlp: { protocols: { http: { endpoint: '127.0.0.1:0' } } } },
        exporters: { debug: {} },
        service: { pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } } },
      }),
    );
    const configs = [at('own.yaml'), at('collector.yaml')].map((file) => `--config=${file}`);
    await run(binaries.otelcol, ['validate', ...configs]);
  });

  it('what the manifests for Kubernetes hold is what promtool and the collector take', async () => {
    const documents = async (file: string) =>
      parseAllDocuments(await readFile(at('kubernetes', file), 'utf8'), { version: '1.1' }).map((document) =>
        document.toJS(),
      );
    const [rule] = await documents('rules.yaml');
    await writeFile(at('groups.yaml'), stringify(rule.spec));
    await run(binaries.promtool, ['check', 'rules', at('groups.yaml')]);
    const [{ data }] = (await documents('collector.yaml')) as [{ data: Record<string, string> }];
    const configs = await Promise.all(
      Object.entries(data).map(async ([name, text]) => {
        await writeFile(at(`mounted-${name}`), text);
        return `--config=${at(`mounted-${name}`)}`;
      }),
    );
    await run(binaries.otelcol, ['validate', ...configs]);
  });
});
