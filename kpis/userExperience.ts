import type { Kpi } from './kpi.ts';
import { failedRequestRate, MINUTE, orNone, quantile, rateOrZero, requestRate, SHOP } from './promql.ts';

export const userExperience: Kpi[] = [
  {
    id: 'customer-latency-p95',
    name: 'Page time as customers see it, p95',
    group: 'user-experience',
    unit: 's',
    promql: (range = MINUTE) => quantile(0.95, 'load_request_duration_seconds', '', [], range),
    series: [{ promql: quantile(0.95, 'load_request_duration_seconds', '', ['step']), legend: '{{step}}' }],
    objective: {
      comparison: '<=',
      value: 1,
      rationale:
        'One second is the limit at which a flow of thought stays uninterrupted (Nielsen, Usability Engineering, 1993).',
    },
    justification:
      'Measured outside the shop and from the intended start, so that waiting in a queue counts. A server-side latency looks fine while requests wait to be served.',
    meaning: 'Customers wait for pages, and some of them leave.',
    causes: ['inefficient-query', 'missing-index', 'pool-size'],
    collection: {
      source: 'load',
      how: 'histogram of the open-loop load generator; on a real shop the browser or the load balancer',
      withoutHistory:
        'the load balancer’s access log, or a probe that asks the ten most used pages each minute',
    },
  },
  {
    id: 'request-latency-p95',
    name: 'Request time in the shop, p95',
    group: 'user-experience',
    unit: 's',
    promql: (range = MINUTE) => quantile(0.95, 'http_server_request_duration_seconds', SHOP, [], range),
    series: [
      {
        promql: quantile(0.95, 'http_server_request_duration_seconds', SHOP, ['http_route']),
        legend: '{{http_route}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.5,
      rationale: 'Half of the customer’s second; the other half is for network and rendering.',
    },
    justification: 'By route it says which page to open first; the gap to the customer’s time is queueing.',
    meaning: 'The shop itself is slow to answer.',
    causes: ['inefficient-query', 'missing-index', 'poor-normalisation'],
    collection: {
      source: 'spanmetrics',
      how: 'HTTP server spans, before sampling',
      withoutHistory: 'drop-in instrumentation starts it within minutes; no code change',
    },
  },
  {
    id: 'request-failure-ratio',
    name: 'Failed requests',
    group: 'user-experience',
    unit: '1',
    promql: (range = MINUTE) => `${failedRequestRate(range)} / ${requestRate(range)}`,
    series: [
      {
        promql: orNone(
          `sum by (http_response_status_code) (rate(http_server_request_calls_total{${SHOP},http_response_status_code=~"5.."}[1m])) / scalar(${requestRate()})`,
          'http_response_status_code',
        ),
        legend: 'HTTP {{http_response_status_code}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.01,
      rationale: 'The error budget of a 99 % availability objective.',
    },
    justification:
      '504 is a statement that timed out, 503 a connection that was not to be had: the status names the cause.',
    meaning: 'Customers see error pages.',
    causes: ['missing-timeout', 'pool-size', 'inefficient-query'],
    collection: {
      source: 'spanmetrics',
      how: 'status code of HTTP server spans',
      withoutHistory: 'the load balancer’s counters by status class',
    },
  },
  {
    id: 'satisfied-requests',
    name: 'Requests answered within half a second',
    group: 'user-experience',
    unit: '1',
    promql: (range = MINUTE) =>
      `${rateOrZero('load_request_duration_seconds_bucket{outcome="ok",le="0.5"}', range)} / sum(rate(load_request_duration_seconds_count${range}))`,
    series: [
      {
        promql: `sum by (step) (rate(load_request_duration_seconds_bucket{outcome="ok",le="0.5"}[1m])) / sum by (step) (rate(load_request_duration_seconds_count[1m]))`,
        legend: '{{step}}',
      },
    ],
    objective: {
      comparison: '>=',
      value: 0.9,
      rationale:
        'The satisfied share of Apdex with T = 0.5 s; 0.94 and up is its “excellent”, 0.85 its “good” (Apdex 1.1).',
    },
    justification: 'A percentile hides how many are hurt; this share counts them.',
    meaning: 'How many of all customers had a shop that felt quick.',
    causes: ['inefficient-query', 'missing-index'],
    collection: {
      source: 'load',
      how: 'histogram bucket at 0.5 s over all requests, failed ones in the denominator only',
      withoutHistory: 'as for the customers’ page time',
    },
  },
];
