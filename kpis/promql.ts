/** Window of every rate: 12 scrapes of 5 s. */
export const WINDOW = '1m';

export const SHOP = 'service_name="shop"';
const REQUESTS = `http_server_request_calls_total{${SHOP}}`;
const STATEMENTS = `db_client_operation_duration_seconds`;

/** Rate of a counter; zero, not nothing, where the series is not there yet. */
export const rateOrZero = (selector: string, by = '') =>
  by ? `sum by (${by}) (rate(${selector}[${WINDOW}]))` : `(sum(rate(${selector}[${WINDOW}])) or vector(0))`;

/** Where the vector is empty for good reason (nothing failed), a zero that is named so, and no empty panel. */
export const orNone = (promql: string, label: string) =>
  `${promql} or on () label_replace(vector(0), "${label}", "none", "", "")`;

export const requestRate = `sum(rate(${REQUESTS}[${WINDOW}]))`;
export const failedRequestRate = rateOrZero(
  `http_server_request_calls_total{${SHOP},http_response_status_code=~"5.."}`,
);

/** Quantile of a histogram over the window. */
export const quantile = (q: number, metric: string, matchers = '', by: string[] = []) =>
  `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (rate(${metric}_bucket{${matchers}}[${WINDOW}])))`;

export const statementQuantile = (q: number, by: string[]) => quantile(q, STATEMENTS, SHOP, by);
export const poolUsed =
  'max by (db_client_connection_pool_name) (db_client_connection_count{db_client_connection_state="used"}) / max by (db_client_connection_pool_name) (db_client_connection_max)';
export const meanStatementSeconds = (window: string, offset = '') =>
  ['sum', 'count']
    .map((part) => `sum by (db_query_summary) (rate(${STATEMENTS}_${part}{${SHOP}}[${window}]${offset}))`)
    .join(' / ');
