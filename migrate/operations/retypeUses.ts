import type pg from 'pg';
import { quote as id } from '../../lib/pg/quote.ts';
import type { ReadOnlyClient } from '../../lib/pg/transaction.ts';
import type { TableDescription } from './description.ts';
import type { Retyped } from './retyped.ts';

/** What the catalogue says of whatever uses a column that gets another type. */
export interface Uses {
  /** Generated columns, and triggers with a condition, by name. */
  generated: string[];
  conditions: string[];
  /** Keys of indexes that hold the column itself. */
  indexKeys: { index: string; column: string; special: boolean; possible: boolean }[];
  /** Expressions over the table's columns, with what they belong to. */
  expressions: { what: string; sql: string; check: boolean }[];
  views: string[];
  foreignKeys: {
    name: string;
    incoming: boolean;
    schema: string;
    table: string;
    column: string;
    otherColumn: string;
    otherType: string;
  }[];
}

/** @param client with the settings of `READING` */
export async function usesOf(
  client: pg.ClientBase,
  d: TableDescription,
  columns: readonly Retyped[],
): Promise<Uses> {
  const { oid } = d.table;
  const names = columns.map(({ column }) => column);
  const types = columns.map(({ to }) => to);
  const { rows } = await client.query<{ uses: Uses }>(
    `WITH c AS (SELECT a.attnum, a.attname, w.type::regtype AS type FROM unnest($2::text[], $3::text[]) AS w (name, type)
                  JOIN pg_attribute AS a ON a.attrelid = $1::oid AND a.attname = w.name),
          used AS (SELECT DISTINCT d.classid, d.objid FROM pg_depend AS d JOIN c ON c.attnum = d.refobjsubid
                    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid)
     SELECT jsonb_build_object(
       'generated', (SELECT coalesce(jsonb_agg(a.attname ORDER BY a.attnum), '[]') FROM used AS u JOIN pg_attrdef AS f ON u.classid = 'pg_attrdef'::regclass AND f.oid = u.objid
                      JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.adrelid = $1::oid AND a.attgenerated <> ''),
       'conditions', (SELECT coalesce(jsonb_agg(t.tgname ORDER BY t.tgname), '[]') FROM used AS u JOIN pg_trigger AS t ON u.classid = 'pg_trigger'::regclass AND t.oid = u.objid
                       WHERE t.tgqual IS NOT NULL),
       'indexKeys', (SELECT coalesce(jsonb_agg(jsonb_build_object('index', ic.relname, 'column', c.attname,
                            'special', NOT o.opcdefault OR i.indcollation[k] NOT IN (0, (SELECT a.attcollation FROM pg_attribute AS a WHERE a.attrelid = $1::oid AND a.attnum = c.attnum)),
                            'possible', EXISTS (SELECT FROM pg_opclass AS n JOIN pg_type AS y ON y.oid = c.type WHERE n.opcmethod = ic.relam AND n.opcdefault
                              AND (n.opcintype = c.type OR y.typcategory = 'E' AND n.opcintype = 'anyenum'::regtype OR y.typcategory = 'A' AND n.opcintype = 'anyarray'::regtype
                                   OR y.typbasetype = n.opcintype OR c.type = 'varchar'::regtype AND n.opcintype = 'text'::regtype)))), '[]')
                       FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k
                       JOIN c ON c.attnum = i.indkey[k] JOIN pg_opclass AS o ON o.oid = i.indclass[k] WHERE i.indrelid = $1::oid AND i.indisvalid),
       'expressions', (SELECT coalesce(jsonb_agg(jsonb_build_object('what', e.what, 'sql', e.sql, 'check', e.is_check)), '[]') FROM (
           SELECT format('CHECK constraint %s', o.conname) AS what, pg_get_expr(o.conbin, o.conrelid) AS sql, true AS is_check FROM pg_constraint AS o
            WHERE o.conrelid = $1::oid AND o.contype = 'c'
            UNION ALL
           SELECT format('index %s', ic.relname), pg_get_indexdef(i.indexrelid, k, false), false FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid
             CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k WHERE i.indrelid = $1::oid AND i.indkey[k - 1] = 0
            UNION ALL
           SELECT format('index %s', ic.relname), pg_get_expr(i.indpred, i.indrelid), false FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid
            WHERE i.indrelid = $1::oid AND i.indpred IS NOT NULL
            UNION ALL
           SELECT format('policy %s', p.polname), pg_get_expr(x, p.polrelid), false FROM pg_policy AS p CROSS JOIN LATERAL (VALUES (p.polqual), (p.polwithcheck)) AS v (x)
            WHERE p.polrelid = $1::oid AND x IS NOT NULL) AS e),
       'views', (SELECT coalesce(jsonb_agg(DISTINCT w.ev_class::regclass::text), '[]') FROM used AS u JOIN pg_rewrite AS w ON u.classid = 'pg_rewrite'::regclass AND w.oid = u.objid),
       'foreignKeys', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', o.conname, 'incoming', i.incoming, 'schema', n.nspname, 'table', t.relname,
                              'column', c.attname, 'otherColumn', a.attname, 'otherType', format_type(a.atttypid, a.atttypmod))), '[]')
           FROM pg_constraint AS o CROSS JOIN (VALUES (true), (false)) AS i (incoming)
           CROSS JOIN LATERAL unnest(CASE WHEN i.incoming THEN o.confkey ELSE o.conkey END, CASE WHEN i.incoming THEN o.conkey ELSE o.confkey END) AS k (mine, other)
           JOIN c ON c.attnum = k.mine JOIN pg_class AS t ON t.oid = CASE WHEN i.incoming THEN o.conrelid ELSE o.confrelid END
           JOIN pg_namespace AS n ON n.oid = t.relnamespace JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.other
          WHERE o.contype = 'f' AND o.conparentid = 0 AND CASE WHEN i.incoming THEN o.confrelid ELSE o.conrelid END = $1::oid)
     ) AS uses`,
    [oid, names, types],
  );
  return (rows[0] as { uses: Uses }).uses;
}

