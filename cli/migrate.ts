import { Command, InvalidArgumentError, Option } from 'commander';
import { setStore } from '../demo/clients.ts';
import { ConfigurationError } from '../lib/errors.ts';
import {
  type MigrationOptions,
  type MigrationPlan,
  type MigrationStatus,
  migrationStatus,
  type Progress,
  planMigration,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from '../migrate/engine.ts';
import { isPhase, type Phase, phases } from '../migrate/mapping.ts';
import { type Measured, timeline } from '../migrate/timeline.ts';
import { roadmap } from '../report/plan.ts';
import { readRecording } from '../report/recording.ts';
import { sessionTimeZone, shopMapping } from '../sample-shop/migration/mapping.ts';
import { ownerUrl, reported } from './fix.ts';

interface Flags {
  until: Phase;
  rollbackTo?: Phase | 'none';
  status: boolean;
  verify: boolean;
  yes: boolean;
  shop?: string;
  previousStore: string;
  timeZone?: string;
  duty: number;
  acceptSetAside: boolean;
  productionSize?: number;
  recording: string;
}

const write = (text: string) => process.stdout.write(`${text}\n`);

const UNITS: Record<string, number> = { MB: 1e6, GB: 1e9, TB: 1e12 };

function bytesOf(text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*([MGT]B)$/.exec(text) ?? [];
  const bytes = Number(value) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(bytes > 0)) throw new InvalidArgumentError('Give a size, such as 800GB.');
  return bytes;
}

/** What a run of the story has measured; undefined without a recording that got so far. */
async function measuredIn(file: string): Promise<Measured | undefined> {
  const recording = await readRecording(file).catch(() => undefined);
  const migration = recording?.migration;
  if (!migration || migration.backfill.length === 0) return undefined;
  return {
    unitMs: Object.fromEntries(migration.backfill.map(({ table, units, busyMs }) => [table, busyMs / units])),
    seconds: Object.fromEntries(
      migration.phases.flatMap(({ phase, startedAt, endedAt }) =>
        endedAt ? [[phase, (Date.parse(endedAt) - Date.parse(startedAt)) / 1000]] : [],
      ),
    ),
    units: migration.backfill.reduce((sum, { units }) => sum + units, 0),
  };
}

const span = (seconds: number): string =>
  seconds < 90
    ? `${Math.round(seconds)} s`
    : seconds < 5_400
      ? `${Math.round(seconds / 60)} min`
      : seconds < 172_800
        ? `${(seconds / 3_600).toFixed(1)} h`
        : `${(seconds / 86_400).toFixed(1)} days`;

/** The phases with owner, gate, risk and way back, and how long each takes; while it runs, from its journal. */
async function describePhases(
  plan: MigrationPlan,
  status: MigrationStatus | undefined,
  flags: Flags,
): Promise<string> {
  const bytes = plan.steps.reduce((sum, step) => sum + (step.bytes ?? 0), 0);
  const times = flags.productionSize && bytes > 0 ? flags.productionSize / bytes : 1;
  const measured = await measuredIn(flags.recording);
  const phases = timeline({ plan, status, measured, duty: flags.duty, times });
  const marks = { done: '✔', running: '▶', 'to come': ' ' } as const;
  let from = 0;
  const lines = phases.map(({ phase, state, seconds, from: source }) => {
    const what = roadmap.find((each) => each.phase === phase);
    const begins = state === 'to come' && Number.isFinite(from) ? `in ${span(from)}, ` : '';
    if (state !== 'done') from += seconds ?? Number.NaN;
    const takes =
      seconds === null
        ? `duration unknown (${source})`
        : state === 'done'
          ? `took ${span(seconds)}`
          : `${begins}${span(seconds)}${state === 'running' ? ' left' : ''} (${source})`;
    return [
      `${marks[state]} ${phase.padEnd(15)} ${takes}`,
      ...(state === 'done'
        ? []
        : [
            `    owner  ${what?.owner}`,
            `    gate   ${what?.gate}`,
            `    risk   ${what?.risk}`,
            `    back   ${what?.back}`,
          ]),
    ].join('\n');
  });
  return [
    ...lines,
    flags.productionSize
      ? `Durations for ${(flags.productionSize / 1e9).toFixed(0)} GB, ${times.toFixed(1)} times the tables here.`
      : 'Durations for the tables as they are here; --production-size extrapolates them.',
    'Between cutover-writes and contract a full cycle of the business passes; it is not counted.',
  ].join('\n');
}

