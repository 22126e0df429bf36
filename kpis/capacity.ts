import type { Kpi } from './kpi.ts';
import { MINUTE } from './promql.ts';

/** Bytes a day, over the last 30 days by the dates of the rows. */
const growth = 'sum(sqltrail_age_new_bytes) / 30';

export const capacity: Kpi[] = [
  {
    id: 'database-size',
    name: 'Size against critical size',
    group: 'capacity',
    unit: '1',
    promql: () => 'max(sqltrail_database_size_bytes) / max(sqltrail_database_critical_bytes)',
    series: [
      { promql: 'sqltrail_database_size_bytes', legend: 'size', unit: 'By' },
      { promql: 'sqltrail_database_critical_bytes', legend: 'critical size', unit: 'By' },
    ],
    objective: {
      comparison: '<=',
      value: 0.8,
      rationale: 'Critical size is effective_cache_size: beyond it reads leave memory and their time jumps.',
    },
    justification: 'Growth is slow and its effect sudden; the ratio says how near the edge is.',
    meaning: 'The data outgrows the machine’s memory.',
    causes: ['cold-data', 'redundant-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'pg_database_size, effective_cache_size',
      withoutHistory: 'known at once',
    },
  },
  {
    id: 'days-to-critical-size',
    name: 'Days to critical size',
    group: 'capacity',
    unit: 'd',
    promql: () =>
      `clamp((max(sqltrail_database_critical_bytes) - max(sqltrail_database_size_bytes)) / (${growth}), 0, 3650)`,
    series: [{ promql: growth, legend: 'growth, bytes a day', unit: 'By' }],
    objective: {
      comparison: '>=',
      value: 90,
      rationale: 'A quarter: what planning and carrying out an archival takes.',
    },
    justification: 'Turns growth into a date on which somebody can act.',
    meaning: 'When the growth of the last month hits the wall.',
    causes: ['cold-data', 'redundant-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'what the rows dated within the last 30 days weigh, by the planner’s histograms and the bounds of partitions; the size itself also moves with archival, migration and bloat, and an hour of it is no trend',
      withoutHistory: 'from the rows themselves, known at once',
    },
  },
  {
    id: 'cold-data-share',
    name: 'Cold data',
    group: 'capacity',
    unit: '1',
    promql: () => 'sum(sqltrail_age_cold_bytes) / sum(sqltrail_table_heap_bytes)',
    series: [{ promql: 'sqltrail_age_cold_ratio', legend: '{{relname}}' }],
    objective: {
      comparison: '<=',
      value: 0.3,
      rationale: 'What is never read should not be scanned, vacuumed and backed up daily.',
    },
    justification: 'Says how much archival would relieve every scan, before anything is archived.',
    meaning: 'Most of what the database carries nobody has asked for in a year.',
    causes: ['cold-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'planner’s histograms of the dates of orders, carts and log; bounds of partitions',
      withoutHistory: 'from the rows themselves, known at once',
    },
  },
  {
    id: 'cache-hit-ratio',
    name: 'Reads served from memory',
    group: 'capacity',
    unit: '1',
    promql: (range = MINUTE) =>
      `sum(rate(sqltrail_database_blks_hit${range})) / (sum(rate(sqltrail_database_blks_hit${range})) + sum(rate(sqltrail_database_blks_read${range})))`,
    series: [
      { promql: 'rate(sqltrail_database_blks_hit[1m])', legend: 'from shared buffers /s', unit: '/s' },
      { promql: 'rate(sqltrail_database_blks_read[1m])', legend: 'from outside /s', unit: '/s' },
    ],
    objective: {
      comparison: '>=',
      value: 0.99,
      rationale: 'The peers’ threshold for a transactional database.',
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
      'max(sqltrail_table_n_dead_tup / clamp_min(sqltrail_table_n_live_tup + sqltrail_table_n_dead_tup, 1000))',
    series: [
      {
        promql: 'topk(5, sum by (relname) (sqltrail_table_n_dead_tup))',
        legend: '{{relname}}',
        unit: '{count}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.2,
      rationale: 'autovacuum_vacuum_scale_factor’s default: above it vacuum is behind.',
    },
    justification: 'Bloat makes every scan longer without a single new row.',
    meaning: 'Housekeeping cannot keep up.',
    causes: ['maintenance-behind'],
    collection: {
      source: 'postgres_exporter',
      how: 'pg_stat_user_tables.n_dead_tup',
      withoutHistory: 'known at once',
    },
  },
];
