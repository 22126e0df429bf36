import { cacheHitRatio, coldShare, daysToCriticalSize } from '../../kpis/capacity.ts';
import { select } from '../../kpis/promql.ts';
import { type AlertDefinition, type Guarded, grows, ofOneDatabase, steady } from '../definition.ts';

const waiting = ({ observed, pace }: Guarded): AlertDefinition[] => [
  {
    alert: 'BlockedSessions',
    kpi: 'blocked-sessions',
    severity: 'ticket',
    layer: 'cause',
    expr: `max by (database) (min_over_time(${select('sqltrail_activity_blocked_sessions', observed.databases)}[${pace.wait(30)}])) > 2`,
    for: pace.wait(15),
    summary: '{{ $value | humanize }} sessions wait for a lock',
    description: 'They queue for a row or a table. The traces of a slow statement show which one waits.',
    tests: {
      at: pace.wait(120),
      fires: [
        { series: `sqltrail_activity_blocked_sessions{${ofOneDatabase(observed)}}`, values: steady(5, 40) },
      ],
      silent: [
        {
          series: `sqltrail_activity_blocked_sessions{${ofOneDatabase(observed)}}`,
          values: '0 5 1 4 0 5 0x34',
        },
      ],
    },
  },
  {
    alert: 'LongTransaction',
    kpi: 'blocked-sessions',
    severity: 'ticket',
    layer: 'cause',
    expr: `max by (database) (${select('sqltrail_activity_longest_transaction_seconds', observed.databases)}) > 60`,
    for: pace.wait(15),
    summary: 'A transaction has been open for {{ $value | humanizeDuration }}',
    description: 'It holds its locks and keeps vacuum from removing dead rows.',
    tests: {
      at: pace.wait(180),
      fires: [
        {
          series: `sqltrail_activity_longest_transaction_seconds{${ofOneDatabase(observed)}}`,
          values: '0+5x60',
        },
      ],
      silent: [
        {
          series: `sqltrail_activity_longest_transaction_seconds{${ofOneDatabase(observed)}}`,
          values: steady(20, 60),
        },
      ],
    },
  },
];

const blocks = ({ observed, pace }: Guarded, hit: number, read: number) => [
  { series: `sqltrail_database_blks_hit{${ofOneDatabase(observed)}}`, values: grows(hit * pace.minutes, 60) },
  {
    series: `sqltrail_database_blks_read{${ofOneDatabase(observed)}}`,
    values: grows(read * pace.minutes, 60),
  },
];

const cacheHitLow = (guarded: Guarded): AlertDefinition => {
  const { observed, pace } = guarded;
  return {
    alert: 'CacheHitLow',
    kpi: 'cache-hit-ratio',
    severity: 'ticket',
    layer: 'symptom',
    expr: `${cacheHitRatio(observed, observed.range)} < 0.9 and sum by (database) (rate(${select('sqltrail_database_blks_read', observed.databases)}${observed.range})) > 1000`,
    for: pace.wait(60),
    summary: 'Only {{ $value | humanizePercentage }} of the blocks come from memory',
    description: 'The hot set no longer fits, or scans push it out.',
    tests: {
      at: pace.wait(240),
      fires: blocks(guarded, 10_000, 9_000),
      silent: blocks(guarded, 1_000_000, 6_000),
    },
  };
};

const classes = (retention: Record<string, number>) =>
  Object.entries(retention)
    .map(([name, days]) => `${name} ${days} days`)
    .join(', ');

const coldDataGrowth = ({ observed, pace }: Guarded): AlertDefinition => ({
  alert: 'ColdDataGrowth',
  kpi: 'cold-data-share',
  severity: 'ticket',
  layer: 'cause',
  expr: `${coldShare(observed)} > 0.5`,
  for: pace.wait(300),
  summary: '{{ $value | humanizePercentage }} of the tables’ bytes are cold',
  description: `Older than their retention class (${classes(observed.config.retention)}): every scan, vacuum and backup includes them.`,
  tests: {
    at: pace.wait(480),
    fires: [
      {
        series: `sqltrail_age_cold_bytes{${ofOneDatabase(observed)},relname="things"}`,
        values: steady(80, 120),
      },
      {
        series: `sqltrail_table_heap_bytes{${ofOneDatabase(observed)},relname="things"}`,
        values: steady(100, 120),
      },
    ],
    silent: [
      {
        series: `sqltrail_age_cold_bytes{${ofOneDatabase(observed)},relname="things"}`,
        values: steady(20, 120),
      },
      {
        series: `sqltrail_table_heap_bytes{${ofOneDatabase(observed)},relname="things"}`,
        values: steady(100, 120),
      },
    ],
  },
});

const criticalSize = ({ observed, pace }: Guarded): AlertDefinition => ({
  alert: 'DaysToCriticalSize',
  kpi: 'days-to-critical-size',
  severity: 'ticket',
  layer: 'cause',
  expr: `${daysToCriticalSize(observed)} < 30`,
  for: pace.wait(300),
  summary:
    'By the growth of the last month the database reaches critical size in {{ $value | humanize }} days',
  description: 'Critical size is effective_cache_size: beyond it reads leave memory.',
  tests: {
    at: pace.wait(1200),
    fires: [
      {
        series: `sqltrail_database_size_bytes{${ofOneDatabase(observed)}}`,
        values: steady(3_900_000_000, 260),
      },
      {
        series: `sqltrail_database_critical_bytes{${ofOneDatabase(observed)}}`,
        values: steady(4_000_000_000, 260),
      },
      {
        series: `sqltrail_age_new_bytes{${ofOneDatabase(observed)},relname="things"}`,
        values: steady(100_000_000, 260),
      },
      {
        series: `sqltrail_age_new_bytes{${ofOneDatabase(observed)},relname="log"}`,
        values: steady(200_000_000, 260),
      },
    ],
    // An archival at 5 min, and after it the size grows by 10 MB a minute: a peak, or the backfill of a migration,
    // with both models there. 47 days are left; were the rows of the last month counted in both, 23.
    silent: [
      {
        series: `sqltrail_database_size_bytes{${ofOneDatabase(observed)}}`,
        values: '3000000000x59 1500000000+833333x200',
      },
      {
        series: `sqltrail_database_critical_bytes{${ofOneDatabase(observed)}}`,
        values: steady(4_000_000_000, 260),
      },
      {
        series: `sqltrail_age_new_bytes{${ofOneDatabase(observed)},relname="things"}`,
        values: steady(1_500_000_000, 260),
      },
      {
        series: `sqltrail_age_new_bytes{${ofOneDatabase(observed)},relname="new.things"}`,
        values: steady(0, 260),
      },
    ],
  },
});

export const database = (guarded: Guarded) => [
  ...waiting(guarded),
  cacheHitLow(guarded),
  coldDataGrowth(guarded),
  criticalSize(guarded),
];
