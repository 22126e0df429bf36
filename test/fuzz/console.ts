import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { createShopDatabase, resetShopDatabase } from '../../sample-shop/data/database.ts';
import { startTelemetry } from '../support/console.ts';
import { startConsoleProcess } from '../support/consoleProcess.ts';
import { startThrowawayServer } from '../support/server.ts';
import { type Input, inputs } from './inputs.ts';

export interface FuzzOptions {
  durationMs: number;
  seed: number;
  /** Inputs a second at most, so that a long run leaves the machine to others. */
  perSecond: number;
  /** `--max-old-space-size` of the console, and `CONSOLE_TRACES_MAX_MB`. */
  heapMb: number;
  tracesMb: number;
  /** Of the monitored database; by default none answers. */
  databaseUrl?: string;
  onBatch?: (report: FuzzReport) => void;
}

export interface FuzzReport {
  seed: number;
  seconds: number;
  inputs: number;
  /** Answers by kind of input and status. */
  answers: Record<string, number>;
  maxHeapMb: number;
  maxRssMb: number;
  maxTracesMb: number;
  slowestMs: number;
  slowest: string;
  /** Of the well-formed request after each batch. */
  slowestProbeMs: number;
  /** Event streams that were cut off. */
  cutOff: number;
  faults: string[];
}

const BATCH = 100;
/** A well-formed request is answered in this time, whatever came before it; generous, for a machine that is shared. */
const PROBE_MS = 30_000;
const ANSWER_MS = 120_000;
const OPEN_STREAMS = 60;

const short = (input: Input): string => {
  const bytes = 'bytes' in input ? input.bytes : 'body' in input ? input.body : undefined;
  return JSON.stringify({
    ...input,
    bytes: undefined,
    body: bytes && Buffer.from(bytes.subarray(0, 1_500)).toString('latin1'),
    size: bytes?.length,
  });
};

/** Sends bytes as they are; ends when the other side has answered, closed, or says nothing. */
function sendRaw(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const end = () => {
      socket.destroy();
      resolve(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 'none');
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      end();
    });
    socket.on('error', end).on('end', end).setTimeout(500, end);
    socket.on('connect', () => socket.write(bytes));
  });
}

/**
 * Sends hostile inputs to a real console with a bounded heap, and looks after each batch whether it lives, answers a
 * well-formed request with 200, has answered nothing with 500, and keeps its bounds. The same seed gives the same inputs.
 */
