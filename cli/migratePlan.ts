import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import type { PartitionOptions } from '../migrate/operations/choices.ts';
import { type DeclaredMigration, writeDeclared } from '../migrate/operations/declared.ts';
import { intervals } from '../migrate/operations/intervals.ts';
import { planPartition } from '../migrate/operations/partition.ts';
import { planRetype, type RetypeOptions } from '../migrate/operations/retype.ts';
import { wholeNumber } from './arguments.ts';
import { write } from './migrateOperation.ts';

/** Of `migrate plan`, when an operation is given. */
export type OperationFlags = Omit<PartitionOptions, 'table' | 'by' | 'timeZone'> &
  Omit<RetypeOptions, 'target' | 'type' | 'timeZone'> & {
    by?: string;
    timeZone?: string;
    out?: string;
  };

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const collect = (value: string, previous: string[]) => [...previous, value];

/** What an operation is given, in the order of the command line. */
export const operationArguments = (to: Command): Command =>
  to
    .argument('[operation]', 'partition, or retype')
    .argument(
      '[target]',
      'partition: the table, such as app.events; retype: the column, such as app.orders.total',
    )
    .argument('[type]', "retype: the new type, such as date or 'numeric(12, 2)'");

export const operationOptions = (to: Command): Command =>
  to
    .option('--by <column>', 'partition: the date or timestamp column whose ranges become partitions')
    .addOption(
      new Option('--interval <length>', 'partition: length of a range')
        .choices([...intervals])
        .default('month'),
    )
    .option('--ahead <count>', 'partition: ranges made ahead of the present one', wholeNumber(0), 3)
    .option(
      '--retain <count>',
      'partition: ranges after which one may leave; noted for archive',
      wholeNumber(1),
    )
    .option('--from <date>', 'partition: rows before it stay in the default partition', (text) => {
      if (!DATE.test(text)) throw new InvalidArgumentError('Give a date, such as 2020-01-01.');
      return text;
    })
    .option('--extend-keys', 'partition: keys that lack the column get it', false)
    .option('--drop-foreign-keys', 'partition: drop foreign keys that refer to a key which changes', false)
    .option('--accept-triggers', 'keep triggers that name the column', false)
    .option(
      '--format <pattern>',
      'retype: of dates in text, such as DD.MM.YYYY (ISO 8601 without it); of numbers: seconds or milliseconds since 1970',
    )
    .option(
      '--minor-units <decimals>',
      'retype: amounts become whole numbers of the smallest unit, such as 2 for cents',
      wholeNumber(0),
    )
    .option('--using <sql>', 'retype: the value in the new type, over the column’s name')
    .option('--back <sql>', 'retype: the way back of --using')
    .option('--default <sql>', 'retype: the column’s default in the new type')
    .option('--also <column=type>', 'retype: a further column of the table; may be repeated', collect, [])
    .option(
      '--accept-changes',
      'retype: convert values that would be others after a rollback, as 1.5 comes back as 1.50',
      false,
    )
    .option('--out <file>', 'file that the plan is written to; migration-TABLE.yaml without it');

/** @throws ConfigurationError where an operation lacks what it needs */
async function planOf(
  url: string,
  operation: string,
  [target, type]: readonly (string | undefined)[],
  { by, timeZone = 'UTC', ...flags }: OperationFlags,
): Promise<DeclaredMigration> {
  if (operation === 'partition') {
    if (!target || !by)
      throw new ConfigurationError(
        'partition needs a table and a column: sqltrail migrate plan URL partition app.events --by created_at',
      );
    return planPartition(url, { table: target, by, timeZone, ...flags });
  }
  if (operation === 'retype') {
    if (!target || !type)
      throw new ConfigurationError(
        'retype needs a column and its new type: sqltrail migrate plan URL retype app.orders.placed_on date',
      );
    return planRetype(url, { target, type, timeZone, ...flags });
  }
  throw new ConfigurationError(`There is no operation ${operation}; there are partition and retype.`);
}

/** Plans an operation and writes it to a file. @throws OperationError with every reason why it cannot be done */
export async function planOperation(
  url: string,
  operation: string,
  given: readonly (string | undefined)[],
  flags: OperationFlags,
): Promise<void> {
  const declared = await planOf(url, operation, given, flags);
  const file = flags.out ?? `migration-${declared.table.name.replaceAll(/[^\p{L}\p{N}_-]/gu, '_')}.yaml`;
  await writeFile(file, writeDeclared(declared), { flag: 'wx' }).catch((error) => {
    if (errorCode(error) === 'EEXIST')
      throw new ConfigurationError(`${file} is there already. Remove it, or name another file with --out.`);
    throw new ConfigurationError(`${file} could not be written: ${(error as Error).message}`);
  });
  for (const note of declared.notes) write(`- ${note}`);
  write(
    `\nThe plan is in ${file}: read it, then run sqltrail migrate start URL ${file}. Nothing was changed.`,
  );
}
