import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mediumTermSchema } from '../fix/mediumTerm.ts';
import { startConsole } from '../test/support/console.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { diagnosisOf, findingOf } from '../test/support/diagnosis.ts';
import { clocks } from '../test/support/process.ts';
import { emptyHistory, recordFindings, recordRun } from '../watch/history.ts';
import { HistoryStore } from '../watch/store.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** In a utility statement, whose text pg_stat_statements keeps as it is. */
const PLANTED = 'planted-4711';
const TRACE = 'd'.repeat(32);

let database: TestDatabase;
let dir: string;
let console_: Awaited<ReturnType<typeof startConsole>>;
let client: Client;

async function connect(args: string[], env: Record<string, string> = {}) {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['--liftoff-only', path.join(ROOT, 'cli/main.ts'), 'mcp', ...args],
    cwd: dir,
    env: { PATH: process.env['PATH'] ?? '', ...clocks, ...env },
    stderr: 'pipe',
  });
  const connected = new Client({ name: 'test', version: '1' });
  await connected.connect(transport, { timeout: 600_000 });
  return connected;
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-mcp-'));
  database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(`
    CREATE EXTENSION pg_stat_statements;
    CREATE TABLE loan AS SELECT i AS id, i % 5000 AS book, repeat('x', 80) AS note FROM generate_series(1, 60000) AS i;
    CREATE TABLE reader (id int PRIMARY KEY, born text NOT NULL);
    INSERT INTO reader SELECT i, to_char(date '1980-01-01' + i, 'YYYY-MM-DD') FROM generate_series(1, 2000) AS i;
    ANALYZE`);
  for (let at = 0; at < 60; at += 1) await owner.query('SELECT count(*) FROM loan WHERE book = $1', [at]);
  await owner.end();
  console_ = await startConsole({
    prometheusUrl: 'http://127.0.0.1:1',
    alertmanagerUrl: 'http://127.0.0.1:1',
    databases: [{ name: 'lending', url: database.url }],
  });
  const string = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const span = (spanId: string, parentSpanId: string, name: string, attributes: unknown[]) => ({
    traceId: TRACE,
    spanId,
    parentSpanId,
    name,
    kind: 3,
    startTimeUnixNano: `${Date.now() - 900}000000`,
    endTimeUnixNano: `${Date.now()}000000`,
    attributes,
  });
  const sent = await fetch(`${console_.base}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: [string('service.name', 'lending.api')] },
          scopeSpans: [
            {
              spans: [
                span('1'.repeat(16), '', 'GET /loans', [string('http.route', '/loans')]),
                span('2'.repeat(16), '1'.repeat(16), 'SELECT loan', [
                  string('db.query.summary', 'SELECT loan'),
                  string('db.query.text', 'SELECT count(*) FROM loan WHERE book = $1'),
                  string('sqltrail.plan', '[{"Plan":{"Node Type":"Seq Scan"}}]'),
                ]),
              ],
            },
          ],
        },
      ],
    }),
  });
  expect(sent.status).toBe(200);
  await writeFile(
    path.join(dir, 'sqltrail.yaml'),
    'version: 1\nservices: [{ name: lending.api }]\ndatabases:\n  - { name: lending, url_env: LENDING_URL }\n  - { name: books, url_env: BOOKS_URL }\n',
  );
  client = await connect(
    [
      '--console',
      console_.base,
      '--prometheus',
      'http://127.0.0.1:1',
      '--deadline',
      '600',
      '--budget',
      '600',
    ],
    { LENDING_URL: database.url, BOOKS_URL: 'postgres://nobody:hidden-secret@127.0.0.1:1/books' },
  );
});
afterAll(async () => {
  await client?.close();
  await console_?.close();
  await database?.drop();
  await rm(dir, { recursive: true, force: true });
});

/** The text of an answer, and whether it is an error. */
async function call(name: string, args: Record<string, unknown> = {}, of = client) {
  const { content, isError = false } = await of.callTool({ name, arguments: args }, undefined, {
    timeout: 600_000,
  });
  const text = (content as { text: string }[]).map((part) => part.text).join('');
  return { isError, text };
}
const json = async (name: string, args: Record<string, unknown> = {}, of = client) => {
  const { isError, text } = await call(name, args, of);
  expect(isError, text).toBe(false);
  return JSON.parse(text);
};

describe('the MCP server', () => {
  it('offers tools that read only', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual([
      'find_traces',
      'get_finding',
      'get_trace',
      'kpis',
      'list_findings',
      'plan_fixes',
      'top_statements',
    ]);
    for (const { annotations, description } of tools) {
      expect(annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false });
      expect(description?.length).toBeGreaterThan(40);
    }
  });

  it('goes from findings to one finding and a plan, and applies nothing', async () => {
    const { source, findings } = await json('list_findings');
    expect(source).toBe('a diagnosis now');
    const { id } = findings.find((finding: { id: string }) => finding.id.startsWith('missing-index:'));
    expect(await json('get_finding', { id })).toMatchObject({
      id,
      sql: [expect.stringContaining('CREATE INDEX CONCURRENTLY')],
    });
    const { applied, actions, mediumTerm } = await json('plan_fixes', { database: 'lending' });
    expect(applied).toBe(false);
    expect(mediumTermSchema.array().parse(mediumTerm)).toEqual([
      expect.objectContaining({ command: 'sqltrail migrate plan retype public.reader.born date' }),
    ]);
    expect(JSON.stringify(actions)).toContain('CREATE INDEX CONCURRENTLY');
    const owner = new pg.Client(database.url);
    await owner.connect();
    const { rows } = await owner.query("SELECT FROM pg_indexes WHERE tablename = 'loan'");
    await owner.end();
    expect(rows.length).toBe(0);
  });

  it('lists what the schedule has found, with its states', async () => {
    const history = path.join(dir, '.sqltrail-up', 'data', 'console');
    const store = await HistoryStore.open(history, 'lending', (text) => expect.unreachable(text));
    const startedAt = '2026-01-01T00:00:00.000Z';
    const findings = [
      findingOf({ id: 'x:a', severity: 'critical' }),
      findingOf({ id: 'x:b', severity: 'info' }),
    ];
    await store.change(() =>
      recordRun(
        { ...emptyHistory(), findings: recordFindings([], diagnosisOf({ startedAt, findings }), new Set()) },
        { startedAt, outcome: 'complete', seconds: 1, databaseSeconds: 1, findings: 2 },
      ),
    );
    expect(await json('list_findings', { severity: 'warning' })).toMatchObject({
      source: 'the schedule',
      findings: [{ id: 'x:a', state: 'new', since: startedAt }],
    });
    expect((await json('list_findings', { fresh: true })).source).toBe('a diagnosis now');
  });

  it('gives statements without values', async () => {
    // Just before: with all the tests on this server, what ran once is soon forgotten.
    const owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query(`COMMENT ON TABLE loan IS '${PLANTED}'`);
    await owner.end();
    const { statements } = await json('top_statements');
    expect(statements.map(({ summary }: { summary: string }) => summary)).toContain('SELECT loan');
    const all = (await call('top_statements', { limit: 100 })).text;
    expect(all).toContain('COMMENT ON TABLE loan');
    for (const text of [all, (await call('list_findings')).text, (await call('plan_fixes')).text])
      expect(text).not.toContain(PLANTED);
  });

  it('finds a trace, with its SQL and plan', async () => {
    expect(await json('find_traces', { statement: 'SELECT loan' })).toMatchObject([{ traceId: TRACE }]);
    const { spans } = await json('get_trace', { traceId: TRACE });
    expect(spans.find(({ name }: { name: string }) => name === 'SELECT loan')).toMatchObject({
      sql: 'SELECT count(*) FROM loan WHERE book = $1',
      plan: expect.stringContaining('Seq Scan'),
      service: 'lending.api',
    });
  });

  it.each([
    ['top_statements', { database: 'books' }, /127\.0\.0\.1:1\/books: nothing listens there/],
    ['list_findings', { database: 'books' }, /127\.0\.0\.1:1\/books: nothing listens there/],
    ['list_findings', { database: 'films' }, /There is no database films\. Databases: lending, books/],
    ['get_finding', { id: 'x' }, /no finding x/],
    ['get_trace', { traceId: 'e'.repeat(32) }, /There is no trace/],
    ['get_trace', { traceId: 'no' }, /no trace id/],
    ['kpis', {}, /Prometheus at http:\/\/127\.0\.0\.1:1: .*--prometheus/],
    ['top_statements', { limit: 0 }, /limit/],
  ])('answers what goes wrong as an error of the tool: %s %o', async (tool, args, says) => {
    const { isError, text } = await call(tool, args);
    expect(isError, text).toBe(true);
    expect(text).toMatch(says);
    expect(text).not.toContain('hidden-secret');
  });

  it('takes the URL of one database, and says when there is no console', async () => {
    const plain = await connect([database.url, '--console', 'http://127.0.0.1:1', '--deadline', '600']);
    try {
      expect((await json('top_statements', {}, plain)).database).toBe('database');
      expect(await call('find_traces', {}, plain)).toEqual({
        isError: true,
        text: expect.stringContaining('The console does not answer at http://127.0.0.1:1'),
      });
    } finally {
      await plain.close();
    }
  });
});

it('its version is that of the package', async () => {
  const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  expect(client.getServerVersion()).toMatchObject({ name: 'sqltrail', version });
});
