import type { Kpi } from './kpi.ts';

const DAY = 86_400;

export const capacity: Kpi[] = [
  {
    id: 'database-size',
    name: 'Size against critical size',
    group: 'capacity',
    unit: '1',
    promql: 'max(sqltrail_database_size_bytes) / max(sqltrail_database_critical_bytes)',
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
    promql: `clamp_max((max(sqltrail_database_critical_bytes) - max(sqltrail_database_size_bytes)) / clamp_min(max(deriv(sqltrail_database_size_bytes[1h])), 1) / ${DAY}, 3650)`,
    series: [
      {
        promql: `deriv(sqltrail_database_size_bytes[1h]) * ${DAY}`,
        legend: 'growth, bytes a day',
        unit: 'By',
      },
    ],
    objective: {
      comparison: '>=',
      value: 90,
      rationale: 'A quarter: what planning and carrying out an archival takes.',
    },
    justification: 'Turns growth into a date on which somebody can act.',
    meaning: 'When today’s pace of growth hits the wall.',
    causes: ['cold-data', 'redundant-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'linear regression of the size over an hour; over days once they are recorded',
      withoutHistory: 'rows by month of their date give the past growth from the data itself',
    },
  },
  {
    id: 'cold-data-share',
    name: 'Cold data',
    group: 'capacity',
    unit: '1',
    promql: 'sum(sqltrail_cold_bytes) / sum(sqltrail_table_heap_bytes)',
    series: [{ promql: 'sqltrail_cold_ratio', legend: '{{relname}}' }],
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
      how: 'block sample of orders, carts and log by date',
      withoutHistory: 'from the rows themselves, known at once',
    },
  },
  {
    id: 'cache-hit-ratio',
    name: 'Reads served from memory',
    group: 'capacity',
    unit: '1',
    promql:
      'sum(rate(sqltrail_database_blks_hit[1m])) / (sum(rate(sqltrail_database_blks_hit[1m])) + sum(rate(sqltrail_database_blks_read[1m])))',
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
    promql:
      'max(sqltrail_table_n_dead_tup / clamp_min(sqltrail_table_n_live_tup + sqltrail_table_n_dead_tup, 1000))',
    series: [{ promql: 'topk(5, sqltrail_table_n_dead_tup)', legend: '{{relname}}', unit: '{count}' }],
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
