import { quote as id, literal } from '../../lib/pg/quote.ts';
import type { Settings } from '../../lib/pg/transaction.ts';
import type { TableDescription } from './description.ts';

/** Where operators and functions of the table's columns are found, quoted. */
export const searchPathOf = ({ columns, table }: TableDescription): string =>
  [...new Set(['pg_catalog', ...columns.flatMap(({ typeSchemas }) => typeSchemas), table.schema])]
    .map((each) => id(each))
    .concat('pg_temp')
    .join(', ');

/** Names and settings that do not come from whoever calls a function, or runs a transaction. */
export interface Environment {
  searchPath: string;
  /** Under which values are converted. */
  settings?: Settings;
}

const assignments = ({ searchPath, settings = {} }: Environment): string[] => [
  `search_path = ${searchPath}`,
  ...Object.entries(settings).map(([name, value]) => `${name} = ${literal(value)}`),
];

/** For the rest of a transaction. */
export const inSettings = (environment: Environment): string =>
  assignments(environment)
    .map((each) => `SET LOCAL ${each};`)
    .join('\n');

/** Of a function. */
export const settingsOf = (environment: Environment): string =>
  assignments(environment)
    .map((each) => `SET ${each}`)
    .join(' ');

const definerSettingsOf = (environment: Environment, indexed: boolean): string =>
  `SECURITY DEFINER ${settingsOf(environment)} SET jit = off${
    indexed ? ' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off' : ''
  }`;

/** A function that nobody may call but its owner. @param name quoted @param body from DECLARE or BEGIN to END */
export const functionSql = (
  name: string,
  { takes = '', returns, settings }: { takes?: string; returns: string; settings: string },
  body: string,
): string => `CREATE FUNCTION ${name}(${takes}) RETURNS ${returns} LANGUAGE plpgsql
  ${settings} AS $sqltrail$
#variable_conflict use_column
${body} $sqltrail$;
REVOKE EXECUTE ON FUNCTION ${name}(${takes}) FROM PUBLIC;`;

/**
 * One that is called by triggers. Where it is so wanted (`indexed`), every statement goes through the indexes of the
 * keys, whatever the planner made of the sizes when it was planned first.
 */
export const definerFunction = (
  { schema, ...environment }: Environment & { schema: string },
  fn: string,
  { indexed, ...signature }: { takes?: string; returns: string; indexed: boolean },
  body: string,
): string =>
  functionSql(id(schema, fn), { ...signature, settings: definerSettingsOf(environment, indexed) }, body);

/** A function of a trigger that fires after each statement; what it reads of the statement it keeps in the record `c`. */
export const statementTriggerFunction = (
  of: Environment & { schema: string },
  fn: string,
  body: string,
): string =>
  definerFunction(
    of,
    fn,
    { returns: 'trigger', indexed: false },
    `DECLARE
  c  record;
BEGIN
${body}
  RETURN NULL;
END`,
  );