/** The table as it would be, as a query. */
function shadowOf(d: TableDescription, columns: readonly Retyped[]): string {
  const list = d.columns.map(({ name }) => {
    const retyped = columns.find(({ column }) => column === name);
    const value = `s.${id(name)}`;
    return retyped
      ? `(CASE WHEN ${value} IS NOT NULL THEN ${retyped.conversion.there(`(${value}::${retyped.from})`)} END)::${retyped.to} AS ${id(name)}`
      : value;
  });
  return `SELECT ${list.join(', ')} FROM ONLY ${id(d.table.schema, d.table.name)} AS s`;
}

/** Whether Postgres takes a query, with its own words when it does not. */
async function refusedBy(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (typeof (error as { code?: unknown }).code !== 'string') throw error;
    return (error as Error).message;
  }
}

export interface Misfits {
  /** Reasons, each with what to do. */
  reasons: string[];
  /** Views whose columns get another type, by name as the catalogue prints it. */
  views: string[];
}

/**
 * Asks Postgres whether expressions and views can be read with the new types, and whether all rows would satisfy the
 * CHECK constraints; reads only.
 */
export async function misfitsOf(
  client: ReadOnlyClient,
  d: TableDescription,
  columns: readonly Retyped[],
  uses: Uses,
): Promise<Misfits> {
  const shadow = shadowOf(d, columns);
  const name = id(d.table.name);
  const reasons: string[] = [];
  for (const { what, sql, check } of uses.expressions) {
    const why = await refusedBy(() => client.query(`SELECT ${sql} FROM (${shadow}) AS ${name} LIMIT 0`));
    if (why !== undefined) {
      reasons.push(
        `The ${what} is written for the old type (${why}). Drop it first; what it holds the new type may hold by itself, or make it again after sqltrail migrate complete.`,
      );
      continue;
    }
    if (!check) continue;
    const { rows } = await client.query<{ n: number }>(
      `SELECT count(*)::float8 AS n FROM (${shadow}) AS ${name} WHERE NOT (${sql})`,
    );
    const broken = rows[0]?.n ?? 0;
    if (broken > 0)
      reasons.push(
        `${broken} rows break the ${what} once they are converted. Drop it or correct those rows first.`,
      );
  }
  const views: string[] = [];
  for (const view of uses.views) {
    // Within its own schema the table is printed without it, and a common table expression of its name is read instead.
    const path = `SET LOCAL search_path = pg_catalog, ${id(d.table.schema)}`;
    const { rows } = await client.transaction<{ definition: string }>(path, {
      text: 'SELECT pg_get_viewdef($1::regclass) AS definition',
      values: [view],
    });
    const definition = rows[0]?.definition.trim().replace(/;$/, '') ?? '';
    const typesOf = async (query: string) =>
      (await client.transaction(path, query)).fields.map(
        (field) => `${field.dataTypeID} ${field.dataTypeModifier}`,
      );
    const before = await typesOf(`SELECT * FROM ${view} LIMIT 0`);
    let after: string[] = [];
    const why = await refusedBy(async () => {
      after = await typesOf(
        `WITH ${name} AS (${shadow}) SELECT * FROM (${definition}) AS sqltrail_view LIMIT 0`,
      );
    });
    if (why !== undefined)
      reasons.push(
        `The view ${view} is written for the old type (${why}). Drop it first, and make it again after sqltrail migrate complete.`,
      );
    else if (before.join() !== after.join()) views.push(view);
  }
  return { reasons, views };
}
