import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prometheusAt } from '../lib/prometheus/client.ts';
import { waitFor } from '../lib/waitFor.ts';
import { type PortName, portVariable } from '../stack/ports.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { freePorts } from '../test/support/ports.ts';
import { startNode, type TestProcess, waitUntilSays } from '../test/support/process.ts';
import { startThrowawayServer, type ThrowawayServer } from '../test/support/server.ts';

let dir: string;
let server: ThrowawayServer;
let service: Server;
let config: string;
let env: Record<string, string>;
let ports: Partial<Record<PortName, number>>;
let up: TestProcess | undefined;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-up-'));
  server = await startThrowawayServer();
  const admin = new pg.Client(server.url('postgres'));
  await admin.connect();
  for (const name of ['lending', 'books']) await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  for (const name of ['lending', 'books']) {
    const client = new pg.Client(server.url(name));
    await client.connect();
    await client.query(`CREATE EXTENSION pg_stat_statements;
      CREATE TABLE loan AS SELECT i AS id, current_date - i AS lent_on FROM generate_series(1, 3000) AS i; ANALYZE`);
    await client.end();
  }
  // Stands for a service: what counts here is that it is scraped.
  service = createServer((_request, response) =>
    response
      .setHeader('content-type', 'text/plain; version=0.0.4')
      .end('db_client_connection_max{db_client_connection_pool_name="loans"} 10\n'),
  );
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  config = path.join(dir, 'library.yaml');
  await writeFile(
    config,
    `version: 1
system: library
window: 1m
interval: 1s
services: [{ name: lending.api, metrics: ["127.0.0.1:${(service.address() as AddressInfo).port}"] }]
databases:
  - { name: lending, url_env: LENDING_URL, tables: [{ table: public.loan, date: lent_on, retention: loans }] }
  - { name: books, url_env: BOOKS_URL }
retention: { loans: 1000 }
diagnosis: { every: 1h }
`,
  );
  ports = await freePorts();
  env = {
    LENDING_URL: server.url('lending'),
    BOOKS_URL: server.url('books'),
    HOME: process.env['HOME'] ?? '',
    ...Object.fromEntries(
      Object.entries(ports).map(([name, port]) => [portVariable(name as PortName), String(port)]),
    ),
  };
});
afterAll(async () => {
  await up?.stop();
  service?.close();
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

async function start(environment = env): Promise<TestProcess> {
  const started = startNode(
    ['--liftoff-only', 'cli/main.ts', 'up', '--config', config, '--dir', path.join(dir, 'run')],
    environment,
  );
  up = started;
  await waitUntilSays('Everything is up', started);
  return started;
}

const ask = (query: string) => prometheusAt(`http://127.0.0.1:${ports.prometheus}`).query(query);
/** Waits until the query gives something. */
const given = (query: string) =>
  waitFor(
    query,
    async () => {
      const found = await ask(query);
      return found.length > 0 && found;
    },
    { deadlineMs: PATIENCE_MS },
  );

async function sendSpan(): Promise<void> {
  const now = Date.now();
  const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
  const response = await fetch(`http://127.0.0.1:${ports.collector}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: [attribute('service.name', 'lending.api')] },
          scopeSpans: [
            {
              spans: [
                {
                  traceId: 'b'.repeat(32),
                  spanId: 'c'.repeat(16),
                  name: 'GET /loans',
                  kind: 2,
                  startTimeUnixNano: `${now - 20}000000`,
                  endTimeUnixNano: `${now}000000`,
                  attributes: [attribute('http.route', '/loans'), attribute('http.request.method', 'GET')],
                },
              ],
            },
          ],
        },
      ],
    }),
  });
  expect(response.status).toBe(200);
}

it('observes services and databases that run already, and keeps what was measured', async () => {
  const first = await start();
  await sendSpan();
  const [requests] = await given('http_server_request_calls_total{service_name="lending.api"}');
  expect(requests?.labels['http_route']).toBe('/loans');
  await given('db_client_connection_max{job="lending.api"}');
  await given('sqltrail_age_cold_bytes{database="lending",relname="loan"} > 0');
  await given('sqltrail_database_size_bytes{database="books"}');
  expect((await ask('up == 0')).map(({ labels }) => labels)).toEqual([]);
  const page = await fetch(`http://127.0.0.1:${ports.console}/`);
  expect(page.status).toBe(200);
  // Each database is diagnosed, and the console shows each.
  for (const name of ['lending', 'books']) {
    await given(`sqltrail_diagnosis_runs_total{database="${name}",outcome=~"complete|partial"} > 0`);
    const shown = await fetch(`http://127.0.0.1:${ports.console}/api/diagnosis?database=${name}`);
    expect(await shown.json()).toMatchObject({ last: { tables: 1 }, watch: { everySeconds: 3_600 } });
  }
  const rules = await fetch(`http://127.0.0.1:${ports.prometheus}/api/v1/rules`);
  expect(JSON.stringify(await rules.json())).toMatch(/SlowStatements.*NewCriticalFinding/);
  expect(first.output()).toContain('checkout-failure-ratio: there is no business transaction');
  const kpis = await fetch(`http://127.0.0.1:${ports.console}/api/kpis`);
  const shown = JSON.stringify(await kpis.json());
  expect(shown).toContain('request-latency-p95');
  expect(shown).not.toContain('lost-basket-value');
  // An assistant reads the same, beside it.
  const assistant = new Client({ name: 'test', version: '1' });
  await assistant.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [
        ...['--liftoff-only', 'cli/main.ts', 'mcp', '--config', config, '--dir', path.join(dir, 'run')],
        ...['--prometheus', `http://127.0.0.1:${ports.prometheus}`],
        ...['--console', `http://127.0.0.1:${ports.console}`],
      ],
      env: { PATH: process.env['PATH'] ?? '', ...env },
    }),
  );
  const read = async (name: string, given: Record<string, unknown> = {}) => {
    const { content } = await assistant.callTool({ name, arguments: given });
    return JSON.parse((content as { text: string }[])[0]?.text ?? '');
  };
  try {
    expect(await read('list_findings', { database: 'books' })).toMatchObject({ source: 'the schedule' });
    expect(await read('kpis')).toContainEqual(
      expect.objectContaining({
        id: 'critical-findings',
        value: expect.any(Number),
        met: expect.any(Boolean),
      }),
    );
    expect(await read('find_traces')).toEqual(expect.any(Array));
  } finally {
    await assistant.close();
  }
  const before = Date.now() / 1000;
  expect(await first.stop(), first.output()).toBe(0);

  const again = await start();
  // What was diagnosed a moment ago is not diagnosed again.
  expect(
    await (await fetch(`http://127.0.0.1:${ports.console}/api/diagnosis?database=books`)).json(),
  ).toMatchObject({ last: null, watch: { lastRun: { outcome: expect.stringMatching('complete|partial') } } });
  const [kept] = await prometheusAt(`http://127.0.0.1:${ports.prometheus}`).query(
    'http_server_request_calls_total{service_name="lending.api"}',
    before,
  );
  expect(kept?.labels['http_route']).toBe('/loans');
  expect(await again.stop()).toBe(0);
});

