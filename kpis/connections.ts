import type { Kpi } from './kpi.ts';
import { MINUTE, orNone, poolUsed, quantile, rateOrZero } from './promql.ts';

const POOL = 'db_client_connection_pool_name';

export const connections: Kpi[] = [
  {
    id: 'pool-saturation',
    name: 'Pool in use',
    group: 'connections',
    unit: '1',
    promql: () => `max(${poolUsed})`,
    series: [
      {
        promql: 'db_client_connection_count',
        legend: '{{db_client_connection_state}} {{db_client_connection_pool_name}}',
        unit: '{count}',
      },
      {
        promql: 'db_client_connection_pending_requests',
        legend: 'waiting {{db_client_connection_pool_name}}',
        unit: '{count}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.85,
      rationale: 'Warn at 70 %, act at 85 %: peers’ thresholds for connection saturation.',
    },
    justification:
      'The pool is where slow statements become failed requests: each one holds a connection longer.',
    meaning: 'All lines to the database are busy.',
    causes: ['inefficient-query', 'pool-size', 'lock-contention'],
    collection: {
      source: 'shop',
      how: 'in use over maximum, of each pool',
      withoutHistory: 'pg_stat_activity by application_name, sampled',
    },
  },
  {
    id: 'pool-wait-p95',
    name: 'Wait for a connection, p95',
    group: 'connections',
    unit: 's',
    promql: (range = MINUTE) => quantile(0.95, 'db_client_connection_wait_time', '', [], range),
    series: [
      {
        promql: quantile(0.95, 'db_client_connection_wait_time', '', [POOL]),
        legend: 'p95 {{db_client_connection_pool_name}}',
      },
    ],
    objective: { comparison: '<=', value: 0.05, rationale: 'A tenth of the request’s half second.' },
    justification: 'A sampled count of waiting requests misses bursts; each wait is measured here.',
    meaning: 'Requests queue before they even reach the database.',
    causes: ['pool-size', 'inefficient-query'],
    collection: {
      source: 'shop',
      how: 'histogram of each acquire',
      withoutHistory: 'starts with the instrumentation; the server cannot see it',
    },
  },
  {
    id: 'pool-acquire-timeouts',
    name: 'Connections not to be had',
    group: 'connections',
    unit: '/s',
    promql: (range = MINUTE) => rateOrZero('db_client_connection_timeouts_total', range),
    series: [
      {
        promql: orNone(`sum by (${POOL}) (rate(db_client_connection_timeouts_total[1m]))`, POOL),
        legend: '{{db_client_connection_pool_name}}',
      },
    ],
    objective: { comparison: '<=', value: 0, rationale: 'Each one is a request that failed.' },
    justification: 'The failure that leaves no trace in the database: the server never hears of it.',
    meaning: 'Customers were turned away because no line was free.',
    causes: ['pool-size', 'inefficient-query', 'lock-contention'],
    collection: {
      source: 'shop',
      how: 'counter of acquires given up',
      withoutHistory: 'starts with the instrumentation',
    },
  },
  {
    id: 'server-connections',
    name: 'Server connections in use',
    group: 'connections',
    unit: '1',
    promql: () => 'sum(sqltrail_session_count) / max(sqltrail_database_max_connections)',
    series: [{ promql: 'sum by (state) (sqltrail_session_count)', legend: '{{state}}', unit: '{count}' }],
    objective: {
      comparison: '<=',
      value: 0.8,
      rationale: 'Leaves room for people and maintenance when it matters.',
    },
    justification:
      'Raising the pool’s size is the usual reflex; this says whether the server has room for it.',
    meaning: 'The database runs out of seats.',
    causes: ['pool-size'],
    collection: {
      source: 'postgres_exporter',
      how: 'pg_stat_activity over max_connections',
      withoutHistory: 'known at once',
    },
  },
  {
    id: 'blocked-sessions',
    name: 'Sessions waiting for a lock',
    group: 'connections',
    unit: '{count}',
    promql: () => 'max(sqltrail_activity_blocked_sessions)',
    series: [
      { promql: 'sqltrail_activity_blocked_sessions', legend: 'sessions' },
      { promql: 'sqltrail_activity_longest_lock_wait_seconds', legend: 'longest wait, s', unit: 's' },
    ],
    objective: {
      comparison: '<=',
      value: 1,
      rationale: 'Two that meet on one row are normal; a queue is not.',
    },
    justification:
      'Tells a slow statement from one that merely waits: more hardware would not help the second.',
    meaning: 'Orders queue up behind each other.',
    causes: ['lock-contention'],
    collection: {
      source: 'postgres_exporter',
      how: 'wait_event_type Lock in pg_stat_activity',
      withoutHistory: 'known at once, sampled',
    },
  },
];
