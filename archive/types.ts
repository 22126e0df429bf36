import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';

/** A column in Postgres's terms; `type` as format_type() tells it. */
export interface Column {
  name: string;
  type: string;
  /** Its name in the file, where that is another one (names.ts). */
  as?: string;
  /** Computed by Postgres from others: it can be read in the archive, and is computed again by a restore. */
  generated?: true;
}

/**
 * How the values of a file are written. `plain`: as Postgres writes them. `escaped`: as its `encode(…, 'escape')` does,
 * for text of an SQL_ASCII database that is no UTF-8.
 */
export type Form = 'plain' | 'escaped';

/**
 * A value is kept as its type's output function writes it, and that depends on these. They are set for the transaction
 * in which values are written, compared, deleted or read back, whatever role, database or pooler say. By lc_monetary an
 * amount of money is written as in the United States, with two decimals.
 */
export const PINNED = `SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1; SET LOCAL lc_monetary = 'C'; SET LOCAL xmloption = 'content'; SET LOCAL xmlbinary = 'base64'; SET LOCAL client_encoding = 'UTF8';
SET LOCAL array_nulls = on; SET LOCAL quote_all_identifiers = off; SET LOCAL jit = off; SET LOCAL statement_timeout = 0`;

export const fileColumn = ({ name, as }: Column): string => as ?? name;

/** What a restore writes; Postgres computes the others. */
export const stored = (columns: readonly Column[]): Column[] => columns.filter(({ generated }) => !generated);

const object =
  /^reg(class|collation|config|database|dictionary|namespace|oper|operator|proc|procedure|role|type)(\[\])?$/;

/** SQL of a column's value as it is exported; `value` is SQL that names it. */
export function valueSql({ type }: Pick<Column, 'type'>, value: string, form: Form = 'plain'): string {
  // What stands for an object is its OID: its name depends on search_path, and need not be there.
  const [, , array] = object.exec(type) ?? [];
  const exported = object.test(type) ? `${value}::oid${array ?? ''}` : value;
  if (form === 'escaped')
    return `CASE WHEN num_nulls(${value}) = 0 THEN encode(convert_to(concat(${exported}), 'SQL_ASCII'), 'escape') END`;
  return type === 'boolean' ? `${value}::text` : exported;
}

/** The type of an array of keys, by the type of the key; undefined for one that does not tell units apart by its text. */
export function keyType(type: string): 'bigint' | 'uuid' | 'text' | undefined {
  if (['smallint', 'integer', 'bigint'].includes(type)) return 'bigint';
  if (type === 'uuid') return 'uuid';
  return /^(text|character varying(\(\d+\))?)$/.test(type) ? 'text' : undefined;
}

/** Types that Postgres writes and does not read: rows of them could not be restored. */
const unreadable = new Set([
  'gtsvector',
  'pg_brin_bloom_summary',
  'pg_brin_minmax_multi_summary',
  'pg_dependencies',
  'pg_mcv_list',
  'pg_ndistinct',
  'pg_node_tree',
]);

export const unreadableColumns = (columns: readonly Column[]): Column[] =>
  stored(columns).filter(({ type }) => unreadable.has(type.replace(/(\[\])+$/, '')));

/** Types of which every value can be read back. */
const always =
  /^(smallint|integer|bigint|boolean|text|bytea|uuid|numeric|real|double precision|jsonb?|character varying(\(\d+\))?)$/;
const checked = (columns: readonly Column[]) =>
  stored(columns).filter(({ type }) => !always.test(type) && !object.test(type));
const PG_INPUT_IS_VALID = 160_000;

const readableValue = ({ name, type }: Column, quote: (name: string) => string) =>
  `(num_nulls(${quote(name)}) = 1 OR pg_input_is_valid(concat(${quote(name)}), ${pg.escapeLiteral(type)}))`;

/**
 * SQL of a condition on a row: Postgres reads what it writes of it. Not all values are so, such as a timestamp(0) that
 * was rounded up past the last one. True before Postgres 16, which has no way to ask.
 */
export const readableSql = (
  columns: readonly Column[],
  quote: (name: string) => string,
  form: Form,
  serverVersion: number,
): string =>
  form === 'escaped' || serverVersion < PG_INPUT_IS_VALID
    ? 'true'
    : checked(columns)
        .map((column) => readableValue(column, quote))
        .join(' AND ') || 'true';

/** Which value of the rows it is, for people. */
export async function unreadableValue(
  client: pg.ClientBase,
  columns: readonly Column[],
  quote: (name: string) => string,
  rows: string,
): Promise<string> {
  for (const column of checked(columns)) {
    const { rows: found } = await client.query<{ value: string }>(
      `SELECT left(v, 100) AS value FROM (SELECT concat(${quote(column.name)}) AS v, ${readableValue(column, quote)} AS ok FROM ${rows}) AS x WHERE NOT ok LIMIT 1`,
    );
    if (found[0]) return `${column.name}: ${found[0].value}`;
  }
  return 'the column is not known';
}

/** A regular expression on the hexadecimal digits of bytes that are UTF-8. */
const UTF8 =
  '^([0-7].|(c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|(e[1-9a-c]|e[ef])([89ab].){2}|ed[89].[89ab].|f0[9ab].([89ab].){2}|f[1-3]([89ab].){3}|f48.([89ab].){2})*$';

/** How the rows have to be written. Reads them all where the database does not know its encoding. */
export async function formOf(
  client: pg.ClientBase,
  columns: readonly Column[],
  quote: (name: string) => string,
  rows: string,
): Promise<Form> {
  const { rows: told } = await client.query<{ encoding: string }>(
    "SELECT current_setting('server_encoding') AS encoding",
  );
  if (told[0]?.encoding !== 'SQL_ASCII') return 'plain';
  const valid = columns.map(
    ({ name }) => `encode(convert_to(concat(${quote(name)}), 'SQL_ASCII'), 'hex') ~ '${UTF8}'`,
  );
  const { rows: found } = await client.query<{ valid: boolean }>(
    `SELECT coalesce(bool_and(${valid.join(' AND ')}), true) AS valid FROM ${rows}`,
  );
  return found[0]?.valid ? 'plain' : 'escaped';
}

/** @throws OperationError for keys whose bytes a file of that form holds in another spelling */
export function checkKeyForm(form: Form, type: string | undefined, table: string): void {
  if (form === 'escaped' && type && keyType(type) === 'text')
    throw new OperationError(
      `${table} has a text key, and text that is not UTF-8 in a database with the encoding SQL_ASCII. Give a whole number or a uuid as its key in the policy. Nothing was removed from the database.`,
    );
}
