import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import {
  orNone,
  rateOrZero,
  requestRate,
  requests,
  select,
  slowdownOfStatements,
  statementQuantile,
} from './promql.ts';

const CALLS = 'db_client_operation_calls_total';
const DURATION_SUM = 'db_client_operation_duration_seconds_sum';

export const queries = (observed: Observed): Kpi[] => [
  {
    id: 'statement-latency-p95',
    name: 'Slowest statement, p95',
    group: 'queries',
    unit: 's',
    promql: (range = observed.range) =>
      `max(${statementQuantile(observed, 0.95, ['db_query_summary'], range)})`,
    series: [
      {
        promql: `topk(8, ${statementQuantile(observed, 0.95, ['db_query_summary'])})`,
        legend: '{{db_query_summary}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.1,
      rationale:
        'A page runs several statements; with a tenth of a second for the slowest the page stays within half a second.',
    },
    justification: 'Names the one statement that hurts, and its exemplar leads to a trace of it.',
    meaning: 'One kind of question to the database takes too long.',
    causes: ['missing-index', 'inefficient-query', 'poor-normalisation'],
    collection: {
      source: 'spanmetrics',
      how: 'query spans by db.query.summary, before sampling',
      withoutHistory: 'pg_stat_statements holds mean and maximum since its reset, without a time axis',
    },
  },
  {
    id: 'statement-timeouts',
    name: 'Statement timeouts',
    group: 'queries',
    unit: '/s',
    promql: (range = observed.range) =>
      rateOrZero(select('sqltrail_statement_timeouts_total', observed.processes), range),
    series: [
      {
        promql: orNone(
          `sum by (db_query_summary) (rate(${select('sqltrail_statement_timeouts_total', observed.processes)}${observed.range}))`,
          'db_query_summary',
        ),
        legend: '{{db_query_summary}}',
      },
    ],
    objective: { comparison: '<=', value: 0, rationale: 'Each one is a request that failed.' },
    justification:
      'A timeout protects the database and costs a customer; by statement it says what to fix first.',
    meaning: 'The database gave up on a question, and a customer got an error.',
    causes: ['missing-index', 'inefficient-query', 'lock-contention'],
    collection: {
      source: 'service',
      how: 'SQLSTATE 57014 on query spans, counted by summary',
      withoutHistory: 'not counted without logs; rollbacks in pg_stat_database only hint at them',
    },
  },
  {
    id: 'queries-per-request',
    name: 'Statements a request',
    group: 'queries',
    unit: '{count}',
    promql: (range = observed.range) =>
      `sum(rate(${select(CALLS, observed.spans)}${range})) / ${requestRate(observed, range)}`,
    series: [
      {
        promql: `sum by (http_route) (rate(${select(CALLS, observed.spans)}${observed.range})) / sum by (http_route) (rate(${requests(observed)}${observed.range}))`,
        legend: '{{http_route}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 6,
      rationale: 'A page needs at most six kinds of facts; more means one statement for each row.',
    },
    justification: 'The one figure that shows N+1: each statement is quick, so no slow-query list has it.',
    meaning: 'Pages ask the database row by row instead of once.',
    causes: ['inefficient-query'],
    collection: {
      source: 'spanmetrics',
      how: 'query spans over HTTP server spans, by route',
      withoutHistory: 'calls in pg_stat_statements over requests at the load balancer',
    },
  },
  {
    id: 'slow-query-trend',
    name: 'Slowdown against the statement’s own past',
    group: 'queries',
    unit: '1',
    promql: (range = observed.range) => `max(${slowdownOfStatements(observed, range)})`,
    series: [
      {
        promql: `topk(8, ${slowdownOfStatements(observed)})`,
        legend: '{{db_query_summary}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 2,
      rationale:
        'Mean times of a steady statement vary by tens of percent from one window to the next; a doubling is a change of state.',
    },
    justification: 'Needs no threshold in seconds, so it sees a quick and frequent statement turn bad early.',
    meaning: 'Something that used to be quick is getting slow.',
    causes: ['cold-data', 'maintenance-behind', 'missing-index'],
    collection: {
      source: 'spanmetrics',
      how: `mean of the last ${observed.config.window} over the mean of ${observed.past}, ${observed.past} ago`,
      withoutHistory: `starts twice ${observed.past} after the instrumentation`,
    },
  },
  {
    id: 'rows-read-per-request',
    name: 'Rows read by sequential scans, a request',
    group: 'queries',
    unit: '{count}',
    promql: (range = observed.range) =>
      `sum(rate(${select('sqltrail_table_seq_tup_read', observed.databases)}${range})) / ${requestRate(observed, range)}`,
    series: [
      {
        promql: `sum by (relname) (rate(${select('sqltrail_table_seq_tup_read', observed.databases)}${observed.range}))`,
        legend: '{{relname}} rows/s',
        unit: '/s',
      },
    ],
    objective: {
      comparison: '<=',
      value: 10_000,
      rationale: 'A page shows a few dozen rows; reading a thousand times as many means scanning tables.',
    },
    justification:
      'Scanning is the direct trace of an index that is not there, or that a cast or a wildcard keeps from being used.',
    meaning: 'The database leafs through whole tables to find a few rows.',
    causes: ['missing-index', 'inefficient-query', 'cold-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'pg_stat_user_tables.seq_tup_read',
      withoutHistory: 'cumulative since the reset; shows at once which tables are scanned',
    },
  },
  {
    id: 'database-time-share',
    name: 'Share of request time spent in the database',
    group: 'queries',
    unit: '1',
    promql: (range = observed.range) =>
      `sum(rate(${select(DURATION_SUM, observed.spans)}${range})) / sum(rate(${select('http_server_request_duration_seconds_sum', observed.spans)}${range}))`,
    series: [
      {
        promql: `topk(8, sum by (db_query_summary) (rate(${select(DURATION_SUM, observed.spans)}${observed.range})))`,
        legend: '{{db_query_summary}} s/s',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.7,
      rationale: 'Above it, only tuning the database is worth the effort.',
    },
    justification:
      'Says whether the database is the place to look at all; what is missing to 1 is waiting for a connection and our own code.',
    meaning: 'How much of the waiting is the database’s.',
    causes: ['inefficient-query', 'missing-index'],
    collection: {
      source: 'spanmetrics',
      how: 'time in query spans over time in HTTP server spans',
      withoutHistory: 'starts with the instrumentation',
    },
  },
];
