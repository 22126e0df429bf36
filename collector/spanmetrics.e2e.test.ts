import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { ensureBinaries } from '../stack/binaries.ts';
import { type GivenSpan, otlpTrace } from '../test/support/otlp.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';

/** The real collector with the whole of collector.yaml, but that its metrics go to the test over OTLP, as its traces do. */
let dir: string;
let otelcol: ChildProcess;
let sink: Server;
let endpoint: string;

interface Exemplar {
  traceId?: string;
}
interface Point {
  attributes?: { key: string; value: { stringValue?: string; boolValue?: boolean } }[];
  exemplars?: Exemplar[];
}
interface Metric {
  name: string;
  sum?: { dataPoints: Point[] };
  histogram?: { dataPoints: Point[] };
}
const kept = new Map<string, { instance: string | undefined }>();
const metrics: { resource: string; metric: Metric }[] = [];

function receive(body: {
  resourceSpans?: { resource: Point; scopeSpans: { spans: { traceId: string }[] }[] }[];
  resourceMetrics?: { resource: Point; scopeMetrics: { metrics: Metric[] }[] }[];
}): void {
  const attribute = (of: Point, name: string) =>
    of.attributes?.find(({ key }) => key === name)?.value.stringValue;
  for (const { resource, scopeSpans } of body.resourceSpans ?? [])
    for (const { spans } of scopeSpans)
      for (const { traceId } of spans)
        kept.set(traceId, { instance: attribute(resource, 'service.instance.id') });
  for (const { resource, scopeMetrics } of body.resourceMetrics ?? [])
    for (const { metrics: of } of scopeMetrics)
      for (const metric of of) metrics.push({ resource: JSON.stringify(resource.attributes), metric });
}

beforeAll(async () => {
  const binary = (await ensureBinaries(['otelcol'])).otelcol;
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-spanmetrics-'));
  sink = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    receive(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(sink, 'listening');
  const to = {
    endpoint: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
    encoding: 'json',
    compression: 'none',
  };
  const config = parse(await readFile(path.join(import.meta.dirname, 'collector.yaml'), 'utf8'));
  config.exporters = { 'otlp_http/console': to, 'otlp_http/metrics': to };
  config.service.pipelines.metrics.exporters = ['otlp_http/metrics'];
  config.processors['transform/exemplars'].error_mode = 'propagate';
  config.processors.tail_sampling.decision_wait = '1s';
  for (const connector of ['span_metrics/server', 'span_metrics/queries'])
    config.connectors[connector].metrics_flush_interval = '1s';
  const file = path.join(dir, 'config.yaml');
  await writeFile(file, stringify(config));
  const [otlp, health, own] = [await freePort(), await freePort(), await freePort()];
  endpoint = `http://127.0.0.1:${otlp}`;
  otelcol = spawn(binary, ['--config', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      OTELCOL_OTLP_ENDPOINT: `127.0.0.1:${otlp}`,
      OTELCOL_HEALTH_ENDPOINT: `127.0.0.1:${health}`,
      OTELCOL_METRICS_HOST: '127.0.0.1',
      OTELCOL_METRICS_PORT: String(own),
      OTELCOL_STORAGE: path.join(dir, 'storage'),
    },
  });
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

async function send(traceId: string, spans: GivenSpan[], instance = 'one'): Promise<void> {
  const body = otlpTrace(traceId, spans);
  for (const { resource } of body.resourceSpans)
    resource.attributes.push({ key: 'service.instance.id', value: { stringValue: instance } });
  const response = await fetch(`${endpoint}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

/** A request with one statement. */
const requestOf = (durationMs: number, summary = 'SELECT orders', error?: string): GivenSpan[] => [
  {
    id: 1,
    name: 'GET /orders',
    kind: 2,
    startMs: Date.now(),
    durationMs: durationMs + 1,
    attributes: { 'http.route': '/orders', 'http.response.status_code': error ? 500 : 200 },
  },
  {
    id: 2,
    parent: 1,
    name: summary,
    kind: 3,
    startMs: Date.now(),
    durationMs,
    attributes: { 'db.query.summary': summary, 'db.operation.name': 'SELECT' },
    ...(error === undefined ? {} : { error }),
  },
];

const pointsOf = (name: string) =>
  metrics
    .filter(({ metric }) => metric.name === name)
    .flatMap(({ metric }) => (metric.histogram ?? metric.sum)?.dataPoints ?? []);

it('names in exemplars only traces that are kept, and has exemplars of slow, failed and ordinary spans', async () => {
  const sent: string[] = [];
  const slow = new Set<string>();
  for (let i = 0; i < 600; i += 1) {
    const traceId = randomBytes(16).toString('hex');
    sent.push(traceId);
    if (i % 30 === 0) slow.add(traceId);
    await send(
      traceId,
      requestOf(i % 30 === 0 ? 400 : 5, 'SELECT orders', i % 30 === 1 ? 'failed' : undefined),
    );
  }
  const fast = sent.filter((_traceId, i) => i % 30 > 1);
  await waitFor('the slow traces', () => [...slow].every((traceId) => kept.has(traceId)), {
    deadlineMs: PATIENCE_MS,
  });
  const exemplars = () =>
    ['http.server.request.duration', 'db.client.operation.duration'].map((name) => [
      ...new Set(
        pointsOf(name).flatMap((point) => (point.exemplars ?? []).map(({ traceId }) => traceId ?? '')),
      ),
    ]);
  await waitFor('exemplars of both metrics', () => exemplars().every((ids) => ids.length > 5), {
    deadlineMs: PATIENCE_MS,
  });
  for (const ids of exemplars()) {
    await waitFor('each exemplar’s trace', () => ids.every((traceId) => kept.has(traceId)), {
      deadlineMs: PATIENCE_MS,
    });
    expect(ids.some((traceId) => slow.has(traceId))).toBe(true);
    expect(ids.some((traceId) => fast.includes(traceId))).toBe(true);
  }
  // 26 of 256; far from none and from all, whatever the ids.
  const share = fast.filter((traceId) => kept.has(traceId)).length / fast.length;
  expect(share).toBeGreaterThan(0.03);
  expect(share).toBeLessThan(0.2);
});

it('adds the instances of a service up, and tells them apart in traces', async () => {
  for (const instance of ['first', 'second']) {
    const traceId = randomBytes(16).toString('hex');
    await send(traceId, requestOf(500, `SELECT of_${instance}`), instance);
    await waitFor('the trace', () => kept.has(traceId), { deadlineMs: PATIENCE_MS });
    expect(kept.get(traceId)?.instance).toBe(instance);
  }
  for (const { resource } of metrics) expect(resource).not.toContain('service.instance.id');
});

it('counts what exceeds its cardinality together', async () => {
  for (let n = 0; n < 1_200; n += 1)
    await send(randomBytes(16).toString('hex'), requestOf(5, `SELECT generated${n}`));
  const overflow = (point: Point) => point.attributes?.some(({ key }) => key === 'otel.metric.overflow');
  await waitFor('the overflow', () => pointsOf('db.client.operation.duration').some(overflow), {
    deadlineMs: PATIENCE_MS,
  });
  const combinations = new Set(
    pointsOf('db.client.operation.duration').map(({ attributes }) => JSON.stringify(attributes)),
  );
  expect(combinations.size).toBeLessThanOrEqual(1_001);
});
