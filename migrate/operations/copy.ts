import { quote as id, quoteList } from '../../lib/pg/quote.ts';
import { inBatches } from '../batches.ts';
import type { Phase } from '../mapping.ts';
import type { Progress, Running } from '../migration.ts';
import { advanceCursor, finishCursor } from '../state.ts';
import type { DeclaredMigration } from './declared.ts';

/** Of the first batch, blocks of 8 kB. */
const FIRST_BLOCKS = 32;
const MAX_BLOCKS = 8_192;

/** Rows of a table, in the order in which they are stored. */
export interface Blocks {
  /** Of the migration, which keeps the cursor. */
  name: string;
  /** The table, quoted. */
  from: string;
  searchPath: string;
  /** Carries over the rows between the places `$1` and `$2`; may say how many units that was (`units`). */
  sql: string;
}

export function copyRows(
  run: Running,
  at: { phase: Phase; step: string },
  { rows, table, name }: DeclaredMigration,
): AsyncGenerator<Progress> {
  const from = id(table.schema, table.name);
  const columns = quoteList(rows.copied);
  const insert = `INSERT INTO ${id(table.schema, rows.newName)} (${columns}) OVERRIDING SYSTEM VALUE
    SELECT ${columns} FROM (SELECT ${columns} FROM ONLY ${from} WHERE ctid >= $1::tid AND ctid < $2::tid FOR SHARE) AS held
    ON CONFLICT (${quoteList(rows.newKey)}) DO NOTHING`;
  return copyBlocks(run, at, {
    name,
    from,
    searchPath: rows.searchPath,
    sql:
      rows.copy === undefined
        ? insert
        : `SELECT ${id(table.schema, rows.copy)}($1::tid, $2::tid)::float8 AS units`,
  });
}

/**
 * Copies the rows block by block, whatever their key is, up to the block that was the last one when it began: rows
 * that come or change later are brought by the triggers. The rows of a batch are held FOR SHARE, all of them before
 * anything is done with one, so that what is copied is what they say until the copy can be seen, and no batch comes to
 * wait for a row while somebody has long been waiting for one that it holds. Rows that the new table may not hold are put
 * there by a function of the plan, which notes those. A table that was rewritten meanwhile (VACUUM FULL, TRUNCATE) has
 * another file, and is read again from its beginning.
 */
export async function* copyBlocks(
  run: Running,
  at: { phase: Phase; step: string },
  { name, from, searchPath, sql }: Blocks,
): AsyncGenerator<Progress> {
  const { client } = run;
  const next = async (size: number) => {
    await client.query(`SET LOCAL search_path = ${searchPath}; LOCK TABLE ONLY ${from} IN ROW SHARE MODE`);
    const { rows: cursors } = await client.query<{ file: string; reached: string; upper: string }>(
      `INSERT INTO sqltrail.migration_cursor AS c (migration, legacy_table, reached, upper)
       VALUES ($1, format('%s, file %s', $2::text, pg_relation_filenode($2::regclass)), 0,
               pg_relation_size($2::regclass) / current_setting('block_size')::int)
       ON CONFLICT (migration, legacy_table) DO UPDATE SET updated_at = clock_timestamp()
       RETURNING legacy_table AS file, reached::text, upper::text`,
      [name, from],
    );
    const [cursor] = cursors;
    if (!cursor || BigInt(cursor.reached) >= BigInt(cursor.upper)) {
      if (cursor) await finishCursor(client, { migration: name, table: cursor.file });
      return undefined;
    }
    const started = performance.now();
    const end = BigInt(cursor.reached) + BigInt(size);
    const reached = String(end < BigInt(cursor.upper) ? end : BigInt(cursor.upper));
    const places = [`(${cursor.reached},0)`, `(${reached},0)`];
    await client.query(
      `SELECT count(*) FROM (SELECT FROM ONLY ${from} WHERE ctid >= $1::tid AND ctid < $2::tid FOR SHARE) AS held`,
      places,
    );
    const { rows: said, rowCount } = await client.query<{ units?: number }>(sql, places);
    const units = await advanceCursor(
      client,
      { migration: name, table: cursor.file },
      { reached, units: said[0]?.units ?? rowCount ?? 0, tookMs: performance.now() - started },
    );
    return { reached, upper: cursor.upper, units };
  };
  yield* inBatches(run, at, { size: FIRST_BLOCKS, maxSize: MAX_BLOCKS, next });
}
