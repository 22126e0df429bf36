import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigurationError } from '../lib/errors.ts';
import { createShopDatabase, resetShopDatabase, templateName } from '../sample-shop/data/database.ts';
import type { ScaleName } from '../sample-shop/data/scales.ts';
import { ensureBinaries, stackBinaries } from './binaries.ts';
import { takeLock } from './lockFile.ts';
import { assertPortsFree, type PortName, type Ports, resolvePorts } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { endProcess, identify } from './processes.ts';
import { checkout, RunDirectory, type Secrets } from './runDirectory.ts';
import {
  exitOfPid,
  type PartEvent,
  type PartState,
  type RunningProcess,
  rotateLog,
  Supervised,
  startProcess,
} from './supervisor.ts';

export interface NativeOptions {
  /** Run directory; `SQLTRAIL_DIR` or `.sqltrail` otherwise. */
  dir?: string;
  scale: ScaleName;
  seed: number;
  ports?: Partial<Ports>;
  /** Load profile at the start. */
  profile?: 'idle' | 'ordinary' | 'peak' | 'day';
  /** More environment for a part, by its name. */
  environment?: Partial<Record<PartName, Record<string, string>>>;
  signal?: AbortSignal;
  /** What is being done now, for a person; several steps run side by side. */
  onStep?: (step: Step) => void;
  onEvent?: (event: PartEvent) => void;
}

export interface Step {
  step: 'binaries' | 'postgres' | 'data' | 'parts';
  state: 'running' | 'done';
  text: string;
}

export type PartName =
  | 'postgres'
  | 'prometheus'
  | 'alertmanager'
  | 'otelcol'
  | 'postgres_exporter'
  | 'console'
  | 'shop'
  | 'load';

export interface PartStatus {
  name: string;
  state: PartState;
  pid: number | undefined;
  restarts: number;
  logFile: string;
}

/** The running stack. Every URL is on 127.0.0.1. */
export interface NativeStack {
  ports: Ports;
  secrets: Secrets;
  directory: string;
  urls: { shop: string; load: string; prometheus: string; alertmanager: string; console: string };
  databaseUrl(user: 'postgres' | 'shop_owner' | 'shop_app' | 'sqltrail_monitor'): string;
  parts(): PartStatus[];
  /** Resident memory of all parts with their children, bytes (Linux). */
  residentBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** What the story's server runs with; small buffers, as on the sick production system (docs/architecture.md). */
const POSTGRES_SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements,auto_explain',
  max_connections: '60',
  shared_buffers: '128MB',
  max_wal_size: '2GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  track_io_timing: 'on',
  log_min_duration_statement: '-1',
  'pg_stat_statements.track': 'top',
};

/** What is observed. */
const SHOP_CONFIG = path.join(checkout, 'sample-shop', 'sqltrail.yaml');

const answers = (url: string) => async (signal: AbortSignal) => (await fetch(url, { signal })).ok;
const local = (port: number, scheme = 'http') => `${scheme}://127.0.0.1:${port}`;

interface PartSpec {
  name: PartName;
  command: string;
  args: string[];
  env: Record<string, string>;
  health: string;
  stopDeadlineMs: number;
}

