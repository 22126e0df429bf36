import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import type { PartitionOptions } from '../migrate/operations/choices.ts';
import { intervals } from '../migrate/operations/intervals.ts';
import { planEavToJsonb } from '../migrate/operations/moved/eav.ts';
import type { EavOptions } from '../migrate/operations/moved/eavColumns.ts';
import { type ExtractOptions, planExtract } from '../migrate/operations/moved/extract.ts';
import { planSplitList } from '../migrate/operations/moved/splitList.ts';
import type { SplitListOptions } from '../migrate/operations/moved/splitListContent.ts';
import { planPartition } from '../migrate/operations/partition.ts';
import { type Plan, writePlan } from '../migrate/operations/plan.ts';
import { planRetype, type RetypeOptions } from '../migrate/operations/retype.ts';
import { wholeNumber } from './arguments.ts';
import { write } from './migrateOperation.ts';

/** Of `migrate plan`, when an operation is given. */
export type OperationFlags = Omit<PartitionOptions, 'table' | 'by' | 'timeZone'> &
  Omit<RetypeOptions, 'target' | 'type' | 'timeZone'> &
  Omit<SplitListOptions, 'table' | 'column'> &
  Pick<ExtractOptions, 'resolve'> &
  Pick<EavOptions, 'leaveOut'> & {
    entity?: readonly string[];
    attribute?: string;
    values?: readonly string[];
    columns?: readonly string[];
    key?: string;
    by?: string;
    timeZone?: string;
    out?: string;
  };

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const collect = (value: string, previous: string[]) => [...previous, value];
const listOf = (text: string) => text.split(',').map((column) => column.trim());

function ruleOf(text: string): NonNullable<ExtractOptions['resolve']> {
  const [, column] = /^latest-by\s+(\S.*)$/.exec(text) ?? [];
  if (column) return { kind: 'latest-by', column };
  if (text !== 'most-frequent')
    throw new InvalidArgumentError('Give most-frequent, or "latest-by COLUMN" with a column of the table.');
  return { kind: 'most-frequent' };
}

/** `app.articles.tags`, as SQL writes it: the last name is the column. */
function columnOf(target: string | undefined): { table: string; column: string } | undefined {
  const { table, column } =
    /^(?<table>.+)\.(?<column>"(?:[^"]|"")+"|[^".]+)$/.exec(target ?? '')?.groups ?? {};
  if (!table || !column) return undefined;
  return {
    table,
    column: column.startsWith('"') ? column.slice(1, -1).replaceAll('""', '"') : column.toLowerCase(),
  };
}

interface Operation {
  needs: string;
  example: string;
  /** Undefined where it lacks what it needs. */
  plan(url: string, given: readonly (string | undefined)[], flags: OperationFlags): Promise<Plan> | undefined;
}

const operations: Record<string, Operation> = {
  partition: {
    needs: 'a table and a column',
    example: 'partition app.events --by created_at',
    plan: (url, [table], { by, timeZone = 'UTC', ...flags }) =>
      table && by ? planPartition(url, { ...flags, table, by, timeZone }) : undefined,
  },
  retype: {
    needs: 'a column and its new type',
    example: 'retype app.orders.placed_on date',
    plan: (url, [target, type], { timeZone = 'UTC', ...flags }) =>
      target && type ? planRetype(url, { ...flags, target, type, timeZone }) : undefined,
  },
  'split-list': {
    needs: 'a column',
    example: 'split-list app.articles.tags',
    plan: (url, [target], flags) => {
      const column = columnOf(target);
      return column && planSplitList(url, { ...flags, ...column });
    },
  },
  extract: {
    needs: 'a table, columns, their key and a name',
    example: 'extract app.bookings --columns guest_name,guest_city --key guest_id --into guests',
    plan: (url, [table], { columns, key, into, resolve }) =>
      table && columns && key && into
        ? planExtract(url, { table, columns, key, into, ...(resolve ? { resolve } : {}) })
        : undefined,
  },
  'eav-to-jsonb': {
    needs: 'a table and its columns of entity, attribute and values',
    example: 'eav-to-jsonb app.device_settings --entity device_id --attribute name --values value',
    plan: (url, [table], { entity, attribute, values, leaveOut, into }) =>
      table && entity && attribute && values
        ? planEavToJsonb(url, { table, entity, attribute, values, leaveOut, ...(into ? { into } : {}) })
        : undefined,
  },
};

