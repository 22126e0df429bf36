import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { createShopDatabase, resetShopDatabase } from '../sample-shop/data/database.ts';
import type { ScaleName } from '../sample-shop/data/scales.ts';
import { PoissonArrivals } from '../sample-shop/load/arrivals.ts';
import { type RequestOutcome, ShopClient } from '../sample-shop/load/client.ts';
import { readConfig } from '../sample-shop/load/config.ts';
import { facetsSchema, Journeys } from '../sample-shop/load/journeys.ts';
import { Ledger } from '../sample-shop/load/ledger.ts';
import { LoadMetrics } from '../sample-shop/load/metrics.ts';
import { now, OpenLoop, ScheduleLag } from '../sample-shop/load/openLoop.ts';
import { rateProfile } from '../sample-shop/load/profiles.ts';
import { Summary } from '../sample-shop/load/summary.ts';
import { startPostgresIn } from '../stack/postgres.ts';

/** One answer as the customer saw it. */
export interface Sample {
  endedMs: number;
  step: string;
  outcome: RequestOutcome;
  seconds: number;
}

class Samples extends Summary {
  readonly all: Sample[] = [];

  override add(step: string, outcome: RequestOutcome, seconds: number): void {
    this.all.push({ endedMs: performance.now(), step, outcome, seconds });
  }
}

export interface HarnessOptions {
  /** Keeps the databases between runs. */
  dir: string;
  scale: ScaleName;
  /** Visits a second, Poisson. */
  rate: number;
  /** Of the server, beside those of the story. */
  settings?: Record<string, string>;
  /** Directory of `initdb` and `postgres` of another installation; the embedded one without it. */
  binDir?: string | undefined;
  /** Variables of the load generator, such as LOAD_MIX. */
  load?: Record<string, string>;
}

const TOKEN = 'bench-only-on-this-machine';
const passwords = { owner: 'bench-owner', app: 'bench-app', monitor: 'bench-monitor' };

/**
 * The shop on a Postgres of its own as in the story, without telemetry, and open-loop customers: what a bench needs
 * that changes something below a running shop.
 */
export async function startHarness({ dir, scale, rate, settings, binDir, load = {} }: HarnessOptions) {
  const server = await startPostgresIn(dir, {
    password: 'bench-only',
    binDir,
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      shared_buffers: '128MB',
      max_connections: '60',
      max_wal_size: '2GB',
      track_io_timing: 'on',
      ...settings,
    },
  });
  const adminUrl = server.url();
  const url = (user: keyof typeof passwords, database: string) =>
    server.url(database, user === 'monitor' ? 'sqltrail_monitor' : `shop_${user}`, passwords[user]);

  /**
   * The shop and its customers on a database, until they are stopped.
   *
   * @param visits a second, in place of the harness's
   */
  async function open(database: string, store: string, visits = rate) {
    const port = await freePort();
    const shop = `http://127.0.0.1:${port}`;
    const child = spawn(process.execPath, ['sample-shop/server.ts'], {
      cwd: path.join(import.meta.dirname, '..'),
      env: {
        PATH: process.env['PATH'] ?? '',
        DATABASE_URL: url('app', database),
        SHOP_PORT: String(port),
        SHOP_STORE: store,
        SQLTRAIL_TOKEN: TOKEN,
        LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const client = new ShopClient(shop, 1_000);
    await waitFor(
      'the shop answers',
      () =>
        fetch(`${shop}/healthz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      {
        deadlineMs: 30_000,
      },
    );
    const facets = facetsSchema.parse(await fetch(`${shop}/facets`).then((answer) => answer.json()));
    const config = readConfig(load);
    const end = new AbortController();
    let refused = 0;
    const lag = new ScheduleLag();
    const samples = new Samples(60);
    const journeys = new Journeys({
      config,
      client,
      facets,
      lag,
      summary: samples,
      metrics: new LoadMetrics({
        offeredRate: () => visits,
        lagSeconds: () => lag.seconds(),
        inFlight: () => loop.inFlight,
      }),
      ledger: new Ledger({ warn: () => {} }),
      signal: end.signal,
      run: randomBytes(4).toString('hex'),
    });
    const loop: OpenLoop = new OpenLoop({
      arrivals: new PoissonArrivals(
        config.LOAD_SEED,
        rateProfile('peak', { idle: 0, ordinary: visits, peak: visits, dayMinutes: 1 }),
        now() / 1000,
      ),
      maxInFlight: config.LOAD_MAX_IN_FLIGHT,
      lag,
      run: (index, intendedMs) => journeys.run(index, intendedMs),
      refuse: () => {
        refused += 1;
      },
    });
    loop.start();
    return {
      target: { shop, token: TOKEN },
      samples: samples.all,
      /** Of the shop's process. */
      pid: child.pid,
      /** Visits so far, and those of them that met the bound on visits at once and did not run. */
      counts: () => ({ visits: loop.arrived, refused }),
      /** How late the generator itself was, lately, seconds. */
      lagSeconds: () => lag.seconds(),
      /** No more arrivals; visits in flight go on until {@link stop}. */
      endArrivals: () => loop.stop(),
      async stop() {
        loop.stop();
        end.abort();
        await loop.idle();
        await client.close();
        child.kill('SIGTERM');
        if (child.exitCode === null) await once(child, 'exit');
      },
    };
  }

  return {
    adminUrl,
    url,
    passwords,
    dataDir: path.join(dir, 'pgdata'),
    open,
    /** A database from another one, or from the data of the scale; what had the name is gone. */
    async copy(name: string, template?: string): Promise<void> {
      await resetShopDatabase({
        adminUrl,
        template: template ?? (await createShopDatabase({ adminUrl, passwords, scale, seed: 1 })),
        name,
      });
    },
    stop: () => server.stop(),
  };
}

export type Harness = Awaited<ReturnType<typeof startHarness>>;

/** Nearest rank; undefined without samples. */
export function p95(samples: readonly Sample[]): number | undefined {
  const sorted = samples.map(({ seconds }) => seconds).sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.95) - 1];
}
