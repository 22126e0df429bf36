import { attemptsOf } from '../../kpis/business.ts';
import { FAILED, requests as requestsOf } from '../../kpis/promql.ts';
import { unitText } from '../../kpis/unitText.ts';
import { type AlertDefinition, type Guarded, grows, ofOneService } from '../definition.ts';

const BY_SERVICE = 'sum by (service_name)';
/** Figures of promtool's input, without what binary fractions leave behind. */
const round = (value: number) => Number(value.toPrecision(6));

/**
 * The burn rates are those of the SRE workbook (Google, The Site Reliability Workbook, chapter 5): so many times the
 * error budget, over a long and a short window.
 */
const errorBudget = ({ observed, pace, kpi, has }: Guarded): AlertDefinition[] => {
  if (!has('request-failure-ratio')) return [];
  const { objective } = kpi('request-failure-ratio');
  const budget = objective.value;
  const failing = (window: string) =>
    `(${BY_SERVICE} (rate(${requestsOf(observed, FAILED)}[${window}])) / ${BY_SERVICE} (rate(${requestsOf(observed)}[${window}])))`;
  const burns = (factor: number, long: string, short: string) =>
    `${failing(long)} > ${factor} * ${budget} and ${failing(short)} > ${factor} * ${budget}`;
  const input = (well: number, failed: number, samples: number) =>
    [['200', well] as const, ['504', failed] as const].map(([status, step]) => ({
      series: `http_server_request_calls_total{${ofOneService(observed)},http_route="/things",http_response_status_code="${status}"}`,
      values: grows(round(step), samples),
    }));
  const against = `against ${unitText(round(1 - budget), '1')} of requests`;
  const bad = Math.min(10, 400 * budget);
  const worse = Math.min(100, 500 * budget);
  return [
    {
      alert: 'ErrorBudgetBurnFast',
      kpi: 'request-failure-ratio',
      severity: 'page',
      layer: 'symptom',
      expr: `(${burns(14.4, '1h', '5m')}) or (${burns(6, '6h', '30m')})`,
      for: pace.wait(15),
      summary:
        '{{ $value | humanizePercentage }} of the requests fail: the error budget of a month is gone within days',
      description: `Burn rate 14.4 over 1 h and 5 min, or 6 over 6 h and 30 min, ${against}.`,
      tests: {
        at: pace.wait(600),
        fires: input(10 - bad, bad, 130),
        silent: input(1000, 500 * budget, 130),
      },
    },
    {
      alert: 'ErrorBudgetBurnSlow',
      kpi: 'request-failure-ratio',
      severity: 'ticket',
      layer: 'symptom',
      expr: `(${burns(3, '1d', '2h')}) or (${burns(1, '3d', '6h')})`,
      for: pace.wait(300),
      summary: '{{ $value | humanizePercentage }} of the requests fail, for hours',
      description: `Burn rate 3 over 1 d and 2 h, or 1 over 3 d and 6 h, ${against}.`,
      tests: {
        at: pace.wait(1200),
        fires: input(100 - worse, worse, 260),
        silent: input(1000, 500 * budget, 260),
      },
    },
  ];
};

/** Attempts of the business transaction that failed, against five times the objective. */
const businessFailures = ({ observed, pace, kpi }: Guarded): AlertDefinition[] => {
  const { business } = observed.config;
  if (!business) return [];
  const failures = kpi('checkout-failure-ratio');
  const limit = round(5 * failures.objective.value);
  const { failed } = attemptsOf(observed, business);
  const series = (ended: 'well' | 'badly') =>
    business.attempts
      ? `${business.attempts.metric}{${business.attempts.label}="${ended === 'well' ? business.attempts.completed : 'failed'}"}`
      : `http_server_request_calls_total{${ofOneService(observed)},http_route="${business.route}",http_request_method="${business.method}",http_response_status_code="${ended === 'well' ? 200 : 500}"}`;
  const input = (well: number) => [
    { series: series('well'), values: grows(well * pace.minutes, 60) },
    { series: series('badly'), values: grows(round(10 * limit * pace.minutes), 60) },
  ];
  return [
    {
      alert: 'CheckoutFailures',
      kpi: failures.id,
      severity: 'page',
      layer: 'symptom',
      expr: `${failures.promql()} > ${limit} and sum(increase(${failed}${observed.range})) >= ${3 * pace.minutes}`,
      for: pace.wait(15),
      keepFiringFor: pace.wait(60),
      summary: '{{ $value | humanizePercentage }} of the customers who wanted to buy could not',
      description: business.value
        ? 'Failed or given up. The KPI of lost value has what it costs an hour.'
        : 'Failed or given up.',
      tests: { at: pace.wait(180), fires: input(2), silent: input(20) },
    },
  ];
};

export const requests = (guarded: Guarded) => [...errorBudget(guarded), ...businessFailures(guarded)];
