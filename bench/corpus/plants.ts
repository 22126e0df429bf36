import { literal } from '../../lib/pg/quote.ts';

/** SQL of planted causes that need the catalogue. */

/** Drops the foreign key of the column and lets some rows refer to what is not there. */
export const orphans = (table: string, column: string, share: number, lost = `${column} + 100000000`) => `
  DO $plant$ DECLARE name text; BEGIN
    FOR name IN SELECT conname FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
      WHERE f.conrelid = ${literal(table)}::regclass AND f.contype = 'f' AND a.attname = ${literal(column.replaceAll('"', ''))}
    LOOP EXECUTE format('ALTER TABLE ${table} DROP CONSTRAINT %I', name); END LOOP;
  END $plant$;
  UPDATE ${table} SET ${column} = ${lost} WHERE hashtext(ctid::text) % 1000 < ${share * 1000} AND hashtext(ctid::text) >= 0;`;

/** Autovacuum never comes here, and rows were changed since the statistics were made. For `afterAnalyze`. */
export const leftAlone = (table: string, change: string) => `
  ALTER TABLE ${table} SET (autovacuum_enabled = off);
  ${change};`;