export async function fuzzConsole(options: FuzzOptions): Promise<FuzzReport> {
  const telemetry = { statements: ['SELECT orders'], alerts: [], bad: true, away: false, turn: 0 };
  const stand = await startTelemetry(telemetry);
  const started = await startConsoleProcess(options.heapMb, {
    PROMETHEUS_URL: stand.prometheusUrl,
    ALERTMANAGER_URL: stand.alertmanagerUrl,
    CONSOLE_TRACES_MAX_MB: String(options.tracesMb),
    CONSOLE_TRACES_MAX: '100000',
    ...(options.databaseUrl ? { DATABASE_URL: options.databaseUrl } : {}),
  });
  const port = Number(new URL(started.base).port);
  const begun = performance.now();
  const report: FuzzReport = {
    seed: options.seed,
    seconds: 0,
    inputs: 0,
    answers: {},
    maxHeapMb: 0,
    maxRssMb: 0,
    maxTracesMb: 0,
    slowestMs: 0,
    slowest: '',
    slowestProbeMs: 0,
    cutOff: 0,
    faults: [],
  };
  const streams: AbortController[] = [];
  const openStream = async (reads: boolean, headers: Record<string, string>): Promise<string> => {
    if (streams.length >= OPEN_STREAMS) streams.shift()?.abort();
    const ending = new AbortController();
    const response = await fetch(`${started.base}/api/events`, { headers, signal: ending.signal });
    if (response.ok) {
      streams.push(ending);
      if (reads)
        void (async () => {
          for await (const _ of response.body ?? []);
        })().catch(() => {});
    } else await response.arrayBuffer();
    return String(response.status);
  };
  const send = async (input: Input): Promise<string> => {
    if ('bytes' in input) return sendRaw(port, input.bytes);
    if ('reads' in input) return openStream(input.reads, input.headers);
    const response = await fetch(started.base + input.path, {
      method: input.method,
      headers: input.headers,
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(input.body && input.method !== 'GET' ? { body: input.body as BodyInit } : {}),
    });
    await response.arrayBuffer();
    return String(response.status);
  };

  try {
    for (let batch = 0; performance.now() - begun < options.durationMs; batch += 1) {
      const batchBegun = performance.now();
      telemetry.turn += 1;
      const given = fc.sample(inputs, { numRuns: BATCH, seed: options.seed + batch });
      // A few at a time, as they come from a collector, an Alertmanager and some pages.
      const open = [...given];
      const worker = async () => {
        for (let input = open.pop(); input; input = open.pop()) {
          const since = performance.now();
          const status = await send(input).catch((error: Error) => {
            const { code = error.name } = (error.cause ?? {}) as { code?: string };
            return code;
          });
          report.inputs += 1;
          const ms = performance.now() - since;
          if (ms > report.slowestMs)
            Object.assign(report, { slowestMs: ms, slowest: short(input).slice(0, 600) });
          const key = `${input.kind} ${status}`;
          report.answers[key] = (report.answers[key] ?? 0) + 1;
          if (status === '500' || status === 'TimeoutError')
            report.faults.push(`seed ${options.seed + batch}: ${status} for ${short(input)}`);
        }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
      if (!started.alive()) {
        report.faults.push(
          `seed ${options.seed + batch}: the console ended; its last words: ${started.output().slice(-1_500)}`,
        );
        break;
      }
      const since = performance.now();
      const probe = await fetch(`${started.base}/api/traces?limit=200`, {
        signal: AbortSignal.timeout(PROBE_MS),
      })
        .then(async (response) => {
          await response.json();
          return response.status;
        })
        .catch((error: Error) => error.name);
      report.slowestProbeMs = Math.max(report.slowestProbeMs, performance.now() - since);
      if (probe !== 200)
        report.faults.push(`seed ${options.seed + batch}: a well-formed request got ${probe}`);
      const traces = ((await started.metric('sqltrail_traces_bytes')) ?? 0) / 1e6;
      const heap = ((await started.metric('sqltrail_heap_used_bytes')) ?? 0) / 2 ** 20;
      report.cutOff = (await started.metric('sqltrail_event_streams_cut_off_total')) ?? 0;
      report.maxTracesMb = Math.max(report.maxTracesMb, traces);
      report.maxHeapMb = Math.max(report.maxHeapMb, heap);
      if (traces > options.tracesMb)
        report.faults.push(`seed ${options.seed + batch}: ${traces} MB of traces`);
      const status = await readFile(`/proc/${started.pid}/status`, 'utf8').catch(() => '');
      report.maxRssMb = Math.max(report.maxRssMb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
      report.seconds = (performance.now() - begun) / 1_000;
      options.onBatch?.(report);
      const pause = (BATCH / options.perSecond) * 1_000 - (performance.now() - batchBegun);
      if (pause > 0) await sleep(pause);
    }
  } finally {
    for (const stream of streams) stream.abort();
    await started.stop();
    await stand.close();
  }
  report.seconds = (performance.now() - begun) / 1_000;
  const internal = started
    .output()
    .split('\n')
    .filter((line) => /Error:/.test(line));
  if (internal.length > 0) report.faults.push(`logged: ${internal.slice(0, 5).join(' | ')}`);
  return report;
}

/** An embedded Postgres with the shop's data, for a run from the command line. */
async function startDatabase() {
  const server = await startThrowawayServer();
  const passwords = { owner: 'fuzz-only', app: 'fuzz-only', monitor: 'fuzz-only' };
  const adminUrl = server.url();
  const template = await createShopDatabase({ adminUrl, passwords, scale: 'tiny', seed: 1 });
  await resetShopDatabase({ adminUrl, template });
  return {
    url: server.url('shop', 'sqltrail_monitor', passwords.monitor),
    close: server.close,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 30)) },
      rate: { type: 'string', default: '50' },
      heap: { type: 'string', default: '144' },
      traces: { type: 'string', default: '64' },
    },
  });
  const database = await startDatabase();
  let said = 0;
  const report = await fuzzConsole({
    durationMs: Number(values.minutes) * 60_000,
    seed: Number(values.seed),
    perSecond: Number(values.rate),
    heapMb: Number(values.heap),
    tracesMb: Number(values.traces),
    databaseUrl: database.url,
    onBatch: ({ seconds, inputs: count, faults, maxHeapMb, maxRssMb, slowestProbeMs }) => {
      if (seconds - said < 60) return;
      said = seconds;
      process.stderr.write(
        `${Math.round(seconds)} s: ${count} inputs, ${faults.length} faults, heap ${maxHeapMb.toFixed(0)} MB, RSS ${maxRssMb.toFixed(0)} MB, slowest probe ${slowestProbeMs.toFixed(0)} ms\n`,
      );
      for (const fault of faults.splice(50)) process.stderr.write(`${fault}\n`);
    },
  }).finally(() => database.close());
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.faults.length > 0 ? 1 : 0;
}
