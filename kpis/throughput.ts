import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import { failedRequestRate, orNone, rateOrZero, requestRate, requests, select } from './promql.ts';

/** Requests that were answered well: as customers saw them, where that is measured, else by the services' spans. */
const answered = (observed: Observed) => {
  const { customers } = observed.config;
  if (!customers)
    return {
      promql: (range: string) =>
        `1 - ${failedRequestRate(observed, range)} / ${requestRate(observed, range)}`,
      by: 'http_response_status_code',
      all: requests(observed),
      source: 'spanmetrics' as const,
      how: 'HTTP server spans whose status is below 500',
    };
  const well = select(customers.requests, `${customers.outcome}="${customers.ok}"`);
  return {
    promql: (range: string) => `${rateOrZero(well, range)} / sum(rate(${customers.requests}${range}))`,
    by: customers.outcome,
    all: customers.requests,
    source: 'customers' as const,
    how: 'requests by outcome as the customer saw it',
  };
};

export const throughput = (observed: Observed): Kpi[] => {
  const { promql, by, all, source, how } = answered(observed);
  const rate = (end: string, range = observed.range) =>
    `sum by (database) (rate(${select(`sqltrail_database_xact_${end}`, observed.databases)}${range}))`;
  const each = observed.config.databases.length > 1 ? '{{database}} ' : '';
  return [
    {
      id: 'goodput',
      name: 'Requests answered well',
      group: 'throughput',
      unit: '1',
      promql: (range = observed.range) => promql(range),
      series: [
        { promql: `sum by (${by}) (rate(${all}${observed.range}))`, legend: `{{${by}}} /s`, unit: '/s' },
      ],
      objective: { comparison: '>=', value: 0.99, rationale: 'The complement of the 1 % error budget.' },
      justification:
        'Throughput alone rises while a service answers errors quickly; the share that is of use does not.',
      meaning: 'Of what customers asked for, how much they got.',
      causes: ['pool-size', 'inefficient-query'],
      collection: {
        source,
        how,
        withoutHistory: 'status classes of the load balancer',
      },
    },
    {
      id: 'rollback-ratio',
      name: 'Transactions rolled back',
      group: 'throughput',
      unit: '1',
      promql: (range = observed.range) =>
        `max(${rate('rollback', range)} / (${rate('commit', range)} + ${rate('rollback', range)}))`,
      series: [
        { promql: rate('commit'), legend: `${each}commit /s`, unit: '/s' },
        { promql: rate('rollback'), legend: `${each}rollback /s`, unit: '/s' },
      ],
      objective: {
        comparison: '<=',
        value: 0.05,
        rationale:
          'Monitoring reads and rejected requests roll back too; well above that, work is thrown away.',
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
      promql: (range = observed.range) =>
        rateOrZero(select('sqltrail_spans_dropped_total', observed.processes), range),
      series: [
        {
          promql: orNone(
            `sum by (reason) (rate(${select('sqltrail_spans_dropped_total', observed.processes)}${observed.range}))`,
            'reason',
          ),
          legend: '{{reason}}',
        },
      ],
      objective: {
        comparison: '<=',
        value: 0,
        rationale: 'Lost telemetry hides problems, so any loss is reported.',
      },
      justification: 'Every other KPI is only as good as the telemetry behind it.',
      meaning: 'We are partly blind.',
      causes: ['telemetry-blind'],
      collection: {
        source: 'service',
        how: 'counter of the span processor',
        withoutHistory: 'starts with the instrumentation',
      },
    },
  ];
};
