import type { Check } from '../../check.ts';
import { bytesText, count } from '../shared.ts';
import { readAges, shareOlder } from './ages.ts';

const DAY = 86_400_000;
/** Older than a year is cold: a season of returns, warranty questions and comparisons has passed. */
const COLD_DAYS = 365;
const LEAST_COLD_BYTES = 200_000;
const OLD_ENOUGH_DAYS = 400;

const iso = (at: number) => new Date(at).toISOString().slice(0, 10);

export const coldData: Check = {
  id: 'cold-data',
  group: 'size',
  title: 'Cold data and tables that are never purged',
  description:
    'How much of each table is older than a year, by the histogram of its date column, and what archival would free. A partitioned table can drop its old part, so it is only told about.',
  async *run(context) {
    const now = Date.now();
    const all = await readAges(context);
    const total = context.tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    for (const ages of all) {
      const { table, column, bounds, text, through } = ages;
      const cold = shareOlder(ages, now - COLD_DAYS * DAY);
      const oldest = bounds[0] ?? now;
      const bytes = Math.round(table.totalBytes * cold);
      const purged = table.activity.deleted >= table.activity.inserted * 0.1 && table.activity.deleted > 0;
      if (table.kind !== 'partitioned' && (now - oldest) / DAY < OLD_ENOUGH_DAYS) continue;
      if (cold < 0.2 || bytes < LEAST_COLD_BYTES) continue;
      // An old customer or product is still one; what can go is what has an end of its life, or what nobody reads.
      const owner = through ? all.find((other) => other.table === through) : ages;
      const referred = context.tables.some(({ foreignKeys }) =>
        foreignKeys.some(
          ({ referenced }) => referenced.schema === table.schema && referenced.table === table.name,
        ),
      );
      const unread = !referred && table.activity.seqScans + table.activity.idxScans < 10;
      if ((owner?.dates ?? 0) < 2 && !unread) continue;
      const target = context.session.quote(table.schema, table.name);
      const by = `${through ? `${through.name}.` : ''}${column}`;
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
        explanation: `The oldest rows are of ${iso(oldest)} by ${by}. About ${bytesText(bytes)} of ${bytesText(table.totalBytes)} are cold, yet every scan, vacuum, backup and index carries them.${purged ? '' : ' Nothing was deleted here since the statistics began.'}`,
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
            value: table.totalBytes,
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
          summary: `archive rows of ${table.name} older than the retention policy, in small batches`,
          sql: through
            ? []
            : [
                `SELECT count(*) FROM ${target} WHERE ${context.session.quote(column)} < ${text ? `'${iso(now - COLD_DAYS * DAY)}'` : `now() - interval '${COLD_DAYS} days'`}`,
              ],
          undo: ['restore the archived batches'],
          lock: 'ROW EXCLUSIVE, in batches of few rows',
          risk: 'What the law says must be kept has to be in the archive, and to be found there.',
          expectedEffect: `about ${bytesText(bytes)} less to scan, cache and back up; space becomes reusable after vacuum`,
        },
      };
    }
  },
};

export const growth: Check = {
  id: 'growth',
  group: 'size',
  title: 'Growth and the day when memory is full',
  description:
    'Rows a day by the dates of the rows themselves over the last 30, 90 and 365 days, so that no history is needed; the forecast’s interval is that of the three.',
  async *run(context) {
    const now = Date.now();
    const ages = await readAges(context);
    const rates = [30, 90, 365].map((days) => ({
      days,
      bytesPerDay: ages.reduce((sum, age) => {
        const part = 1 - shareOlder(age, now - days * DAY);
        return sum + (part * age.table.totalBytes) / days;
      }, 0),
    }));
    const perDay = rates.map(({ bytesPerDay }) => bytesPerDay).filter((rate) => rate > 0);
    if (perDay.length === 0) return;
    const total = context.tables
      .filter(({ kind }) => kind !== 'partitioned')
      .reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    const cache = Number(context.settings.get('effective_cache_size')?.value ?? 0) * 8192;
    const buffers = Number(context.settings.get('shared_buffers')?.value ?? 0) * 8192;
    const [least, most] = [Math.min(...perDay), Math.max(...perDay)];
    const days = (rate: number) => Math.max(0, (cache - total) / rate);
    const top = [...ages].sort((a, b) => b.table.totalBytes - a.table.totalBytes).slice(0, 3);
    yield {
      id: 'growth',
      check: 'growth',
      severity: total < cache && days(most) < 90 ? 'warning' : 'info',
      title: `The database grows by ${bytesText(least)} to ${bytesText(most)} a day`,
      explanation:
        cache === 0 || total >= cache
          ? `It has ${bytesText(total)}, already more than the ${bytesText(cache)} that the server expects to be cached.`
          : `It has ${bytesText(total)}; the ${bytesText(cache)} that the server expects to be cached (effective_cache_size) are full between ${iso(now + days(most) * DAY)} and ${iso(now + days(least) * DAY)}.`,
      cause: 'cold-data',
      objects: top.map(({ table }) => ({ schema: table.schema, table: table.name })),
      statements: [],
      evidence: [
        ...rates.map(({ days: window, bytesPerDay }) => ({
          label: `growth a day over the last ${window} days`,
          value: Math.round(bytesPerDay),
          unit: 'By/d',
          how: 'histogram_bounds of the date columns in pg_stats, times pg_total_relation_size',
        })),
        { label: 'shared_buffers', value: buffers, unit: 'By', how: 'SHOW shared_buffers' },
      ],
      cost: {},
      confidence: { level: 0.6, basis: 'statistics', note: 'rows that were deleted since are not counted' },
      explains: { kpis: ['database-size', 'days-to-critical-size'], traces: [] },
    };
    context.blind({
      what: 'the day when the disk is full, and when the p95 objective is missed',
      remedy: 'No SQL tells the size of the disk; Prometheus has both (KPI days-to-critical-size).',
    });
  },
};

