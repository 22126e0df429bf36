import { quote } from '../../../lib/pg/quote.ts';
import type { TableDescription } from '../description.ts';

/**
 * Of functions that are called by triggers: names do not come from whoever writes, and where it is so wanted, every
 * statement goes through the indexes of the keys, whatever the planner made of the sizes when it was planned first.
 */
export const settingsOf = (searchPath: string, indexed: boolean): string =>
  `SECURITY DEFINER SET search_path = ${searchPath} SET jit = off${
    indexed ? ' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off' : ''
  }`;

/** Where operators and functions of the table's columns are found. */
export const searchPathOf = (d: TableDescription): string =>
  [...new Set(['pg_catalog', ...d.columns.flatMap(({ typeSchemas }) => typeSchemas), d.table.schema])]
    .map((each) => quote(each))
    .concat('pg_temp')
    .join(', ');
