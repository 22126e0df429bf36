import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { quote } from '../../lib/pg/quote.ts';

export const intervals = ['day', 'week', 'month', 'quarter', 'year'] as const;
export type Interval = (typeof intervals)[number];

/** Planning a statement costs more with each partition, and Postgres's own advice ends at a few thousand. */
const MAX_PARTITIONS = 1_000;

export interface Range {
  /** Bounds as SQL literals without quotes; the upper one is not included. */
  lower: string;
  upper: string;
  /** For the partition's name: `2026_11`. */
  label: string;
}

const STEP: Record<Interval, string> = {
  day: '1 day',
  week: '7 days',
  month: '1 month',
  quarter: '3 months',
  year: '1 year',
};
const LABEL: Record<Interval, string> = {
  day: 'YYYY_MM_DD',
  week: 'IYYY"_w"IW',
  month: 'YYYY_MM',
  quarter: 'YYYY"_q"Q',
  year: 'YYYY',
};

export interface RangesWanted {
  schema: string;
  table: string;
  column: string;
  type: string;
  interval: Interval;
  /** Ranges begin at midnight of this zone, where the column has one. */
  timeZone: string;
  /** Ranges after the present one. */
  ahead: number;
  /** Older rows go to the default partition; a date. */
  from?: string;
  /** No rows are looked at: from the present range on. */
  future?: boolean;
}

/**
 * One range after the other from the oldest row to the present and `ahead`; reads the column of the whole table once.
 *
 * @throws OperationError when there would be too many
 */
export async function rangesFor(client: pg.ClientBase, wanted: RangesWanted): Promise<Range[]> {
  const { interval } = wanted;
  const column = quote(wanted.column);
  const zoned = wanted.type.startsWith('timestamp') && wanted.type.endsWith('with time zone');
  const local = zoned ? `(${column} AT TIME ZONE $2)` : column;
  const { rows } = await client.query<Range & { total: number }>(
    `WITH bounds AS (${
      wanted.future
        ? `SELECT date_trunc('${interval}', now() AT TIME ZONE $2) AS first, date_trunc('${interval}', now() AT TIME ZONE $2) AS last WHERE $3::text IS NULL`
        : `SELECT date_trunc('${interval}', least(min(${local})::timestamp, now() AT TIME ZONE $2)) AS first,
              date_trunc('${interval}', greatest(max(${local})::timestamp, now() AT TIME ZONE $2)) AS last
         FROM ${quote(wanted.schema, wanted.table)} WHERE isfinite(${column}) AND ($3::text IS NULL OR ${column} >= $3::${wanted.type})`
    }),
     ranges AS (
       SELECT at AS lower, at + interval '${STEP[interval]}' AS upper
         FROM bounds, generate_series(first, least(last + $1 * interval '${STEP[interval]}', timestamp '9999-01-01'), interval '${STEP[interval]}') AS at LIMIT 100000)
     SELECT ${
       zoned
         ? `to_char(lower AT TIME ZONE $2 AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"') AS lower, to_char(upper AT TIME ZONE $2 AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"') AS upper`
         : `to_char(lower, 'YYYY-MM-DD') AS lower, to_char(upper, 'YYYY-MM-DD') AS upper`
     }, to_char(lower, '${LABEL[interval]}') AS label, count(*) OVER ()::int AS total
       FROM ranges ORDER BY ranges.lower LIMIT ${MAX_PARTITIONS + 1}`,
    [wanted.ahead, wanted.timeZone, wanted.from ?? null],
  );
  if (rows.length > MAX_PARTITIONS)
    throw new OperationError(
      `From the oldest row (${rows[0]?.lower}) to the newest there would be ${rows[0]?.total} partitions, more than ${MAX_PARTITIONS}. ` +
        'Choose a longer --interval, or give the first date that gets a partition with --from: older rows go to the default partition.',
    );
  return rows.map(({ lower, upper, label }) => ({ lower, upper, label }));
}
