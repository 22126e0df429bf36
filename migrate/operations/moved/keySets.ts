import { quote as id } from '../../../lib/pg/quote.ts';

/** Columns that tell rows apart; in rows of our own they are `k0`, `k1` ..., names that no table's columns have. */
export type Key = readonly { name: string; type: string }[];

/** In a list of columns. */
export const keyColumns = (key: Key, alias?: string): string =>
  key.map((_, at) => `${alias ? `${alias}.` : ''}k${at}`).join(', ');
/** @param of SQL of each column */
export const named = (of: readonly string[]): string => of.map((each, at) => `${each} AS k${at}`).join(', ');
/** @param of SQL of each column */
export const equal = (of: readonly string[], alias: string): string =>
  of.map((each, at) => `${each} = ${alias}.k${at}`).join(' AND ');
export const columnsOf = (key: Key, alias: string): string[] => key.map(({ name }) => `${alias}.${id(name)}`);

/** Of the parameters of a function that is given keys: an array for each column. */
export const keyTypes = (key: Key): string => key.map(({ type }) => `${type}[]`).join(', ');
/** Those parameters as rows `c`. */
export const givenKeys = (key: Key): string =>
  `unnest(${key.map((_, at) => `$${at + 1}`).join(', ')}) AS c (${keyColumns(key)})`;
/** Such arrays in the variable `c`, from a query that gives keys. */
export const collected = (key: Key, query: string): string =>
  `SELECT ${key.map((_, at) => `array_agg(d.k${at}) AS k${at}`).join(', ')} INTO c FROM (${query}) AS d;`;
/** Gives them to a function. @param fn quoted */
export const handedTo = (key: Key, fn: string): string =>
  `IF c.k0 IS NOT NULL THEN
    PERFORM ${fn}(${keyColumns(key, 'c')});
  END IF;`;

/**
 * Statements of a trigger function for the keys of the rows that a statement wrote, changed or removed. Rows whose values
 * did not change count too: an update may have moved one to where the copy has been already.
 *
 * @param of SQL of each key column, of an alias `r`
 * @param truncate what is done where it removed all
 * @param make statements from a query that gives keys
 */
export function byEvent(of: readonly string[], truncate: string, make: (query: string) => string): string {
  const rows = (table: string) => `SELECT DISTINCT ${named(of)} FROM ${table} AS r`;
  return `  IF TG_OP = 'TRUNCATE' THEN
    ${truncate}
    RETURN NULL;
  ELSIF TG_OP = 'INSERT' THEN
    ${make(rows('new_rows'))}
  ELSIF TG_OP = 'DELETE' THEN
    ${make(rows('old_rows'))}
  ELSE
    ${make(`${rows('new_rows')} UNION ${rows('old_rows')}`)}
  END IF;`;
}
