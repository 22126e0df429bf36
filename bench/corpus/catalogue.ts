import type pg from 'pg';

export interface Column {
  name: string;
  /** As `format_type` writes it, of the domain's base type where it is one. */
  type: string;
  array: boolean;
  notNull: boolean;
  /** Its values come from the server: identity ALWAYS, or generated. */
  generated: boolean;
  /** Characters that fit; 0 without a limit. */
  length: number;
  /** Digits before the decimal point that fit; 0 without a limit. */
  digits: number;
  labels: string[];
}

export interface Table {
  schema: string;
  name: string;
  columns: Column[];
  primaryKey: string[];
  /** Columns that are unique by themselves. */
  unique: string[];
  /** A unique constraint that is checked at the end of the transaction: no ON CONFLICT. */
  deferrable: boolean;
  references: Reference[];
}

export interface Reference {
  columns: string[];
  table: string;
  keys: string[];
}

/** A name without its schema names the table, so two tables of one name cannot both be filled. */
export async function readTables(client: pg.ClientBase): Promise<Map<string, Table>> {
  const { rows } = await client.query<Table>(`
    SELECT n.nspname AS schema, c.relname AS name,
      (SELECT coalesce(json_agg(json_build_object(
          'name', a.attname,
          'type', format_type(base.oid, NULL),
          'array', base.typcategory = 'A',
          'notNull', a.attnotnull OR t.typnotnull,
          'generated', a.attidentity = 'a' OR a.attgenerated <> '',
          'length', CASE WHEN base.typname IN ('varchar', 'bpchar') THEN greatest(modifier - 4, 0) ELSE 0 END,
          'digits', CASE WHEN base.typname = 'numeric' AND modifier > 0
            THEN ((modifier - 4) >> 16) - ((modifier - 4) & 2047) ELSE 0 END,
          'labels', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
            FROM pg_enum e WHERE e.enumtypid IN (base.oid, base.typelem)))
          ORDER BY a.attnum), '[]')
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          JOIN pg_type base ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
          CROSS JOIN LATERAL (SELECT CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier) m
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
      (SELECT coalesce(json_agg(a.attname ORDER BY k.at), '[]')
        FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, at)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary) AS "primaryKey",
      (SELECT coalesce(json_agg(DISTINCT a.attname), '[]')
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
          AND (a.attnum = i.indkey[0] OR pg_get_indexdef(i.indexrelid, 1, true) LIKE '%' || a.attname || '%')
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1) AS "unique",
      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indimmediate) AS deferrable,
      (SELECT coalesce(json_agg(json_build_object(
          'columns', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.conkey) WITH ORDINALITY AS k(attnum, at)
            JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
          'table', (SELECT relname FROM pg_class WHERE oid = f.confrelid),
          'keys', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.confkey) WITH ORDINALITY AS k(attnum, at)
            JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum)) ORDER BY f.conname), '[]')
        FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0) AS "references"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname = 'public', n.nspname, c.relname`);
  return new Map(rows.map((table) => [table.name, table]));
}
