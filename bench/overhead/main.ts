import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../../lib/freePort.ts';
import { type Interval, intervalOf } from '../../lib/stats/interval.ts';
import { DIR, install, say, startDatabase, startReceiver } from './service.ts';

const HELP = `node bench/overhead/main.ts [options]

What telemetry costs a service: bare, the stock auto-instrumentation, the stock packages chosen leanly, and
@sqltrail/instrumentation as it is packed, in turn, each round in another order. The service is pinned to its cores
(Linux); Postgres, the load and the receiver of spans share the last one.

  --rounds      of each variant (6)
  --seconds     measured in a round, after half as long to warm up (6)
  --statements  comma-separated: SELECTs a request (1,5)
  --cores       comma-separated: cores that the service may use (1,2)
  --connections of the load, closed loop (20)
  --output      results as JSON (out/overhead.json)
  --help

Packages go to OVERHEAD_DIR (default: a directory in the system's temporary one), where they stay for the next run.
`;

const ROOT = path.join(import.meta.dirname, '..', '..');

/** Arguments of Node before the service's file. */
const variants = {
  bare: [],
  auto: ['--require', '@opentelemetry/auto-instrumentations-node/register'],
  lean: ['--require', './lean.cjs'],
  sqltrail: ['--import', '@sqltrail/instrumentation'],
} as const;
type Variant = keyof typeof variants;
const names = Object.keys(variants) as Variant[];

interface Round {
  variant: Variant;
  statements: number;
  cores: number;
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Of all threads of the service, microseconds. */
  cpuMicrosPerRequest: number;
  heapBytes: number;
  /** Of those that were begun, one of each request and one of each statement; null where it is not observed. */
  spansKept: number | null;
}

interface Result {
  connections: number;
  '2xx': number;
  non2xx: number;
  errors: number;
  requests: { average: number; total: number };
  latency: { p50: number; p99: number };
}

/** Restricts a process and all that it starts to these cores. Without effect where there is no taskset. */
function pin(pid: number, cores: readonly number[]): void {
  try {
    execFileSync('taskset', ['-acp', cores.join(','), String(pid)], { stdio: 'ignore' });
  } catch {
    say('There is no taskset: nothing is pinned.');
  }
}

