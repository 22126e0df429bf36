import { quote as id } from '../../../lib/pg/quote.ts';

/** Keys that changed are noted while nobody reads the new table, so that no write waits for another one. */

/** A change of one side that comes from the other is not sent back to it; for the transaction only. */
export const GUARD = 'sqltrail.moved';

/** @param queue quoted */
export const queueSql = (queue: string, key: readonly { name: string; type: string }[]): string =>
  `CREATE TABLE ${queue} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ${key.map(({ name, type }) => `${id(name)} ${type} NOT NULL`).join(', ')});`;

/**
 * Takes keys out of the queue and gives them to a function, an array for each column.
 *
 * @param columns of the queue that are a key
 * @param put quoted
 */
export function drainSql(
  queue: string,
  columns: readonly string[],
  put: string,
): { last: string; batch: string } {
  const of = (alias: string) => columns.map((column) => `${alias}.${column}`).join(', ');
  return {
    last: `SELECT coalesce(max(q.id), 0)::text AS last FROM ${queue} AS q`,
    batch: `WITH oldest AS MATERIALIZED ( /* sqltrail */
  SELECT DISTINCT ${of('o')} FROM (SELECT ${of('q')} FROM ${queue} AS q WHERE q.id <= $2 ORDER BY q.id LIMIT $1) AS o),
taken AS (DELETE FROM ${queue} AS q USING oldest AS o WHERE ${columns.map((column) => `q.${column} = o.${column}`).join(' AND ')} RETURNING ${of('q')}),
given AS MATERIALIZED (SELECT count(*)::int AS units, ${columns.map((column) => `array_agg(d.${column}) AS ${column}`).join(', ')} FROM (SELECT DISTINCT ${of('t')} FROM taken AS t) AS d)
SELECT units, ${put}(${of('given')}) FROM given`,
  };
}
