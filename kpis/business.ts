import type { Kpi } from './kpi.ts';
import { MINUTE, rateOrZero } from './promql.ts';

export const business: Kpi[] = [
  {
    id: 'checkout-failure-ratio',
    name: 'Checkouts that failed or were given up',
    group: 'business',
    unit: '1',
    promql: (range = MINUTE) =>
      `${rateOrZero('load_checkouts_total{outcome!="completed"}', range)} / sum(rate(load_checkouts_total${range}))`,
    series: [
      {
        promql: 'sum by (outcome) (rate(load_checkouts_total[1m])) * 60',
        legend: '{{outcome}} a minute',
        unit: '{count}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.02,
      rationale: 'Twice the request budget: a purchase takes more than one request.',
    },
    justification: 'The moment in which a technical fault becomes money.',
    meaning: 'Customers who wanted to pay could not.',
    causes: ['lock-contention', 'inefficient-query', 'pool-size'],
    collection: {
      source: 'load',
      how: 'customers with a basket, by outcome',
      withoutHistory: 'orders a minute against the same weekday, from the orders table',
    },
  },
  {
    id: 'lost-basket-value',
    name: 'Value of lost baskets',
    group: 'business',
    unit: 'EUR/h',
    promql: (range = MINUTE) => `${rateOrZero('load_lost_basket_value_total', range)} * 3600`,
    series: [{ promql: 'sum(rate(load_lost_basket_value_total[1m])) * 3600', legend: 'EUR/h' }],
    objective: { comparison: '<=', value: 100, rationale: 'About two average baskets an hour of this shop.' },
    justification: 'The figure that a lead and a stakeholder can weigh against the cost of the fix.',
    meaning: 'Money that customers meant to spend and did not.',
    causes: ['lock-contention', 'inefficient-query', 'pool-size'],
    collection: {
      source: 'load',
      how: 'value of baskets whose checkout failed or was given up',
      withoutHistory: 'carts left open, from the carts table',
    },
  },
  {
    id: 'placed-orders',
    name: 'Checkouts placed by the shop',
    group: 'business',
    unit: '1',
    promql: (range = MINUTE) =>
      `${rateOrZero('shop_checkouts_total{outcome="placed"}', range)} / sum(rate(shop_checkouts_total${range}))`,
    series: [
      {
        promql: 'sum by (outcome) (rate(shop_checkouts_total[1m])) * 60',
        legend: '{{outcome}} a minute',
        unit: '{count}',
      },
    ],
    objective: {
      comparison: '>=',
      value: 0.95,
      rationale: 'A few are rejected for good reason (stock); more is the shop’s fault.',
    },
    justification: 'Seen from the shop: of the checkouts that reached it, how many became orders.',
    meaning: 'Orders that made it into the books.',
    causes: ['lock-contention', 'inefficient-query'],
    collection: {
      source: 'shop',
      how: 'counter in the checkout route',
      withoutHistory: 'orders by minute in the orders table',
    },
  },
];