function partSpecs(
  dir: RunDirectory,
  ports: Ports,
  secrets: Secrets,
  binaries: Record<(typeof stackBinaries)[number], string>,
  profile: string,
): PartSpec[] {
  const config = (...segments: string[]) => dir.file('config', ...segments);
  const database = (user: string, password: string) =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${ports.postgres}/shop`;
  const node = (args: string[]) => ({ command: process.execPath, args });
  return [
    {
      name: 'prometheus',
      command: binaries.prometheus,
      args: [
        `--config.file=${config('collector', 'prometheus.yml')}`,
        `--storage.tsdb.path=${dir.file('data', 'prometheus')}`,
        '--storage.tsdb.retention.time=15d',
        `--web.listen-address=127.0.0.1:${ports.prometheus}`,
        '--web.enable-remote-write-receiver',
        '--enable-feature=exemplar-storage',
        '--log.level=warn',
      ],
      env: { GOMEMLIMIT: '256MiB' },
      health: `${local(ports.prometheus)}/-/ready`,
      stopDeadlineMs: 10_000,
    },
    {
      name: 'alertmanager',
      command: binaries.alertmanager,
      args: [
        `--config.file=${config('alerts', 'alertmanager.yml')}`,
        `--storage.path=${dir.file('data', 'alertmanager')}`,
        '--cluster.listen-address=',
        `--web.listen-address=127.0.0.1:${ports.alertmanager}`,
        '--log.level=warn',
      ],
      env: { GOMEMLIMIT: '48MiB' },
      health: `${local(ports.alertmanager)}/-/ready`,
      stopDeadlineMs: 5_000,
    },
    {
      name: 'otelcol',
      command: binaries.otelcol,
      args: [`--config=${config('collector', 'collector.yaml')}`],
      env: {
        GOMEMLIMIT: '200MiB',
        OTELCOL_OTLP_ENDPOINT: `127.0.0.1:${ports.collector}`,
        OTELCOL_HEALTH_ENDPOINT: `127.0.0.1:${ports.collector_health}`,
        OTELCOL_METRICS_HOST: '127.0.0.1',
        OTELCOL_METRICS_PORT: String(ports.collector_metrics),
        OTELCOL_STORAGE: dir.file('data', 'otelcol'),
        PROMETHEUS_URL: local(ports.prometheus),
        CONSOLE_URL: local(ports.console),
      },
      health: `${local(ports.collector_health)}/`,
      stopDeadlineMs: 8_000,
    },
    {
      name: 'postgres_exporter',
      command: binaries.postgres_exporter,
      args: [
        `--web.listen-address=127.0.0.1:${ports.postgres_exporter}`,
        `--extend.query-path=${config('collector', 'postgres_exporter.queries.yaml')}`,
        '--log.level=warn',
      ],
      env: {
        GOMEMLIMIT: '48MiB',
        DATA_SOURCE_URI: `127.0.0.1:${ports.postgres}/shop?sslmode=disable`,
        DATA_SOURCE_USER: 'sqltrail_monitor',
        DATA_SOURCE_PASS: secrets.monitorPassword,
      },
      health: `${local(ports.postgres_exporter)}/`,
      stopDeadlineMs: 5_000,
    },
    {
      name: 'console',
      ...node(['--max-old-space-size=192', '--liftoff-only', 'console/server.ts']),
      env: {
        SQLTRAIL_CONFIG: SHOP_CONFIG,
        CONSOLE_HOST: '127.0.0.1',
        CONSOLE_PORT: String(ports.console),
        PROMETHEUS_URL: local(ports.prometheus),
        ALERTMANAGER_URL: local(ports.alertmanager),
        DATABASE_URL: database('sqltrail_monitor', secrets.monitorPassword),
        // It listens on loopback only, and changes nothing without the token and a confirmation.
        OWNER_DATABASE_URL: database('shop_owner', secrets.shopOwnerPassword),
        SQLTRAIL_TOKEN: secrets.token,
        ALERT_WEBHOOK_TOKEN: secrets.webhookToken,
        // What the heap above leaves beside the process itself and the largest request.
        CONSOLE_TRACES_MAX_MB: '96',
      },
      health: `${local(ports.console)}/healthz`,
      stopDeadlineMs: 5_000,
    },
    {
      name: 'shop',
      ...node([
        '--max-old-space-size=256',
        '--import',
        './instrumentation/index.ts',
        'sample-shop/server.ts',
      ]),
      env: {
        DATABASE_URL: database('shop_app', secrets.shopAppPassword),
        SHOP_HOST: '127.0.0.1',
        SHOP_PORT: String(ports.shop),
        SQLTRAIL_TOKEN: secrets.token,
        LOG_LEVEL: 'warn',
        OTEL_SERVICE_NAME: 'shop',
        OTEL_EXPORTER_OTLP_ENDPOINT: local(ports.collector),
        OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
        OTEL_EXPORTER_PROMETHEUS_PORT: String(ports.shop_metrics),
      },
      health: `${local(ports.shop)}/healthz`,
      stopDeadlineMs: 8_000,
    },
    {
      name: 'load',
      ...node(['--max-old-space-size=128', 'sample-shop/load/main.ts']),
      env: {
        LOAD_TARGET: local(ports.shop),
        LOAD_HOST: '127.0.0.1',
        LOAD_PORT: String(ports.load),
        LOAD_PROFILE: profile,
        LOAD_SEED: '1',
        LOAD_DRAIN_MS: '1000',
        SQLTRAIL_TOKEN: secrets.token,
      },
      health: `${local(ports.load)}/healthz`,
      stopDeadlineMs: 4_000,
    },
  ];
}

/** The committed configuration, copied next to target files and credentials of this run. */
async function writeConfiguration(dir: RunDirectory, ports: Ports, secrets: Secrets): Promise<void> {
  const config = (...segments: string[]) => dir.file('config', ...segments);
  await mkdir(config('collector', 'targets'), { recursive: true });
  await mkdir(config('alerts', 'secrets'), { recursive: true, mode: 0o700 });
  for (const file of ['collector.yaml', 'prometheus.yml', 'postgres_exporter.queries.yaml'])
    await cp(path.join(checkout, 'collector', file), config('collector', file));
  await cp(path.join(checkout, 'alerts', 'rules'), config('alerts', 'rules'), { recursive: true });
  await cp(path.join(checkout, 'alerts', 'alertmanager.yml'), config('alerts', 'alertmanager.yml'));
  const targets = {
    shop: ports.shop_metrics,
    load: ports.load,
    postgres: ports.postgres_exporter,
    console: ports.console,
    collector: ports.collector_metrics,
    prometheus: ports.prometheus,
    alertmanager: ports.alertmanager,
  };
  for (const [name, port] of Object.entries(targets))
    await writeFile(
      config('collector', 'targets', `${name}.json`),
      JSON.stringify([
        { targets: [`127.0.0.1:${port}`], ...(name === 'postgres' ? { labels: { database: 'shop' } } : {}) },
      ]),
    );
  const secret = (name: string, text: string) =>
    writeFile(config('alerts', 'secrets', name), text, { mode: 0o600 });
  await secret('console-url', `${local(ports.console)}/api/alerts/webhook`);
  await secret('webhook-token', secrets.webhookToken);
}

/** Ends what a run that was killed left behind. */
async function endLeftovers(dir: RunDirectory): Promise<void> {
  const state = await dir.readState();
  if (!state) return;
  for (const { pid, startTime, stopSignal } of state.parts)
    await endProcess({ pid, startTime }, { signal: stopSignal as NodeJS.Signals });
  await dir.removeState();
}

async function residentBytesOf(pids: readonly number[]): Promise<number> {
  const { readdir, readFile } = await import('node:fs/promises');
  const wanted = new Set(pids);
  let total = 0;
  // A parent's pid can be higher than its child's after a wrap, so children are looked for until none is found.
  const processes = new Map<number, number>();
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent) processes.set(Number(name), parent);
  }
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of processes)
      if (wanted.has(parent) && !wanted.has(pid)) {
        wanted.add(pid);
        grown = true;
      }
  }
  for (const pid of wanted) {
    // Pss shares what several backends map (shared_buffers) between them; Rss would count it once for each.
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    total += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
  }
  return total;
}

/**
 * Brings up all parts natively: binaries (built where they are missing) while the data is made, then everything
 * against a fresh copy of the data. When a step fails, what was started is stopped before the error is passed on.
 *
 * @throws ConfigurationError for what the caller can put right: a taken port, an unwritable directory, no Go
 */
export async function startNative(options: NativeOptions): Promise<NativeStack> {
  const { scale, seed, signal, onStep, onEvent } = options;
  const dir = new RunDirectory(options.dir);
  await dir.open();
  const release = await takeLock(dir.lockFile, {
    ...(signal ? { signal } : {}),
    onWait: ({ pid }) => {
      throw new ConfigurationError(
        `A stack already runs in ${dir.path} (pid ${pid}): end it first, or set SQLTRAIL_DIR to another directory.`,
      );
    },
  });
  const supervised: Supervised[] = [];
  let databaseUrl: NativeStack['databaseUrl'];
  const stopAll = async () => {
    for (const part of supervised.toReversed()) await part.stop();
    await dir.removeState();
    await release();
  };
  try {
    await endLeftovers(dir);
    const ports = resolvePorts(process.env, options.ports);
    await assertPortsFree(ports, Object.keys(ports) as PortName[]);
    const secrets = await dir.secrets();
    const step = (name: Step['step'], text: string, state: Step['state'] = 'running') =>
      onStep?.({ step: name, state, text });

    const supervisor = await identify(process.pid);
    const starts = new Map<string, string>();
    let writing = Promise.resolve();
    const writeState = () => {
      writing = writing.then(async () => {
        const parts = [];
        for (const part of supervised) {
          if (part.pid === undefined || part.state === 'stopped') continue;
          const key = `${part.name} ${part.pid}`;
          const startTime = starts.get(key) ?? (await identify(part.pid))?.startTime;
          if (!startTime) continue;
          starts.set(key, startTime);
          parts.push({
            name: part.name,
            pid: part.pid,
            startTime,
            port: 1,
            healthUrl: null,
            stopSignal: part.name === 'postgres' ? 'SIGINT' : 'SIGTERM',
            logFile: part.logFile,
            restarts: part.restarts,
          });
        }
        if (supervisor)
          await dir.writeState({ version: 1, startedAt: new Date().toISOString(), supervisor, ports, parts });
      });
    };
    const supervise = (
      name: PartName,
      start: () => Promise<RunningProcess>,
      healthy: (signal: AbortSignal) => Promise<boolean>,
      stopDeadlineMs: number,
    ) => {
      const part = new Supervised({
        name,
        logFile: dir.file('log', `${name}.log`),
        start,
        healthy,
        onEvent: (event) => onEvent?.(event),
        onChange: writeState,
        stopDeadlineMs,
      });
      supervised.push(part);
      return part;
    };

    const binariesReady = (async () => {
      const paths = await ensureBinaries(stackBinaries, {
        ...(signal ? { signal } : {}),
        onProgress: ({ name, text }) => step('binaries', `${name}: ${text}`),
      });
      step('binaries', 'binaries are ready', 'done');
      return paths;
    })();
    // An error here is reported when it is awaited below, after the data's.
    binariesReady.catch(() => {});

    step('postgres', 'starting');
    const postgresLog = dir.file('log', 'postgres.log');
    await rotateLog(postgresLog);
    const postgres = supervise(
      'postgres',
      async () => {
        const server = await startPostgres({
          dataDir: dir.file('data', 'postgres'),
          port: ports.postgres,
          password: secrets.postgresPassword,
          logFile: postgresLog,
          settings: POSTGRES_SETTINGS,
        });
        return {
          pid: server.pid,
          exited: exitOfPid(server.pid),
          stop: (deadlineMs) => server.stop(deadlineMs),
        };
      },
      // A saturated server is busy, not dead: only the process itself is watched.
      async () => true,
      20_000,
    );
    await postgres.start();
    step('postgres', `Postgres 18 on port ${ports.postgres}`, 'done');

    const admin = `postgres://postgres:${encodeURIComponent(secrets.postgresPassword)}@127.0.0.1:${ports.postgres}`;
    databaseUrl = (user) => {
      const passwords = {
        postgres: secrets.postgresPassword,
        shop_owner: secrets.shopOwnerPassword,
        shop_app: secrets.shopAppPassword,
        sqltrail_monitor: secrets.monitorPassword,
      };
      return `postgres://${user}:${encodeURIComponent(passwords[user])}@127.0.0.1:${ports.postgres}/shop`;
    };
    step('data', `template ${await templateName({ scale, seed })}`);
    const template = await createShopDatabase({
      adminUrl: `${admin}/postgres`,
      passwords: {
        owner: secrets.shopOwnerPassword,
        app: secrets.shopAppPassword,
        monitor: secrets.monitorPassword,
      },
      scale,
      seed,
      ...(signal ? { signal } : {}),
      onProgress: ({ done, total, title }) => step('data', `${done + 1} of ${total}: ${title}`),
    });
    step('data', 'copying the template');
    await resetShopDatabase({ adminUrl: `${admin}/postgres`, template });
    step('data', `${scale} data, seed ${seed}`, 'done');

    const binaries = await binariesReady;
    signal?.throwIfAborted();
    await writeConfiguration(dir, ports, secrets);
    // Each start makes the shop anew: error budgets and alerts of the one before are not its own.
    for (const name of ['prometheus', 'alertmanager'])
      await rm(dir.file('data', name), { recursive: true, force: true });
    step('parts', 'starting');
    const specs = partSpecs(dir, ports, secrets, binaries, options.profile ?? 'idle');
    const starting = specs.map(async (spec) => {
      const logFile = dir.file('log', `${spec.name}.log`);
      await rotateLog(logFile);
      const part = supervise(
        spec.name,
        () =>
          startProcess({
            name: spec.name,
            command: spec.command,
            args: spec.args,
            env: {
              PATH: process.env['PATH'] ?? '',
              HOME: process.env['HOME'] ?? '',
              ...spec.env,
              ...options.environment?.[spec.name],
            },
            cwd: checkout,
            logFile,
            healthy: answers(spec.health),
            readyDeadlineMs: 60_000,
            ...(signal ? { signal } : {}),
          }),
        answers(spec.health),
        spec.stopDeadlineMs,
      );
      await part.start();
      step('parts', `${spec.name} is ready`);
    });
    const results = await Promise.allSettled(starting);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    step('parts', `all ${supervised.length} parts are ready`, 'done');

    let stopping: Promise<void> | undefined;
    return {
      ports,
      secrets,
      directory: dir.path,
      urls: {
        shop: local(ports.shop),
        load: local(ports.load),
        prometheus: local(ports.prometheus),
        alertmanager: local(ports.alertmanager),
        console: local(ports.console),
      },
      databaseUrl,
      parts: () =>
        supervised.map(({ name, state, pid, restarts, logFile }) => ({
          name,
          state,
          pid,
          restarts,
          logFile,
        })),
      residentBytes: () => residentBytesOf(supervised.flatMap(({ pid }) => pid ?? [])),
      stop() {
        stopping ??= (async () => {
          await stopAll();
          await writing;
          await dir.removeState();
        })();
        return stopping;
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}
