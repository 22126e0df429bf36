import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { freePort } from '../../lib/freePort.ts';
import { waitFor } from '../../lib/waitFor.ts';
import { ensureBinaries } from '../../stack/binaries.ts';
import { DIR, install, say, startDatabase, startReceiver } from '../overhead/service.ts';

const HELP = `node bench/faults/main.ts [options]

What a service with @sqltrail/instrumentation serves, and what telemetry is lost, while what it talks to fails. Real
processes: the service, the collector, Postgres, and toxiproxy between them (built with Go on first use).

  --rate     requests a second, open loop (50)
  --seconds  how long each fault lasts (15)
  --output   results as JSON (out/faults.json)
  --help

Not covered: Prometheus with a full disk, a failover of Postgres, a clock that jumps.
`;

const TOXIPROXY = 'github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0';
const STATEMENTS = 1;
const PATIENCE_MS = 120_000;

interface Outcome {
  fault: string;
  requests: number;
  /** Answers other than 200, and requests without one. */
  failed: number;
  p99Ms: number;
  /** Spans of requests and statements that were answered. */
  begun: number;
  arrived: number;
  /** As the service counts them. */
  dropped: Record<string, number>;
  /** Resident memory of the service at its most, MB. */
  maxRssMb: number;
  /** From the fault's end until a span of a request after it has arrived, seconds. */
  recoverySeconds: number;
}

async function toxiproxyBinary(): Promise<string> {
  const directory = path.join(DIR, 'toxiproxy');
  const file = path.join(directory, 'server');
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  say('Building toxiproxy …');
  await mkdir(directory, { recursive: true });
  await promisify(execFile)('go', ['install', TOXIPROXY], {
    env: { ...process.env, GOBIN: directory, GOFLAGS: '-mod=mod' },
  }).catch((error: Error) => {
    throw new Error(`toxiproxy cannot be built: ${error.message.split('\n')[0]}. It needs Go 1.23 or newer.`);
  });
  return file;
}

const CONFIG = `receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:\${env:OTLP_PORT}" } } }
exporters:
  otlp_http/console: { endpoint: "\${env:RECEIVER_URL}", compression: none }
service:
  telemetry: { logs: { level: error }, metrics: { level: none } }
  pipelines: { traces: { receivers: [otlp], exporters: [otlp_http/console] } }
`;

