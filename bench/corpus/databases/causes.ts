import type { Judged } from '../../thirdParty/database.ts';

/** An index whose columns are the beginning of another one’s, or the same. */
export const prefix = (table: string, column: string, why = 'the beginning of another index'): Judged => ({
  check: 'duplicate-index',
  table,
  columns: [column],
  why,
});
