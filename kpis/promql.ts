import type { Observed } from './observed.ts';

/** A metric, with the matchers that are not empty. */
export const select = (metric: string, ...matchers: string[]) => {
  const given = matchers.filter(Boolean).join(',');
  return given ? `${metric}{${given}}` : metric;
};

const REQUESTS = 'http_server_request_calls_total';
const STATEMENTS = 'db_client_operation_duration_seconds';
/** Requests that failed by the service's own account. */
export const FAILED = 'http_response_status_code=~"5.."';

/** Zero, not nothing, where the series are not there yet. */
export const orZero = (promql: string) => `(${promql} or vector(0))`;

/** Rate of a counter; zero, not nothing, where the series is not there yet. */
export const rateOrZero = (selector: string, range: string) => orZero(`sum(rate(${selector}${range}))`);

/** Where the vector is empty for good reason (nothing failed), a zero that is named so, and no empty panel. */
export const orNone = (promql: string, label: string) =>
  `${promql} or on () label_replace(vector(0), "${label}", "none", "", "")`;

/** Requests of HTTP server spans. */
export const requests = ({ spans }: Observed, ...matchers: string[]) => select(REQUESTS, spans, ...matchers);

export const requestRate = (observed: Observed, range = observed.range) =>
  `sum(rate(${requests(observed)}${range}))`;
export const failedRequestRate = (observed: Observed, range = observed.range) =>
  rateOrZero(requests(observed, FAILED), range);

/** Quantile of a histogram over the range. */
export const quantile = (q: number, metric: string, matchers: string, by: string[], range: string) =>
  `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (rate(${select(`${metric}_bucket`, matchers)}${range})))`;

export const statementQuantile = (observed: Observed, q: number, by: string[], range = observed.range) =>
  quantile(q, STATEMENTS, observed.spans, by, range);

/** Use of each pool over its maximum. */
export const poolUsed = ({ pools }: Observed) =>
  `max by (db_client_connection_pool_name) (${select('db_client_connection_count', pools, 'db_client_connection_state="used"')}) / max by (db_client_connection_pool_name) (${select('db_client_connection_max', pools)})`;

/** Mean time of an execution, by the labels. */
export const meanStatementSeconds = (
  { spans, range: usual }: Observed,
  range = usual,
  by = 'db_query_summary',
) =>
  ['sum', 'count']
    .map((part) => `sum by (${by}) (rate(${select(`${STATEMENTS}_${part}`, spans)}${range}))`)
    .join(' / ');

/** Mean time of each statement by its mean time of five windows, five windows ago. */
export const slowdownOfStatements = (observed: Observed, range = observed.range, by = 'db_query_summary') =>
  `(${meanStatementSeconds(observed, range, by)}) / (${meanStatementSeconds(observed, `[${observed.past}] offset ${observed.past}`, by)})`;
