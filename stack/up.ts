import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureBinaries, stackBinaries } from './binaries.ts';
import { local, type PartSpec, type PartStatus, Parts, type PartsOptions } from './parts.ts';
import {
  assertDistinct,
  assertPortsFree,
  needsOf,
  type PortNeed,
  type Ports,
  portVariable,
  resolvePorts,
} from './ports.ts';
import { checkout, type RunDirectory, type Secrets } from './runDirectory.ts';
import { alertmanagerSpec, collectorSpec, exporterSpec, type Place, prometheusSpec } from './specs.ts';

/** A database that is there already. */
export interface ObservedDatabase {
  name: string;
  url: string;
  /** The environment variable that holds its address. */
  variable: string;
  /** The file of its exporter's queries, of those in {@link UpOptions.files}. */
  queries: string;
}

export interface UpOptions extends PartsOptions {
  ports?: Partial<Ports>;
  databases: readonly [ObservedDatabase, ...ObservedDatabase[]];
  /** What is observed, for the console. */
  configFile: string;
  /** Used instead of one of our own: their addresses. */
  use: { prometheus?: string | undefined; alertmanager?: string | undefined; tempo?: string | undefined };
  /** The configuration of the parts, by path below `config/`, for the addresses that they get. */
  files(addresses: Addresses): Record<string, string>;
  onReady?: (name: string) => void;
  onProgress?: (text: string) => void;
}

/** Where the parts answer. */
export interface Addresses {
  prometheus: string;
  alertmanager: string;
  console: string;
  /** `host:port` of what Prometheus scrapes. */
  scraped: { collector: string; console: string; prometheus: string };
  /** `host:port` of each database's exporter, by the database's name. */
  exporters: Record<string, string>;
}

export interface UpStack {
  addresses: Addresses;
  /** Where services send their spans. */
  collector: string;
  /** Bearer token of the console. */
  token: string;
  directory: string;
  parts(): PartStatus[];
  stop(): Promise<void>;
}

/** The console's program; in the package it is bundled like the code that starts it. */
const CONSOLE = path.join(
  checkout,
  ...(import.meta.filename.endsWith('.ts') ? ['console', 'server.ts'] : ['dist', 'console.js']),
);

/** An exporter for each database; each after the first listens on the next port. */
const exporterPort = (ports: Ports, index: number) => ports.postgres_exporter + index;

/** The Go driver insists on TLS where nothing is said; on this machine there is usually none. */
function forGo(url: string): string {
  const given = new URL(url);
  if (
    !given.searchParams.has('sslmode') &&
    !process.env['PGSSLMODE'] &&
    /^(localhost|127\.0\.0\.1|\[::1\])$/.test(given.hostname)
  )
    given.searchParams.set('sslmode', 'disable');
  return given.href;
}

/** What an address leaves to the environment: password, certificates and TLS mode, as libpq has them. */
const libpq = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      /^PG[A-Z]+$/.test(name) && value ? [[name, value]] : [],
    ),
  );

function addressesOf(ports: Ports, { databases, use }: UpOptions): Addresses {
  const at = (port: number) => `127.0.0.1:${port}`;
  return {
    prometheus: use.prometheus ?? local(ports.prometheus),
    alertmanager: use.alertmanager ?? local(ports.alertmanager),
    console: local(ports.console),
    scraped: {
      collector: at(ports.collector_metrics),
      console: at(ports.console),
      prometheus: use.prometheus ? new URL(use.prometheus).host : at(ports.prometheus),
    },
    exporters: Object.fromEntries(databases.map(({ name }, index) => [name, at(exporterPort(ports, index))])),
  };
}

