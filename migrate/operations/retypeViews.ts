import type pg from 'pg';
import { quote as id } from '../../lib/pg/quote.ts';
import type { Grant, TableDescription } from './description.ts';
import { grants } from './descriptionSql.ts';
import { comment, tableGrants, type ViewText, viewSql } from './objects.ts';

interface View extends ViewText {
  /** As the catalogue prints it. */
  printed: string;
  owner: string;
  grants: Grant[] | null;
  comment: string | null;
  /** What stands in the way of making it anew, in Postgres's words. */
  hindrances: string[];
}

/** @param names as the catalogue prints them; `client` has the settings of `READING` */
async function describe(client: pg.ClientBase, names: readonly string[]): Promise<View[]> {
  const { rows } = await client.query<View>(
    `SELECT v.oid::regclass::text AS printed, n.nspname::text AS schema, v.relname::text AS name, pg_get_userbyid(v.relowner)::text AS owner, v.reloptions AS options,
            pg_get_viewdef(v.oid) AS definition, obj_description(v.oid, 'pg_class') AS comment,
            ${grants('v.relacl')} AS grants,
            ARRAY(SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend AS d
                   WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid AND d.deptype = 'n'
                     AND NOT (d.classid = 'pg_rewrite'::regclass AND d.objid IN (SELECT w.oid FROM pg_rewrite AS w WHERE w.ev_class = v.oid))
                  UNION SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0) FROM pg_trigger AS t WHERE t.tgrelid = v.oid
                  UNION SELECT pg_describe_object('pg_rewrite'::regclass, w.oid, 0) FROM pg_rewrite AS w WHERE w.ev_class = v.oid AND w.rulename <> '_RETURN'
                  UNION SELECT format('what column %s has of its own', a.attname) FROM pg_attribute AS a WHERE a.attrelid = v.oid AND a.attnum > 0
                     AND (a.attacl IS NOT NULL OR a.atthasdef OR col_description(v.oid, a.attnum) IS NOT NULL))::text[] AS hindrances
       FROM pg_class AS v JOIN pg_namespace AS n ON n.oid = v.relnamespace WHERE v.oid = ANY($1::regclass[]) ORDER BY v.oid`,
    [names],
  );
  return rows;
}

/**
 * Views that show a column whose type changes: CREATE OR REPLACE does not do, so that they are made anew, within the
 * transaction of the cutover.
 */
export async function retypedViews(
  client: pg.ClientBase,
  d: TableDescription,
  names: readonly string[],
): Promise<{ reasons: string[]; sql: string[] }> {
  const reasons: string[] = [];
  const sql: string[] = [];
  for (const view of names.length === 0 ? [] : await describe(client, names)) {
    if (view.owner !== d.table.owner)
      reasons.push(`The view ${view.printed} belongs to ${view.owner}. Give it the table's owner.`);
    if (view.hindrances.length > 0)
      reasons.push(
        `The view ${view.printed} shows the column and is made anew at the cutover, which cannot be done while there are: ${view.hindrances.join(', ')}. Drop those first, and make them again after sqltrail migrate complete.`,
      );
    const name = id(view.schema, view.name);
    sql.push(
      `DROP VIEW ${name};`,
      viewSql('CREATE VIEW', view),
      ...tableGrants({ ...d, grants: view.grants, columnGrants: [] }, name),
      ...comment(`VIEW ${name}`, view.comment),
    );
  }
  return { reasons, sql };
}
