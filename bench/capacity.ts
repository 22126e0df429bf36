import '../sample-shop/useConfig.ts';
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { kpiById } from '../kpis/catalogue.ts';
import {
  CAPACITY,
  type Capacity,
  type CapacityCell,
  type CapacityStep,
  capacitySchema,
  kneeOf,
  readCapacity,
} from '../report/capacity.ts';
import { writeMeasured } from '../report/measuredFile.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { cpuOf, cpuOfServer } from './cpu.ts';
import { type Model, models } from './growthRecording.ts';
import { type Harness, p95, startHarness } from './harness.ts';
import { modelDatabase } from './modelDatabase.ts';
import { onDatabase } from './onDatabase.ts';
import { whole, wholes } from './options.ts';
import { staircase } from './staircase.ts';

/**
 * How many visits a second each data model serves before the objective breaks: a staircase of open-loop load, up by
 * doubling until a step misses the objective, then between the last two. Each step has a shop of its own, so that
 * nothing is left over from the one before. Killed at any moment, the next run goes on after the last complete cell.
 */

/** A request of the bench is given up after so long; what is due in a step has ended or failed this much later. */
const TIMEOUT_MS = 5_000;
/** Until visits of all lengths are under way. */
const WARM_SECONDS = 10;
const RATES = { first: 0.5, highest: 512, between: 2 };
const PREFIX = 'capacity';

interface Options {
  base: ScaleName;
  sizes: number[];
  models: Model[];
  rounds: number;
  seconds: number;
  think: number;
  highest: number;
  dir: string;
  out: string;
}

const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const objective = kpiById('customer-latency-p95').objective.value;

