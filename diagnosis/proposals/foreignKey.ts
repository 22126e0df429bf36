import type { CheckContext } from '../check.ts';
import type { Table } from '../relations.ts';

/** The first version that takes NOT VALID on a partitioned table. */
export const NOT_VALID_ON_PARTITIONED = 180_000;

/**
 * Why Postgres would not take a foreign key from one column to another, in words; undefined when it would. Whether each
 * row refers to one is another question.
 */
export async function foreignKeyRefused(
  context: CheckContext,
  child: Table,
  column: string,
  parent: Table,
  key: string,
): Promise<string | undefined> {
  if (parent.unlogged && !child.unlogged)
    return `${parent.name} is unlogged, and a logged table may not refer to one that a crash empties`;
  if (child.columns.find(({ name }) => name === column)?.virtual)
    return `${column} is a virtual generated column`;
  if ([child, parent].some(({ kind }) => kind === 'materialized view'))
    return 'a materialized view has no keys';
  const [row] = await context.session.query<{ comparable: boolean | null; collation: boolean | null }>(
    `WITH RECURSIVE typed AS (SELECT attrelid, attname, attnum, atttypid AS oid, attcollation FROM pg_attribute
                               WHERE (attrelid, attname) IN (($1::oid, $2), ($3::oid, $4)) AND NOT attisdropped),
            base AS (SELECT typed.attrelid, typed.attname, t.* FROM typed JOIN pg_type t ON t.oid = typed.oid
                     UNION ALL SELECT base.attrelid, base.attname, t.* FROM base JOIN pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd'),
            k AS (SELECT o.opcfamily, o.opcintype FROM pg_index i JOIN typed a ON a.attrelid = i.indrelid AND a.attname = $4
                    JOIN pg_opclass o ON o.oid = i.indclass[0]
                   WHERE i.indrelid = $3::oid AND i.indkey[0] = a.attnum AND i.indnkeyatts = 1 AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL)
     SELECT bool_or(EXISTS (SELECT FROM pg_amop op WHERE op.amopfamily = k.opcfamily AND op.amopstrategy = 3 AND op.amoplefttype = k.opcintype
              AND (op.amoprighttype = c.oid OR c.oid = p.oid
                   OR (op.amoprighttype = k.opcintype AND EXISTS (SELECT FROM pg_cast WHERE castsource = c.oid AND casttarget = k.opcintype AND castcontext = 'i'))))) AS comparable,
            bool_and((SELECT fc.attcollation = pc.attcollation OR NOT EXISTS (SELECT FROM pg_collation WHERE oid IN (fc.attcollation, pc.attcollation) AND NOT collisdeterministic)
                        FROM typed fc, typed pc WHERE (fc.attrelid, fc.attname) = ($1::oid, $2) AND (pc.attrelid, pc.attname) = ($3::oid, $4))) AS collation
       FROM k, base c, base p
      WHERE c.typtype <> 'd' AND (c.attrelid, c.attname) = ($1::oid, $2) AND p.typtype <> 'd' AND (p.attrelid, p.attname) = ($3::oid, $4)`,
    [child.oid, column, parent.oid, key],
  );
  if (row?.comparable === null || row === undefined)
    return `${parent.name}.${key} has no unique key of its own that is checked at once`;
  if (!row.comparable) {
    const type = (table: Table, name: string) => table.columns.find((each) => each.name === name)?.type;
    return `the types differ (${type(child, column)} and ${type(parent, key)}) and Postgres does not compare them for a foreign key`;
  }
  return row.collation === false ? 'the collations differ, and one of them is not deterministic' : undefined;
}
