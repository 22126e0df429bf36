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
  json?: boolean;
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
    .argument('[url]', 'URL with the owner of the table, or a superuser; or set DATABASE_URL')
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
              `Give the file of a plan: sqltrail migrate ${name} URL FILE. sqltrail migrate plan creates one.`,
            );
          const url = databaseUrl(given, `migrate ${name} postgres://owner`);
          await work(await operationAt(url, file, signal, flags), flags);
        }),
      );

const yes = (to: Command) =>
  to.option('--yes', 'do it; without this option, only show what would be done', false);

/** Of `complete`, where columns go. */
export const acceptUse = (to: Command): Command =>
  to.option('--accept-use', 'drop old columns even if functions or statements contain their names', false);

export const STATUS = 'show the progress, and what was kept apart';

/** Of `status`. */
export const asJson = (to: Command): Command =>
  to.option('--json', 'the status as JSON, and nothing else; null if it has not begun', false);

/** `sqltrail migrate ahead`, which is the same in a clone. */
export function aheadCommand(migrate: Command, signal: AbortSignal): void {
  yes(
    verbsOf(migrate, signal)(
      'ahead',
      'create future partitions of a table that sqltrail partitioned; for a weekly job',
      (at, flags) => partitionsAhead(at, flags.ahead, flags.yes),
    ),
  ).option('--ahead <count>', 'number of ranges ahead of the current one', wholeNumber(0), 3);
}

/** `sqltrail migrate` for tables of any database; in a clone, migrate.ts has the demo's model too. */
export function tableMigrateCommand(signal: AbortSignal): Command {
  const migrate = new Command('migrate')
    .description(
      'change large tables online, in reversible phases: partition a table, change the type of a column, or move columns to a table of their own',
    )
    .addHelpText('after', EXAMPLES);
  const verb = verbsOf(migrate, signal);
  const duty = (to: Command) => to.option('--duty <share>', 'share of the time to spend copying', share, 0.5);

  operationOptions(
    operationArguments(
      ofTable(migrate, 'plan', 'write a plan with all SQL to a file, or refuse with the reasons'),
    ),
  )
    .option('--time-zone <name>', 'time zone of range boundaries, and of times without a zone', 'UTC')
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
      verb(
        'start',
        'carry out the migration up to a phase, or resume it if it was stopped or killed',
        (at, flags) => startOperation(at, flags.until, flags.yes),
      ),
    ),
  ).addOption(
    new Option('--until <phase>', 'the last phase to run; the contract is run by sqltrail migrate complete')
      .choices(operationPhases.filter((phase) => phase !== 'contract'))
      .default('verify'),
  );
  asJson(verb('status', STATUS, operationStatus));
  verb('verify', 'compare both tables; exit code 1 if they differ', verifyOperation);
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
