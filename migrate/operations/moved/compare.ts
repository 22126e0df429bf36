import type pg from 'pg';
import { quote as id } from '../../../lib/pg/quote.ts';
import { noComparison, type TableComparison, type Verification, type VerifyOptions } from '../../verify.ts';
import type { MovedMigration } from './declared.ts';

/** Rows of the old table that one statement compares. */
export const CHUNK = 20_000;

type Chunk = Pick<TableComparison, 'legacyRows' | 'rebuiltRows' | 'missing' | 'surplus' | 'samples'>;

/**
 * Compares old columns and new table by ranges of the key, both ways. Exact while writes go on: each range is one
 * statement, which sees both at the same moment.
 */
export async function compareMoved(
  client: pg.ClientBase,
  { table, moved, operation }: MovedMigration,
  { signal, pace = async () => {} }: VerifyOptions,
): Promise<Verification> {
  const started = performance.now();
  const result = noComparison(`${table.schema}.${moved.into}`);
  const { rows: triggers } = await client.query<{ cutover: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = 'sqltrail_reverse_insert') AS cutover`,
    [id(table.schema, moved.into)],
  );
  const { bound, before, after = before } = moved.compare;
  const sql = triggers[0]?.cutover ? after : before;
  for (let from: string[] | null = null; ; ) {
    signal?.throwIfAborted();
    await pace();
    const bounds: pg.QueryResult<{ bound: string[] }> = await client.query(bound, [from]);
    const to: string[] | null = bounds.rows[0]?.bound ?? null;
    const { rows } = await client.query<Chunk>(sql, [from, to]);
    const [chunk] = rows;
    if (!chunk) throw new Error(`the comparison of ${operation} has no result`);
    result.chunks += 1;
    result.legacyRows += chunk.legacyRows;
    result.rebuiltRows += chunk.rebuiltRows;
    result.missing += chunk.missing;
    result.surplus += chunk.surplus;
    result.differingChunks += chunk.missing + chunk.surplus > 0 ? 1 : 0;
    result.samples = [...result.samples, ...chunk.samples].slice(0, 5);
    if (to === null) break;
    from = to;
  }
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