function partSpecs(
  place: Place,
  secrets: Secrets,
  binaries: Record<(typeof stackBinaries)[number], string>,
  options: UpOptions,
): PartSpec[] {
  const { databases, use, configFile } = options;
  const { ports } = place;
  const addresses = addressesOf(ports, options);
  const exporters = databases.map(({ name, url, queries }, index) =>
    exporterSpec(place, binaries.postgres_exporter, {
      name: databases.length > 1 ? `postgres_exporter-${name}` : 'postgres_exporter',
      port: exporterPort(ports, index),
      queries,
      source: { ...libpq(), DATA_SOURCE_NAME: forGo(url) },
    }),
  );
  const page: PartSpec = {
    name: 'console',
    command: process.execPath,
    args: ['--max-old-space-size=192', '--liftoff-only', CONSOLE],
    env: {
      ...libpq(),
      SQLTRAIL_CONFIG: path.resolve(configFile),
      CONSOLE_HOST: '127.0.0.1',
      CONSOLE_PORT: String(ports.console),
      PROMETHEUS_URL: addresses.prometheus,
      ALERTMANAGER_URL: addresses.alertmanager,
      ...(use.tempo ? { TEMPO_URL: use.tempo } : {}),
      CONSOLE_DIR: place.dir.file('data', 'console'),
      ...Object.fromEntries(databases.map(({ variable, url }) => [variable, url])),
      SQLTRAIL_TOKEN: secrets.token,
      ALERT_WEBHOOK_TOKEN: secrets.webhookToken,
      CONSOLE_TRACES_MAX_MB: '96',
    },
    health: `${local(ports.console)}/healthz`,
    stopDeadlineMs: 5_000,
  };
  return [
    ...(use.prometheus ? [] : [prometheusSpec(place, binaries.prometheus)]),
    ...(use.alertmanager ? [] : [alertmanagerSpec(place, binaries.alertmanager)]),
    collectorSpec(place, binaries.otelcol, addresses),
    // An address may name a certificate by its path from where the command was started.
    ...[...exporters, page].map((part) => ({ ...part, cwd: process.cwd() })),
  ];
}

async function writeConfiguration(dir: RunDirectory, files: Record<string, string>): Promise<void> {
  await rm(dir.file('config'), { recursive: true, force: true });
  for (const [file, text] of Object.entries(files)) {
    const target = dir.file('config', file);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, text, { mode: 0o600 });
  }
}

/** Ports that a part of this stack listens on. */
const listened = (ports: Ports, { use, databases }: UpOptions): PortNeed[] => [
  ...needsOf(ports, [
    'collector',
    'collector_health',
    'collector_metrics',
    'console',
    ...(use.prometheus ? [] : (['prometheus'] as const)),
    ...(use.alertmanager ? [] : (['alertmanager'] as const)),
  ]),
  ...databases.map(({ name }, index) => ({
    port: exporterPort(ports, index),
    part: `the exporter of ${name}`,
    variable: portVariable('postgres_exporter'),
  })),
];

/**
 * Starts what observes services and databases that run already: collector, Prometheus, Alertmanager, an exporter for
 * each database, and the console. What was measured survives a restart.
 *
 * @throws ConfigurationError for what the caller can put right: a taken port, an unwritable directory, no Go
 */
export async function startUp(options: UpOptions): Promise<UpStack> {
  const { signal, onProgress = () => {}, onReady = () => {} } = options;
  const parts = await Parts.open(options);
  try {
    const ports = resolvePorts(process.env, options.ports);
    const needs = listened(ports, options);
    assertDistinct(needs);
    await assertPortsFree(needs);
    parts.ports = ports;
    const secrets = await parts.dir.secrets();
    const binaries = await ensureBinaries(stackBinaries, {
      ...(signal ? { signal } : {}),
      onProgress: ({ name, text }) => onProgress(`${name}: ${text}`),
    });
    const addresses = addressesOf(ports, options);
    await writeConfiguration(parts.dir, options.files(addresses));
    await parts.startAll(partSpecs({ dir: parts.dir, ports }, secrets, binaries, options), onReady);
    return {
      addresses,
      collector: local(ports.collector),
      token: secrets.token,
      directory: parts.dir.path,
      parts: () => parts.status(),
      stop: () => parts.stop(),
    };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}