/** Time of all statements of a database so far; the extension is in the database itself. */
const statementSeconds = (harness: Harness, database: string): Promise<number> =>
  onDatabase(Object.assign(new URL(harness.adminUrl), { pathname: `/${database}` }).href, async (client) => {
    const { rows } = await client.query<{ seconds: number }>(
      `SELECT coalesce(sum(total_exec_time + total_plan_time), 0)::float8 / 1000 AS seconds
         FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    return rows[0]?.seconds ?? 0;
  });

/** What has been used up so far. */
async function meters(harness: Harness, database: string, pid: number | undefined) {
  const [database_, shop, statements] = await Promise.all([
    cpuOfServer(harness.dataDir),
    pid === undefined ? null : cpuOf(pid),
    statementSeconds(harness, database),
  ]);
  return { database: database_, shop, statements };
}

/** One step of the staircase: a shop, so many visits a second, and what became of the requests due in it. */
async function measureStep(
  harness: Harness,
  {
    database,
    model,
    rate,
    round,
    seconds,
  }: { database: string; model: Model; rate: number; round: number; seconds: number },
): Promise<CapacityStep> {
  const running = await harness.open(database, model, rate);
  try {
    await sleep(WARM_SECONDS * 1000);
    const [from, before, counted] = [
      performance.now(),
      await meters(harness, database, running.pid),
      running.counts(),
    ];
    await sleep(seconds * 1000);
    const [to, after, counts] = [
      performance.now(),
      await meters(harness, database, running.pid),
      running.counts(),
    ];
    const generatorLagSeconds = running.lagSeconds();
    running.endArrivals();
    await sleep(TIMEOUT_MS);
    const due = running.samples.filter(({ endedMs, seconds: took }) => {
      const at = endedMs - took * 1000;
      return at >= from && at < to;
    });
    const refused = counts.refused - counted.refused;
    const failed = due.filter(({ outcome }) => outcome !== 'ok').length + refused;
    const slow = p95(due) ?? null;
    const used = (now: number | null, then: number | null) =>
      now === null || then === null ? null : Math.max(0, now - then);
    return {
      rate,
      round,
      requests: due.length + refused,
      failed,
      p95: slow,
      met: due.length > 0 && failed === 0 && slow !== null && slow <= objective,
      databaseCpuSeconds: used(after.database, before.database),
      shopCpuSeconds: used(after.shop, before.shop),
      statementSeconds: Math.max(0, after.statements - before.statements),
      visits: counts.visits - counted.visits,
      generatorLagSeconds,
    };
  } finally {
    await running.stop();
  }
}

/** Rates of a cell that earlier rounds have found, so that a later round begins near its knee. */
const firstRate = (cell: CapacityCell | undefined): number => {
  const met = cell && kneeOf(cell).met;
  return met ? met / 2 : RATES.first;
};

async function measure(harness: Harness, options: Options): Promise<Capacity> {
  const { base, sizes, rounds, seconds, think, highest, dir } = options;
  const file = path.join(dir, 'capacity.json');
  const settings = { base, sizes, rounds, stepSeconds: seconds, thinkMs: think, objectiveSeconds: objective };
  const known = await readCapacity(file);
  if (known && JSON.stringify(known.settings) !== JSON.stringify(settings))
    throw new Error(`${file} was measured with other settings: use those, or another --dir.`);
  const version = await onDatabase(
    harness.adminUrl,
    async (client) => (await client.query<{ server_version: string }>('SHOW server_version')).rows[0],
  );
  const capacity: Capacity = known ?? {
    format: 1,
    settings,
    machine: {
      cores: os.availableParallelism(),
      postgres: version?.server_version ?? '',
      node: process.version,
    },
    measuredOn: new Date().toISOString().slice(0, 10),
    cells: [],
  };
  for (let round = 1; round <= rounds; round += 1)
    for (const size of sizes)
      for (const model of options.models) {
        const cell = capacity.cells.find((each) => each.model === model && each.size === size);
        if (cell?.steps.some((each) => each.round === round)) continue;
        const template = await modelDatabase(
          {
            adminUrl: harness.adminUrl,
            ownerUrl: (database) => harness.url('owner', database),
            passwords: harness.passwords,
            timeZone: 'Etc/UTC',
            say,
          },
          { model, base, size, prefix: PREFIX },
        );
        const database = 'capacity_now';
        await harness.copy(database, template);
        const steps = await staircase(
          { first: firstRate(cell), highest, between: RATES.between },
          async (rate) => {
            const step = await measureStep(harness, { database, model, rate, round, seconds });
            say(
              `round ${round}, ${model}, ${size}x, ${rate} visits/s: p95 ${step.p95 === null ? 'none' : `${(step.p95 * 1000).toFixed(0)} ms`}, ${step.failed} of ${step.requests} failed${step.met ? '' : ': missed'}`,
            );
            return step;
          },
        );
        if (cell) cell.steps.push(...steps);
        else capacity.cells.push({ model, size, steps });
        await writeMeasured(file, capacitySchema, capacity);
      }
  return capacity;
}

const positive = (text: string) => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
};

const program = new Command('capacity')
  .description('visits a second at which each data model misses the objective; a killed run goes on')
  .addOption(new Option('--base <scale>', 'scale of size 1').choices(Object.keys(scales)).default('default'))
  .option('--sizes <list>', 'times the base', wholes, [1, 4])
  .option('--models <list>', models.join(', '), (text) => text.split(',') as Model[], [...models])
  .option('--rounds <n>', 'over all cells', whole, 2)
  .option('--seconds <n>', 'of a step', positive, 20)
  .option('--think <ms>', 'mean think time of a customer', positive, 1000)
  .option('--highest <n>', 'visits a second beyond which nothing is tried', positive, RATES.highest)
  .option(
    '--dir <directory>',
    'databases, and what was measured so far',
    path.join(os.tmpdir(), 'sqltrail-capacity'),
  )
  .option('--out <file>', 'where the result goes when it is complete', CAPACITY)
  .action(async (options: Options) => {
    await mkdir(options.dir, { recursive: true });
    const harness = await startHarness({
      dir: options.dir,
      scale: options.base,
      rate: 1,
      settings: { TimeZone: 'Etc/UTC' },
      load: {
        LOAD_THINK_MS: String(options.think),
        LOAD_TIMEOUT_MS: String(TIMEOUT_MS),
        // Who leaves takes load away, and the page that drove them away is not counted.
        LOAD_ABANDON_PROBABILITY: '0',
        LOAD_RETRY_SHARE: '0',
      },
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void harness.stop().finally(() => process.exit(130)));
    try {
      const capacity = await measure(harness, options);
      for (const { model, size, steps } of capacity.cells) {
        const { met, missed } = kneeOf({ steps });
        process.stdout.write(
          `${model}, ${size}x: met up to ${met ?? 'none'}, missed from ${missed ?? 'none'} visits/s\n`,
        );
      }
      await mkdir(path.dirname(options.out), { recursive: true });
      await writeMeasured(options.out, capacitySchema, capacity);
      say(`complete: ${options.out}`);
    } finally {
      await harness.stop();
    }
  });

await program.parseAsync();