const ask = async (child: ChildProcess) => {
  child.send('usage');
  const [usage] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage; heapUsed: number }];
  return usage;
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '6' },
      seconds: { type: 'string', default: '6' },
      statements: { type: 'string', default: '1,5' },
      cores: { type: 'string', default: '1,2' },
      connections: { type: 'string', default: '20' },
      output: { type: 'string', default: path.join(ROOT, 'out', 'overhead.json') },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const whole = (name: string, text: string) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`--${name} ${text}: is no whole number above 0`);
    return value;
  };
  const [rounds, seconds, connections] = (['rounds', 'seconds', 'connections'] as const).map((name) =>
    whole(name, values[name]),
  ) as [number, number, number];
  const counts = values.statements.split(',').map((text) => whole('statements', text));
  const coreCounts = values.cores.split(',').map((text) => whole('cores', text));
  const all = os.availableParallelism();
  const last = all - 1;

  await install();
  const autocannon = createRequire(path.join(DIR, 'package.json'))('autocannon') as (
    options: object,
  ) => Promise<Result>;
  pin(process.pid, [last]);
  const database = await startDatabase();
  const receiver = await startReceiver();
  const measured: Round[] = [];

  async function round(variant: Variant, statements: number, cores: number): Promise<Round> {
    const spansBefore = receiver.spans();
    const child = spawn(process.execPath, ['--expose-gc', ...variants[variant], 'server.cjs'], {
      cwd: DIR,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        DATABASE_URL: database.url(),
        BENCH_STATEMENTS: String(statements),
        OTEL_SERVICE_NAME: 'bench',
        OTEL_TRACES_EXPORTER: 'otlp',
        OTEL_METRICS_EXPORTER: 'prometheus',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
      },
    });
    pin(
      child.pid as number,
      Array.from({ length: Math.min(cores, all) }, (_, core) => core),
    );
    try {
      const [{ port }] = (await once(child, 'message')) as [{ port: number }];
      const load = (duration: number) =>
        autocannon({ url: `http://127.0.0.1:${port}/items/1`, connections, duration });
      const warmUp = await load(Math.ceil(seconds / 2));
      const before = await ask(child);
      const result = await load(seconds);
      const after = await ask(child);
      if (result.non2xx > 0 || result.errors > 0)
        throw new Error(
          `${variant}: ${result.non2xx} answers were no success, ${result.errors} requests failed`,
        );
      const requests = result['2xx'];
      const begun = (warmUp['2xx'] + requests) * (1 + statements);
      let kept: number | null = null;
      if (variant === 'lean' || variant === 'sqltrail') {
        // What waits for its export is exported when the service ends.
        child.kill('SIGTERM');
        await once(child, 'exit');
        // Those of requests that the load gave up at its end arrive too, and are none that were begun here.
        kept = Math.min(1, (receiver.spans() - spansBefore) / begun);
      }
      const cpu = (usage: NodeJS.CpuUsage) => usage.user + usage.system;
      return {
        variant,
        statements,
        cores,
        requestsPerSecond: requests / seconds,
        p50Ms: result.latency.p50,
        p99Ms: result.latency.p99,
        cpuMicrosPerRequest: (cpu(after.cpu) - cpu(before.cpu)) / requests,
        heapBytes: after.heapUsed,
        spansKept: kept,
      };
    } finally {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
  }

  try {
    for (let at = 0; at < rounds; at += 1)
      for (const cores of coreCounts)
        for (const statements of counts)
          for (let turn = 0; turn < names.length; turn += 1) {
            const variant = names[(at + turn) % names.length] as Variant;
            const result = await round(variant, statements, cores);
            measured.push(result);
            say(
              `round ${at + 1} of ${rounds}, ${cores} core${cores > 1 ? 's' : ''}, ${statements} a request, ${variant}: ${result.requestsPerSecond.toFixed(0)} requests/s`,
            );
            // The ports and the server's sessions of the last one are free again.
            await sleep(200);
          }
  } finally {
    receiver.close();
    await database.stop();
  }

  const of = (variant: Variant, statements: number, cores: number) =>
    measured.filter(
      (each) => each.variant === variant && each.statements === statements && each.cores === cores,
    );
  const text = (interval: Interval | undefined, digits: number) =>
    interval
      ? `${interval.mean.toFixed(digits)} (${interval.low.toFixed(digits)} to ${interval.high.toFixed(digits)})`
      : '-';
  const lines = [
    '| cores | statements | variant | of bare throughput | requests/s | p50 ms | p99 ms | CPU µs a request | heap MB | spans kept |',
    '| ----- | ---------- | ------- | ------------------ | ---------- | ------ | ------ | ---------------- | ------- | ---------- |',
  ];
  for (const cores of coreCounts)
    for (const statements of counts)
      for (const variant of names) {
        const own = of(variant, statements, cores);
        const bare = of('bare', statements, cores);
        const all = (pick: (round: Round) => number) => intervalOf(own.map(pick));
        // Pairs of one round, which the machine's moods concern alike.
        const share = intervalOf(
          own.map((each, i) => each.requestsPerSecond / (bare[i]?.requestsPerSecond ?? Number.NaN)),
        );
        const kept = own.flatMap(({ spansKept }) => (spansKept === null ? [] : [spansKept]));
        lines.push(
          `| ${cores} | ${statements} | ${variant} | ${text(share, 2)} | ${text(
            all((each) => each.requestsPerSecond),
            0,
          )} | ${text(
            all((each) => each.p50Ms),
            1,
          )} | ${text(
            all((each) => each.p99Ms),
            1,
          )} | ${text(
            all((each) => each.cpuMicrosPerRequest),
            0,
          )} | ${text(
            all((each) => each.heapBytes / 1e6),
            1,
          )} | ${kept.length > 0 ? `${(100 * Math.min(...kept)).toFixed(1)} % at least` : '-'} |`,
        );
      }
  await mkdir(path.dirname(values.output), { recursive: true });
  await writeFile(
    values.output,
    `${JSON.stringify({ at: new Date().toISOString(), node: process.version, cores: all, rounds, seconds, connections, measured }, null, 2)}\n`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
}

await main();
