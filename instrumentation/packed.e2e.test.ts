import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { startCollector } from '../test/support/otlpCollector.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { startThrowawayServer, type ThrowawayServer } from '../test/support/server.ts';

/** The package as a stranger gets it: packed, and installed from the tarball in an empty directory. */
const root = path.resolve(import.meta.dirname, '..');
const fixtures = path.join(root, 'test/support/packed');
const run = promisify(execFile);
const npm = (args: string[], cwd: string) =>
  run('npm', ['--no-audit', '--no-fund', ...args], { cwd, maxBuffer: 64 * 1024 * 1024 });

let dir: string;
let tarball: string;
let server: ThrowawayServer;
const nodes: Record<string, string> = {};

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-packed-'));
  // Postgres runs as a user of its own.
  await chmod(dir, 0o755);
  const { stdout } = await npm(
    ['pack', '--json', '--workspace', 'instrumentation', '--pack-destination', dir],
    root,
  );
  tarball = path.join(
    dir,
    (JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }])[0].filename,
  );
  await writeFile(path.join(dir, 'package.json'), '{ "private": true }');
  await npm(['install', '--prefix', dir, `node-${process.platform}-${process.arch}@22`], dir);
  nodes['Node 22'] = path.join(dir, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  nodes[`Node ${process.versions.node.split('.')[0]}`] = process.execPath;
  server = await startThrowawayServer();
  const client = new pg.Client(server.url());
  await client.connect();
  await client.query(
    "CREATE TABLE things (id int PRIMARY KEY, name text); INSERT INTO things VALUES (1, 'first')",
  );
  await client.end();
});
afterAll(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

/** Directories with the package and what applications need besides. */
const INSTALLATIONS = {
  plain: ['pg', '@types/pg', '@types/node'],
  express4: ['express@4', 'pg'],
  oldest: ['express@4', 'pg@8.0.3'],
  graphql15: ['express@5', 'pg', 'graphql@15'],
  graphql16: ['express@5', 'pg', 'graphql@16'],
  graphql17: ['express@5', 'pg', 'graphql@17'],
  libraries: [
    ...['express@5', 'pg', 'knex', 'drizzle-orm', 'kysely', 'sequelize@6', 'typeorm', 'graphile-worker'],
    ...['prisma', '@prisma/client', '@prisma/adapter-pg'],
    ...[
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/platform-express',
      '@nestjs/typeorm',
      'reflect-metadata',
      'rxjs',
    ],
  ],
};
type Installation = keyof typeof INSTALLATIONS;
const installed = new Map<Installation, Promise<string>>();

function install(name: Installation): Promise<string> {
  const directory = path.join(dir, name);
  const make = async () => {
    await cp(fixtures, directory, { recursive: true });
    await writeFile(path.join(directory, 'package.json'), '{ "private": true, "type": "module" }');
    await npm(['install', tarball, ...INSTALLATIONS[name]], directory);
    if (name === 'libraries')
      await run('npx', ['prisma', 'generate', '--schema', 'schema.prisma'], {
        cwd: directory,
        // Generating does not need the engine, which is not in the registry.
        env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath },
      });
    return directory;
  };
  const made = installed.get(name) ?? make();
  installed.set(name, made);
  return made;
}

interface Run {
  node: string;
  directory: string;
  args: string[];
  env?: Record<string, string>;
}

