import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { resetShopDatabase } from '../sample-shop/data/database.ts';
import { type ScaleName, scaleOf, scales } from '../sample-shop/data/scales.ts';
import { GATEWAY_LATENCY_MS } from '../sample-shop/stores/payment.ts';
import { type PostgresServer, startPostgresIn } from '../stack/postgres.ts';
import {
  type GrowthRecording,
  isComplete,
  type Model,
  models,
  readGrowth,
  writeGrowth,
} from './growthRecording.ts';
import { measureVisits } from './growthVisits.ts';
import { modelDatabase } from './modelDatabase.ts';
import { onDatabase } from './onDatabase.ts';
import { whole, wholes } from './options.ts';

/**
 * What each operation of the shop takes with 1, 2, 4 and 8 times the data, on the legacy tables, on the same tables
 * with indexes and rewritten statements, and on the refactored model. Killed at any moment, the next run goes on:
 * databases are made under another name and renamed when complete, and each measured cell is written at once.
 */

const passwords = { owner: 'growth-owner', app: 'growth-app', monitor: 'growth-monitor' };
/** As the story's server: the larger sizes do not fit into its buffers. */
const postgresSettings = { shared_buffers: '128MB', max_connections: '60', TimeZone: 'Etc/UTC' };

interface Options {
  base: ScaleName;
  sizes: number[];
  rounds: number;
  visits: number;
  windows: number;
  customers: number;
  dir: string;
  out: string;
}

const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

class Growth {
  readonly #server: PostgresServer;
  readonly #options: Options;
  readonly #file: string;

  constructor(server: PostgresServer, options: Options) {
    this.#server = server;
    this.#options = options;
    this.#file = path.join(options.dir, 'growth.json');
  }

  /** The database of a cell, to be copied before it is used. */
  source(model: Model, size: number): Promise<string> {
    const { base } = this.#options;
    return modelDatabase(
      {
        adminUrl: this.#server.url(),
        ownerUrl: (database) => this.#server.url(database, 'shop_owner', passwords.owner),
        passwords,
        timeZone: postgresSettings.TimeZone,
        say,
      },
      { model, base, size, prefix: 'growth' },
    );
  }

  /** What was measured so far, or a recording without cells. @throws Error when it was made with other settings */
  async #recording(): Promise<GrowthRecording> {
    const { base, sizes, rounds, visits, windows, customers } = this.#options;
    const settings = { base, seed: 1, sizes, rounds, visits, windows, customers, postgres: postgresSettings };
    const before = await readGrowth(this.#file).catch((error) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    // More rounds can be added later, and those that are too many be left out.
    if (before && JSON.stringify({ ...before.settings, rounds }) !== JSON.stringify(settings))
      throw new Error(`${this.#file} was measured with other settings: use those, or another --dir.`);
    if (before) return { ...before, settings, cells: before.cells.filter(({ round }) => round <= rounds) };
    const legacy = await this.source('legacy', sizes[0] as number);
    const seen = await diagnose({
      ...defaultDiagnosis,
      url: this.#server.url(legacy, 'sqltrail_monitor', passwords.monitor),
      only: ['growth'],
      observeMs: 0,
      signal: AbortSignal.timeout(60_000),
    });
    const growth = (seen.findings[0]?.metrics?.growth ?? []).map(({ days, bytesPerDay }) => ({
      days,
      sharePerDay: bytesPerDay / seen.bytes,
    }));
    const [version] = await onDatabase(
      this.#server.url(),
      async (client) => (await client.query<{ server_version: string }>('SHOW server_version')).rows,
    );
    return {
      format: 1,
      settings,
      machine: {
        cores: os.availableParallelism(),
        memoryBytes: os.totalmem(),
        postgres: version?.server_version ?? '',
        node: process.version,
      },
      measuredOn: new Date().toISOString().slice(0, 10),
      sizes: sizes.map((size) => ({ size, orders: scaleOf(`${base}-x${size}`).orders, bytes: {} })),
      growth,
      gatewayMs: GATEWAY_LATENCY_MS,
      ordersToday: scales.default.orders,
      cells: [],
      notes: [],
    };
  }

  async prepare(): Promise<void> {
    for (const size of this.#options.sizes)
      for (const model of models) {
        const started = Date.now();
        const name = await this.source(model, size);
        say(`${name} is there (${((Date.now() - started) / 1000).toFixed(0)} s)`);
      }
  }

  async measure(): Promise<GrowthRecording> {
    const { sizes, rounds, visits, windows, customers } = this.#options;
    const recording = await this.#recording();
    for (let round = 1; round <= rounds; round += 1)
      for (const size of sizes)
        for (const model of models) {
          if (
            recording.cells.some((cell) => cell.model === model && cell.size === size && cell.round === round)
          )
            continue;
          const started = Date.now();
          await resetShopDatabase({
            adminUrl: this.#server.url(),
            template: await this.source(model, size),
            name: 'shop',
          });
          const bytes = await onDatabase(this.#server.url('shop'), async (client) => {
            await client.query('CHECKPOINT');
            const { rows } = await client.query<{ bytes: number }>(
              'SELECT pg_database_size(current_database())::float8 AS bytes',
            );
            return rows[0]?.bytes as number;
          });
          const url = this.#server.url('shop', 'shop_app', passwords.app);
          const measured = await measureVisits({ url, model, customers, visits, windows });
          recording.cells.push({ model, size, round, windows: measured });
          const entry = recording.sizes.find((each) => each.size === size);
          if (entry) entry.bytes[model] = bytes;
          await writeGrowth(this.#file, recording);
          say(
            `round ${round}, ${size}x, ${model}: checkout p95 ${measured.map(({ checkout }) => checkout.p95.toFixed(0)).join(', ')} ms (${((Date.now() - started) / 1000).toFixed(0)} s)`,
          );
        }
    return recording;
  }
}

const program = new Command('growth')
  .description('measures the shop at several sizes of its data on each data model; a killed run goes on')
  .argument('[part]', 'prepare: only make the databases; measure: all', 'measure')
  .addOption(new Option('--base <scale>', 'scale of size 1').choices(Object.keys(scales)).default('small'))
  .option('--sizes <list>', 'times the base', wholes, [1, 2, 4, 8])
  .option('--rounds <n>', 'over all cells', whole, 2)
  .option('--visits <n>', 'in a window', whole, 30)
  .option('--windows <n>', 'in a cell and round', whole, 3)
  .option('--customers <n>', 'visits at the same time', whole, 4)
  .option(
    '--dir <directory>',
    'databases and what was measured so far',
    path.join(os.tmpdir(), 'sqltrail-growth'),
  )
  .option(
    '--out <file>',
    'where the recording goes when it is complete',
    path.join(import.meta.dirname, '..', 'docs', 'measured', 'growth.json'),
  )
  .action(async (part: string, options: Options) => {
    if (part !== 'prepare' && part !== 'measure')
      throw new InvalidArgumentError(`part is prepare or measure, not ${part}`);
    const server = await startPostgresIn(options.dir, {
      password: 'growth-only',
      settings: { shared_preload_libraries: 'pg_stat_statements', ...postgresSettings },
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void server.stop().finally(() => process.exit(130)));
    try {
      const growth = new Growth(server, options);
      if (part === 'prepare') return await growth.prepare();
      const recording = await growth.measure();
      if (!isComplete(recording)) return;
      await mkdir(path.dirname(options.out), { recursive: true });
      await writeGrowth(options.out, recording);
      say(`complete: ${options.out}`);
    } finally {
      await server.stop();
    }
  });

await program.parseAsync();
