import { meanStatementSeconds, select, slowdownOfStatements, statementQuantile } from '../../kpis/promql.ts';
import { unitText } from '../../kpis/unitText.ts';
import {
  type AlertDefinition,
  type Guarded,
  grows,
  ofItsProcess,
  ofOneService,
  steady,
} from '../definition.ts';

const SUMMARY = 'db_query_summary="SELECT things"';
const BY_STATEMENT = 'service_name, db_query_summary';

/** p95 of a statement on a route, against five times the objective. */
const slowStatements = ({ observed, pace, kpi }: Guarded): AlertDefinition => {
  const { objective, unit } = kpi('statement-latency-p95');
  const limit = 5 * objective.value;
  const by = ['service_name', 'db_query_summary', 'http_route'];
  const series = (part: string, le = '') =>
    `db_client_operation_duration_seconds_${part}{${ofOneService(observed)},${SUMMARY},http_route="/things/:id"${le && `,le="${le}"`}}`;
  const buckets = (counts: [le: number, step: number][]) => [
    ...counts.map(([le, step]) => ({ series: series('bucket', String(le)), values: grows(step, 40) })),
    { series: series('bucket', '+Inf'), values: grows(5, 40) },
    { series: series('count'), values: grows(5, 40) },
  ];
  return {
    alert: 'SlowStatements',
    kpi: 'statement-latency-p95',
    severity: 'page',
    layer: 'cause',
    expr: `${statementQuantile(observed, 0.95, by)} > ${limit} and sum by (${by.join(', ')}) (rate(${select('db_client_operation_duration_seconds_count', observed.spans)}${observed.range})) > 0.05`,
    for: pace.wait(15),
    keepFiringFor: pace.wait(60),
    summary:
      '{{ $labels.db_query_summary }} takes {{ $value | humanizeDuration }} (p95) on {{ $labels.http_route }}',
    description: `Five times its objective of ${unitText(objective.value, unit)}. Follow an exemplar of the statement to a trace: it has the SQL and, for a slow one, the plan.`,
    tests: {
      at: pace.wait(120),
      fires: buckets([
        [limit, 0],
        [5 * limit, 5],
      ]),
      silent: buckets([
        [limit / 10, 5],
        [limit, 5],
      ]),
    },
  };
};

const statementTimeouts = ({ observed, pace }: Guarded): AlertDefinition => {
  const counter = select('sqltrail_statement_timeouts_total', observed.processes);
  const by = 'sum by (job, db_query_summary)';
  const series = `sqltrail_statement_timeouts_total{${ofItsProcess(observed)},${SUMMARY}}`;
  // One a minute; a window of one minute fires on each.
  const limit = pace.minutes - 1;
  return {
    alert: 'StatementTimeouts',
    kpi: 'statement-timeouts',
    severity: 'page',
    layer: 'cause',
    // A counter's first sample is no increase, so a series that is new counts by its value.
    expr: `${by} (increase(${counter}${observed.range})) > ${limit} or ${by} (${counter} unless ${counter} offset ${observed.config.window}) > ${limit}`,
    for: pace.wait(5),
    keepFiringFor: pace.wait(60),
    summary: `{{ $labels.db_query_summary }} ran into statement_timeout {{ $value | humanize }} times in ${pace.window}`,
    description:
      'Each one is a request that failed. The statement scans too much or waits for a lock: its trace tells which.',
    tests: {
      at: pace.wait(120),
      fires: [{ series, values: grows(1, 40) }],
      silent: [{ series, values: steady(7, 40) }],
    },
  };
};

const slowQueryTrend = ({ observed, pace }: Guarded): AlertDefinition => {
  const series = (part: string) =>
    `db_client_operation_duration_seconds_${part}{${ofOneService(observed)},${SUMMARY}}`;
  return {
    alert: 'SlowQueryTrend',
    kpi: 'slow-query-trend',
    severity: 'ticket',
    layer: 'symptom',
    expr: `(${slowdownOfStatements(observed, observed.range, BY_STATEMENT)}) > 3 and ${meanStatementSeconds(observed, observed.range, BY_STATEMENT)} > 0.05`,
    for: pace.wait(30),
    summary: `{{ $labels.db_query_summary }} takes {{ $value | humanize }} times as long as ${pace.minutes * 10} minutes ago`,
    description:
      'Against its own past, whatever that was. New data, a changed plan, a lock or plain overload.',
    tests: {
      at: pace.wait(840),
      fires: [
        { series: series('sum'), values: '0+0.1x120 12+2x60' },
        { series: series('count'), values: '0+5x180' },
      ],
      silent: [
        { series: series('sum'), values: '0+2x180' },
        { series: series('count'), values: '0+5x180' },
      ],
    },
  };
};

export const statements = (guarded: Guarded) => [
  slowStatements(guarded),
  statementTimeouts(guarded),
  slowQueryTrend(guarded),
];
