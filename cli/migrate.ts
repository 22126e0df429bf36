import { Command, InvalidArgumentError, Option } from 'commander';
import { setStore } from '../demo/clients.ts';
import { ConfigurationError } from '../lib/errors.ts';
import {
  type MigrationOptions,
  type MigrationPlan,
  type MigrationStatus,
  migrationStatus,
  planMigration,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from '../migrate/engine.ts';
import { type Phase, phases, type Reached } from '../migrate/mapping.ts';
import { type Measured, timeline } from '../migrate/timeline.ts';
import { roadmap } from '../report/plan.ts';
import { readRecording } from '../report/recording.ts';
import { sessionTimeZone, shopMapping } from '../sample-shop/migration/mapping.ts';
import { databaseUrl, reported } from './database.ts';
import { keptText } from './keptText.ts';
import {
  EXAMPLES,
  NOTHING,
  operationAt,
  operationStatus,
  rollbackOperation,
  shifted,
  showProgress,
  startOperation,
  verifyOperation,
  write,
  writeJson,
  writeSteps,
} from './migrateOperation.ts';
import { type OperationFlags, operationArguments, operationOptions, planOperation } from './migratePlan.ts';
import { acceptUse, aheadCommand, asJson, STATUS, share } from './migrateTable.ts';

/** Of the commands; each has those that its options name. */
interface Flags {
  until: Phase;
  to: Reached;
  yes: boolean;
  shop?: string;
  previousStore: string;
  timeZone?: string;
  duty: number;
  acceptSetAside: boolean;
  acceptUse?: boolean;
  productionSize?: number;
  recording: string;
  json?: boolean;
}

type PlanFlags = Pick<Flags, 'duty' | 'productionSize' | 'recording'>;

const ownerUrl = (given: string | undefined) => databaseUrl(given, 'migrate plan postgres://owner');

const WITHOUT_FILE = 'Without an operation or a file, the sample shop’s refactored model is meant.';

const UNITS: Record<string, number> = { MB: 1e6, GB: 1e9, TB: 1e12 };

function bytesOf(text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*([MGT]B)$/.exec(text) ?? [];
  const bytes = Number(value) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(bytes > 0)) throw new InvalidArgumentError('Give a size, such as 800GB.');
  return bytes;
}

/** What a run of the demo has measured; undefined without a recording that got so far. */
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
  flags: PlanFlags,
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

/** The shop's own switch, when its address is given; without it the migration stops before the cutover. */
function switcher(shop: string | undefined): Pick<MigrationOptions, 'switchStore'> {
  if (!shop) return {};
  const token = process.env['SQLTRAIL_TOKEN'];
  if (!token) throw new ConfigurationError('--shop needs the shop’s token in SQLTRAIL_TOKEN.');
  const targets = { shop, token, prometheus: '', alertmanager: '', console: '', load: '' };
  return { switchStore: (store) => setStore(targets, store) };
}

type At = Pick<MigrationOptions, 'url' | 'mapping'>;

async function target(given: string | undefined, timeZone: string | undefined): Promise<At> {
  const url = ownerUrl(given);
  return { url, mapping: await shopMapping({ timeZone: timeZone ?? (await sessionTimeZone(url)) }) };
}

/** The phases with their durations, and the steps up to `until`, each with its lock. */
async function writePlan(at: At, plan: MigrationPlan, flags: PlanFlags, until: Phase): Promise<void> {
  write(`${await describePhases(plan, await migrationStatus(at), flags)}\n`);
  writeSteps(plan, until);
}

const NEXT = 'sqltrail migrate status shows the progress.';