/** What an operation is given, in the order of the command line. */
export const operationArguments = (to: Command): Command =>
  to
    .argument('[operation]', Object.keys(operations).join(', '))
    .argument(
      '[target]',
      'partition, extract, eav-to-jsonb: the table, such as app.events; retype, split-list: the column, such as app.orders.total',
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
    .option(
      '--ahead <count>',
      'partition: number of ranges to create ahead of the current one',
      wholeNumber(0),
      3,
    )
    .option(
      '--retain <count>',
      'partition: number of ranges to keep; noted in the plan for archive',
      wholeNumber(1),
    )
    .option('--from <date>', 'partition: older rows stay in the default partition', (text) => {
      if (!DATE.test(text)) throw new InvalidArgumentError('Give a date, such as 2020-01-01.');
      return text;
    })
    .option('--extend-keys', 'partition: add the column to keys that lack it', false)
    .option('--drop-foreign-keys', 'partition: drop foreign keys that refer to a changed key', false)
    .option('--accept-triggers', 'keep triggers that mention the column', false)
    .option(
      '--format <pattern>',
      'retype: format of dates in text, such as DD.MM.YYYY (default: ISO 8601); for numbers: seconds or milliseconds since 1970',
    )
    .option(
      '--minor-units <decimals>',
      'retype: convert amounts to whole numbers of the smallest unit, such as 2 for cents',
      wholeNumber(0),
    )
    .option('--using <sql>', 'retype: SQL expression over the column’s name that gives the new value')
    .option('--back <sql>', 'retype: SQL expression that reverses --using')
    .option('--default <sql>', 'retype: the column’s default in the new type')
    .option('--also <column=type>', 'retype: another column of the table; may be repeated', collect, [])
    .option(
      '--accept-changes',
      'retype: also convert values that differ after a rollback, such as 1.5, which comes back as 1.50',
      false,
    )
    .option('--separator <text>', 'split-list: separator between the entries of a text', ',')
    .option(
      '--into <name>',
      'split-list, extract, eav-to-jsonb: name of the new table (default for split-list: TABLE_COLUMN; for eav-to-jsonb: TABLE_documents)',
    )
    .option('--accept-quotes', 'split-list: treat quotes and backslashes as ordinary characters', false)
    .option('--merge-empty', 'split-list: treat a missing list and an empty one alike', false)
    .option('--columns <names>', 'extract: the copied columns, such as guest_name,guest_city', listOf)
    .option('--key <column>', 'extract: the column that determines them')
    .option(
      '--resolve <rule>',
      'extract: which of contradicting copies to use: most-frequent, or "latest-by COLUMN"',
      ruleOf,
    )
    .option('--entity <columns>', 'eav-to-jsonb: columns that identify what a row is about', listOf)
    .option('--attribute <column>', 'eav-to-jsonb: column with the name of the attribute')
    .option(
      '--values <columns>',
      'eav-to-jsonb: column with its value, or one each for texts, numbers and booleans',
      listOf,
    )
    .option('--leave-out <columns>', 'eav-to-jsonb: columns that no document needs', listOf, [])
    .option('--out <file>', 'file to write the plan to (default: migration-TABLE.yaml)');

/** Plans an operation and writes it to a file. @throws OperationError with every reason why it cannot be done */
export async function planOperation(
  url: string,
  operation: string,
  given: readonly (string | undefined)[],
  flags: OperationFlags,
): Promise<void> {
  const known = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
  if (!known)
    throw new ConfigurationError(
      `There is no operation ${operation}. Operations: ${Object.keys(operations).join(', ')}.`,
    );
  const planned = known.plan(url, given, flags);
  if (!planned)
    throw new ConfigurationError(
      `${operation} needs ${known.needs}: sqltrail migrate plan URL ${known.example}`,
    );
  const declared = await planned;
  const file = flags.out ?? `migration-${declared.table.name.replaceAll(/[^\p{L}\p{N}_-]/gu, '_')}.yaml`;
  await writeFile(file, writePlan(declared), { flag: 'wx' }).catch((error) => {
    if (errorCode(error) === 'EEXIST')
      throw new ConfigurationError(`${file} exists already. Remove it, or name another file with --out.`);
    throw new ConfigurationError(`${file} could not be written: ${(error as Error).message}`);
  });
  for (const note of declared.notes) write(`- ${note}`);
  write(
    `\nThe plan is in ${file}: read it, then run sqltrail migrate start URL ${file}. Nothing was changed.`,
  );
}
