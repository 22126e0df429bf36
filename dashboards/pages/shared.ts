import type { Observed } from '../../kpis/observed.ts';
import { meanStatementSeconds, quantile } from '../../kpis/promql.ts';
import type { PromqlPanel } from '../panel.ts';
import type { Subject } from '../subject.ts';

/** The alerts that fire, symptoms included; a row that says none when all is well. */
export const alertsTable: PromqlPanel = {
  id: 'alerts',
  kind: 'table',
  title: 'Firing alerts',
  description: 'From the rules in Prometheus, symptoms included. The name opens the runbook.',
  unit: '{count}',
  queries: [
    {
      promql:
        'max by (alertname, severity, layer, kpi, db_query_summary, http_route) (ALERTS{alertstate="firing",kpi!=""}) or on () label_replace(vector(0), "alertname", "none", "", "")',
      legend: 'Firing',
    },
  ],
  labels: {
    alertname: 'Alert',
    severity: 'Severity',
    layer: 'Cause or symptom',
    kpi: 'KPI',
    db_query_summary: 'Statement',
    http_route: 'Route',
  },
  runbooks: [],
  width: 24,
  height: 7,
};

const increases = ({ spans }: Observed) => {
  const named = `${spans},db_query_summary!=""`;
  return {
    named,
    within: (metric: string, matchers = named) =>
      `sum by (db_query_summary) (increase(db_client_operation_${metric}{${matchers}}[$__range]))`,
  };
};

/** Statements by the time that the database spent on them in the time range. */
export const statementsTable = ({ observed, runbooks }: Subject): PromqlPanel => {
  const { named, within } = increases(observed);
  return {
    id: 'top-statements',
    kind: 'table',
    title: 'Statements by total time',
    description:
      'Over the whole time range: what each statement cost the database, and whether because it is slow or because it is frequent. The name opens its traces, plan and findings in the console.',
    unit: '{count}',
    queries: [
      { promql: within('duration_seconds_sum'), legend: 'Database time', unit: 's' },
      {
        promql: `${within('duration_seconds_sum')} / scalar(sum(increase(db_client_operation_duration_seconds_sum{${named}}[$__range])))`,
        legend: 'Share of all',
        unit: '1',
      },
      {
        promql: quantile(
          0.95,
          'db_client_operation_duration_seconds',
          named,
          ['db_query_summary'],
          '[$__range]',
        ),
        legend: 'p95',
        unit: 's',
      },
      { promql: within('calls_total'), legend: 'Calls' },
      {
        promql: `(${within('calls_total', `${named},status_code="STATUS_CODE_ERROR"`)} or 0 * ${within('calls_total')}) / ${within('calls_total')}`,
        legend: 'Failed',
        unit: '1',
      },
    ],
    labels: { db_query_summary: 'Statement' },
    runbooks: runbooks('SlowStatements', 'StatementTimeouts', 'SlowQueryTrend'),
    width: 24,
    height: 10,
  };
};

const meanIn = (observed: Observed, phase: string) =>
  `avg_over_time((${meanStatementSeconds(observed)} and on () sqltrail_phase_info{phase="${phase}"})[$__range:15s])`;

/** Mean time of each statement before, at the peak, and after it. */
export const statementsByPhase = ({ observed, runbooks }: Subject): PromqlPanel => ({
  id: 'statements-by-phase',
  kind: 'table',
  title: 'Mean time of a statement, by phase',
  description:
    'Each column is the mean over one phase in the time range; a cell is empty where the statement did not run in it. The name opens its traces in the console.',
  unit: 's',
  queries: [
    { promql: meanIn(observed, 'ordinary'), legend: 'Ordinary load' },
    { promql: meanIn(observed, 'peak'), legend: 'Peak, before' },
    { promql: meanIn(observed, 'short-term'), legend: 'During mitigation' },
    { promql: meanIn(observed, 'proof'), legend: 'Peak, after' },
  ],
  labels: { db_query_summary: 'Statement' },
  runbooks: runbooks('SlowStatements'),
  width: 24,
  height: 10,
});
