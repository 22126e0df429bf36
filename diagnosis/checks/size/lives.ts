import type { CheckContext } from '../../check.ts';
import { READS_MUCH } from '../../readSession.ts';
import type { Table } from '../../relations.ts';
import { endIfOver } from '../shared.ts';
import { type Ages, referenceTo } from './rowAge.ts';

/** Rows of a referring table that are looked at, and how many references: this is a question asked in passing. */
const SAMPLED_ROWS = 1_000;
/** Rows of one time lie together: with fewer pages those of late may be missed, which are few of all. */
const SAMPLED_PAGES = 60;
const MAX_REFERENCES = 60;
/** A row that came within a day of the row it refers to came with it: a line with its order. */
const TOGETHER_DAYS = 1;
const TOGETHER_SHARE = 0.8;
/** So many of the rows of late that refer to cold ones show that these are still in use. */
const LATE_DAYS = 90;
const MIN_LATE_ROWS = 10;
const IN_USE_SHARE = 0.05;

interface Reference {
  child: Ages;
  parent: Ages;
  column: string;
  key: string;
}

function referencesOf(ages: readonly Ages[]): Reference[] {
  const dated = ages.filter(({ through }) => !through);
  return dated.flatMap((child) =>
    dated.flatMap((parent): Reference[] => {
      const column = parent === child ? undefined : referenceTo(child.table, parent.table);
      const [key, ...more] = parent.table.primaryKey;
      return column && key && more.length === 0 ? [{ child, parent, column, key }] : [];
    }),
  );
}

/**
 * Tables whose old rows are still in use although they are old: rows of the last 90 days refer to rows older than
 * `coldDays` (an order of today to a product of long ago). What came together with such rows, a product's name or
 * its price, is in use with them. Measured on a sample of each referring table, one statement a foreign key.
 */
export async function stillInUse(
  context: CheckContext,
  ages: readonly Ages[],
  coldDays: number,
): Promise<ReadonlySet<Table>> {
  const { session } = context;
  const used = new Set<Table>();
  const together: [Table, Table][] = ages.flatMap(({ table, through }) =>
    through ? [[table, through] as [Table, Table]] : [],
  );
  for (const { child, parent, column, key } of referencesOf(ages).slice(0, MAX_REFERENCES)) {
    const date = (alias: string, { column: name, perSecond }: Ages) =>
      perSecond === undefined
        ? `${alias}.${session.quote(name)}::timestamp`
        : `to_timestamp(${alias}.${session.quote(name)} / ${perSecond.toFixed(1)})::timestamp`;
    const { estimatedRows, pages } = child.table;
    // Never analysed: no pages are known.
    const least = pages > 0 ? SAMPLED_PAGES / pages : 0;
    const share = Math.min(1, Math.max(SAMPLED_ROWS / estimatedRows, least));
    const thinned = Math.min(1, SAMPLED_ROWS / (estimatedRows * share));
    try {
      const [row] = await session.query<{ pairs: number; together: number; late: number; old: number }>(
        `SELECT count(*)::float8 AS pairs,
                (count(*) FILTER (WHERE abs(extract(epoch FROM born - parent_born)) < ${TOGETHER_DAYS * 86_400}))::float8 AS together,
                (count(*) FILTER (WHERE born > now() - interval '${LATE_DAYS} days'))::float8 AS late,
                (count(*) FILTER (WHERE born > now() - interval '${LATE_DAYS} days' AND parent_born < now() - make_interval(days => $1)))::float8 AS old
           FROM (SELECT born, ${date('p', parent)} AS parent_born
                   FROM (SELECT ${date('c', child)} AS born, c.${session.quote(column)} AS reference
                           FROM ${session.quote(child.table.schema, child.table.name)} AS c TABLESAMPLE SYSTEM (${(100 * share).toFixed(6)})
                          WHERE random() < $2 OFFSET 0) AS sampled
                   JOIN ${session.quote(parent.table.schema, parent.table.name)} AS p ON p.${session.quote(key)} = sampled.reference) AS pairs`,
        [coldDays, thinned],
        READS_MUCH,
      );
      if (!row || row.pairs === 0) continue;
      if (row.together >= row.pairs * TOGETHER_SHARE) together.push([child.table, parent.table]);
      else if (row.late >= MIN_LATE_ROWS && row.old >= row.late * IN_USE_SHARE) used.add(parent.table);
    } catch (error) {
      endIfOver(context, error);
      // Not readable, or a date that is none: nothing is known of this reference.
    }
  }
  for (let known = -1; known < used.size; ) {
    known = used.size;
    for (const [a, b] of together)
      if (used.has(a) || used.has(b)) {
        used.add(a);
        used.add(b);
      }
  }
  return used;
}
