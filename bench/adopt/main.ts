import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Application } from './application.ts';
import { blockaded } from './blockade.ts';
import { incident } from './incident.ts';
import { install } from './install.ts';
import { startLoad } from './load.ts';
import { pgBoss } from './pgBoss.ts';
import { Cleanup } from './processes.ts';
import { kpis, panels, pools, type Shown, spans, targets } from './shown.ts';
import { Observed } from './stack.ts';
import { unleash } from './unleash.ts';
import { vendure } from './vendure.ts';

const applications: readonly Application[] = [unleash, vendure, pgBoss];
const NAMES = applications.map(({ name }) => name).join(' | ');

const HELP = `node bench/adopt/main.ts <${NAMES}> [options]

Installs an application that was not written for sqltrail from npm, at a fixed version, observes it as
docs/your-service.md says, and prints what was shown: query spans and their parents, pools, every panel and KPI, and,
for faults that are planted in its database (an index that is gone, a transaction that was forgotten), the way from
the alert to the cause, its end and silence.

  --window <duration>  of the rates, in sqltrail.yaml (as init writes it: 5m); 1m is five times as fast
  --clients <n>        that put load on it at a time (6)
  --seconds <n>        of load before anything is read (150, or three windows)
  --no-fault           plants no faults
  --dir <directory>    for packages, which stay, and for the run (a directory in the system's temporary one)
  --help

Exit code: 0; 1 when something that should be shown is not; 2 for wrong input.

Examples:
  node bench/adopt/main.ts unleash
  node bench/adopt/main.ts unleash --window 1m --clients 4
  node bench/adopt/main.ts pg-boss --window 1m --dir /srv/adopt
`;

const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

interface Settings {
  window: string | undefined;
  clients: number;
  seconds: number;
  fault: boolean;
  dir: string;
}

async function show(
  application: Application,
  { window, clients, seconds, fault, dir }: Settings,
  cleanup: Cleanup,
  signal: AbortSignal,
): Promise<Shown[]> {
  const packages = path.join(dir, 'app');
  const runDir = path.join(dir, 'run');
  await rm(runDir, { recursive: true, force: true });
  await mkdir(runDir, { recursive: true });
  say(`Installing ${application.packages.join(' ')} …`);
  await install(application, packages, signal);

  const observed = await Observed.begin({ application, dir: runDir, packages, cleanup, signal });
  say('Starting it bare, to make its schema and some data …');
  const bare = await observed.startApplication(false);
  await application.fill(observed.surroundings, signal);
  await bare.stop();

  say('sqltrail init …');
  say((await observed.init(window)).trim());
  say('sqltrail up …');
  say((await observed.up()).trim());
  const service = await observed.startApplication(true);
  const load = startLoad(application.work(observed.surroundings), clients, application.pauseMs);
  cleanup.add(() => load.stop());
  say(`${clients} clients, for ${seconds} s …`);
  await sleep(seconds * 1_000, undefined, { signal });
  if (service.ended()) throw new Error(`the application ended:\n${service.output().slice(-2_000)}`);

  const shown: Shown[] = [
    ...(await targets(observed)),
    ...(await spans(application, observed)),
    ...(await pools(application, observed)),
  ];
  const before = [...(await panels(observed)), ...(await kpis(observed))];
  for (const { what, verdict, detail } of [...shown, ...before].filter((line) => line.verdict !== 'shown'))
    say(`${verdict}: ${what}: ${detail}`);
  const steps = [
    ...(fault && application.fault ? await incident(application.fault, observed, say) : []),
    ...(fault && application.blockade
      ? await blockaded(application, application.blockade, { observed, cleanup, say })
      : []),
  ];
  // What only an incident has is drawn by now.
  const after = steps.length > 0 ? [...(await panels(observed)), ...(await kpis(observed))] : [];
  const drawn = before.map((line) =>
    line.verdict === 'empty' ? (after.find(({ what }) => what === line.what) ?? line) : line,
  );
  const outcomes = [...load.outcomes()].sort(([, a], [, b]) => b - a);
  return [
    {
      what: 'load',
      verdict: 'shown',
      detail: outcomes.map(([name, count]) => `${count} × ${name}`).join(', ') || 'its own',
    },
    ...shown,
    ...steps,
    ...drawn,
  ];
}

const cell = (text: string) => text.replaceAll('|', '\\|').replace(/\s+/g, ' ');

function table(lines: readonly Shown[]): string {
  return [
    '| what | verdict | detail |',
    '| --- | --- | --- |',
    ...lines.map(({ what, verdict, detail }) => `| ${cell(what)} | ${verdict} | ${cell(detail)} |`),
    '',
    `shown ${lines.filter(({ verdict }) => verdict === 'shown').length}, left out ${lines.filter(({ verdict }) => verdict === 'left out').length}, empty ${lines.filter(({ verdict }) => verdict === 'empty').length}, MISSING ${lines.filter(({ verdict }) => verdict === 'MISSING').length}`,
    '',
  ].join('\n');
}

function parse(): { application: Application; settings: Settings } | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      window: { type: 'string' },
      clients: { type: 'string', default: '6' },
      seconds: { type: 'string' },
      'no-fault': { type: 'boolean', default: false },
      dir: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const application = applications.find(({ name }) => name === positionals[0]);
  if (!application || positionals.length !== 1) throw new Error(`Name one application: ${NAMES}.`);
  const whole = (name: string, text: string) => {
    if (!/^[1-9]\d{0,4}$/.test(text)) throw new Error(`--${name}: give a whole number, such as 6.`);
    return Number(text);
  };
  const { window } = values;
  if (window !== undefined && !/^[1-9]\d?m$/.test(window))
    throw new Error('--window: give minutes, such as 1m.');
  const minutes = Number.parseInt(window ?? '5m', 10);
  return {
    application,
    settings: {
      window,
      clients: whole('clients', values.clients),
      seconds: whole('seconds', values.seconds ?? String(Math.max(150, minutes * 180))),
      fault: !values['no-fault'],
      dir: path.resolve(values.dir ?? path.join(tmpdir(), 'sqltrail-adopt', application.name)),
    },
  };
}

const ending = new AbortController();
const cleanup = new Cleanup();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => ending.abort(new Error(`ended by ${name}`)));
try {
  const asked = parse();
  if (!asked) process.stdout.write(HELP);
  else {
    const lines = await show(asked.application, asked.settings, cleanup, ending.signal);
    process.stdout.write(table(lines));
    if (lines.some(({ verdict }) => verdict === 'MISSING')) process.exitCode = 1;
  }
} catch (error) {
  const { message, cause } = error as Error;
  process.stderr.write(`${message}${cause ? ` (${(cause as Error).message})` : ''}\n`);
  process.exitCode = cleanup.used ? 1 : 2;
} finally {
  await cleanup.run();
}
