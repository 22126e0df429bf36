import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { MARK, messages, plantedStatement, urls } from '../instrumentation/redaction.vectors.ts';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { ensureBinaries } from '../stack/binaries.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { propertyRuns } from '../test/support/property.ts';

/** The real collector with the redaction of collector.yaml and nothing else, between two HTTP servers of the test. */
let dir: string;
let otelcol: ChildProcess;
let sink: Server;
let endpoint: string;
const received = new Map<string, { attributes: Record<string, string>; message: string; events: string }>();

type Attribute = { key: string; value: { stringValue?: string } };
interface Sent {
  name: string;
  attributes?: Record<string, string>;
  message?: string;
  exception?: Record<string, string>;
}
const listed = (attributes: Record<string, string> = {}) =>
  Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }));

/** Sends spans and waits for them; keyed by name. */
async function through(spans: Sent[]) {
  const at = `${Date.now()}000000`;
  const response = await fetch(`${endpoint}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: spans.map(({ name, attributes, message, exception }, n) => ({
                traceId: 'a'.repeat(32),
                spanId: (n + 1).toString(16).padStart(16, '0'),
                name,
                kind: 3,
                startTimeUnixNano: at,
                endTimeUnixNano: at,
                attributes: listed(attributes),
                status: { code: 2, ...(message === undefined ? {} : { message }) },
                events: exception
                  ? [{ timeUnixNano: at, name: 'exception', attributes: listed(exception) }]
                  : [],
              })),
            },
          ],
        },
      ],
    }),
  });
  expect(response.status).toBe(200);
  await waitFor('the spans', () => spans.every(({ name }) => received.has(name)), {
    deadlineMs: PATIENCE_MS,
  });
  return spans.map(({ name }) => received.get(name) as NonNullable<ReturnType<typeof received.get>>);
}

beforeAll(async () => {
  const binary = (await ensureBinaries(['otelcol'])).otelcol;
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-net-'));
  sink = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
    for (const { scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans)
        for (const span of spans)
          received.set(span.name, {
            attributes: Object.fromEntries(
              (span.attributes ?? []).map(({ key, value }: Attribute) => [key, value.stringValue]),
            ),
            message: span.status?.message ?? '',
            events: JSON.stringify(span.events ?? []),
          });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(sink, 'listening');
  const { processors } = parse(await readFile(path.join(import.meta.dirname, 'collector.yaml'), 'utf8'));
  const [port, health] = [await freePort(), await freePort()];
  endpoint = `http://127.0.0.1:${port}`;
  const file = path.join(dir, 'config.yaml');
  await writeFile(
    file,
    stringify({
      extensions: { health_check: { endpoint: `127.0.0.1:${health}` } },
      receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
      // A statement that cannot be carried out must fail the test, and not be passed over as in operation.
      processors: { 'transform/redact': { ...processors['transform/redact'], error_mode: 'propagate' } },
      exporters: {
        otlp_http: {
          endpoint: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
          encoding: 'json',
          compression: 'none',
        },
      },
      service: {
        extensions: ['health_check'],
        telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
        pipelines: {
          traces: { receivers: ['otlp'], processors: ['transform/redact'], exporters: ['otlp_http'] },
        },
      },
    }),
  );
  otelcol = spawn(binary, ['--config', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  await waitFor('the collector', async () => (await fetch(`http://127.0.0.1:${health}`)).ok, {
    deadlineMs: PATIENCE_MS,
  });
});
afterAll(async () => {
  otelcol?.kill('SIGKILL');
  sink?.close();
  sink?.closeAllConnections();
  if (dir) await rm(dir, { recursive: true, force: true });
});

it('takes planted values out of statements, under the names of now and of before', async () => {
  const statements = fc.sample(plantedStatement, {
    numRuns: propertyRuns(400),
  });
  const spans = await through(
    statements.map((sql, n) => ({
      name: `statement ${n}`,
      attributes: { [n % 2 ? 'db.statement' : 'db.query.text']: sql },
    })),
  );
  // Words that SET assigns without quotes are the one thing that a pattern cannot tell from a name.
  for (const [n, { attributes }] of spans.entries())
    expect(JSON.stringify(attributes), statements[n]).not.toContain(MARK);
});

it('leaves names, parameters and quoted identifiers as they are', async () => {
  const sql = 'SELECT o."Total ? of it\'s", col1 FROM orders AS o WHERE o.id = $1 AND "x"."y" = $12 LIMIT $2';
  const [span] = await through([{ name: 'unchanged', attributes: { 'db.query.text': sql } }]);
  expect(span?.attributes['db.query.text']).toBe(sql);
});

it('lets a message through only when it is known to hold no value', async () => {
  const spans = await through(
    messages.map(([message], n) => ({
      name: `message ${n}`,
      message,
      exception: {
        'exception.message': message,
        'exception.stacktrace': `Error: ${message}\n  more of ${MARK}\n    at run (file.js:1:2)\n    at main (file.js:3:4)`,
      },
    })),
  );
  for (const [n, { message, events }] of spans.entries()) {
    const [original, , redacted] = messages[n] as (typeof messages)[number];
    // Neither the SQLSTATE nor the names of system errors are known here, so more may be masked.
    expect([redacted, '?'], original).toContain(message);
    expect(events).not.toContain(MARK);
    expect(events).toContain('at main (file.js:3:4)');
    expect(events).not.toContain('Error: ');
  }
});

it('takes addresses, paths, queries and parameters out', async () => {
  const spans = await through(
    urls.flatMap(([url], n) => [
      { name: `url ${n}`, attributes: { 'url.full': url } },
      { name: `old url ${n}`, attributes: { 'http.url': url } },
    ]),
  );
  for (const [n, { attributes }] of spans.entries())
    expect(attributes['url.full'] ?? attributes['http.url']).toBe(urls[Math.floor(n / 2)]?.[1]);
  const [rest] = await through([
    {
      name: 'the rest',
      attributes: {
        'url.path': '/customers/zqv',
        'http.target': '/customers/zqv?zqv',
        'http.route': '/customers/:id',
        'url.query': 'zqv&q=zqv&zqv@example.com=1&zqv',
        'db.postgresql.values': 'zqv',
        'db.query.parameter.0': 'zqv',
        'client.address': '10.1.2.3',
        'http.request.header.cookie': 'zqv',
      },
    },
  ]);
  expect(rest?.attributes).toEqual({
    'url.path': '/customers/:id',
    'http.target': '/customers/:id',
    'http.route': '/customers/:id',
    'url.query': '?&q=?&?=?&?',
  });
});