it('observes the rest while a database is unreachable', async () => {
  const unreachable = { ...env, BOOKS_URL: 'postgres://nobody@127.0.0.1:1/books' };
  const started = await start(unreachable);
  await given('sqltrail_database_size_bytes{database="lending"}');
  await given('pg_up{database="books"} == 0 or up{database="books"} == 0');
  expect(await started.stop()).toBe(0);
});

it('says which variable a database’s address is missing from, and where it is asked for', async () => {
  const { BOOKS_URL: _, ...without } = env;
  const run = startNode(['cli/main.ts', 'up', '--config', config, '--dir', path.join(dir, 'run')], without);
  expect(await run.exited).toBe(2);
  expect(run.output()).toMatch(/library\.yaml:8: BOOKS_URL does not hold the address of books/);
});

it('says which port of a database’s exporter is taken, before anything is started', async () => {
  const holder = createServer();
  const taken = (ports.postgres_exporter ?? 0) + 1;
  await new Promise<void>((resolve) => holder.listen(taken, '127.0.0.1', resolve));
  const run = startNode(['cli/main.ts', 'up', '--config', config, '--dir', path.join(dir, 'run')], env);
  expect(await run.exited).toBe(2);
  expect(run.output()).toMatch(
    new RegExp(`Port ${taken} for the exporter of books is taken.*SQLTRAIL_PORT_POSTGRES_EXPORTER`),
  );
  holder.close();
  const console_ = String(ports.console);
  const twice = startNode(['cli/main.ts', 'up', '--config', config, '--dir', path.join(dir, 'run')], {
    ...env,
    [portVariable('postgres_exporter')]: String(Number(console_) - 1),
  });
  expect(await twice.exited).toBe(2);
  expect(twice.output()).toContain(
    `Port ${console_} is configured for both console and the exporter of books`,
  );
});
