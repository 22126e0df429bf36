import { orNone, quantile, select } from '../../kpis/promql.ts';
import { type Dashboard, kpiLines, type SqlPanel } from '../panel.ts';
import type { Subject } from '../subject.ts';
import { statementsTable } from './shared.ts';

/** The server's own account, with the text that Prometheus must not carry as a label. */
const serverStatements: SqlPanel = {
  id: 'server-statements',
  kind: 'sql',
  title: 'Statement statistics of the server',
  description:
    'pg_stat_statements since its reset, by total time. Constants are parameters already. The queryid is that of the panel beside it and of EXPLAIN.',
  unit: '{count}',
  sql: `SELECT queryid::text AS "queryid",
       left(regexp_replace(query, '\\s+', ' ', 'g'), 160) AS "Statement",
       total_exec_time / 1000 AS "Database time",
       mean_exec_time / 1000 AS "Mean",
       calls AS "Calls",
       rows::float8 / nullif(calls, 0) AS "Rows a call",
       shared_blks_read::float8 / nullif(calls, 0) AS "Blocks read a call"
  FROM pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND queryid IS NOT NULL AND toplevel
 ORDER BY total_exec_time DESC
 LIMIT 15`,
  units: { 'Database time': 's', Mean: 's' },
  width: 24,
  height: 9,
};

export const statements = (subject: Subject): Dashboard => {
  const { config, observed, kpisOf, runbooks } = subject;
  const { range } = observed;
  const chosen = `${observed.spans},db_query_summary=~"$statement"`;
  return {
    id: 'statements',
    title: 'sqltrail: statements',
    description: 'One statement in detail, down to the trace of one execution.',
    audience: 'engineer',
    minutes: 30,
    choosesStatement: true,
    rows: [
      { question: 'Which statements take the database’s time?', panels: [statementsTable(subject)] },
      {
        question: 'What do the chosen statements do? A dot opens the trace of one execution',
        panels: [
          {
            id: 'statement-time',
            kind: 'lines',
            title: 'Time of an execution, p95, by route',
            description: 'Each dot is one execution; its trace has the SQL and, for a slow one, the plan.',
            unit: 's',
            exemplars: true,
            queries: [
              {
                promql: quantile(
                  0.95,
                  'db_client_operation_duration_seconds',
                  chosen,
                  ['db_query_summary', 'http_route'],
                  range,
                ),
                legend: '{{db_query_summary}} {{http_route}}',
              },
            ],
            runbooks: runbooks('SlowStatements'),
            width: 12,
            height: 8,
          },
          {
            id: 'statement-calls',
            kind: 'lines',
            title: 'Executions',
            description:
              'How often each statement runs; a statement for each row of a page shows as a rate far above that of the requests.',
            unit: '/s',
            queries: [
              {
                promql: `sum by (db_query_summary) (rate(db_client_operation_calls_total{${chosen}}${range}))`,
                legend: '{{db_query_summary}}',
              },
            ],
            runbooks: [],
            width: 12,
            height: 8,
          },
          {
            id: 'statement-failures',
            kind: 'lines',
            title: 'Executions that failed',
            description: 'By error.type: SQLSTATE 57014 is a statement timeout.',
            unit: '/s',
            queries: [
              {
                promql: orNone(
                  `sum by (db_query_summary, error_type) (rate(db_client_operation_calls_total{${chosen},error_type!=""}${range}))`,
                  'db_query_summary',
                ),
                legend: '{{db_query_summary}} {{error_type}}',
              },
            ],
            runbooks: runbooks('StatementTimeouts'),
            width: 12,
            height: 8,
          },
          {
            id: 'statement-server-time',
            kind: 'lines',
            title: 'Time in the server, by queryid',
            description: `Seconds of execution in each second, from pg_stat_statements: what is left of the ${config.system}’s time is network and waiting.`,
            unit: 's',
            queries: [
              {
                promql: `topk(8, rate(${select('sqltrail_statement_exec_seconds', observed.databases)}${range}))`,
                legend: 'queryid {{queryid}}',
              },
            ],
            runbooks: [],
            width: 12,
            height: 8,
          },
        ],
      },
      { question: 'What does the server itself count?', panels: [serverStatements] },
      { question: 'Slow, frequent, or both?', panels: kpisOf('queries').map(kpiLines) },
    ],
  };
};