/** As peers do: a fifth of the rows dead, and enough of them to matter. */
const DEAD_SHARE = 0.2;
const LEAST_DEAD = 5_000;

export const deadRows: Check = {
  id: 'dead-rows',
  group: 'size',
  title: 'Dead rows',
  description: 'Tables in which vacuum does not keep up: a fifth of the rows or more are dead.',
  async *run(context) {
    for (const table of context.tables) {
      const { liveRows, deadRows: dead, lastAutovacuum, lastVacuum } = table.activity;
      const share = dead / Math.max(1, liveRows + dead);
      if (dead < LEAST_DEAD || share < DEAD_SHARE) continue;
      const last = [lastAutovacuum, lastVacuum]
        .filter((at) => at !== null)
        .sort((a, b) => b.getTime() - a.getTime())[0];
      const bytes = Math.round(table.heapBytes * share);
      yield {
        id: `dead-rows:${table.schema}.${table.name}`,
        check: 'dead-rows',
        severity: share >= 0.5 ? 'critical' : 'warning',
        title: `${Math.round(share * 100)} % of the rows of ${table.name} are dead`,
        explanation: `${count(dead)} dead rows beside ${count(liveRows)} live ones are read by each scan. ${last ? `Last vacuumed ${last.toISOString().slice(0, 16)}Z.` : 'Never vacuumed since the statistics began.'} A transaction left open, or autovacuum’s scale factor, holds vacuum back.`,
        cause: 'maintenance-behind',
        objects: [{ schema: table.schema, table: table.name }],
        statements: [],
        evidence: [
          {
            label: 'dead rows',
            value: dead,
            unit: 'rows',
            how: 'SELECT n_dead_tup FROM pg_stat_user_tables',
          },
        ],
        cost: { bytes },
        confidence: { level: 0.85, basis: 'statistics' },
        explains: { kpis: ['dead-rows', 'cache-hit-ratio'], traces: [] },
        fix: {
          summary: `vacuum ${table.name} now, and let autovacuum come earlier`,
          sql: [
            `VACUUM (ANALYZE) ${context.session.quote(table.schema, table.name)}`,
            `ALTER TABLE ${context.session.quote(table.schema, table.name)} SET (autovacuum_vacuum_scale_factor = 0.02)`,
          ],
          undo: [
            `ALTER TABLE ${context.session.quote(table.schema, table.name)} RESET (autovacuum_vacuum_scale_factor)`,
          ],
          lock: 'SHARE UPDATE EXCLUSIVE; reads and writes go on',
          risk: 'Reads the whole table once.',
          expectedEffect: `about ${bytesText(bytes)} become reusable`,
        },
      };
    }
  },
};

/** As peers do. */
const CACHE_OBJECTIVE = 0.99;

export const cachePressure: Check = {
  id: 'cache-pressure',
  group: 'size',
  title: 'Data that memory cannot hold',
  description: 'Share of blocks found in shared_buffers, beside the size of the tables that are read.',
  async *run(context) {
    const [row] = await context.session.query<{ hit: number; read: number }>(
      'SELECT blks_hit::float8 AS hit, blks_read::float8 AS read FROM pg_stat_database WHERE datname = current_database()',
    );
    const blocks = (row?.hit ?? 0) + (row?.read ?? 0);
    if (!row || blocks < 100_000) return;
    const ratio = row.hit / blocks;
    const buffers = Number(context.settings.get('shared_buffers')?.value ?? 0) * 8192;
    const total = context.tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    if (ratio >= CACHE_OBJECTIVE || total < buffers) return;
    yield {
      id: 'cache-pressure',
      check: 'cache-pressure',
      severity: 'warning',
      title: `${(100 * (1 - ratio)).toFixed(1)} % of the blocks do not come from the server’s own memory`,
      explanation: `The tables have ${bytesText(total)}, shared_buffers ${bytesText(buffers)}. Scans of large tables push out what the hot statements need.`,
      cause: 'cold-data',
      objects: [],
      statements: [],
      evidence: [
        {
          label: 'cache hit ratio',
          value: Math.round(ratio * 10_000) / 10_000,
          unit: '1',
          how: 'SELECT blks_hit, blks_read FROM pg_stat_database',
        },
      ],
      cost: {},
      confidence: { level: 0.8, basis: 'statistics', note: 'the operating system’s cache is not counted' },
      explains: { kpis: ['cache-hit-ratio', 'database-size'], traces: [] },
    };
  },
};

export const sizeChecks: readonly Check[] = [coldData, growth, deadRows, cachePressure];
