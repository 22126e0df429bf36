import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { freePort } from '../lib/freePort.ts';
import { prometheusAt } from '../lib/prometheus/client.ts';
import { startNative } from '../stack/native.ts';
import { defaultPorts, type PortName, type Ports } from '../stack/ports.ts';
import { MEASURED_FILE, type Measured } from './sizing.ts';

/**
 * Bytes a span and bytes a series, read from the real stack under ordinary load: node deploy/measure.ts [seconds].
 * A proxy between shop and collector counts what is sent; Prometheus counts its own series and memory.
 */
const seconds = Number(process.argv[2] ?? 120);
if (!(seconds >= 30)) {
  process.stderr.write('usage: node deploy/measure.ts [seconds, 30 or more]\n');
  process.exit(2);
}

const sent = { wire: 0, bytes: 0 };
let collector = '';
const proxy = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  sent.wire += body.length;
  sent.bytes += request.headers['content-encoding'] === 'gzip' ? gunzipSync(body).length : body.length;
  const headers = Object.fromEntries(
    ['content-type', 'content-encoding'].flatMap((name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
  const answer = await fetch(`${collector}${request.url}`, { method: 'POST', headers, body });
  response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
});
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');

const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-measure-'));
await chmod(dir, 0o755);
const ports: Partial<Ports> = {};
for (const name of Object.keys(defaultPorts) as PortName[]) ports[name] = await freePort();
collector = `http://127.0.0.1:${ports.collector}`;
const stack = await startNative({
  dir: path.join(dir, 'run'),
  scale: 'tiny',
  seed: 1,
  profile: 'ordinary',
  ports,
  environment: {
    shop: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` },
  },
});

/** A PromQL query with one number as its answer. */
async function number(query: string): Promise<number> {
  const [sample] = await prometheusAt(stack.urls.prometheus).query(query);
  const value = sample?.value ?? Number.NaN;
  if (!Number.isFinite(value)) throw new Error(`${query} gave no number`);
  return value;
}
const counters = async () => ({
  ...sent,
  spans: await number('sum({__name__=~"otelcol_receiver_accepted_spans(_total)?"})'),
  exported: await number('sum({__name__=~"otelcol_exporter_sent_spans(_total)?"})'),
  requests: await number('sum(http_server_request_calls_total)'),
});

try {
  // Series that appear with the first requests are there before it counts.
  await sleep(30_000);
  const before = await counters();
  await sleep(seconds * 1000);
  const after = await counters();
  const spans = after.spans - before.spans;
  const ofSpans = '"http_server_request_.*|db_client_operation_.*"';
  const series = (job: string) => number(`count({job="${job}",__name__!~${ofSpans}})`);
  const head = await number('prometheus_tsdb_head_series');
  const measured: Measured = {
    measuredOn: new Date().toISOString().slice(0, 10),
    command: `npx node deploy/measure.ts ${seconds}`,
    seconds,
    cores: availableParallelism(),
    bytesPerSpan: Math.round((after.bytes - before.bytes) / spans),
    wireBytesPerSpan: Math.round((after.wire - before.wire) / spans),
    spansPerRequest: Math.round((spans / (after.requests - before.requests)) * 10) / 10,
    keptShare: Math.round(((after.exported - before.exported) / spans) * 1000) / 1000,
    seriesPerShop: await series('shop'),
    seriesPerPostgres: await series('postgres'),
    seriesOfSpans: await number(`count({__name__=~${ofSpans}})`),
    headSeries: head,
    memoryPerSeries: Math.round((await number('process_resident_memory_bytes{job="prometheus"}')) / head),
  };
  await writeFile(MEASURED_FILE, `${JSON.stringify(measured, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify(measured, null, 2)}\n`);
} finally {
  await stack.stop();
  proxy.close();
  await rm(dir, { recursive: true, force: true });
}
