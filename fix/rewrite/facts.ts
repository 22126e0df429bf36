import type { Session } from '../../diagnosis/readSession.ts';
import type { TableTrait } from './conditions.ts';

export interface ColumnFacts {
  name: string;
  /** As format_type() prints it, without its modifier. */
  type: string;
  /** A base type or an enum of pg_catalog, not a domain, an array or a type of the user's. */
  kind: 'built-in' | 'enum' | 'other';
  /** By a constraint that was validated; that no NULL is there today does not count. */
  notNull: boolean;
  /** Of text; null for other types. */
  collation: Collation | null;
}

export interface Collation {
  /** Qualified and quoted. */
  name: string;
  deterministic: boolean;
  /** Its own rules could put the digits in another order. */
  ownRules: boolean;
}

/** What the catalogue says of a table that equality may rest on. */
export interface TableFacts {
  schema: string;
  name: string;
  traits: TableTrait[];
  columns: ColumnFacts[];
  /** Unique at every moment for all rows: immediate, without predicate or expressions, with operators of the server. */
  uniqueKeys: { index: string; columns: string[] }[];
  /** Validated and enforced CHECK constraints, as SQL. */
  checks: { name: string; expression: string }[];
}

/** OIDs from here on belong to what users made. */
const FIRST_USER_OID = 16_384;

/** Relations of any kind that have the name, pg_catalog and temporary ones included. */
export async function relationsNamed(
  session: Session,
  name: string,
): Promise<{ oid: number; schema: string }[]> {
  return session.query<{ oid: number; schema: string }>(
    `SELECT c.oid::int8::float8 AS oid, n.nspname::text AS schema
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relname = $1 AND n.nspname <> 'pg_toast'
      ORDER BY n.nspname`,
    [name],
  );
}

