import { select } from '../../kpis/promql.ts';
import { type Dashboard, kpiLines, kpiStat, type SqlPanel } from '../panel.ts';
import { row, type Subject } from '../subject.ts';

const sessions: SqlPanel = {
  id: 'sessions-now',
  kind: 'sql',
  title: 'Sessions now, those that block others first',
  description:
    'pg_stat_activity with pg_blocking_pids. A session idle in transaction that blocks others is the one to end.',
  unit: '{count}',
  sql: `SELECT a.pid::text AS "pid", a.application_name AS "Application", coalesce(a.state, 'none') AS "State",
       coalesce(a.wait_event_type || ': ' || a.wait_event, 'none') AS "Waits for",
       (SELECT count(*) FROM pg_stat_activity b WHERE a.pid = ANY (pg_blocking_pids(b.pid))) AS "Blocks",
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS "Transaction open for",
       left(regexp_replace(a.query, '\\s+', ' ', 'g'), 120) AS "Statement"
  FROM pg_stat_activity a
 WHERE a.backend_type = 'client backend' AND a.datname = current_database()
 ORDER BY 5 DESC, 6 DESC
 LIMIT 20`,
  units: { 'Transaction open for': 's' },
  width: 24,
  height: 9,
};

export const connections = ({ observed, kpisOf, runbooks }: Subject): Dashboard => ({
  id: 'connections',
  title: 'sqltrail: connections',
  description: 'Pools, sessions and locks.',
  audience: 'sre',
  minutes: 15,
  rows: [
    ...row('Are there connections left?', kpisOf('connections').map(kpiStat)),
    ...row('Since when, and in which pool?', kpisOf('connections').map(kpiLines)),
    {
      question: 'What do sessions wait for, and on whom?',
      panels: [
        {
          id: 'session-waits',
          kind: 'lines',
          title: 'What sessions wait for',
          description: 'Client backends by wait_event_type; Lock is waiting for another transaction.',
          unit: '{count}',
          queries: [
            {
              promql: `sum by (wait_event_type) (${select('sqltrail_session_count', observed.databases)})`,
              legend: '{{wait_event_type}}',
            },
          ],
          runbooks: runbooks('BlockedSessions'),
          width: 12,
          height: 8,
        },
        {
          id: 'oldest-transaction',
          kind: 'lines',
          title: 'Oldest open transaction',
          description: 'It holds its locks and keeps vacuum from removing dead rows.',
          unit: 's',
          queries: [
            {
              promql: `max(${select('sqltrail_activity_longest_transaction_seconds', observed.databases)})`,
              legend: 'age',
            },
          ],
          runbooks: runbooks('LongTransaction'),
          width: 12,
          height: 8,
        },
        sessions,
      ],
    },
  ],
});
