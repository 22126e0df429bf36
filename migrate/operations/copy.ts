import { quote as id } from '../../lib/pg/quote.ts';
import { inBatches } from '../batches.ts';
import type { Phase } from '../mapping.ts';
import type { Progress, Running } from '../migration.ts';
import type { DeclaredMigration } from './declared.ts';

/** Of the first batch, blocks of 8 kB. */
const FIRST_BLOCKS = 32;
const MAX_BLOCKS = 8_192;

/**
 * Copies the rows block by block, whatever their key is, up to the block that was the last one when it began: rows
 * that come or change later are brought by the triggers. The rows of a batch are held FOR SHARE, so that what is
 * copied is what they say until the copy can be seen. A table that was rewritten meanwhile (VACUUM FULL, TRUNCATE) has
 * another file, and is read again from its beginning.
 */
export async function* copyRows(
  run: Running,
  at: { phase: Phase; step: string },
  declared: DeclaredMigration,
): AsyncGenerator<Progress> {
  const { client } = run;
  const { rows, table, name } = declared;
  const from = id(table.schema, table.name);
  const to = id(table.schema, rows.newName);
  const columns = rows.copied.map((column) => id(column)).join(', ');
  const conflict = rows.newKey.map((column) => id(column)).join(', ');
  const sql = `INSERT INTO ${to} (${columns}) OVERRIDING SYSTEM VALUE
    SELECT ${columns} FROM (SELECT ${columns} FROM ONLY ${from} WHERE ctid >= $1::tid AND ctid < $2::tid FOR SHARE) AS held
    ON CONFLICT (${conflict}) DO NOTHING`;
  const next = async (size: number) => {
    await client.query(
      `SET LOCAL search_path = ${rows.searchPath}; LOCK TABLE ONLY ${from} IN ROW SHARE MODE`,
    );
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
      await client.query(
        'UPDATE sqltrail.migration_cursor SET done = true WHERE migration = $1 AND legacy_table = $2',
        [name, cursor?.file],
      );
      return undefined;
    }
    const started = performance.now();
    const end = BigInt(cursor.reached) + BigInt(size);
    const reached = String(end < BigInt(cursor.upper) ? end : BigInt(cursor.upper));
    const { rowCount } = await client.query(sql, [`(${cursor.reached},0)`, `(${reached},0)`]);
    const { rows: after } = await client.query<{ units: number }>(
      `UPDATE sqltrail.migration_cursor SET reached = $3, units = units + $4, batches = batches + 1,
              busy_ms = busy_ms + $5, updated_at = clock_timestamp()
        WHERE migration = $1 AND legacy_table = $2 RETURNING units::float8`,
      [name, cursor.file, reached, rowCount ?? 0, performance.now() - started],
    );
    return { reached, upper: cursor.upper, units: after[0]?.units };
  };
  yield* inBatches(run, at, { size: FIRST_BLOCKS, maxSize: MAX_BLOCKS, next });
}
