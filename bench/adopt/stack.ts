import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../../lib/freePort.ts';
import { waitFor } from '../../lib/waitFor.ts';
import { defaultPorts, type PortName, portVariable } from '../../stack/ports.ts';
import { startPostgresIn } from '../../stack/postgres.ts';
import { onDatabase } from '../onDatabase.ts';
import { ROOT } from '../packInstrumentation.ts';
import type { Application, Surroundings } from './application.ts';
import { type Cleanup, run, type Started, start } from './processes.ts';

const SQLTRAIL = path.join(ROOT, 'cli', 'main.ts');
/** Of a database that is made for a run and thrown away. */
const OWNER_PASSWORD = 'bench-only';
const MONITOR_PASSWORD = 'bench-only-monitor';
const PATIENCE_MS = 600_000;

interface Given {
  application: Application;
  /** Where everything of the run is, and where the packages are. */
  dir: string;
  packages: string;
  cleanup: Cleanup;
  signal: AbortSignal;
  ownerUrl: string;
  monitorUrl: string;
  surroundings: Surroundings;
  /** Of the parts, and of the service's metrics. */
  ports: Readonly<Record<PortName, number>>;
}

/** A service that is observed the way that docs/your-service.md describes, in a directory of its own. */
export class Observed {
  readonly #given: Given;

  private constructor(given: Given) {
    this.#given = given;
  }

  /** Its database, empty, with pg_stat_statements. */
  static async begin(
    given: Pick<Given, 'application' | 'dir' | 'packages' | 'cleanup' | 'signal'>,
  ): Promise<Observed> {
    const server = await startPostgresIn(given.dir, {
      password: OWNER_PASSWORD,
      settings: { shared_preload_libraries: 'pg_stat_statements', shared_buffers: '256MB' },
    });
    given.cleanup.add(() => server.stop());
    const name = given.application.name.replaceAll('-', '_');
    await onDatabase(server.url(), (client) => client.query(`CREATE DATABASE ${name}`));
    await onDatabase(server.url(name), (client) => client.query('CREATE EXTENSION pg_stat_statements'));
    const ports = { ...defaultPorts };
    const taken = new Set<number>([server.port]);
    const another = async () => {
      let port = await freePort();
      while (taken.has(port)) port = await freePort();
      taken.add(port);
      return port;
    };
    for (const part of Object.keys(ports) as PortName[]) ports[part] = await another();
    return new Observed({
      ...given,
      ownerUrl: server.url(name),
      monitorUrl: server.url(name, 'sqltrail_monitor', MONITOR_PASSWORD),
      surroundings: { databaseUrl: server.url(name), port: await another() },
      ports,
    });
  }

  get surroundings(): Surroundings {
    return this.#given.surroundings;
  }
  /** With the rights of whoever owns the tables. */
  get ownerUrl(): string {
    return this.#given.ownerUrl;
  }
  get monitorUrl(): string {
    return this.#given.monitorUrl;
  }
  get console(): string {
    return `http://127.0.0.1:${this.#given.ports.console}`;
  }
  get prometheus(): string {
    return `http://127.0.0.1:${this.#given.ports.prometheus}`;
  }
  get configFile(): string {
    return path.join(this.#given.dir, 'sqltrail.yaml');
  }

  /** Runs `sqltrail …` to its end. */
  sqltrail(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
    return run(process.execPath, [SQLTRAIL, ...words], {
      cwd: this.#given.dir,
      env,
      signal: this.#given.signal,
    });
  }

  /** The application, bare or with its telemetry, until it serves. */
  async startApplication(observed: boolean): Promise<Started> {
    const { application, packages, ports } = this.#given;
    const { program, env, service, ready } = application;
    const started = start(
      process.execPath,
      [...(observed ? ['--import', '@sqltrail/instrumentation'] : []), ...program],
      {
        cwd: packages,
        env: {
          ...env(this.surroundings),
          ...(observed
            ? {
                OTEL_SERVICE_NAME: service,
                OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.collector}`,
                OTEL_EXPORTER_PROMETHEUS_PORT: String(ports.shop_metrics),
              }
            : {}),
        },
        log: path.join(this.#given.dir, observed ? 'application.log' : 'application-bare.log'),
      },
    );
    this.#given.cleanup.add(() => started.stop());
    await this.until(`${application.name} to serve`, () => ready(this.surroundings), started);
    return started;
  }

  /** `sqltrail init`, and what only the owner knows: another length of the window, a service without requests. */
  async init(window: string | undefined): Promise<string> {
    const { application, ports } = this.#given;
    const said = await this.sqltrail(
      [
        ...['init', this.ownerUrl, '--service', application.service],
        ...['--metrics', `127.0.0.1:${ports.shop_metrics}`, '--create-role', '--plans', '--yes'],
      ],
      { SQLTRAIL_MONITOR_PASSWORD: MONITOR_PASSWORD },
    );
    let text = await readFile(this.configFile, 'utf8');
    if (window !== undefined)
      text = text.replace(/^window: .*$/m, `window: ${window}`).replace(/^interval: .*$/m, 'interval: 5s');
    if (!application.requests) text = text.replace(/^ {2}- name: .*$/m, '$&\n    requests: false');
    await writeFile(this.configFile, text);
    return said;
  }

  /** `sqltrail up`, until everything is up. @returns what it said */
  async up(): Promise<string> {
    const started = start(process.execPath, ['--liftoff-only', SQLTRAIL, 'up'], {
      cwd: this.#given.dir,
      env: {
        DATABASE_URL: this.monitorUrl,
        ...Object.fromEntries(
          Object.entries(this.#given.ports).map(([name, port]) => [
            portVariable(name as PortName),
            String(port),
          ]),
        ),
      },
      log: path.join(this.#given.dir, 'up.log'),
    });
    this.#given.cleanup.add(() => started.stop());
    await this.until('sqltrail up', () => started.output().includes('Everything is up'), started);
    return started.output();
  }

  /** What is on its way is given up when this run is ended; the database that it works on is stopped then. */
  async unlessEnded<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#given;
    work.catch(() => {});
    const ended = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    );
    return Promise.race([work, ended]);
  }

  /** The console's bearer token. */
  async token(): Promise<string> {
    const file = path.join(this.#given.dir, '.sqltrail-up', 'secrets', 'secrets.json');
    return (JSON.parse(await readFile(file, 'utf8')) as { token: string }).token;
  }

  /** What the console answers. @throws Error for another status than 2xx */
  async ask<T>(route: string, init: RequestInit = {}): Promise<T> {
    const response = await fetch(`${this.console}${route}`, {
      ...init,
      signal: AbortSignal.any([this.#given.signal, AbortSignal.timeout(60_000)]),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${route}: ${response.status} ${text.slice(0, 300)}`);
    return JSON.parse(text) as T;
  }

  /** Waits for a condition, each half second; errors count as not yet. @throws Error when a process ends before it */
  async until<T>(
    what: string,
    condition: () => Promise<T | undefined | false> | T | undefined | false,
    process?: Started,
    patienceMs = PATIENCE_MS,
  ): Promise<T> {
    let ended = false;
    const value = await waitFor(
      what,
      () => {
        ended = process?.ended() ?? false;
        return ended || condition();
      },
      { deadlineMs: patienceMs, everyMs: 500, signal: this.#given.signal },
    );
    if (ended) throw new Error(`ended before ${what}:\n${process?.output().slice(-3_000)}`);
    return value as T;
  }
}
