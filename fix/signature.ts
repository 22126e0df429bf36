import type pg from 'pg';

/**
 * Definition of an index without its name, its table and where it is stored: two indexes of a table with the same one
 * serve the same statements. Method, keys, operator classes, collations, order, included columns, predicate. Names are
 * qualified while the search path is pg_catalog.
 *
 * @param index SQL of the index's pg_index row alias
 */
const signatureSql = (index: string) => `json_build_array(
  (SELECT amname FROM pg_am JOIN pg_class ON relam = pg_am.oid WHERE pg_class.oid = ${index}.indexrelid),
  ${index}.indnkeyatts,
  ARRAY(SELECT pg_get_indexdef(${index}.indexrelid, k, false) FROM generate_series(1, ${index}.indnatts) AS k),
  ARRAY(SELECT format('%I.%I', nspname, opcname) FROM unnest(${index}.indclass::oid[]) WITH ORDINALITY AS c(own, at)
          JOIN pg_opclass ON pg_opclass.oid = own JOIN pg_namespace ON pg_namespace.oid = opcnamespace ORDER BY at),
  ARRAY(SELECT (SELECT format('%I.%I', nspname, collname) FROM pg_collation JOIN pg_namespace ON pg_namespace.oid = collnamespace
                 WHERE pg_collation.oid = own) FROM unnest(${index}.indcollation::oid[]) WITH ORDINALITY AS c(own, at) ORDER BY at),
  ${index}.indoption::text,
  ARRAY(SELECT coalesce(attoptions::text, '') FROM pg_attribute WHERE attrelid = ${index}.indexrelid ORDER BY attnum),
  coalesce(to_jsonb(${index}) ->> 'indnullsnotdistinct', 'false'),
  pg_get_expr(${index}.indpred, ${index}.indrelid))::text`;

export interface KnownIndex {
  oid: number;
  relation: number;
  schema: string;
  name: string;
  signature: string;
  unique: boolean;
  valid: boolean;
  comment: string | null;
}

/**
 * Indexes of a table, or one by its OID or its table and name. Within a transaction of its own, because names in the
 * signature depend on the search path.
 */
export async function readIndexes(
  client: pg.ClientBase,
  by: { relation: number } | { oid: number },
): Promise<KnownIndex[]> {
  return inTransaction(client, () => indexesNow(client, by));
}

/** As {@link readIndexes}, within the transaction that is open; sets its search path. */
export async function indexesNow(
  client: pg.ClientBase,
  by: { relation: number } | { oid: number },
): Promise<KnownIndex[]> {
  await client.query('SET LOCAL search_path = pg_catalog');
  const { rows } = await client.query<KnownIndex>(
    `SELECT i.indexrelid::int8::float8 AS oid, i.indrelid::int8::float8 AS relation, n.nspname AS schema, c.relname AS name,
            ${signatureSql('i')} AS signature, i.indisunique AS unique, i.indisvalid AND i.indisready AND i.indislive AS valid,
            obj_description(i.indexrelid, 'pg_class') AS comment
       FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE ${'oid' in by ? 'i.indexrelid' : 'i.indrelid'} = $1::oid ORDER BY i.indexrelid`,
    ['oid' in by ? by.oid : by.relation],
  );
  return rows;
}

/** Runs in a transaction, which is rolled back where it throws. */
export async function inTransaction<T>(client: pg.ClientBase, run: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const value = await run();
    await client.query('COMMIT');
    return value;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
