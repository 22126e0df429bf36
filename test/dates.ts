import { rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { busyLoops } from './support/busyLoops.ts';
import { localOf, momentOfDay, namedDays, RUN_ZONES, sampleOf } from './support/calendar.ts';
import { libfaketime, withoutWaits } from './support/faketime.ts';
import { passedRuns } from './support/passedRuns.ts';
import { projectsOf, runSuite, type SuiteRun, sayRun, untilInterrupted, whole } from './support/suite.ts';

const HELP = `npm run test:dates -- [options] [files]

The suite under shifted clocks (libfaketime), once a date and time zone.

  --dates    comma-separated: names (below), YYYY-MM-DD (noon), or YYYY-MM-DDTHH:MM as the zone's clocks show it;
             all names by default
  --zones    comma-separated IANA time zones, of the tests and of their server (${RUN_ZONES.join(',')})
  --loops    busy loops a core beside it, as in test:slow (0)
  --project  comma-separated: unit, integration, e2e (unit,integration)
  --sample   one random date of the last years in one of the zones, instead of all; printed, so that it can be repeated
  --seed     the same random date again
  --resume   leave out what has passed with the same files and options
  --help

Names: ${Object.keys(namedDays).join(', ')}; each is the latest that is over.
`;

const OUT = path.join(import.meta.dirname, '..', 'out', 'dates');
const say = (text: string) => process.stdout.write(`${text}\n`);

/**
 * Makes the clocks of a process and its children show `moment` now, and go on from there. Not a clock that starts at a
 * date (FAKETIME=@...), which would begin anew in each process, and not the monotonic clock: timers go by that.
 *
 * @param library see withoutWaits
 */
const clockEnvironment = (library: string, moment: number, zone: string): NodeJS.ProcessEnv => {
  const seconds = Math.round((moment - Date.now()) / 1000);
  return {
    ...process.env,
    TZ: zone,
    LD_PRELOAD: library,
    FAKETIME: `${seconds < 0 ? '' : '+'}${seconds}`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // Otherwise a wait of a thread for a length of time (condition variables, Atomics.wait) ends at once on recent C
    // libraries, and whoever waits in a loop takes a processor for nothing.
    FAKETIME_FORCE_MONOTONIC_FIX: '0',
  };
};

function table(
  runs: { day: string; zone: string; run: SuiteRun }[],
  days: string[],
  zones: string[],
): string {
  const cell = (day: string, zone: string) => {
    const run = runs.find((each) => each.day === day && each.zone === zone)?.run;
    if (!run) return '-';
    return run.ok
      ? `${run.passed} ok`
      : `${run.passed} ok, ${Math.max(run.failed, run.failures.length)} FAILED`;
  };
  const rows = [['', ...zones], ...days.map((day) => [day, ...zones.map((zone) => cell(day, zone))])];
  const widths = ['', ...zones].map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dates: { type: 'string' },
      zones: { type: 'string' },
      loops: { type: 'string', default: '0' },
      project: { type: 'string', default: 'unit,integration' },
      sample: { type: 'boolean', default: false },
      seed: { type: 'string' },
      resume: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const projects = projectsOf(values.project);
  const perCore = whole('loops', values.loops, 0);
  const now = Date.now();
  let days = values.dates?.split(',') ?? Object.keys(namedDays);
  let zones = values.zones?.split(',') ?? RUN_ZONES;
  if (values.sample || values.seed !== undefined) {
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
    if (!Number.isInteger(seed)) throw new Error(`--seed ${values.seed}: is no whole number`);
    const sample = sampleOf(seed, now);
    [days, zones] = [[sample.day], [sample.zone]];
    say(
      `Date by seed ${seed}; again: npm run test:dates -- --dates ${sample.day} --zones ${sample.zone} --project ${projects.join(',')}`,
    );
  }
  const planned = days.flatMap((day) =>
    zones.map((zone) => ({ day, zone, moment: momentOfDay(day, zone, now) })),
  );
  const library = await libfaketime();
  if (!library) {
    say('Skipped: libfaketime is not installed. Debian and Ubuntu: apt-get install libfaketime.');
    return 0;
  }
  const passed = await passedRuns(path.join(OUT, 'passed.jsonl'), path.join(import.meta.dirname, '..'));
  const signal = untilInterrupted();
  const endLoops = busyLoops(perCore);
  const clock = await withoutWaits(library);
  const runs: { day: string; zone: string; run: SuiteRun }[] = [];
  for (const { day, zone, moment } of planned) {
    if (signal.aborted) break;
    const title = `[${runs.length + 1}/${planned.length}] ${localOf(moment, zone)} ${zone.padEnd(16)} ${day.padEnd(16)}`;
    const log = path.join(
      OUT,
      `${localOf(moment, zone).replace(':', '')}-${zone.replaceAll('/', '-')}-${projects.join('-')}.log`,
    );
    const what = [day, zone, perCore, projects, positionals].join(' ');
    const before = values.resume ? passed.of(what) : undefined;
    const env = clockEnvironment(clock.file, moment, zone);
    const run = before ?? (await runSuite({ projects, files: positionals, env, log, signal }));
    runs.push({ day, zone, run });
    sayRun(title, run, before && 'before');
    if (!before) await passed.add(what, run);
  }
  await endLoops();
  await rm(clock.directory, { recursive: true, force: true });
  if (planned.length > 1) say(`\n${table(runs, days, zones)}\n`);
  const failed = runs.filter(({ run }) => !run.ok).length;
  say(
    `${runs.length - failed} of ${planned.length} runs passed${signal.aborted ? '; interrupted' : ''}${failed > 0 ? '; output in out/dates' : ''}.`,
  );
  return failed > 0 || runs.length < planned.length ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
