import type { Kpi } from './kpi.ts';
import { MINUTE, orNone, rateOrZero } from './promql.ts';

export const throughput: Kpi[] = [
  {
    id: 'goodput',
    name: 'Requests answered well',
    group: 'throughput',
    unit: '1',
    promql: (range = MINUTE) =>
      `${rateOrZero('load_requests_total{outcome="ok"}', range)} / sum(rate(load_requests_total${range}))`,
    series: [
      { promql: 'sum by (outcome) (rate(load_requests_total[1m]))', legend: '{{outcome}} /s', unit: '/s' },
    ],
    objective: { comparison: '>=', value: 0.99, rationale: 'The complement of the 1 % error budget.' },
    justification:
      'Throughput alone rises while a shop answers errors quickly; the share that is of use does not.',
    meaning: 'Of what customers asked for, how much they got.',
    causes: ['pool-size', 'inefficient-query'],
    collection: {
      source: 'load',
      how: 'requests by outcome as the customer saw it',
      withoutHistory: 'status classes of the load balancer',
    },
  },
  {
    id: 'rollback-ratio',
    name: 'Transactions rolled back',
    group: 'throughput',
    unit: '1',
    promql: (range = MINUTE) =>
      `sum(rate(sqltrail_database_xact_rollback${range})) / (sum(rate(sqltrail_database_xact_commit${range})) + sum(rate(sqltrail_database_xact_rollback${range})))`,
    series: [
      { promql: 'sum(rate(sqltrail_database_xact_commit[1m]))', legend: 'commit /s', unit: '/s' },
      { promql: 'sum(rate(sqltrail_database_xact_rollback[1m]))', legend: 'rollback /s', unit: '/s' },
    ],
    objective: {
      comparison: '<=',
      value: 0.05,
      rationale: 'Monitoring reads and rejected baskets roll back too; well above that, work is thrown away.',
    },
    justification:
      'Each rollback is work that was paid for and thrown away: timeouts and conflicts show here first.',
    meaning: 'The database works for nothing.',
    causes: ['lock-contention', 'inefficient-query'],
    collection: {
      source: 'postgres_exporter',
      how: 'pg_stat_database.xact_commit, xact_rollback',
      withoutHistory: 'cumulative since the statistics were reset: two readings a minute apart give a rate',
    },
  },
  {
    id: 'spans-lost',
    name: 'Telemetry lost',
    group: 'throughput',
    unit: '/s',
    promql: (range = MINUTE) => rateOrZero('sqltrail_spans_dropped_total', range),
    series: [
      {
        promql: orNone('sum by (reason) (rate(sqltrail_spans_dropped_total[1m]))', 'reason'),
        legend: '{{reason}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0,
      rationale: 'What is not seen cannot be judged; any loss is told.',
    },
    justification: 'Every other KPI is only as good as the telemetry behind it.',
    meaning: 'We are partly blind.',
    causes: ['telemetry-blind'],
    collection: {
      source: 'shop',
      how: 'counter of the span processor',
      withoutHistory: 'starts with the instrumentation',
    },
  },
];
