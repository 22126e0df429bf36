import { kpiById } from '../../../kpis/catalogue.ts';
import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check, CheckContext } from '../../check.ts';
import type { Evidence } from '../../finding.ts';
import type { Table } from '../../relations.ts';
import { partitionOf } from '../operations.ts';
import { shortly, whileSwapped } from '../shared.ts';
import { type Forecast, forecast, grownADay, whenText } from './forecast.ts';
import { type Ages, readAges } from './rowAge.ts';

const WINDOWS_DAYS = [30, 90, 365];
/** What planning and carrying out an archival takes; the objective of the KPI days-to-critical-size. */
const SOON_DAYS = 90;
const MAX_TABLES = 5;
/** Faster than this a statement is far from any objective whatever the table becomes. */
const MIN_MEAN_MS = 5;

/**
 * The statement that first misses the objective of statement-latency-p95. A statement that reads a whole table takes
 * time in proportion to its rows; its mean today is measured, and its p95, which is not in pg_stat_statements, gets
 * there before its mean does.
 */
export async function firstTooSlow(
  context: Pick<CheckContext, 'workload'>,
  ages: readonly Ages[],
  now: number,
): Promise<Forecast | undefined> {
  const objectiveMs = kpiById('statement-latency-p95').objective.value * 1000;
  const found: Forecast[] = [];
  for (const { scans, statement, plan } of await context.workload()) {
    if (statement.meanMs < MIN_MEAN_MS || !plan) continue;
    const read = scans.filter(({ sequential, limited }) => sequential && !limited);
    const tables = read.map(({ table }) => table);
    const largest = tables.reduce<Table | undefined>(
      (a, b) => (!a || (b && b.estimatedRows > a.estimatedRows) ? b : a),
      undefined,
    );
    const age = ages.find(({ table }) => table === largest);
    if (!age) continue;
    const perDay = WINDOWS_DAYS.map((days) => grownADay(age, now, days) * statement.meanMs);
    if (!perDay.some((rate) => rate > 0)) continue;
    found.push(
      forecast(
        `a statement on ${age.table.name} takes ${objectiveMs} ms on average (${Math.round(statement.meanMs)} ms now): ${shortly(statement.text, 80)}`,
        {
          limit: objectiveMs,
          size: statement.meanMs,
          perDay,
          how: `mean time of queryid ${statement.queryid}, in proportion to the rows of ${age.table.name}`,
        },
      ),
    );
  }
  return found.sort((a, b) => a.soonest - b.soonest)[0];
}

export const check: Check = {
  id: 'growth',
  group: 'size',
  title: 'Growth and the day of each limit',
  description:
    'Rows and bytes a day by the dates of the rows themselves over the last 30, 90 and 365 days, so that no history is needed; the day when memory or disk is full and when a statement misses its objective, with the interval of the three rates.',
  async *run(context) {
    const now = Date.now();
    const ages = await readAges(context);
    const perDay = WINDOWS_DAYS.map((days) =>
      ages.reduce((sum, age) => sum + grownADay(age, now, days) * age.bytes, 0),
    );
    const [least, most] = [Math.min(...perDay), Math.max(...perDay)];
    if (most === 0) return;
    const size = context.tables
      .filter(({ kind }) => kind !== 'partitioned')
      .reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    const blocks = (name: string) => Number(context.settings.get(name)?.value ?? 0) * 8192;
    const memory = blocks('effective_cache_size');
    const forecasts = [
      forecast(`the ${bytesText(memory)} that the server expects to be cached are full`, {
        limit: memory,
        size,
        perDay,
        how: 'SHOW effective_cache_size; size and growth as here',
      }),
    ];
    if (context.diskBytes)
      forecasts.push(
        forecast(`the disk of ${bytesText(context.diskBytes)} is full`, {
          limit: context.diskBytes,
          size,
          perDay,
          how: '--disk-bytes; WAL, temporary files and other databases are not counted',
        }),
      );
    else
      context.blind({
        what: 'the day when the disk is full',
        remedy: 'No SQL tells the size of the disk: give it with --disk-bytes.',
      });
    const slow = await firstTooSlow(context, ages, now);
    if (slow) forecasts.push(slow);
    const soon = forecasts.some(({ soonest, latest }) => latest > 0 && soonest < SOON_DAYS);
    const top = [...ages].sort((a, b) => b.bytes - a.bytes).slice(0, MAX_TABLES);
    const operations = top.flatMap(({ table, column, through }) =>
      through ? [] : partitionOf(table, column),
    );
    yield {
      id: 'growth',
      check: 'growth',
      severity: soon ? 'warning' : 'info',
      title: `The database grows by ${bytesText(least)} to ${bytesText(most)} a day`,
      explanation: `It has ${bytesText(size)}. At this pace ${forecasts.map((each) => `${each.what}: ${whenText(now, each)}`).join('; ')}.`,
      cause: 'cold-data',
      objects: top.map(({ table }) => ({ schema: table.schema, table: table.name })),
      statements: [],
      evidence: [
        ...WINDOWS_DAYS.map((days, at) => ({
          label: `growth a day over the last ${days} days`,
          value: Math.round(perDay[at] ?? 0),
          unit: 'By/d',
          how: 'histogram_bounds of the date columns in pg_stats, times pg_total_relation_size',
        })),
        ...top.map((age): Evidence => {
          const rows = WINDOWS_DAYS.map((days) => grownADay(age, now, days) * age.table.estimatedRows);
          return {
            label: `rows a day of ${age.table.name}`,
            value: `${count(Math.min(...rows))} to ${count(Math.max(...rows))}`,
            how: `histogram_bounds of ${age.through ? `${age.through.name}.` : ''}${age.column} in pg_stats, times reltuples`,
          };
        }),
        ...forecasts.map((each) => ({ label: each.what, value: whenText(now, each), how: each.how })),
        {
          label: 'shared_buffers',
          value: blocks('shared_buffers'),
          unit: 'By',
          how: 'SHOW shared_buffers',
        },
      ],
      cost: {},
      metrics: {
        growth: WINDOWS_DAYS.map((days, at) => ({ days, bytesPerDay: Math.round(perDay[at] ?? 0) })),
      },
      confidence: {
        level: 0.6,
        basis: 'statistics',
        note: 'rows that were deleted since are not counted; the interval is that of the three windows',
      },
      explains: { kpis: ['database-size', 'days-to-critical-size', 'statement-latency-p95'], traces: [] },
      ...(operations.length === 0
        ? {}
        : {
            fix: {
              kind: 'migration',
              summary: `partition ${operations.map(({ table }) => table).join(', ')} by ranges of time, online`,
              changes: [],
              operations,
              ...whileSwapped,
              risk: 'Keys get the date column; statements without the date read every partition.',
              expectedEffect:
                'old ranges leave at once by detaching them, and vacuum and indexes work by range',
            },
          }),
    };
  },
};
