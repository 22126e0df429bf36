import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import type { Table } from '../../relations.ts';
import { partitionOf } from '../operations.ts';
import { stillInUse } from './lives.ts';
import { type Ages, DAY_MS, readAges, referenceTo, shareOlder } from './rowAge.ts';

/** Older than a year is cold: a season of returns, warranty questions and comparisons has passed. */
const COLD_DAYS = 365;
const MIN_COLD_BYTES = 200_000;
const OLD_ENOUGH_DAYS = 400;
/** A table of which fewer rows were read than this share of all, repetitions counted, is one that nobody reads. */
const LARGEST_READ_SHARE = 0.1;

/**
 * Several dates tell of a life that ends. A date of the last change tells of one only where rows are not looked up one
 * by one: a cart is left, but a page of a wiki is read for ever.
 */
const hasEnd = ({ dates, touched, table }: Ages) =>
  dates >= 2 ||
  (touched && table.activity.idxRowsFetched < Math.max(0, table.estimatedRows) * LARGEST_READ_SHARE);

const iso = (at: number) => new Date(at).toISOString().slice(0, 10);

export const check: Check = {
  id: 'cold-data',
  group: 'size',
  title: 'Cold data and tables that are never purged',
  description:
    'How much of each table is older than a year, by the histogram of its date column, and what archival would free. What rows of today still refer to is not cold. A partitioned table can drop its old part, so it is only told about.',
  whileObserving: true,
  async *run(context) {
    const now = Date.now();
    const all = await readAges(context);
    let inUse: ReadonlySet<Table> | undefined;
    const total = context.tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    for (const ages of all) {
      const { table, column, bounds, bytes: size, text, through, perSecond } = ages;
      const cold = shareOlder(ages, now - COLD_DAYS * DAY_MS);
      const oldest = bounds[0] ?? now;
      const bytes = Math.round(size * cold);
      const purged = table.activity.deleted >= table.activity.inserted * 0.1 && table.activity.deleted > 0;
      if (table.kind !== 'partitioned' && (now - oldest) / DAY_MS < OLD_ENOUGH_DAYS) continue;
      if (cold < 0.2 || bytes < MIN_COLD_BYTES) continue;
      // An old customer or product is still one; what can go is what has an end of its life, or what nobody reads.
      const owner = through ? all.find((other) => other.table === through) : ages;
      const referred = context.tables.some(
        (other) => other !== table && referenceTo(other, table) !== undefined,
      );
      const { seqRowsRead, idxRowsFetched } = table.activity;
      const unread = !referred && seqRowsRead + idxRowsFetched < table.estimatedRows * LARGEST_READ_SHARE;
      if (!owner || (!hasEnd(owner) && !unread)) continue;
      inUse ??= await stillInUse(context, all, COLD_DAYS);
      if (inUse.has(table)) continue;
      const target = context.session.quote(table.schema, table.name);
      const by = `${through ? `${through.name}.` : ''}${column}`;
      // Of a partitioned table the old part leaves at once, and not row by row.
      const operations = through ? [] : partitionOf(table, column);
      yield {
        id: `cold-data:${table.schema}.${table.name}`,
        check: 'cold-data',
        severity:
          table.kind === 'partitioned'
            ? 'info'
            : cold >= 0.5 && bytes >= total * 0.1
              ? 'critical'
              : 'warning',
        title: `${Math.round(cold * 100)} % of ${table.name} is older than a year`,
        explanation: `The oldest rows are of ${iso(oldest)} by ${by}. About ${bytesText(bytes)} of ${bytesText(size)} are cold, yet every scan, vacuum, backup and index carries them.${purged ? '' : ' Nothing was deleted here since the statistics began.'}`,
        cause: 'cold-data',
        objects: [{ schema: table.schema, table: table.name, columns: through ? [] : [column] }],
        statements: [],
        evidence: [
          {
            label: `share of rows older than ${COLD_DAYS} days`,
            value: Math.round(cold * 1000) / 1000,
            unit: '1',
            how: `SELECT histogram_bounds FROM pg_stats WHERE tablename = '${(through ?? table).name.replaceAll("'", "''")}' AND attname = '${column.replaceAll("'", "''")}'`,
          },
          {
            label: 'table with indexes',
            value: size,
            unit: 'By',
            how: `SELECT pg_total_relation_size('${target.replaceAll("'", "''")}')`,
          },
          {
            label: 'rows inserted and deleted since the statistics began',
            value: `${count(table.activity.inserted)}, ${count(table.activity.deleted)}`,
            how: 'SELECT n_tup_ins, n_tup_del FROM pg_stat_user_tables',
          },
        ],
        cost: { bytes },
        confidence: {
          level: through ? 0.6 : 0.85,
          basis: 'statistics',
          note: through
            ? `by the dates of ${through.name}, to which its rows belong`
            : 'by the histogram of ANALYZE',
        },
        explains: {
          kpis: ['cold-data-share', 'database-size', 'cache-hit-ratio', 'days-to-critical-size'],
          traces: [],
        },
        fix: {
          kind: 'archive',
          summary: `archive rows of ${table.name} older than the retention policy, in small batches`,
          schema: table.schema,
          table: table.name,
          column: through || perSecond !== undefined ? null : column,
          before: iso(now - COLD_DAYS * DAY_MS),
          text,
          ...(operations.length === 0 ? {} : { operations }),
          lock: 'ROW EXCLUSIVE, in batches of few rows',
          risk: 'What the law says must be kept has to be in the archive, and to be found there.',
          expectedEffect: `about ${bytesText(bytes)} less to scan, cache and back up; space becomes reusable after vacuum`,
        },
      };
    }
  },
};
