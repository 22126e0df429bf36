import type pg from 'pg';
import { quote as id } from '../../../lib/pg/quote.ts';
import type { ComparedChunk, Verification, VerifyOptions } from '../../verify.ts';
import { CHUNK, compareRanges } from '../ranges.ts';
import { triggerName } from '../sync.ts';
import type { MovedMigration } from './declared.ts';
import { columnsOf, type Key } from './keySets.ts';

/** The key in the text array of a parameter. */
const parameter = (key: Key, at: number) =>
  key.map(({ type }, place) => `($${at}::text[])[${place + 1}]::${type}`).join(', ');
const columns = (key: Key, alias: string) => columnsOf(key, alias).join(', ');
const after = (key: Key, alias: string) =>
  `($1::text[] IS NULL OR (${columns(key, alias)}) > (${parameter(key, 1)}))`;

/** What is after `$1` and up to `$2`, each null where there is no such end. */
export const inRange = (key: Key, alias: string): string =>
  `${after(key, alias)} AND ($2::text[] IS NULL OR (${columns(key, alias)}) <= (${parameter(key, 2)}))`;

/** @param from the table, quoted @param where condition on its alias `t`, for a key that may be null */
export const boundSql = (from: string, key: Key, where?: string): string =>
  `SELECT ARRAY[${key.map(({ name }) => `t.${id(name)}::text`).join(', ')}] AS bound FROM ${from} AS t /* sqltrail */
 WHERE ${where ? `${where} AND ` : ''}${after(key, 't')}
 ORDER BY ${columns(key, 't')} OFFSET ${CHUNK - 1} LIMIT 1`;

/** Compares old columns and new table by ranges of the key, both ways. */
export async function compareMoved(
  client: pg.ClientBase,
  { table, moved, operation }: MovedMigration,
  options: VerifyOptions,
): Promise<Verification> {
  const started = performance.now();
  const { rows: triggers } = await client.query<{ cutover: boolean }>(
    'SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2) AS cutover',
    [id(table.schema, moved.into), triggerName({ direction: 'reverse' }, 'INSERT')],
  );
  const { bound, before, after: afterCutover = before } = moved.compare;
  const sql = triggers[0]?.cutover ? afterCutover : before;
  const result = await compareRanges(
    `${table.schema}.${moved.into}`,
    {
      async boundAfter(from) {
        const { rows } = await client.query<{ bound: string[] }>(bound, [from]);
        return rows[0]?.bound ?? null;
      },
      async compare(from, to) {
        const { rows } = await client.query<ComparedChunk>(sql, [from, to]);
        const [chunk] = rows;
        if (!chunk) throw new Error(`the comparison of ${operation} has no result`);
        return chunk;
      },
    },
    options,
  );
  return {
    equal: result.missing + result.surplus === 0,
    tables: [result],
    money: [],
    ledger: [],
    setAside: 0,
    unproven: [],
    durationMs: performance.now() - started,
  };
}
