/** Range of every rate unless another is asked for, such as `[15s] offset 30s`: 12 scrapes of 5 s. */
export const MINUTE = '[1m]';

export const SHOP = 'service_name="shop"';
const REQUESTS = `http_server_request_calls_total{${SHOP}}`;
const STATEMENTS = `db_client_operation_duration_seconds`;

/** Rate of a counter; zero, not nothing, where the series is not there yet. */
export const rateOrZero = (selector: string, range = MINUTE) =>
  `(sum(rate(${selector}${range})) or vector(0))`;

/** Where the vector is empty for good reason (nothing failed), a zero that is named so, and no empty panel. */
export const orNone = (promql: string, label: string) =>
  `${promql} or on () label_replace(vector(0), "${label}", "none", "", "")`;

export const requestRate = (range = MINUTE) => `sum(rate(${REQUESTS}${range}))`;
export const failedRequestRate = (range = MINUTE) =>
  rateOrZero(`http_server_request_calls_total{${SHOP},http_response_status_code=~"5.."}`, range);

/** Quantile of a histogram over the range. */
export const quantile = (q: number, metric: string, matchers = '', by: string[] = [], range = MINUTE) =>
  `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (rate(${metric}_bucket{${matchers}}${range})))`;

export const statementQuantile = (q: number, by: string[], range = MINUTE) =>
  quantile(q, STATEMENTS, SHOP, by, range);
export const poolUsed =
  'max by (db_client_connection_pool_name) (db_client_connection_count{db_client_connection_state="used"}) / max by (db_client_connection_pool_name) (db_client_connection_max)';
export const meanStatementSeconds = (range = MINUTE) =>
  ['sum', 'count']
    .map((part) => `sum by (db_query_summary) (rate(${STATEMENTS}_${part}{${SHOP}}${range}))`)
    .join(' / ');

/** Mean time of each statement by its mean time of ten to five minutes ago. */
export const slowdownOfStatements = (range = MINUTE) =>
  `(${meanStatementSeconds(range)}) / (${meanStatementSeconds('[5m] offset 5m')})`;
