import type pg from 'pg';
import { literal } from '../lib/pg/quote.ts';

/**
 * Why something is kept apart. Of a mapping: copies that contradict each other, rows that refer to nothing, values that
 * were normalised, and units that the new model cannot hold. Of an operation: values that do not convert, and after
 * the cutover such that do not convert back; copies of a key that contradict each other, values that were replaced after
 * the cutover, that old columns said when they went, and rows that old columns cannot hold after a rollback.
 */
export type KeptKind =
  | 'contradiction'
  | 'orphan'
  | 'normalised'
  | 'set aside'
  | 'not converted'
  | 'not convertible back'
  | 'written later'
  | 'left at complete'
  | 'rolled back';

/** Nothing that has no place is dropped: what of one kind is kept apart, and where. */
export interface Kept {
  kind: KeptKind;
  /** Name of the table that it comes from. */
  table: string;
  /** From 1. */
  entries: number;
  /** SQL that shows it. */
  query: string;
}

/** What a mapping keeps. */
export async function keptInLedger(client: pg.ClientBase, migration: string): Promise<Kept[]> {
  const { rows } = await client.query<Omit<Kept, 'query'>>(
    `SELECT kind, legacy_table AS "table", count(*)::int AS entries FROM sqltrail.migration_resolution
      WHERE migration = $1 AND superseded_at IS NULL GROUP BY kind, legacy_table ORDER BY kind, legacy_table`,
    [migration],
  );
  return rows.map((row) => ({
    ...row,
    query: `SELECT * FROM sqltrail.migration_resolution WHERE migration = ${literal(migration)} AND superseded_at IS NULL AND kind = ${literal(row.kind)} AND legacy_table = ${literal(row.table)}`,
  }));
}
