import type { BusinessConfig } from '../config/schema.ts';
import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import { FAILED, orZero, rateOrZero, requests } from './promql.ts';

const quoted = (value: string) => JSON.stringify(value);

/** How the attempts of the transaction are counted: all of them, those that failed, and by how they ended. */
export function attemptsOf(observed: Observed, { attempts, route, method }: BusinessConfig) {
  if (attempts) {
    const { metric, label, completed } = attempts;
    return {
      all: metric,
      failed: `${metric}{${label}!="${completed}"}`,
      by: label,
      source: 'customers' as const,
    };
  }
  const matchers = `http_route=${quoted(route)},http_request_method="${method}"`;
  return {
    all: requests(observed, matchers),
    failed: requests(observed, matchers, FAILED),
    by: 'http_response_status_code',
    source: 'spanmetrics' as const,
  };
}

/** Value that is lost over the range: of a counter where there is one, else the mean value of each that failed. */
export function lostValue(
  observed: Observed,
  business: BusinessConfig,
  of: 'rate' | 'increase',
  range: string,
) {
  const { value } = business;
  if (!value) return undefined;
  const { failed } = attemptsOf(observed, business);
  return 'lost' in value
    ? orZero(`sum(${of}(${value.lost}${range}))`)
    : `${value.fixed} * ${orZero(`sum(${of}(${failed}${range}))`)}`;
}

/** Attempts a minute, by how they ended. */
export const attemptsAMinute = (observed: Observed, business: BusinessConfig) => {
  const { all, by } = attemptsOf(observed, business);
  return { promql: `sum by (${by}) (rate(${all}${observed.range})) * 60`, by };
};

const failures = (observed: Observed, business: BusinessConfig): Kpi => {
  const { all, failed, source } = attemptsOf(observed, business);
  const { promql, by } = attemptsAMinute(observed, business);
  return {
    id: 'checkout-failure-ratio',
    name: `${business.name}s that failed${business.attempts ? ' or were given up' : ''}`,
    group: 'business',
    unit: '1',
    promql: (range = observed.range) => `${rateOrZero(failed, range)} / sum(rate(${all}${range}))`,
    series: [{ promql, legend: `{{${by}}} a minute`, unit: '{count}' }],
    objective: {
      comparison: '<=',
      value: 0.02,
      rationale: 'Twice the request budget: a purchase takes more than one request.',
    },
    justification: 'The moment in which a technical fault becomes money.',
    meaning: 'Customers who wanted to pay could not.',
    causes: ['lock-contention', 'inefficient-query', 'pool-size'],
    collection: {
      source,
      how: business.attempts
        ? 'attempts by outcome, as customers saw them'
        : `spans of ${business.method} ${business.route}, by status`,
      withoutHistory: 'transactions a minute against the same weekday, from the database',
    },
  };
};

const lost = (observed: Observed, business: BusinessConfig): Kpi[] => {
  if (!business.value) return [];
  const { currency } = business;
  const anHour = (range: string) => `${lostValue(observed, business, 'rate', range)} * 3600`;
  return [
    {
      id: 'lost-basket-value',
      name: 'Value of lost baskets',
      group: 'business',
      unit: `${currency}/h`,
      promql: (range = observed.range) => anHour(range),
      series: [{ promql: anHour(observed.range), legend: `${currency}/h` }],
      objective: { comparison: '<=', value: 100, rationale: 'About two average baskets an hour.' },
      justification: 'The figure that a lead and a stakeholder can weigh against the cost of the fix.',
      meaning: 'Money that customers meant to spend and did not.',
      causes: ['lock-contention', 'inefficient-query', 'pool-size'],
      collection: {
        source: attemptsOf(observed, business).source,
        how:
          'lost' in business.value
            ? 'value of what failed or was given up'
            : `what failed, at a mean value of ${business.value.fixed} ${currency}`,
        withoutHistory: 'baskets left open, from the database',
      },
    },
  ];
};

/** Only where the service counts them itself. */
const placed = (observed: Observed, { name, placed: counter }: BusinessConfig): Kpi[] => {
  if (!counter) return [];
  const { metric, label, completed } = counter;
  const { system } = observed.config;
  return [
    {
      id: 'placed-orders',
      name: `${name}s placed by the ${system}`,
      group: 'business',
      unit: '1',
      promql: (range = observed.range) =>
        `${rateOrZero(`${metric}{${label}="${completed}"}`, range)} / sum(rate(${metric}${range}))`,
      series: [
        {
          promql: `sum by (${label}) (rate(${metric}${observed.range})) * 60`,
          legend: `{{${label}}} a minute`,
          unit: '{count}',
        },
      ],
      objective: {
        comparison: '>=',
        value: 0.95,
        rationale: `A few are rejected for good reason; more is the ${system}’s fault.`,
      },
      justification: `Seen from the ${system}: of the attempts that reached it, how many were completed.`,
      meaning: 'What made it into the books.',
      causes: ['lock-contention', 'inefficient-query'],
      collection: {
        source: 'service',
        how: 'the service’s own counter',
        withoutHistory: 'rows by minute, from the database',
      },
    },
  ];
};

/** Nothing, where no business transaction is configured. */
export const business = (observed: Observed): Kpi[] => {
  const { business: of } = observed.config;
  return of ? [failures(observed, of), ...lost(observed, of), ...placed(observed, of)] : [];
};