/** Starts an application, asks it, ends it by SIGTERM. What it answers must not depend on telemetry. */
async function answersOf({ node, directory, args, env = {} }: Run, metricsPort?: number) {
  const child = spawn(node, args, {
    cwd: directory,
    env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: server.url(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk;
    });
  let ended: string | undefined;
  const exited = once(child, 'exit').then(([code, signal]) => {
    ended = `${code ?? signal}`;
  });
  const port = await waitFor(
    'the application',
    () => (ended ? 'ended' : /listening on (\d+)/.exec(output)?.[1]),
    { deadlineMs: PATIENCE_MS },
  );
  if (ended) throw new Error(output);
  const answers: [number, string][] = [];
  for (const url of ['/api/things/1', '/api/things/2', '/api/fail', '/api/forgotten']) {
    const response = await fetch(`http://127.0.0.1:${port}${url}`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    answers.push([response.status, await response.text()]);
  }
  const metrics = metricsPort ? await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text() : '';
  child.kill('SIGTERM');
  await exited;
  return {
    answers,
    ended,
    metrics,
    output: output.replace(/listening on \d+\n/, '').replaceAll(/\(node:\d+\)/g, '(node)'),
  };
}

async function observe(application: Run, preload: string[]) {
  const collector = await startCollector();
  const metricsPort = await freePort();
  const observed = await answersOf(
    {
      ...application,
      args: [...preload, ...application.args],
      env: {
        ...application.env,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
        OTEL_SERVICE_NAME: 'stranger',
      },
    },
    metricsPort,
  );
  collector.close();
  return { ...observed, spans: collector.spans };
}

const IMPORT = ['--import', '@sqltrail/instrumentation'];
const REQUIRE = ['--require', '@sqltrail/instrumentation/register'];

interface Case {
  installation: Installation;
  args: string[];
  preloads?: string[][];
  library?: string;
  /** Has no router. */
  route?: string | undefined;
}
const libraries = ['pg', 'knex', 'drizzle', 'kysely', 'sequelize', 'typeorm', 'graphile-worker', 'prisma'];
const cases: Record<string, Case> = {
  'Express 4, CommonJS': { installation: 'express4', args: ['express4.cjs'], preloads: [IMPORT, REQUIRE] },
  'the oldest pg': { installation: 'oldest', args: ['express4.cjs'] },
  'TypeScript as it is': { installation: 'plain', args: ['typescript.ts'], route: undefined },
  'NestJS with TypeORM': { installation: 'libraries', args: ['nest.mjs'] },
  ...Object.fromEntries(
    libraries.map((library) => [
      `Express 5, ESM, ${library}`,
      {
        installation: 'libraries' as const,
        args: ['express5.mjs'],
        library,
      },
    ]),
  ),
};

describe.each(Object.entries(cases))(
  '%s',
  (_name, { installation, args, preloads = [IMPORT], library, ...of }) => {
    let directory: string;
    beforeAll(async () => {
      directory = await install(installation);
    });
    const route = 'route' in of ? of.route : '/api/things/:id';

    it.each(
      ['Node 22', `Node ${process.versions.node.split('.')[0]}`].flatMap((version) =>
        preloads.map((preload) => [version, preload.join(' '), preload] as const),
      ),
    )(
      '%s, %s: answers as without, and has spans, parents and pool metrics',
      async (version, _text, preload) => {
        const application: Run = {
          node: nodes[version] as string,
          directory,
          args,
          env: library ? { LIBRARY: library } : {},
        };
        const bare = await answersOf(application);
        const { answers, ended, output, metrics, spans } = await observe(application, preload);
        expect(answers).toEqual(bare.answers);
        expect([ended, output]).toEqual([bare.ended, bare.output]);
        expect(bare.ended).toBe('0');

        const [request] = spans.filter(
          ({ attributes }) => attributes['http.request.method'] && !attributes['url.full'],
        );
        expect(request?.resource['service.name']).toBe('stranger');
        expect(request?.attributes['http.route']).toBe(route);
        const statements = spans.filter(
          ({ traceId, attributes }) => traceId === request?.traceId && attributes['db.query.text'],
        );
        const selects = statements.filter(
          ({ attributes }) =>
            attributes['db.query.summary'] === 'SELECT things' ||
            // --require cannot wait for the parser, so the first statements may be masked only.
            (preload === REQUIRE && attributes['db.query.summary'] === 'SELECT'),
        );
        expect(selects.length, JSON.stringify(statements.map(({ name: of }) => of))).toBeGreaterThan(0);
        const ids = new Set(
          spans.filter(({ traceId }) => traceId === request?.traceId).map(({ spanId }) => spanId),
        );
        for (const { parentId } of statements) expect(ids).toContain(parentId);
        expect(spans.some(({ attributes }) => attributes['error.type'] === '42703')).toBe(true);
        expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
        expect(metrics).toMatch(/^db_client_connection_count\{/m);
        expect(metrics).toMatch(/^db_client_connection_use_time_count\{.*\} [1-9]/m);
        expect(JSON.stringify(spans)).not.toContain('test-only');
      },
    );
  },
);

/** Scripts that give pg one statement, by whatever way it is loaded and used. */
const QUERY = `await pool.query('SELECT 42 AS loaded'); await pool.end();`;
const POOL = `const pool = new Pool({ connectionString: process.env.DATABASE_URL }); ${QUERY}`;
const CLIENT = `const client = new Client(process.env.DATABASE_URL); await client.connect(); await client.query('SELECT 42 AS loaded'); await client.end();`;
const inFunction = (text: string) => `(async () => { ${text} })();`;
const loads: [name: string, type: 'module' | 'commonjs', text: string][] = [
  ['default import', 'module', `import pg from 'pg'; const { Pool } = pg; ${POOL}`],
  ['named import', 'module', `import { Pool } from 'pg'; ${POOL}`],
  ['namespace import', 'module', `import * as pg from 'pg'; const { Pool } = pg; ${POOL}`],
  ['dynamic import', 'module', `const { default: { Pool } } = await import('pg'); ${POOL}`],
  ['import of pg-pool', 'module', `import Pool from 'pg-pool'; ${POOL}`],
  ['import of a client', 'module', `import { Client } from 'pg'; ${CLIENT}`],
  ['class derived from the pool', 'module', `import pg from 'pg'; class Pool extends pg.Pool {} ${POOL}`],
  [
    'class derived from the client',
    'module',
    `import pg from 'pg'; class Client extends pg.Client {} ${CLIENT}`,
  ],
  [
    'pool of a derived client',
    'module',
    `import pg from 'pg'; class Client extends pg.Client { query(...all) { return super.query(...all); } }
     const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, Client }); ${QUERY}`,
  ],
  [
    'createRequire',
    'module',
    `import { createRequire } from 'node:module'; const { Pool } = createRequire(process.cwd() + '/x')('pg'); ${POOL}`,
  ],
  ['require', 'commonjs', inFunction(`const { Pool } = require('pg'); ${POOL}`)],
  ['require of pg-pool', 'commonjs', inFunction(`const Pool = require('pg-pool'); ${POOL}`)],
  ['require of a client', 'commonjs', inFunction(`const { Client } = require('pg'); ${CLIENT}`)],
  [
    'require of the client’s file',
    'commonjs',
    inFunction(`const Client = require('pg/lib/client'); ${CLIENT}`),
  ],
  ['import in CommonJS', 'commonjs', inFunction(`const { Pool } = (await import('pg')).default; ${POOL}`)],
];

/** What a script says and the spans that it sends, until it ends. */
async function runScript(directory: string, type: string, text: string, node = process.execPath) {
  const collector = await startCollector();
  const { stdout } = await run(node, [...IMPORT, `--input-type=${type}`, '-e', text], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'] ?? '',
      DATABASE_URL: server.url(),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_PROMETHEUS_PORT: '0',
    },
  });
  collector.close();
  return { stdout, spans: collector.spans };
}

describe.each(['Node 22', `Node ${process.versions.node.split('.')[0]}`])('%s', (version) => {
  it.each(loads)('pg by %s: a statement has one span', async (_name, type, text) => {
    const directory = await install('plain');
    const { spans } = await runScript(directory, type, text, nodes[version]);
    expect(spans.map(({ attributes }) => attributes['db.query.text'])).toEqual(['SELECT $1 AS loaded']);
  });
});

/** A service with a GraphQL endpoint, which asks itself once. */
const GRAPHQL = `
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
  const thing = async ({ id }) => (await pool.query('SELECT name FROM things WHERE id = $1', [id])).rows[0].name;
  const schema = buildSchema('type Query { thing(id: Int): String }');
  const app = express();
  app.use('/graphql', async ({ query }, response) =>
    response.json(await graphql({ schema, source: query.query, rootValue: { thing } })));
  const server = app.listen(0, '127.0.0.1', async () => {
    const asked = encodeURIComponent('query First { thing(id: 1) }');
    const answer = await fetch('http://127.0.0.1:' + server.address().port + '/graphql?query=' + asked);
    console.log(await answer.text());
    server.close();
    server.closeAllConnections();
    await pool.end();
  });`;

describe.each(['graphql15', 'graphql16', 'graphql17'] as const)('%s', (installation) => {
  it.each([
    [
      'module',
      `import express from 'express'; import pg from 'pg'; import { buildSchema, graphql } from 'graphql'; ${GRAPHQL}`,
    ],
    [
      'commonjs',
      `const express = require('express'); const pg = require('pg'); const { buildSchema, graphql } = require('graphql'); ${GRAPHQL}`,
    ],
  ])('%s: the operation is in the route of the request and of its statement', async (type, text) => {
    const directory = await install(installation);
    const { stdout, spans } = await runScript(directory, type, text);
    expect(JSON.parse(stdout)).toEqual({ data: { thing: 'first' } });
    const route = '/graphql query First';
    expect(spans.map(({ name, attributes }) => [name, attributes['http.route']])).toEqual(
      expect.arrayContaining([
        [`GET ${route}`, route],
        ['SELECT things', route],
      ]),
    );
  });
});

describe('the parts', () => {
  it('can be imported and required, and do nothing by that', async () => {
    const directory = await install('plain');
    const { version } = JSON.parse(await readFile(path.join(root, 'instrumentation/package.json'), 'utf8'));
    for (const node of Object.values(nodes))
      for (const [type, load] of [
        ['module', "const parts = await import('@sqltrail/instrumentation/api');"],
        ['commonjs', "const parts = require('@sqltrail/instrumentation/api');"],
      ] as const) {
        const { stdout } = await run(
          node,
          [
            `--input-type=${type}`,
            '-e',
            `${load} console.log(Object.keys(parts).filter((n) => n !== 'default' && n !== '__esModule').sort().join());`,
          ],
          { cwd: directory },
        );
        expect(stdout.trim()).toBe(
          'OperationInstrumentation,PlanCapture,PoolInstrumentation,QueryInstrumentation,RedactingSpanProcessor,RouteInstrumentation,describeStatement,loadParser,readSettings,start',
        );
      }
    const installed = await readFile(
      path.join(directory, 'node_modules/@sqltrail/instrumentation/package.json'),
      'utf8',
    );
    expect(JSON.parse(installed).version).toBe(version);
  });

  it('work with an SDK of the application’s own', async () => {
    const directory = await install('plain');
    const text = inFunction(`
      const { trace } = require('@opentelemetry/api');
      const sdk = require('@opentelemetry/sdk-trace');
      const { registerInstrumentations } = require('@opentelemetry/instrumentation');
      const parts = require('@sqltrail/instrumentation/api');
      const exporter = new sdk.InMemorySpanExporter();
      const plans = new parts.PlanCapture({ slowMs: 1 });
      const processor = new parts.RedactingSpanProcessor(new sdk.SimpleSpanProcessor({ exporter }), { plans });
      const tracerProvider = new sdk.TracerProvider({ spanProcessors: [processor] });
      trace.setGlobalTracerProvider(tracerProvider);
      const instrumentations = [new parts.QueryInstrumentation({ plans }), new parts.PoolInstrumentation()];
      registerInstrumentations({ tracerProvider, instrumentations });
      await parts.loadParser();
      const { Pool } = require('pg');
      const pool = new Pool({ connectionString: process.env.DATABASE_URL });
      await pool.query("SELECT name FROM things, pg_sleep(0.05) WHERE name <> 'a secret'");
      while (exporter.getFinishedSpans().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
      plans.close();
      await pool.end();
      for (const { name, attributes } of exporter.getFinishedSpans())
        console.log(name + ': ' + (attributes['db.query.text'] ?? Boolean(attributes['sqltrail.plan'])));`);
    const { stdout } = await run(process.execPath, ['-e', text], {
      cwd: directory,
      env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: server.url() },
    });
    expect(stdout.trim().split('\n')).toEqual([
      'SELECT things: SELECT name FROM things, pg_sleep($1) WHERE name <> $2',
      'EXPLAIN SELECT things: true',
    ]);
  });

  it.each(['nodenext', 'bundler'])(
    'have types, by module resolution %s, in ESM and CommonJS',
    async (moduleResolution) => {
      const directory = await install('plain');
      const text = `import { QueryInstrumentation, start } from '@sqltrail/instrumentation/api';
      export const telemetry: { ready: Promise<void> } = start({ slowStatementMs: 100 });
      new QueryInstrumentation({ rootSpans: false });
      // @ts-expect-error A setting that there is not.
      start({ slow: 100 });`;
      for (const file of ['application.mts', 'application.cts'])
        await writeFile(path.join(directory, file), text);
      await run(
        path.join(root, 'node_modules/.bin/tsc'),
        [
          ...['--noEmit', '--strict', '--skipLibCheck', '--types', 'node', '--target', 'es2023'],
          ...['--module', moduleResolution === 'bundler' ? 'esnext' : 'nodenext'],
          ...['--moduleResolution', moduleResolution, 'application.mts', 'application.cts', '--ignoreConfig'],
        ],
        { cwd: directory },
      ).catch(({ stdout }: { stdout: string }) => expect(stdout).toBe(''));
    },
  );

  it('are packed without sources, tests and what the repository needs', async () => {
    const { stdout } = await run('tar', ['-tzf', tarball]);
    const files = stdout.trim().split('\n');
    expect(files).toEqual(
      expect.arrayContaining(['package/README.md', 'package/CHANGELOG.md', 'package/package.json']),
    );
    expect(
      files.filter(
        (file) =>
          !/^package\/(dist\/(esm|cjs)\/[\w.]+\.(js|d\.ts|json)|README\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(
            file,
          ),
      ),
    ).toEqual([]);
  });
});
