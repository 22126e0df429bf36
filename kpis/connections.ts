import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import { orNone, poolUsed, quantile, rateOrZero, select } from './promql.ts';

const POOL = 'db_client_connection_pool_name';

export const connections = (observed: Observed): Kpi[] => [
  {
    id: 'pool-saturation',
    name: 'Pool in use',
    group: 'connections',
    unit: '1',
    promql: () => `max(${poolUsed(observed)})`,
    series: [
      {
        promql: select('db_client_connection_count', observed.pools),
        legend: '{{db_client_connection_state}} {{db_client_connection_pool_name}}',
        unit: '{count}',
      },
      {
        promql: select('db_client_connection_pending_requests', observed.pools),
        legend: 'waiting {{db_client_connection_pool_name}}',
        unit: '{count}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.85,
      rationale: 'Warn at 70 %, act at 85 %: common thresholds for connection saturation.',
    },
    justification:
      'The pool is where slow statements become failed requests: each one holds a connection longer.',
    meaning: 'All lines to the database are busy.',
    causes: ['inefficient-query', 'pool-size', 'lock-contention'],
    collection: {
      source: 'service',
      how: 'in use over maximum, of each pool',
      withoutHistory: 'pg_stat_activity by application_name, sampled',
    },
  },
  {
    id: 'pool-wait-p95',
    name: 'Wait for a connection, p95',
    group: 'connections',
    unit: 's',
    promql: (range = observed.range) =>
      quantile(0.95, 'db_client_connection_wait_time', observed.pools, [], range),
    series: [
      {
        promql: quantile(0.95, 'db_client_connection_wait_time', observed.pools, [POOL], observed.range),
        legend: 'p95 {{db_client_connection_pool_name}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.05,
      rationale: 'A tenth of the half second that a request may take.',
    },
    justification: 'A sampled count of waiting requests misses bursts; each wait is measured here.',
    meaning: 'Requests queue before they even reach the database.',
    causes: ['pool-size', 'inefficient-query'],
    collection: {
      source: 'service',
      how: 'histogram of each acquire',
      withoutHistory: 'starts with the instrumentation; the server cannot see it',
    },
  },
  {
    id: 'pool-acquire-timeouts',
    name: 'Connections unavailable',
    group: 'connections',
    unit: '/s',
    promql: (range = observed.range) =>
      rateOrZero(select('db_client_connection_timeouts_total', observed.pools), range),
    series: [
      {
        promql: orNone(
          `sum by (${POOL}) (rate(${select('db_client_connection_timeouts_total', observed.pools)}${observed.range}))`,
          POOL,
        ),
        legend: '{{db_client_connection_pool_name}}',
      },
    ],
    objective: { comparison: '<=', value: 0, rationale: 'Each one is a request that failed.' },
    justification: 'The failure that leaves no trace in the database: the server never hears of it.',
    meaning: 'Customers were turned away because no line was free.',
    causes: ['pool-size', 'inefficient-query', 'lock-contention'],
    collection: {
      source: 'service',
      how: 'counter of acquires given up',
      withoutHistory: 'starts with the instrumentation',
    },
  },
  {
    id: 'server-connections',
    name: 'Server connections in use',
    group: 'connections',
    unit: '1',
    promql: () =>
      `max(sum by (database) (${select('sqltrail_session_count', observed.databases)}) / max by (database) (${select('sqltrail_database_max_connections', observed.databases)}))`,
    series: [
      {
        promql: `sum by (state) (${select('sqltrail_session_count', observed.databases)})`,
        legend: '{{state}}',
        unit: '{count}',
      },
    ],
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
      withoutHistory: 'available at once',
    },
  },
  {
    id: 'blocked-sessions',
    name: 'Sessions waiting for a lock',
    group: 'connections',
    unit: '{count}',
    promql: () => `max(${select('sqltrail_activity_blocked_sessions', observed.databases)})`,
    series: [
      { promql: select('sqltrail_activity_blocked_sessions', observed.databases), legend: 'sessions' },
      {
        promql: select('sqltrail_activity_longest_lock_wait_seconds', observed.databases),
        legend: 'longest wait, s',
        unit: 's',
      },
    ],
    objective: {
      comparison: '<=',
      value: 1,
      rationale: 'Two sessions that meet on one row are normal; a queue is not.',
    },
    justification:
      'Tells a slow statement from one that merely waits: more hardware would not help the second.',
    meaning: 'Requests queue up behind each other.',
    causes: ['lock-contention'],
    collection: {
      source: 'postgres_exporter',
      how: 'wait_event_type Lock in pg_stat_activity',
      withoutHistory: 'available at once, by sampling',
    },
  },
];
