import type pg from 'pg';

/** A name within Postgres's 63 bytes, cut between characters, with a suffix that stays whole. */
export function nameOf(base: string, suffix = ''): string {
  let cut = [...base];
  while (cut.length > 0 && Buffer.byteLength(cut.join('') + suffix) > 63) cut = cut.slice(0, -1);
  return cut.join('') + suffix;
}

/** The name, or the first of `name_1`, `name_2` ... that no relation of the schema has. */
export async function freeName(client: pg.ClientBase, schema: string, wanted: string): Promise<string> {
  for (let at = 0; ; at += 1) {
    const name = nameOf(wanted, at === 0 ? '' : `_${at}`);
    const { rowCount } = await client.query(
      'SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE nspname = $1 AND relname = $2',
      [schema, name],
    );
    if (rowCount === 0) return name;
  }
}
