import type pg from 'pg';
import type { IndexTarget } from '../../fix/action.ts';

/** Whether the index is there, and serves. */
export async function indexState(
  client: pg.ClientBase,
  { schema, name }: Pick<IndexTarget, 'schema' | 'name'>,
): Promise<'absent' | 'invalid' | 'valid'> {
  const { rows } = await client.query<{ valid: boolean }>(
    `SELECT i.indisvalid AND i.indisready AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, name],
  );
  return rows[0] === undefined ? 'absent' : rows[0].valid ? 'valid' : 'invalid';
}
