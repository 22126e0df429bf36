import type { Kpi } from './kpi.ts';
import {
  MINUTE,
  orNone,
  rateOrZero,
  requestRate,
  SHOP,
  slowdownOfStatements,
  statementQuantile,
} from './promql.ts';

export const queries: Kpi[] = [
  {
    id: 'statement-latency-p95',
    name: 'Slowest statement, p95',
    group: 'queries',
    unit: 's',
    promql: (range = MINUTE) => `max(${statementQuantile(0.95, ['db_query_summary'], range)})`,
    series: [
      { promql: `topk(8, ${statementQuantile(0.95, ['db_query_summary'])})`, legend: '{{db_query_summary}}' },
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
    promql: (range = MINUTE) => rateOrZero('sqltrail_statement_timeouts_total', range),
    series: [
      {
        promql: orNone(
          'sum by (db_query_summary) (rate(sqltrail_statement_timeouts_total[1m]))',
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
      source: 'shop',
      how: 'SQLSTATE 57014 on query spans, counted by summary',
      withoutHistory: 'without logs nothing counts them: rollbacks in pg_stat_database only hint at it',
    },
  },
  {
    id: 'queries-per-request',
    name: 'Statements a request',
    group: 'queries',
    unit: '{count}',
    promql: (range = MINUTE) =>
      `sum(rate(db_client_operation_calls_total{${SHOP}}${range})) / ${requestRate(range)}`,
    series: [
      {
        promql: `sum by (http_route) (rate(db_client_operation_calls_total{${SHOP}}[1m])) / sum by (http_route) (rate(http_server_request_calls_total{${SHOP}}[1m]))`,
        legend: '{{http_route}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 6,
      rationale: 'A page of this shop needs at most six kinds of facts; more means a statement a row.',
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
    promql: (range = MINUTE) => `max(${slowdownOfStatements(range)})`,
    series: [
      {
        promql: `topk(8, ${slowdownOfStatements()})`,
        legend: '{{db_query_summary}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 2,
      rationale:
        'Mean times of a steady statement vary by tens of percent between minutes; a doubling is a change of state.',
    },
    justification: 'Needs no threshold in seconds, so it sees a quick and frequent statement turn bad early.',
    meaning: 'Something that used to be quick is getting slow.',
    causes: ['cold-data', 'maintenance-behind', 'missing-index'],
    collection: {
      source: 'spanmetrics',
      how: 'mean of the last minute over the mean of five minutes, five minutes ago',
      withoutHistory: 'starts ten minutes after the instrumentation',
    },
  },
  {
    id: 'rows-read-per-request',
    name: 'Rows read by sequential scans, a request',
    group: 'queries',
    unit: '{count}',
    promql: (range = MINUTE) => `sum(rate(sqltrail_table_seq_tup_read${range})) / ${requestRate(range)}`,
    series: [
      {
        promql: 'sum by (relname) (rate(sqltrail_table_seq_tup_read[1m]))',
        legend: '{{relname}} rows/s',
        unit: '/s',
      },
    ],
    objective: {
      comparison: '<=',
      value: 10_000,
      rationale: 'A page shows a few dozen rows; reading a thousand times as many is reading tables.',
    },
    justification:
      'Scanning is the direct trace of an index that is not there, or that a cast or a wildcard keeps from being used.',
    meaning: 'The database leafs through whole tables to find a few rows.',
    causes: ['missing-index', 'inefficient-query', 'cold-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'pg_stat_user_tables.seq_tup_read',
      withoutHistory: 'cumulative since the reset: which table is scanned is known at once',
    },
  },
  {
    id: 'database-time-share',
    name: 'Share of request time spent in the database',
    group: 'queries',
    unit: '1',
    promql: (range = MINUTE) =>
      `sum(rate(db_client_operation_duration_seconds_sum{${SHOP}}${range})) / sum(rate(http_server_request_duration_seconds_sum{${SHOP}}${range}))`,
    series: [
      {
        promql: `topk(8, sum by (db_query_summary) (rate(db_client_operation_duration_seconds_sum{${SHOP}}[1m])))`,
        legend: '{{db_query_summary}} s/s',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0.7,
      rationale: 'Above it nothing but the database is worth tuning.',
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
