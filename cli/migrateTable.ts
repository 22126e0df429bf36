import { Command, InvalidArgumentError, Option } from 'commander';
import { ConfigurationError } from '../lib/errors.ts';
import { type Phase, phases, type Reached } from '../migrate/mapping.ts';
import { operationPhases } from '../migrate/operations/declared.ts';
import { wholeNumber } from './arguments.ts';
import { databaseUrl, reported } from './database.ts';
import {
  type At,
  EXAMPLES,
  operationAt,
  operationStatus,
  partitionsAhead,
  rollbackOperation,
  shifted,
  startOperation,
  verifyOperation,
} from './migrateOperation.ts';
import { type OperationFlags, operationArguments, operationOptions, planOperation } from './migratePlan.ts';

interface Flags {
  duty?: number;
  until: Phase;
  to: Reached;
  ahead: number;
  yes: boolean;
  acceptUse?: boolean;
}

/** Share of the time in which the copy works. */
export const share = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('Give a number above 0, at most 1.');
  return value;
};

const ofTable = (migrate: Command, name: string, description: string): Command =>
  migrate
    .command(name)
    .description(description)
    .argument('[url]', 'the owner of the table, or a superuser; or set DATABASE_URL')
    .addHelpText('after', EXAMPLES);

/** Adds commands that take the file of a plan. */
const verbsOf =
  (migrate: Command, signal: AbortSignal) =>
  (name: string, description: string, work: (at: At, flags: Flags) => Promise<void>): Command =>
    ofTable(migrate, name, description)
      .argument('[file]', 'the plan')
      .action((first: string | undefined, second: string | undefined, flags: Flags) =>
        reported(async () => {
          const [given, file] = shifted(first, second);
          if (!file)
            throw new ConfigurationError(
              `Give the file of a plan: sqltrail migrate ${name} URL FILE. sqltrail migrate plan makes one.`,
            );
          const url = databaseUrl(given, `migrate ${name} postgres://owner`);
          await work(await operationAt(url, file, signal, flags), flags);
        }),
      );

const yes = (to: Command) => to.option('--yes', 'do it; without it only what would be done is shown', false);

/** Of `complete`, where columns go. */
export const acceptUse = (to: Command): Command =>
  to.option('--accept-use', 'drop old columns although functions or statements have their names', false);

/** `sqltrail migrate ahead`, which is the same in a clone. */
export function aheadCommand(migrate: Command, signal: AbortSignal): void {
  yes(
    verbsOf(migrate, signal)(
      'ahead',
      'make partitions ahead for a table that was partitioned here; for a weekly job',
      (at, flags) => partitionsAhead(at, flags.ahead, flags.yes),
    ),
  ).option('--ahead <count>', 'ranges ahead of the present one', wholeNumber(0), 3);
}

/** `sqltrail migrate` for tables of any database; in a clone, migrate.ts has the demo's model too. */
export function tableMigrateCommand(signal: AbortSignal): Command {
  const migrate = new Command('migrate')
    .description(
      'change large tables online, in phases with a way back: partition a table, give a column another type, or move columns to a table of their own',
    )
    .addHelpText('after', EXAMPLES);
  const verb = verbsOf(migrate, signal);
  const duty = (to: Command) =>
    to.option('--duty <share>', 'share of the time in which the copy works', share, 0.5);

  operationOptions(
    operationArguments(
      ofTable(migrate, 'plan', 'what will be done, as a file with all SQL; refuses with the reasons'),
    ),
  )
    .option('--time-zone <name>', 'the zone of midnight for ranges, and of times without one', 'UTC')
    .action(
      (
        first: string | undefined,
        second: string | undefined,
        third: string | undefined,
        fourth: string | undefined,
        flags: OperationFlags,
      ) =>
        reported(async () => {
          const [given, operation = '', ...target] = shifted(first, second, third, fourth);
          await planOperation(databaseUrl(given, 'migrate plan postgres://owner'), operation, target, flags);
        }),
    );
  yes(
    duty(
      verb('start', 'carry it out up to a phase, or resume it where it was stopped or killed', (at, flags) =>
        startOperation(at, flags.until, flags.yes),
      ),
    ),
  ).addOption(
    new Option('--until <phase>', 'the last phase of this run; sqltrail migrate complete has the contract')
      .choices(operationPhases.filter((phase) => phase !== 'contract'))
      .default('verify'),
  );
  verb('status', 'how far it is', operationStatus);
  verb('verify', 'compare both tables; exit code 1 when they differ', verifyOperation);
  yes(
    verb('rollback', 'undo phases, the last step first; no write is lost', (at, flags) =>
      rollbackOperation(at, flags.to, flags.yes),
    ),
  ).addOption(
    new Option('--to <phase>', 'the phase to go back to').choices(['none', ...phases]).default('none'),
  );
  acceptUse(
    yes(
      duty(
        verb('complete', 'drop the old table or columns, after which there is no way back', (at, flags) =>
          startOperation(at, 'contract', flags.yes),
        ),
      ),
    ),
  );
  aheadCommand(migrate, signal);
  return migrate;
}
