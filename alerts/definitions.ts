import { kpiById } from '../kpis/catalogue.ts';
import { SHOP, slowdownOfStatements, statementQuantile } from '../kpis/promql.ts';

/** promtool input: a selector and its values in promtool's notation, one sample each 5 s. */
interface InputSeries {
  series: string;
  values: string;
}

export interface AlertDefinition {
  alert: string;
  /** Id of the KPI whose objective it guards. */
  kpi: string;
  severity: 'page' | 'ticket';
  /** A cause mutes its symptoms (alertmanager.yml). */
  layer: 'cause' | 'symptom';
  expr: string;
  for: string;
  keepFiringFor?: string;
  summary: string;
  description: string;
  /** What promtool holds it to: series on which it fires at `at`, and series on which it must not. */
  tests: { at: string; fires: InputSeries[]; silent: InputSeries[] };
}

const pool = 'db_client_connection_pool_name="db"';
const request = (status: string) =>
  `http_server_request_calls_total{service_name="shop",http_route="/search",http_response_status_code="${status}"}`;
const STATEMENT = 'service_name="shop",db_query_summary="SELECT orders",http_route="/orders/:orderNumber"';
const bucket = (le: string) => `db_client_operation_duration_seconds_bucket{${STATEMENT},le="${le}"}`;
const statements = `db_client_operation_duration_seconds_count{${STATEMENT}}`;
const steady = (value: number, samples: number) => `${value}x${samples}`;
/** A counter that grows by `step` each 5 s. */
const grows = (step: number, samples: number) => `0+${step}x${samples}`;

/** Share of failed requests over a window. */
const burn = (window: string) =>
  `(sum(rate(http_server_request_calls_total{${SHOP},http_response_status_code=~"5.."}[${window}])) / sum(rate(http_server_request_calls_total{${SHOP}}[${window}])))`;
/** The error budget of a 99 % objective. */
const BUDGET = 0.01;
const burns = (factor: number, long: string, short: string) =>
  `${burn(long)} > ${factor} * ${BUDGET} and ${burn(short)} > ${factor} * ${BUDGET}`;

/**
 * The alerts. Windows of one minute and waits of seconds make the story's breakdown visible within 90 s; the burn
 * rates are those of the SRE workbook (Google, The Site Reliability Workbook, chapter 5).
 */