/** `sqltrail migrate plan | start | status | verify | rollback | complete | ahead`. */
export function migrateCommand(signal: AbortSignal): Command {
  const migrate = new Command('migrate')
    .description(
      'change large tables online, in reversible phases: partition any table, change the types of its columns, or migrate the sample shop to its refactored model',
    )
    .addHelpText('after', `${EXAMPLES}\n${WITHOUT_FILE}`);
  const command = (name: string, description: string) =>
    migrate
      .command(name)
      .description(description)
      .argument('[url]', 'URL with the owner of the tables, or a superuser; or set DATABASE_URL')
      .addHelpText('after', `${EXAMPLES}\n${WITHOUT_FILE}`)
      .option(
        '--time-zone <name>',
        'time zone of range boundaries and of times without a zone (default: UTC), or of the shop’s dates stored as text (default: that of the sessions)',
      );
  const withFile = (name: string, description: string) =>
    command(name, description).argument(
      '[file]',
      'the plan of an operation; without it, the shop’s migration',
    );
  const operation = (given: string | undefined, file: string, flags: Flags) =>
    operationAt(ownerUrl(given), file, signal, flags);
  const planOptions = (to: Command) =>
    to
      .option('--duty <share>', 'share of the time to spend on the backfill', share, 0.5)
      .option(
        '--production-size <size>',
        'extrapolate the durations to tables of this size, such as 800GB',
        bytesOf,
      )
      .option(
        '--recording <file>',
        'recording of the demo to take measured rates from',
        'out/recording.json',
      );
  const changing = (to: Command) =>
    to
      .option('--shop <url>', 'URL of the shop, to switch its store at the cutover (token in SQLTRAIL_TOKEN)')
      .option('--previous-store <name>', 'the store in use before the migration', 'legacy')
      .option('--yes', 'do it; without this option, only show the plan', false);
  const optionsOf = (at: At, flags: Flags): MigrationOptions => ({
    ...at,
    ...switcher(flags.shop),
    previousStore: flags.previousStore,
    ...(flags.duty === undefined ? {} : { dutyCycle: flags.duty }),
    acceptSetAside: flags.acceptSetAside ?? false,
    signal,
  });

  operationOptions(
    operationArguments(
      planOptions(
        command(
          'plan',
          'write the plan of an operation on a table to a file; without an operation, show the phases and steps of the shop’s migration',
        ),
      ),
    ),
  ).action(
    (
      given: string | undefined,
      operationName: string | undefined,
      targetName: string | undefined,
      type: string | undefined,
      flags: Flags & OperationFlags,
    ) =>
      reported(async () => {
        const [url, name, ...wanted] = shifted(given, operationName, targetName, type);
        if (name) return planOperation(ownerUrl(url), name, wanted, flags);
        const at = await target(given, flags.timeZone);
        await writePlan(at, await planMigration(at), flags, 'contract');
      }),
  );

  changing(
    planOptions(
      withFile('start', 'carry out the migration up to a phase, or resume it if it was stopped or killed'),
    ),
  )
    .addOption(
      new Option('--until <phase>', 'the last phase to run; the contract is run by sqltrail migrate complete')
        .choices(phases.filter((phase) => phase !== 'contract'))
        .default('verify'),
    )
    .option(
      '--accept-set-aside',
      'continue even if the new model cannot hold some rows; they stay in the legacy tables and in the ledger',
      false,
    )
    .action((first: string | undefined, second: string | undefined, flags: Flags) =>
      reported(async () => {
        const [given, file] = shifted(first, second);
        if (file) return startOperation(await operation(given, file, flags), flags.until, flags.yes);
        const at = await target(given, flags.timeZone);
        const options = optionsOf(at, flags);
        await writePlan(at, await planMigration(options), flags, flags.until);
        if (!flags.yes) {
          write(NOTHING);
          return;
        }
        for await (const progress of runMigration({ ...options, until: flags.until })) showProgress(progress);
        write(NEXT);
      }),
    );

  asJson(planOptions(withFile('status', `${STATUS}, and how long the rest will take`))).action(
    (first: string | undefined, second: string | undefined, flags: Flags) =>
      reported(async () => {
        const [given, file] = shifted(first, second);
        if (file) return operationStatus(await operation(given, file, flags), flags);
        const at = await target(given, flags.timeZone);
        const status = await migrationStatus(at);
        if (flags.json) return writeJson(status);
        if (!status) {
          write('The migration has not begun.');
          return;
        }
        write(
          `Phase ${status.phase}${status.inPhase ? `, in ${status.inPhase}` : ''}; ${status.stepsDone} steps done; store before: ${status.previousStore}.`,
        );
        for (const kept of status.ledger) write(keptText(kept));
        if (status.phase !== 'contract')
          write(`\n${await describePhases(await planMigration(at), status, flags)}`);
      }),
  );

  withFile('verify', 'compare both models; exit code 1 if they differ').action(
    (first: string | undefined, second: string | undefined, flags: Flags) =>
      reported(async () => {
        const [given, file] = shifted(first, second);
        if (file) return verifyOperation(await operation(given, file, flags));
        const at = await target(given, flags.timeZone);
        const { equal, tables, money, unproven } = await verifyMigration({ ...at, signal });
        write(
          `${tables.length} tables and ${money.length} sums of money compared: ${equal ? 'equal' : 'they differ'}.`,
        );
        for (const name of unproven) write(`  not proven: ${name}`);
        if (!equal) process.exitCode = 1;
      }),
  );

  changing(withFile('rollback', 'undo phases, the last step first; no write is lost'))
    .addOption(
      new Option('--to <phase>', 'the phase to go back to').choices(['none', ...phases]).default('none'),
    )
    .action((first: string | undefined, second: string | undefined, flags: Flags) =>
      reported(async () => {
        const [given, file] = shifted(first, second);
        if (file) return rollbackOperation(await operation(given, file, flags), flags.to, flags.yes);
        const at = await target(given, flags.timeZone);
        const options = optionsOf(at, flags);
        const { phase } = await planMigration(options);
        write(
          `The current phase is ${phase}; everything after ${flags.to} would be undone, the last step first.`,
        );
        if (!flags.yes) {
          write(NOTHING);
          return;
        }
        for await (const progress of rollbackMigration({ ...options, to: flags.to })) showProgress(progress);
        write(NEXT);
      }),
    );

  acceptUse(
    changing(
      withFile(
        'complete',
        'drop the legacy tables or columns (the contract phase); this cannot be rolled back',
      ),
    ),
  ).action((first: string | undefined, second: string | undefined, flags: Flags) =>
    reported(async () => {
      const [given, file] = shifted(first, second);
      if (file) return startOperation(await operation(given, file, flags), 'contract', flags.yes);
      const at = await target(given, flags.timeZone);
      const options = optionsOf(at, flags);
      const plan = await planMigration(options);
      for (const { phase, name, lock, done } of plan.steps)
        if (!done) write(`  ${phase.padEnd(15)} ${name}   [${lock}]`);
      if (!flags.yes) {
        write(NOTHING);
        return;
      }
      for await (const progress of runMigration({ ...options, until: 'contract', yes: true }))
        showProgress(progress);
      write(NEXT);
    }),
  );
  aheadCommand(migrate, signal);
  return migrate;
}
