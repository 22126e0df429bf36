import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import { select } from './promql.ts';

/** A time series each database, so that what is divided belongs together. */
const figures = ({ databases, config }: Observed) => {
  const of = (metric: string, ...matchers: string[]) => select(metric, databases, ...matchers);
  return {
    of,
    /** Added up for each database. */
    sum: (metric: string) => `sum by (database) (${of(metric)})`,
    /** Bytes a day, over the last 30 days by the dates of the rows. */
    growth: `sum by (database) (${of('sqltrail_age_new_bytes')}) / 30`,
    /** Begins a legend where there are several. */
    each: config.databases.length > 1 ? '{{database}} ' : '',
  };
};

/** Days until each database reaches its critical size. */
export const daysToCriticalSize = (observed: Observed) => {
  const { of, growth } = figures(observed);
  return `clamp((max by (database) (${of('sqltrail_database_critical_bytes')}) - max by (database) (${of('sqltrail_database_size_bytes')})) / (${growth}), 0, 3650)`;
};

export const coldShare = (observed: Observed) =>
  `${figures(observed).sum('sqltrail_age_cold_bytes')} / ${figures(observed).sum('sqltrail_table_heap_bytes')}`;

export const cacheHitRatio = ({ databases }: Observed, range: string) => {
  const rate = (metric: string) => `sum by (database) (rate(${select(metric, databases)}${range}))`;
  return `${rate('sqltrail_database_blks_hit')} / (${rate('sqltrail_database_blks_hit')} + ${rate('sqltrail_database_blks_read')})`;
};

export const capacity = (observed: Observed): Kpi[] => {
  const { of, growth, each } = figures(observed);
  const { range: usual } = observed;
  return [
    {
      id: 'database-size',
      name: 'Size against critical size',
      group: 'capacity',
      unit: '1',
      promql: () => `max(${of('sqltrail_database_size_bytes')} / ${of('sqltrail_database_critical_bytes')})`,
      series: [
        { promql: of('sqltrail_database_size_bytes'), legend: `${each}size`, unit: 'By' },
        { promql: of('sqltrail_database_critical_bytes'), legend: `${each}critical size`, unit: 'By' },
      ],
      objective: {
        comparison: '<=',
        value: 0.8,
        rationale:
          'Critical size is effective_cache_size: beyond it reads leave memory and their time jumps.',
      },
      justification: 'Growth is slow and its effect sudden; the ratio says how near the edge is.',
      meaning: 'The data outgrows the machine’s memory.',
      causes: ['cold-data', 'redundant-data'],
      collection: {
        source: 'postgres_exporter',
        how: 'pg_database_size, effective_cache_size',
        withoutHistory: 'available at once',
      },
    },
    {
      id: 'days-to-critical-size',
      name: 'Days to critical size',
      group: 'capacity',
      unit: 'd',
      promql: () => `min(${daysToCriticalSize(observed)})`,
      series: [{ promql: growth, legend: `${each}growth, bytes a day`, unit: 'By' }],
      objective: {
        comparison: '>=',
        value: 90,
        rationale: 'A quarter of a year, which is how long it takes to plan and carry out an archival.',
      },
      justification: 'Turns growth into a date on which somebody can act.',
      meaning: 'When the growth of the last month hits the wall.',
      causes: ['cold-data', 'redundant-data'],
      collection: {
        source: 'postgres_exporter',
        how: 'what the rows dated within the last 30 days weigh, by the planner’s histograms and the bounds of partitions; the size itself also moves with archival, migration and bloat, and an hour of it is no trend',
        withoutHistory: 'available at once, from the rows themselves',
      },
    },
    {
      id: 'cold-data-share',
      name: 'Cold data',
      group: 'capacity',
      unit: '1',
      promql: () => `max(${coldShare(observed)})`,
      series: [{ promql: of('sqltrail_age_cold_ratio'), legend: `${each}{{relname}}` }],
      objective: {
        comparison: '<=',
        value: 0.3,
        rationale: 'Data that nobody reads should not be scanned, vacuumed and backed up daily.',
      },
      justification: 'Says how much archival would relieve every scan, before anything is archived.',
      meaning: 'Most of what the database carries nobody has asked for in a year.',
      causes: ['cold-data'],
      collection: {
        source: 'postgres_exporter',
        how: 'planner’s histograms of the dates of the configured tables; bounds of partitions',
        withoutHistory: 'available at once, from the rows themselves',
      },
    },
    {
      id: 'cache-hit-ratio',
      name: 'Reads served from memory',
      group: 'capacity',
      unit: '1',
      promql: (range = usual) => `min(${cacheHitRatio(observed, range)})`,
      series: [
        {
          promql: `rate(${of('sqltrail_database_blks_hit')}${usual})`,
          legend: `${each}from shared buffers /s`,
          unit: '/s',
        },
        {
          promql: `rate(${of('sqltrail_database_blks_read')}${usual})`,
          legend: `${each}from outside /s`,
          unit: '/s',
        },
      ],
      objective: {
        comparison: '>=',
        value: 0.99,
        rationale: 'The common threshold for a transactional database.',
      },
      justification: 'Falls when the hot set no longer fits, long before a disk is full.',
      meaning: 'The database has to go to disk for what it needs.',
      causes: ['cold-data', 'missing-index', 'redundant-data'],
      collection: {
        source: 'postgres_exporter',
        how: 'pg_stat_database.blks_hit, blks_read',
        withoutHistory: 'cumulative since the reset',
      },
    },
    {
      id: 'dead-rows',
      name: 'Dead rows, worst table',
      group: 'capacity',
      unit: '1',
      promql: () =>
        `max(${of('sqltrail_table_n_dead_tup')} / clamp_min(${of('sqltrail_table_n_live_tup')} + ${of('sqltrail_table_n_dead_tup')}, 1000))`,
      series: [
        {
          promql: `topk(5, sum by (database, relname) (${of('sqltrail_table_n_dead_tup')}))`,
          legend: `${each}{{relname}}`,
          unit: '{count}',
        },
      ],
      objective: {
        comparison: '<=',
        value: 0.2,
        rationale: 'The default of autovacuum_vacuum_scale_factor; above it, vacuum does not keep up.',
      },
      justification: 'Bloat makes every scan longer without a single new row.',
      meaning: 'Housekeeping cannot keep up.',
      causes: ['maintenance-behind'],
      collection: {
        source: 'postgres_exporter',
        how: 'pg_stat_user_tables.n_dead_tup',
        withoutHistory: 'available at once',
      },
    },
  ];
};