function show({ phase, step, event, detail }: Progress): void {
  if (event === 'batch') {
    if (process.stderr.isTTY)
      process.stderr.write(`\r\x1b[K  ${phase}: ${step} ${JSON.stringify(detail ?? {})}`);
    return;
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (event === 'phase done') write(`✔ ${phase}`);
  else if (event === 'phase undone') write(`↩ ${phase}`);
  else if (event === 'paused' || event === 'retry')
    write(`  ${phase}: ${event} ${JSON.stringify(detail ?? {})}`);
}

/** The shop's own switch, when its address is given; without it the migration stops before the cutover. */
function switcher(shop: string | undefined): Pick<MigrationOptions, 'switchStore'> {
  if (!shop) return {};
  const token = process.env['SQLTRAIL_TOKEN'];
  if (!token) throw new ConfigurationError('--shop needs the shop’s token in SQLTRAIL_TOKEN.');
  const targets = { shop, token, prometheus: '', alertmanager: '', console: '', load: '' };
  return { switchStore: (store) => setStore(targets, store) };
}

/** `sqltrail fix medium-term`. */
export function migrateCommand(signal: AbortSignal): Command {
  return new Command('medium-term')
    .description(
      'carry the shop to the refactored model online, in phases with a way back; shows the plan first, changes nothing without --yes',
    )
    .argument('[url]', 'the owner of the legacy tables; or set DATABASE_URL')
    .addOption(
      new Option('--until <phase>', 'the last phase of this run').choices([...phases]).default('verify'),
    )
    .addOption(
      new Option('--rollback-to <phase>', 'undo the phases after this one').choices(['none', ...phases]),
    )
    .option('--status', 'how far it is and how long the rest takes, and end', false)
    .option('--verify', 'compare both models, and end; exit code 1 when they differ', false)
    .option('--yes', 'do it', false)
    .option('--shop <url>', 'the shop, to exchange its store at the cutover (token in SQLTRAIL_TOKEN)')
    .option('--previous-store <name>', 'the store in use before the migration', 'legacy')
    .option(
      '--time-zone <name>',
      'the zone in which the dates kept as text are meant; that of the sessions of the database without it',
    )
    .option(
      '--duty <share>',
      'share of the time in which the backfill works',
      (text) => {
        const value = Number(text);
        if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('Give a number above 0, at most 1.');
        return value;
      },
      0.5,
    )
    .option(
      '--production-size <size>',
      'extrapolate the durations to tables of this size, such as 800GB',
      bytesOf,
    )
    .option(
      '--recording <file>',
      'a recording of the story whose measured rates are used',
      'out/recording.json',
    )
    .option(
      '--accept-set-aside',
      'go on although some rows cannot be held by the new model; they stay in the legacy tables and in the ledger',
      false,
    )
    .action((given: string | undefined, flags: Flags) =>
      reported(async () => {
        const url = ownerUrl(given);
        const mapping = await shopMapping({ timeZone: flags.timeZone ?? (await sessionTimeZone(url)) });
        const at = { url, mapping };
        if (flags.status) {
          const status = await migrationStatus(at);
          if (!status) {
            write('The migration has not begun.');
            return;
          }
          write(
            `Phase ${status.phase}${status.inPhase ? `, in ${status.inPhase}` : ''}; ${status.stepsDone} steps done; store before: ${status.previousStore}.`,
          );
          for (const { kind, table, entries } of status.ledger) write(`  ${entries} ${kind} in ${table}`);
          if (status.phase !== 'contract')
            write(`\n${await describePhases(await planMigration(at), status, flags)}`);
          return;
        }
        if (flags.verify) {
          const { equal, tables, money, unproven } = await verifyMigration({ ...at, signal });
          write(
            `${tables.length} tables and ${money.length} sums of money compared: ${equal ? 'equal' : 'they differ'}.`,
          );
          for (const name of unproven) write(`  not proven: ${name}`);
          if (!equal) process.exitCode = 1;
          return;
        }
        const options: MigrationOptions = {
          ...at,
          ...switcher(flags.shop),
          previousStore: flags.previousStore,
          dutyCycle: flags.duty,
          acceptSetAside: flags.acceptSetAside,
          signal,
        };
        const { rollbackTo, until } = flags;
        const plan = await planMigration(options);
        if (rollbackTo)
          write(
            `It is at ${plan.phase}; everything after ${rollbackTo} would be undone, the last step first.`,
          );
        else {
          write(`${await describePhases(plan, await migrationStatus(at), flags)}\n`);
          for (const { phase, name, lock, done, reversible } of plan.steps)
            if (isPhase(phase) && phases.indexOf(phase) <= phases.indexOf(until))
              write(
                `${done ? '✔' : ' '} ${phase.padEnd(15)} ${name}   [${lock}${reversible ? '' : '; no way back'}]`,
              );
        }
        if (!flags.yes) {
          write('\nNothing was changed. Run it again with --yes to do this.');
          return;
        }
        const run = rollbackTo
          ? rollbackMigration({ ...options, to: rollbackTo })
          : runMigration({ ...options, until, yes: true });
        for await (const progress of run) show(progress);
        write('sqltrail fix medium-term --status shows how far it is.');
      }),
    );
}