async function stop(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

const quantile = (values: number[], share: number) =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '50' },
      seconds: { type: 'string', default: '15' },
      output: { type: 'string', default: path.join(import.meta.dirname, '..', '..', 'out', 'faults.json') },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const [rate, seconds] = [Number(values.rate), Number(values.seconds)];
  if (!(rate > 0) || !(seconds > 0)) throw new Error('--rate and --seconds are numbers above 0');

  const proxyBinary = await toxiproxyBinary();
  const { otelcol } = await ensureBinaries(['otelcol']);
  await install();
  const database = await startDatabase();
  const receiver = await startReceiver();
  const [api, otlp, otlpBehind, postgres] = (await Promise.all(
    Array.from({ length: 4 }, () => freePort()),
  )) as [number, number, number, number];
  const proxy = spawn(proxyBinary, ['-host', '127.0.0.1', '-port', String(api)], { stdio: 'ignore' });
  const config = path.join(DIR, 'collector.yaml');
  await writeFile(config, CONFIG);
  let collector: ChildProcess | undefined;
  const startCollector = async () => {
    collector = spawn(otelcol, ['--config', config], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { PATH: process.env['PATH'], OTLP_PORT: String(otlpBehind), RECEIVER_URL: receiver.url },
    });
    await waitFor('the collector', () => fetch(`http://127.0.0.1:${otlpBehind}/v1/traces`).then(() => true), {
      deadlineMs: PATIENCE_MS,
    });
  };
  const ask = async (method: string, at: string, body?: object) => {
    const response = await fetch(`http://127.0.0.1:${api}${at}`, {
      method,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok)
      throw new Error(`toxiproxy ${method} ${at}: ${response.status} ${await response.text()}`);
  };
  const toxic = (of: string, type: string, attributes: object) => ({
    begin: () => ask('POST', `/proxies/${of}/toxics`, { name: 'fault', type, attributes }),
    end: () => ask('DELETE', `/proxies/${of}/toxics/fault`),
  });
  const nothing = async () => {};
  const faults: Record<string, { begin: () => Promise<void>; end: () => Promise<void> }> = {
    none: { begin: nothing, end: nothing },
    'collector slow (3 s)': toxic('otlp', 'latency', { latency: 3_000 }),
    'collector hangs': toxic('otlp', 'timeout', { timeout: 0 }),
    'collector resets connections': toxic('otlp', 'reset_peer', { timeout: 0 }),
    'collector killed, started again': { begin: () => stop(collector, 'SIGKILL'), end: startCollector },
    'Postgres slow (200 ms)': toxic('postgres', 'latency', { latency: 200 }),
    'Postgres resets connections': toxic('postgres', 'reset_peer', { timeout: 0 }),
  };

  async function measure(fault: string): Promise<Outcome> {
    const metricsPort = await freePort();
    const direct = new URL(database.url());
    direct.host = `127.0.0.1:${postgres}`;
    const service = spawn(
      process.execPath,
      ['--expose-gc', '--import', '@sqltrail/instrumentation', 'server.cjs'],
      {
        cwd: DIR,
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: {
          PATH: process.env['PATH'],
          NODE_ENV: 'production',
          DATABASE_URL: direct.href,
          BENCH_STATEMENTS: String(STATEMENTS),
          OTEL_SERVICE_NAME: 'bench',
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${otlp}`,
          OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
        },
      },
    );
    const latencies: number[] = [];
    let [requests, failed, answered] = [0, 0, 0];
    const waiting = new Set<Promise<void>>();
    try {
      const [{ port }] = (await once(service, 'message')) as [{ port: number }];
      const arrivedBefore = receiver.spans();
      const send = async () => {
        requests += 1;
        const began = performance.now();
        const ok = await fetch(`http://127.0.0.1:${port}/items/${requests}`, {
          signal: AbortSignal.timeout(30_000),
        }).then(
          async (response) => {
            await response.arrayBuffer();
            answered += 1;
            return response.ok;
          },
          () => false,
        );
        if (!ok) failed += 1;
        latencies.push(performance.now() - began);
      };
      let loading = true;
      const load = (async () => {
        const began = performance.now();
        for (let at = 0; loading; at += 1) {
          const due = began + (at * 1_000) / rate - performance.now();
          if (due > 0) await sleep(due);
          const one = send().finally(() => waiting.delete(one));
          waiting.add(one);
        }
      })();
      await waitFor('the first span', () => receiver.spans() > arrivedBefore, { deadlineMs: PATIENCE_MS });
      await faults[fault]?.begin();
      await sleep(seconds * 1_000);
      await faults[fault]?.end();
      const ended = performance.now();
      const arrivedThen = receiver.spans();
      await waitFor('spans to arrive again', () => receiver.spans() > arrivedThen, {
        deadlineMs: PATIENCE_MS,
        everyMs: 50,
      });
      const recoverySeconds = (performance.now() - ended) / 1_000;
      await sleep(3_000);
      loading = false;
      await load;
      await Promise.all(waiting);
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      const dropped = Object.fromEntries(
        [...text.matchAll(/^sqltrail_spans_dropped_total\{.*?reason="(\w+)".*?\} (\d+)$/gm)].map(
          ([, reason, count]) => [reason as string, Number(count)],
        ),
      );
      const rss = /VmHWM:\s+(\d+) kB/.exec(
        await readFile(`/proc/${service.pid}/status`, 'utf8').catch(() => ''),
      )?.[1];
      await stop(service);
      // What the collector has is with the receiver soon.
      let seen = -1;
      await waitFor(
        'the last spans',
        async () => {
          if (seen === receiver.spans()) return true;
          seen = receiver.spans();
          await sleep(1_000);
          return false;
        },
        { deadlineMs: PATIENCE_MS },
      );
      return {
        fault,
        requests,
        failed,
        p99Ms: quantile(latencies, 0.99),
        begun: answered * (1 + STATEMENTS),
        arrived: receiver.spans() - arrivedBefore,
        dropped,
        maxRssMb: Number(rss ?? Number.NaN) / 1024,
        recoverySeconds,
      };
    } finally {
      await stop(service, 'SIGKILL');
    }
  }

  const outcomes: Outcome[] = [];
  try {
    await startCollector();
    await waitFor('toxiproxy', () => ask('GET', '/version').then(() => true), { deadlineMs: PATIENCE_MS });
    const { port } = new URL(database.url());
    for (const [name, listen, upstream] of [
      ['otlp', otlp, otlpBehind],
      ['postgres', postgres, Number(port)],
    ] as const)
      await ask('POST', '/proxies', {
        name,
        listen: `127.0.0.1:${listen}`,
        upstream: `127.0.0.1:${upstream}`,
        enabled: true,
      });
    for (const fault of Object.keys(faults)) {
      const outcome = await measure(fault);
      outcomes.push(outcome);
      say(`${fault}: ${outcome.failed} of ${outcome.requests} requests failed`);
    }
  } finally {
    await stop(proxy);
    await stop(collector);
    receiver.close();
    await database.stop();
  }
  await mkdir(path.dirname(values.output), { recursive: true });
  await writeFile(
    values.output,
    `${JSON.stringify({ at: new Date().toISOString(), rate, seconds, outcomes }, null, 2)}\n`,
  );
  process.stdout.write(
    [
      '| fault | requests | failed | p99 ms | spans arrived | dropped, counted | memory MB | recovery s |',
      '| ----- | -------- | ------ | ------ | ------------- | ---------------- | --------- | ---------- |',
      ...outcomes.map((each) => {
        const counted = Object.entries(each.dropped)
          .filter(([, count]) => count > 0)
          .map(([reason, count]) => `${count} ${reason}`)
          .join(', ');
        return `| ${each.fault} | ${each.requests} | ${each.failed} | ${each.p99Ms.toFixed(0)} | ${each.arrived} of ${each.begun} | ${counted || '0'} | ${each.maxRssMb.toFixed(0)} | ${each.recoverySeconds.toFixed(1)} |`;
      }),
      '',
    ].join('\n'),
  );
}

await main();