export const alerts: AlertDefinition[] = [
  {
    alert: 'SlowStatements',
    kpi: 'statement-latency-p95',
    severity: 'page',
    layer: 'cause',
    expr: `${statementQuantile(0.95, ['db_query_summary', 'http_route'])} > 0.5 and sum by (db_query_summary, http_route) (rate(db_client_operation_duration_seconds_count{${SHOP}}[1m])) > 0.05`,
    for: '15s',
    keepFiringFor: '1m',
    summary:
      '{{ $labels.db_query_summary }} takes {{ $value | humanizeDuration }} (p95) on {{ $labels.http_route }}',
    description:
      'Five times its objective of 100 ms. Follow an exemplar of the statement to a trace: it has the SQL and, for a slow one, the plan.',
    tests: {
      at: '2m',
      fires: [
        { series: bucket('0.5'), values: grows(0, 40) },
        { series: bucket('2.5'), values: grows(5, 40) },
        { series: bucket('+Inf'), values: grows(5, 40) },
        { series: statements, values: grows(5, 40) },
      ],
      silent: [
        { series: bucket('0.05'), values: grows(5, 40) },
        { series: bucket('0.5'), values: grows(5, 40) },
        { series: bucket('+Inf'), values: grows(5, 40) },
        { series: statements, values: grows(5, 40) },
      ],
    },
  },
  {
    alert: 'StatementTimeouts',
    kpi: 'statement-timeouts',
    severity: 'page',
    layer: 'cause',
    // A counter's first sample is no increase, so a series that is new counts by its value.
    expr: `sum by (db_query_summary) (increase(sqltrail_statement_timeouts_total[1m])) > 0 or sum by (db_query_summary) (sqltrail_statement_timeouts_total unless sqltrail_statement_timeouts_total offset 1m) > 0`,
    for: '5s',
    keepFiringFor: '1m',
    summary:
      '{{ $labels.db_query_summary }} ran into statement_timeout {{ $value | humanize }} times in a minute',
    description:
      'Each one is a request that failed. The statement scans too much or waits for a lock: its trace tells which.',
    tests: {
      at: '2m',
      fires: [
        {
          series: 'sqltrail_statement_timeouts_total{db_query_summary="SELECT orders"}',
          values: grows(1, 40),
        },
      ],
      silent: [
        {
          series: 'sqltrail_statement_timeouts_total{db_query_summary="SELECT orders"}',
          values: steady(7, 40),
        },
      ],
    },
  },
  {
    alert: 'PoolExhausted',
    kpi: 'pool-saturation',
    severity: 'page',
    layer: 'cause',
    expr: `max by (db_client_connection_pool_name) (min_over_time(db_client_connection_count{db_client_connection_state="used"}[15s])) >= max by (db_client_connection_pool_name) (db_client_connection_max) and max by (db_client_connection_pool_name) (max_over_time(db_client_connection_pending_requests[15s])) > 0`,
    for: '10s',
    keepFiringFor: '1m',
    summary:
      'All {{ $value | humanize }} connections of {{ $labels.db_client_connection_pool_name }} are in use and requests wait',
    description:
      'Connections are held too long, by slow statements or by transactions that wait. A larger pool moves the queue into the database.',
    tests: {
      at: '2m',
      fires: [
        {
          series: `db_client_connection_count{${pool},db_client_connection_state="used"}`,
          values: steady(10, 40),
        },
        { series: `db_client_connection_max{${pool}}`, values: steady(10, 40) },
        { series: `db_client_connection_pending_requests{${pool}}`, values: steady(4, 40) },
      ],
      silent: [
        {
          series: `db_client_connection_count{${pool},db_client_connection_state="used"}`,
          values: '2 10 3 10 2 9 10 4x34',
        },
        { series: `db_client_connection_max{${pool}}`, values: steady(10, 40) },
        { series: `db_client_connection_pending_requests{${pool}}`, values: '0 2 0 1 0x36' },
      ],
    },
  },
  {
    alert: 'PoolAcquireTimeouts',
    kpi: 'pool-acquire-timeouts',
    severity: 'page',
    layer: 'symptom',
    expr: 'sum by (db_client_connection_pool_name) (increase(db_client_connection_timeouts_total[1m])) > 0',
    for: '5s',
    keepFiringFor: '1m',
    summary:
      '{{ $value | humanize }} requests in a minute got no connection of {{ $labels.db_client_connection_pool_name }}',
    description: 'They failed with 503 without reaching the database; only the shop sees them.',
    tests: {
      at: '2m',
      fires: [{ series: `db_client_connection_timeouts_total{${pool}}`, values: grows(2, 40) }],
      silent: [{ series: `db_client_connection_timeouts_total{${pool}}`, values: steady(9, 40) }],
    },
  },
  {
    alert: 'SlowQueryTrend',
    kpi: 'slow-query-trend',
    severity: 'ticket',
    layer: 'symptom',
    expr: `(${slowdownOfStatements()}) > 3 and sum by (db_query_summary) (rate(db_client_operation_duration_seconds_sum{${SHOP}}[1m])) / sum by (db_query_summary) (rate(db_client_operation_duration_seconds_count{${SHOP}}[1m])) > 0.05`,
    for: '30s',
    summary: '{{ $labels.db_query_summary }} takes {{ $value | humanize }} times as long as ten minutes ago',
    description:
      'Against its own past, whatever that was. New data, a changed plan, a lock or plain overload.',
    tests: {
      at: '14m',
      fires: [
        {
          series:
            'db_client_operation_duration_seconds_sum{service_name="shop",db_query_summary="SELECT orders"}',
          values: '0+0.1x120 12+2x60',
        },
        {
          series:
            'db_client_operation_duration_seconds_count{service_name="shop",db_query_summary="SELECT orders"}',
          values: '0+5x180',
        },
      ],
      silent: [
        {
          series:
            'db_client_operation_duration_seconds_sum{service_name="shop",db_query_summary="SELECT orders"}',
          values: '0+2x180',
        },
        {
          series:
            'db_client_operation_duration_seconds_count{service_name="shop",db_query_summary="SELECT orders"}',
          values: '0+5x180',
        },
      ],
    },
  },
  {
    alert: 'ErrorBudgetBurnFast',
    kpi: 'request-failure-ratio',
    severity: 'page',
    layer: 'symptom',
    expr: `(${burns(14.4, '1h', '5m')}) or (${burns(6, '6h', '30m')})`,
    for: '15s',
    summary:
      '{{ $value | humanizePercentage }} of the requests fail: the error budget of a month is gone within days',
    description: 'Burn rate 14.4 over 1 h and 5 min, or 6 over 6 h and 30 min, against 99 % of requests.',
    tests: {
      at: '10m',
      fires: [
        { series: request('200'), values: grows(6, 130) },
        { series: request('504'), values: grows(4, 130) },
      ],
      silent: [
        { series: request('200'), values: grows(1000, 130) },
        { series: request('504'), values: grows(5, 130) },
      ],
    },
  },
  {
    alert: 'ErrorBudgetBurnSlow',
    kpi: 'request-failure-ratio',
    severity: 'ticket',
    layer: 'symptom',
    expr: `(${burns(3, '1d', '2h')}) or (${burns(1, '3d', '6h')})`,
    for: '5m',
    summary: '{{ $value | humanizePercentage }} of the requests fail, for hours',
    description: 'Burn rate 3 over 1 d and 2 h, or 1 over 3 d and 6 h, against 99 % of requests.',
    tests: {
      at: '20m',
      fires: [
        { series: request('200'), values: grows(95, 260) },
        { series: request('504'), values: grows(5, 260) },
      ],
      silent: [
        { series: request('200'), values: grows(1000, 260) },
        { series: request('504'), values: grows(5, 260) },
      ],
    },
  },
  {
    alert: 'CheckoutFailures',
    kpi: 'checkout-failure-ratio',
    severity: 'page',
    layer: 'symptom',
    expr: `${kpiById('checkout-failure-ratio').promql()} > 0.1 and sum(increase(load_checkouts_total{outcome!="completed"}[1m])) >= 3`,
    for: '15s',
    keepFiringFor: '1m',
    summary: '{{ $value | humanizePercentage }} of those who wanted to buy could not',
    description: 'Failed or given up. The lost-basket KPI has the value in euros an hour.',
    tests: {
      at: '3m',
      fires: [
        { series: 'load_checkouts_total{outcome="completed"}', values: grows(2, 60) },
        { series: 'load_checkouts_total{outcome="failed"}', values: grows(1, 60) },
      ],
      silent: [
        { series: 'load_checkouts_total{outcome="completed"}', values: grows(20, 60) },
        { series: 'load_checkouts_total{outcome="failed"}', values: grows(1, 60) },
      ],
    },
  },
  {
    alert: 'BlockedSessions',
    kpi: 'blocked-sessions',
    severity: 'ticket',
    layer: 'cause',
    expr: 'max(min_over_time(sqltrail_activity_blocked_sessions[30s])) > 2',
    for: '15s',
    summary: '{{ $value | humanize }} sessions wait for a lock',
    description: 'They queue for a row or a table. The query drill-down’s traces show which statement waits.',
    tests: {
      at: '2m',
      fires: [{ series: 'sqltrail_activity_blocked_sessions', values: steady(5, 40) }],
      silent: [{ series: 'sqltrail_activity_blocked_sessions', values: '0 5 1 4 0 5 0x34' }],
    },
  },
  {
    alert: 'LongTransaction',
    kpi: 'blocked-sessions',
    severity: 'ticket',
    layer: 'cause',
    expr: 'max(sqltrail_activity_longest_transaction_seconds) > 60',
    for: '15s',
    summary: 'A transaction has been open for {{ $value | humanizeDuration }}',
    description: 'It holds its locks and keeps vacuum from removing dead rows.',
    tests: {
      at: '3m',
      fires: [{ series: 'sqltrail_activity_longest_transaction_seconds', values: '0+5x60' }],
      silent: [{ series: 'sqltrail_activity_longest_transaction_seconds', values: steady(20, 60) }],
    },
  },
  {
    alert: 'CacheHitLow',
    kpi: 'cache-hit-ratio',
    severity: 'ticket',
    layer: 'symptom',
    expr: `${kpiById('cache-hit-ratio').promql()} < 0.9 and sum(rate(sqltrail_database_blks_read[1m])) > 1000`,
    for: '1m',
    summary: 'Only {{ $value | humanizePercentage }} of the blocks come from memory',
    description: 'The hot set no longer fits, or scans push it out.',
    tests: {
      at: '4m',
      fires: [
        { series: 'sqltrail_database_blks_hit', values: grows(10_000, 60) },
        { series: 'sqltrail_database_blks_read', values: grows(9_000, 60) },
      ],
      silent: [
        { series: 'sqltrail_database_blks_hit', values: grows(1_000_000, 60) },
        { series: 'sqltrail_database_blks_read', values: grows(6_000, 60) },
      ],
    },
  },
  {
    alert: 'ColdDataGrowth',
    kpi: 'cold-data-share',
    severity: 'ticket',
    layer: 'cause',
    expr: `${kpiById('cold-data-share').promql()} > 0.5`,
    for: '5m',
    summary: '{{ $value | humanizePercentage }} of the tables’ bytes are cold',
    description:
      'Orders older than a year, log lines and carts older than 90 days: every scan, vacuum and backup carries them.',
    tests: {
      at: '8m',
      fires: [
        { series: 'sqltrail_age_cold_bytes{relname="orders"}', values: steady(80, 120) },
        { series: 'sqltrail_table_heap_bytes{relname="orders"}', values: steady(100, 120) },
      ],
      silent: [
        { series: 'sqltrail_age_cold_bytes{relname="orders"}', values: steady(20, 120) },
        { series: 'sqltrail_table_heap_bytes{relname="orders"}', values: steady(100, 120) },
      ],
    },
  },
  {
    alert: 'DaysToCriticalSize',
    kpi: 'days-to-critical-size',
    severity: 'ticket',
    layer: 'cause',
    expr: `${kpiById('days-to-critical-size').promql()} < 30`,
    for: '5m',
    summary:
      'By the growth of the last month the database reaches critical size in {{ $value | humanize }} days',
    description: 'Critical size is effective_cache_size: beyond it reads leave memory.',
    tests: {
      at: '20m',
      fires: [
        { series: 'sqltrail_database_size_bytes', values: steady(3_900_000_000, 260) },
        { series: 'sqltrail_database_critical_bytes', values: steady(4_000_000_000, 260) },
        { series: 'sqltrail_age_new_bytes{relname="orders"}', values: steady(100_000_000, 260) },
        { series: 'sqltrail_age_new_bytes{relname="activity_log"}', values: steady(200_000_000, 260) },
      ],
      // An archival at 5 min, and after it the size grows by 10 MB a minute: a peak, or the backfill of a migration,
      // with both models there. 47 days are left; were the rows of the last month counted in both, 23.
      silent: [
        {
          series: 'sqltrail_database_size_bytes',
          values: '3000000000x59 1500000000+833333x200',
        },
        { series: 'sqltrail_database_critical_bytes', values: steady(4_000_000_000, 260) },
        { series: 'sqltrail_age_new_bytes{relname="orders"}', values: steady(1_500_000_000, 260) },
        { series: 'sqltrail_age_new_bytes{relname="shop.orders"}', values: steady(0, 260) },
      ],
    },
  },
  {
    alert: 'TelemetryMissing',
    kpi: 'spans-lost',
    severity: 'page',
    layer: 'cause',
    expr: 'up{job=~"shop|postgres|collector|load|console"} == 0',
    for: '20s',
    summary: '{{ $labels.job }} is not scraped',
    description: 'The part is down, or its metrics are. Other alerts may be silent because of it.',
    tests: {
      at: '2m',
      fires: [{ series: 'up{job="shop"}', values: steady(0, 40) }],
      silent: [{ series: 'up{job="shop"}', values: '1 1 0 1x37' }],
    },
  },
  {
    alert: 'SpansDropped',
    kpi: 'spans-lost',
    severity: 'ticket',
    layer: 'cause',
    expr: 'sum by (reason) (increase(sqltrail_spans_dropped_total[1m])) > 0',
    for: '15s',
    keepFiringFor: '1m',
    summary: '{{ $value | humanize }} spans were lost in a minute ({{ $labels.reason }})',
    description:
      'The collector is away or too slow. Requests are not affected; what the traces show is not complete.',
    tests: {
      at: '2m',
      fires: [{ series: 'sqltrail_spans_dropped_total{reason="export_failed"}', values: grows(100, 40) }],
      silent: [{ series: 'sqltrail_spans_dropped_total{reason="export_failed"}', values: steady(100, 40) }],
    },
  },
];
