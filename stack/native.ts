import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createShopDatabase, resetShopDatabase, templateName } from '../sample-shop/data/database.ts';
import type { ScaleName } from '../sample-shop/data/scales.ts';
import { ensureBinaries, stackBinaries } from './binaries.ts';
import { local, type PartSpec, type PartStatus, Parts } from './parts.ts';
import { assertPortsFree, needsOf, type PortName, type Ports, resolvePorts } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { checkout, type RunDirectory, type Secrets } from './runDirectory.ts';
import { alertmanagerSpec, collectorSpec, exporterSpec, prometheusSpec } from './specs.ts';
import { exitOfPid, type PartEvent, rotateLog } from './supervisor.ts';

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
  /** Takes each change of a part's code, which is then started again. Without it changes are not looked for. */
  onSourceChange?: ((part: string, file: string) => void) | undefined;
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

function partSpecs(
  dir: RunDirectory,
  ports: Ports,
  secrets: Secrets,
  binaries: Record<(typeof stackBinaries)[number], string>,
  profile: string,
): PartSpec[] {
  const place = { dir, ports };
  const database = (user: string, password: string) =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${ports.postgres}/shop`;
  const node = (args: string[]) => ({ command: process.execPath, args });
  return [
    prometheusSpec(place, binaries.prometheus),
    alertmanagerSpec(place, binaries.alertmanager),
    collectorSpec(place, binaries.otelcol, {
      prometheus: local(ports.prometheus),
      console: local(ports.console),
    }),
    exporterSpec(place, binaries.postgres_exporter, {
      name: 'postgres_exporter',
      port: ports.postgres_exporter,
      queries: 'postgres_exporter.queries.yaml',
      source: {
        DATA_SOURCE_URI: `127.0.0.1:${ports.postgres}/shop?sslmode=disable`,
        DATA_SOURCE_USER: 'sqltrail_monitor',
        DATA_SOURCE_PASS: secrets.monitorPassword,
      },
    }),
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
      sources: [
        'alerts',
        'config',
        'console',
        'dashboards',
        'diagnosis',
        'fix',
        'instrumentation',
        'kpis',
        'lib',
        'migrate',
        'report',
        'watch',
      ],
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
      sources: ['instrumentation', 'lib', 'sample-shop'],
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
      sources: ['lib', 'sample-shop'],
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

/**
 * Brings up all parts natively: binaries (built where they are missing) while the data is made, then everything
 * against a fresh copy of the data. When a step fails, what was started is stopped before the error is passed on.
 *
 * @throws ConfigurationError for what the caller can put right: a taken port, an unwritable directory, no Go
 */
export async function startNative(options: NativeOptions): Promise<NativeStack> {
  const { scale, seed, signal, onStep, onEvent, onSourceChange } = options;
  const parts = await Parts.open({ dir: options.dir, signal, onEvent, onSourceChange });
  const { dir } = parts;
  let databaseUrl: NativeStack['databaseUrl'];
  try {
    const ports = resolvePorts(process.env, options.ports);
    await assertPortsFree(needsOf(ports, Object.keys(ports) as PortName[]));
    parts.ports = ports;
    const secrets = await dir.secrets();
    const step = (name: Step['step'], text: string, state: Step['state'] = 'running') =>
      onStep?.({ step: name, state, text });

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
    const postgres = parts.supervise(
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
    await parts.startAll(
      specs.map((spec) => ({
        ...spec,
        env: { ...spec.env, ...options.environment?.[spec.name as PartName] },
      })),
      (name) => step('parts', `${name} is ready`),
    );
    step('parts', `all ${parts.status().length} parts are ready`, 'done');

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
      parts: () => parts.status(),
      residentBytes: () => parts.residentBytes(),
      stop: () => parts.stop(),
    };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}
