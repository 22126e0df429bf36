import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from '../../lib/freePort.ts';
import { waitFor } from '../../lib/waitFor.ts';
import { PATIENCE_MS } from '../../test/support/patience.ts';
import { collectorValues } from './collector.ts';

/** A collector that has the load_balancing exporter, such as otelcol-contrib; ours is built without it. */
const contrib = process.env['OTELCOL_CONTRIB'];

interface Sent {
  resourceSpans: { scopeSpans: { spans: { traceId: string }[] }[] }[];
}

describe.skipIf(!contrib)('two gateways behind the agent of deploy/', () => {
  /** Spans of each trace, by gateway. */
  const seen = [new Map<string, number>(), new Map<string, number>()];
  const stores: Server[] = [];
  const collectors: ChildProcess[] = [];
  let dir: string;
  let agent: string;

  async function start(name: string, config: unknown): Promise<void> {
    const file = path.join(dir, `${name}.yaml`);
    await writeFile(file, stringify(config));
    collectors.push(spawn(contrib as string, ['--config', file], { stdio: 'ignore' }));
  }

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-balance-'));
    const gateways: string[] = [];
    for (const [at, spans] of seen.entries()) {
      const store = createServer(async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as Sent;
        for (const { traceId } of resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)))
          spans.set(traceId, (spans.get(traceId) ?? 0) + 1);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
      store.listen(0, '127.0.0.1');
      await once(store, 'listening');
      stores.push(store);
      const endpoint = `127.0.0.1:${await freePort()}`;
      gateways.push(endpoint);
      await start(`gateway-${at}`, {
        receivers: { otlp: { protocols: { grpc: { endpoint } } } },
        exporters: {
          otlp_http: {
            endpoint: `http://127.0.0.1:${(store.address() as AddressInfo).port}`,
            encoding: 'json',
            compression: 'none',
          },
        },
        service: {
          telemetry: { metrics: { level: 'none' } },
          pipelines: { traces: { receivers: ['otlp'], exporters: ['otlp_http'] } },
        },
      });
    }
    // The agent as it is deployed, but for addresses: no cluster has names here.
    const values = (await collectorValues()).get('collector-agent.values.yaml') ?? '';
    const config = parse(values).alternateConfig;
    const endpoint = `127.0.0.1:${await freePort()}`;
    const health = `127.0.0.1:${await freePort()}`;
    config.receivers.otlp.protocols = { http: { endpoint } };
    config.exporters.load_balancing.resolver = { static: { hostnames: gateways } };
    config.extensions.health_check = { endpoint: health };
    config.service.telemetry = { metrics: { level: 'none' } };
    await start('agent', config);
    agent = `http://${endpoint}/v1/traces`;
    await waitFor('the agent', async () => (await fetch(`http://${health}`)).ok, {
      deadlineMs: PATIENCE_MS,
      everyMs: 100,
    });
  });
  afterAll(async () => {
    for (const collector of collectors) collector.kill();
    for (const store of stores) store.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('each get whole traces, whose spans came in ten requests', async () => {
    const traces = Array.from({ length: 200 }, () => randomBytes(16).toString('hex'));
    for (let part = 0; part < 10; part += 1) {
      const spans = traces.map((traceId) => ({
        traceId,
        spanId: randomBytes(8).toString('hex'),
        name: 'SELECT orders',
        startTimeUnixNano: '1',
        endTimeUnixNano: '2',
      }));
      const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
      const headers = { 'content-type': 'application/json' };
      expect((await fetch(agent, { method: 'POST', headers, body })).status).toBe(200);
    }
    const [one = new Map<string, number>(), other = new Map<string, number>()] = seen;
    const all = () => [...one.values(), ...other.values()].reduce((sum, n) => sum + n, 0);
    await waitFor('all spans', async () => all() === 2_000, { deadlineMs: PATIENCE_MS, everyMs: 100 });
    expect(one.size + other.size).toBe(200);
    expect(Math.min(one.size, other.size)).toBeGreaterThan(40);
    for (const trace of traces) expect(one.get(trace) ?? other.get(trace)).toBe(10);
  });
});
