import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import {
  FAILED,
  failedRequestRate,
  orNone,
  quantile,
  rateOrZero,
  requestRate,
  requests,
  select,
} from './promql.ts';

const SERVER = 'http_server_request_duration_seconds';

/** What customers waited for, where that is measured, else what the services took to answer. */
const waited = (observed: Observed) => {
  const { customers } = observed.config;
  if (!customers)
    return {
      metric: SERVER,
      all: observed.spans,
      well: 'http_response_status_code!~"5.."',
      by: 'http_route',
      source: 'spanmetrics' as const,
    };
  return {
    metric: customers.duration,
    all: '',
    well: `${customers.outcome}="${customers.ok}"`,
    by: customers.by,
    source: 'customers' as const,
  };
};

/** Only where customers are measured: the services' spans do not know how long a request waited to be served. */
const customerLatency = (observed: Observed): Kpi[] => {
  const { customers } = observed.config;
  if (!customers) return [];
  const { duration, by } = customers;
  return [
    {
      id: 'customer-latency-p95',
      name: 'Page time as customers see it, p95',
      group: 'user-experience',
      unit: 's',
      promql: (range = observed.range) => quantile(0.95, duration, '', [], range),
      series: [{ promql: quantile(0.95, duration, '', [by], observed.range), legend: `{{${by}}}` }],
      objective: {
        comparison: '<=',
        value: 1,
        rationale:
          'One second is the limit at which a flow of thought stays uninterrupted (Nielsen, Usability Engineering, 1993).',
      },
      justification: `Measured outside the ${observed.config.system} and from the intended start, so that waiting in a queue counts. A server-side latency looks fine while requests wait to be served.`,
      meaning: 'Customers wait for pages, and some of them leave.',
      causes: ['inefficient-query', 'missing-index', 'pool-size'],
      collection: {
        source: 'customers',
        how: 'histogram of whatever measures customers: a browser, a load balancer, a probe, a load generator',
        withoutHistory:
          'the load balancer’s access log, or a probe that asks the ten most used pages each minute',
      },
    },
  ];
};

export const userExperience = (observed: Observed): Kpi[] => {
  const { metric, all, well, by, source } = waited(observed);
  const { system } = observed.config;
  const quick = select(`${metric}_bucket`, all, well, 'le="0.5"');
  return [
    ...customerLatency(observed),
    {
      id: 'request-latency-p95',
      name: `Request time in the ${system}, p95`,
      group: 'user-experience',
      unit: 's',
      promql: (range = observed.range) => quantile(0.95, SERVER, observed.spans, [], range),
      series: [
        {
          promql: quantile(0.95, SERVER, observed.spans, ['http_route'], observed.range),
          legend: '{{http_route}}',
        },
      ],
      objective: {
        comparison: '<=',
        value: 0.5,
        rationale: 'Half of the customer’s second; the other half is for network and rendering.',
      },
      justification: 'By route it says which page to open first; the gap to the customer’s time is queueing.',
      meaning: `The ${system} itself is slow to answer.`,
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
      promql: (range = observed.range) =>
        `${failedRequestRate(observed, range)} / ${requestRate(observed, range)}`,
      series: [
        {
          promql: orNone(
            `sum by (http_response_status_code) (rate(${requests(observed, FAILED)}${observed.range})) / scalar(${requestRate(observed)})`,
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
        '504 is a statement that timed out, 503 that no connection was available: the status names the cause.',
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
      promql: (range = observed.range) =>
        `${rateOrZero(quick, range)} / sum(rate(${select(`${metric}_count`, all)}${range}))`,
      series: [
        {
          promql: `sum by (${by}) (rate(${quick}${observed.range})) / sum by (${by}) (rate(${select(`${metric}_count`, all)}${observed.range}))`,
          legend: `{{${by}}}`,
        },
      ],
      objective: {
        comparison: '>=',
        value: 0.9,
        rationale:
          'The satisfied share of Apdex with T = 0.5 s; 0.94 and up is its “excellent”, 0.85 its “good” (Apdex 1.1).',
      },
      justification: 'A percentile hides how many are hurt; this share counts them.',
      meaning: `How many of all customers had a ${system} that felt quick.`,
      causes: ['inefficient-query', 'missing-index'],
      collection: {
        source,
        how: 'histogram bucket at 0.5 s over all requests, failed ones in the denominator only',
        withoutHistory: 'as for the customers’ page time',
      },
    },
  ];
};