export async function readFacts(session: Session, oid: number): Promise<TableFacts | undefined> {
  const [table] = await session.query<{
    schema: string;
    name: string;
    traits: TableTrait[];
    columns: ColumnFacts[];
    uniques: TableFacts['uniqueKeys'];
    checks: TableFacts['checks'];
  }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name,
       array_remove(ARRAY[
         CASE WHEN c.relkind NOT IN ('r', 'p') OR c.relpersistence = 't' THEN 'no table' END,
         CASE WHEN c.relrowsecurity THEN 'row-level security' END,
         CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class k ON k.oid = i.inhrelid
                            WHERE i.inhparent = c.oid AND NOT k.relispartition) THEN 'child tables' END,
         CASE WHEN c.relkind = 'p' AND EXISTS (SELECT FROM pg_catalog.pg_partition_tree(c.oid) p
                JOIN pg_catalog.pg_class k ON k.oid = p.relid WHERE k.relkind NOT IN ('r', 'p')) THEN 'foreign partitions' END,
         CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a
                            WHERE a.attrelid = c.oid AND a.attgenerated = 'v') THEN 'virtual columns' END
       ], NULL) AS traits,
       (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
           'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, NULL),
           'kind', CASE WHEN t.typtype = 'e' THEN 'enum'
                        WHEN t.typtype = 'b' AND t.oid < ${FIRST_USER_OID} AND t.typcategory <> 'A' THEN 'built-in' ELSE 'other' END,
           'notNull', a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o
              WHERE o.conrelid = a.attrelid AND o.contype = 'n' AND o.conkey = ARRAY[a.attnum] AND NOT o.convalidated),
           'collation', CASE WHEN l.oid IS NOT NULL THEN pg_catalog.json_build_object(
              'name', pg_catalog.format('%I.%I', ln.nspname, l.collname), 'deterministic', l.collisdeterministic,
              'ownRules', (pg_catalog.to_jsonb(l) ->> 'collicurules') IS NOT NULL
                 OR (l.collname = 'default' AND (pg_catalog.to_jsonb(d) ->> 'daticurules') IS NOT NULL)) END)
           ORDER BY a.attnum), '[]')
          FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
          LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
          CROSS JOIN pg_catalog.pg_database d
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           AND d.datname = pg_catalog.current_database()) AS columns,
       (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('index', x.relname, 'columns', names.list)
                 ORDER BY NOT i.indisprimary, x.relname), '[]')
          FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
          CROSS JOIN LATERAL (SELECT pg_catalog.json_agg(a.attname ORDER BY k.at) AS list
             FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.at <= i.indnkeyatts) AS names
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indislive AND i.indimmediate
           AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL
           -- Equality of the index has to be that of the column.
           AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indclass::oid[]) AS o(oid)
                             JOIN pg_catalog.pg_opclass p ON p.oid = o.oid WHERE NOT p.opcdefault OR p.oid >= ${FIRST_USER_OID})
           AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indcollation::oid[])) AS k(attnum, coll)
                             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                            WHERE k.coll IS NOT NULL AND k.coll <> a.attcollation)) AS uniques,
       (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                 'name', o.conname, 'expression', pg_catalog.pg_get_expr(o.conbin, o.conrelid)) ORDER BY o.conname), '[]')
          FROM pg_catalog.pg_constraint o
         WHERE o.conrelid = c.oid AND o.contype = 'c' AND o.convalidated
           AND coalesce((pg_catalog.to_jsonb(o) ->> 'conenforced')::bool, true)) AS checks
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = $1::int8::oid`,
    [oid],
  );
  if (!table) return undefined;
  const { uniques, ...rest } = table;
  return { ...rest, uniqueKeys: uniques };
}

/**
 * Operators and casts of users between types of the server, and types and functions of users with names that
 * rewriting rests on: any of them may give these names another meaning.
 */
export async function userDefined(session: Session): Promise<string[]> {
  const found = await session.query<{ name: string }>(
    `SELECT o.oid::pg_catalog.regoperator::text AS name
       FROM pg_catalog.pg_operator o
       JOIN pg_catalog.pg_type r ON r.oid = o.oprright
       LEFT JOIN pg_catalog.pg_type l ON l.oid = o.oprleft
      WHERE o.oid >= ${FIRST_USER_OID} AND o.oprname IN ('=', '<>', '<', '<=', '>', '>=', '~')
        AND r.oid < ${FIRST_USER_OID} AND (l.oid IS NULL OR l.oid < ${FIRST_USER_OID})
     UNION ALL
     SELECT pg_catalog.format('cast from %s to %s', c.castsource::pg_catalog.regtype, c.casttarget::pg_catalog.regtype)
       FROM pg_catalog.pg_cast c
      WHERE c.oid >= ${FIRST_USER_OID} AND c.castsource < ${FIRST_USER_OID} AND c.casttarget < ${FIRST_USER_OID}
     UNION ALL
     SELECT pg_catalog.format('type %s', t.oid::pg_catalog.regtype)
       FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname <> 'pg_catalog'
        AND t.typname IN ('text', 'varchar', 'int8', 'numeric', 'timestamp', 'date')
     UNION ALL
     SELECT pg_catalog.format('function %s', p.oid::pg_catalog.regprocedure)
       FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname <> 'pg_catalog' AND p.proname = 'count'
     ORDER BY 1 LIMIT 5`,
  );
  return found.map(({ name }) => name);
}

/** Whether the digits sort as numbers do under a collation. */
export async function digitsSort(session: Session, collation: Collation): Promise<boolean> {
  const [found] = await session.query<{ digits: string }>(
    `SELECT pg_catalog.string_agg(d, '' ORDER BY d COLLATE ${collation.name}) AS digits
       FROM pg_catalog.unnest(pg_catalog.string_to_array('8,3,0,9,1,7,5,2,6,4', ',')) AS d`,
  );
  return found?.digits === '0123456789';
}

/** Whether server, database and roles all have dates printed so that any session reads them back as they were. */
export async function isoDates(session: Session): Promise<boolean> {
  const [found] = await session.query<{ iso: boolean }>(
    `SELECT pg_catalog.current_setting('DateStyle') LIKE 'ISO%'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS c
                         WHERE c ILIKE 'datestyle=%' AND c NOT ILIKE 'datestyle=%iso%'
                           AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))) AS iso`,
  );
  return found?.iso ?? false;
}
