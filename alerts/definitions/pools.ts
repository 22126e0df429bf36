import { select } from '../../kpis/promql.ts';
import { type AlertDefinition, type Guarded, grows, ofItsProcess, steady } from '../definition.ts';

const BY_POOL = 'by (job, db_client_connection_pool_name)';

const poolExhausted = ({ observed, pace }: Guarded): AlertDefinition => {
  const used = select('db_client_connection_count', observed.pools, 'db_client_connection_state="used"');
  const pending = select('db_client_connection_pending_requests', observed.pools);
  const pool = `${ofItsProcess(observed)},db_client_connection_pool_name="db"`;
  const during = `[${pace.wait(15)}]`;
  const inUse = (values: string, waiting: string) => [
    { series: `db_client_connection_count{${pool},db_client_connection_state="used"}`, values },
    { series: `db_client_connection_max{${pool}}`, values: steady(10, 40) },
    { series: `db_client_connection_pending_requests{${pool}}`, values: waiting },
  ];
  return {
    alert: 'PoolExhausted',
    kpi: 'pool-saturation',
    severity: 'page',
    layer: 'cause',
    expr: `max ${BY_POOL} (min_over_time(${used}${during})) >= max ${BY_POOL} (${select('db_client_connection_max', observed.pools)}) and max ${BY_POOL} (max_over_time(${pending}${during})) > 0`,
    for: pace.wait(10),
    keepFiringFor: pace.wait(60),
    summary:
      'All {{ $value | humanize }} connections of {{ $labels.db_client_connection_pool_name }} are in use and requests wait',
    description:
      'Connections are held too long, by slow statements or by transactions that wait. A larger pool moves the queue into the database.',
    tests: {
      at: pace.wait(120),
      fires: inUse(steady(10, 40), steady(4, 40)),
      silent: inUse('2 10 3 10 2 9 10 4x34', '0 2 0 1 0x36'),
    },
  };
};

const poolAcquireTimeouts = ({ observed, pace }: Guarded): AlertDefinition => {
  const series = `db_client_connection_timeouts_total{${ofItsProcess(observed)},db_client_connection_pool_name="db"}`;
  return {
    alert: 'PoolAcquireTimeouts',
    kpi: 'pool-acquire-timeouts',
    severity: 'page',
    layer: 'symptom',
    expr: `sum ${BY_POOL} (increase(${select('db_client_connection_timeouts_total', observed.pools)}${observed.range})) > ${pace.minutes - 1}`,
    for: pace.wait(5),
    keepFiringFor: pace.wait(60),
    summary: `{{ $value | humanize }} requests in ${pace.window} got no connection of {{ $labels.db_client_connection_pool_name }}`,
    description: 'They failed with 503 without reaching the database; only the service sees them.',
    tests: {
      at: pace.wait(120),
      fires: [{ series, values: grows(2, 40) }],
      silent: [{ series, values: steady(9, 40) }],
    },
  };
};

export const pools = (guarded: Guarded) => [poolExhausted(guarded), poolAcquireTimeouts(guarded)];
