import type { Check } from '../../check.ts';
import { tableOf } from '../../workload.ts';
import { count } from '../shared.ts';
import { withoutStatements } from './shared.ts';

/** A row that is changed this often since the statistics began is a queue. */
const UPDATES_PER_ROW = 500;
const FEW_ROWS = 100;

export const hotRow: Check = {
  id: 'hot-row',
  group: 'queries',
  title: 'Rows that everybody locks',
  description: 'A table of few rows, each updated very often: every transaction waits for the one before.',
  async *run(context) {
    if (withoutStatements(context, 'statements that wait for a hot row')) return;
    const entries = await context.workload();
    for (const table of context.tables) {
      const rows = Math.max(table.activity.liveRows, 1);
      if (rows > FEW_ROWS || table.estimatedRows > FEW_ROWS) continue;
      const writers = entries.filter(
        ({ shape, statement }) =>
          shape?.operation === 'UPDATE' && shape.writes.includes(table.name) && statement.calls > 0,
      );
      const calls = writers.reduce((sum, { statement }) => sum + statement.calls, 0);
      const totalMs = writers.reduce((sum, { statement }) => sum + statement.totalMs, 0);
      const updates = Math.max(table.activity.updated, calls);
      const meanMs = totalMs / Math.max(calls, 1);
      // One row by key takes a fraction of a millisecond; more than that is waiting.
      if (updates / rows < UPDATES_PER_ROW && !(calls >= 20 && calls / rows >= 20 && meanMs >= 2)) continue;
      const share = writers.reduce((sum, entry) => sum + entry.share, 0);
      yield {
        id: `hot-row:${table.schema}.${table.name}`,
        check: 'hot-row',
        severity: meanMs >= 20 || share >= 0.02 ? 'critical' : 'warning',
        title: `Every transaction locks the same row of ${table.name}`,
        explanation: `${count(updates)} updates fell on ${count(rows)} ${rows === 1 ? 'row' : 'rows'}. The lock is held until the transaction ends, so these transactions run one after another whatever the hardware; an update takes ${meanMs.toFixed(1)} ms on average${meanMs >= 2 ? ', most of it waiting' : ''}.`,
        cause: 'lock-contention',
        objects: [{ schema: table.schema, table: table.name }],
        statements: writers.map(({ statement }) => statement.queryid),
        evidence: [
          { label: 'updates', value: updates, unit: '1', how: 'SELECT n_tup_upd FROM pg_stat_user_tables' },
          { label: 'rows', value: rows, unit: 'rows', how: 'SELECT n_live_tup FROM pg_stat_user_tables' },
          {
            label: 'mean time of the update',
            value: Math.round(meanMs * 100) / 100,
            unit: 'ms',
            how: 'SELECT mean_exec_time FROM pg_stat_statements',
          },
        ],
        cost: {
          calls,
          ...(context.windowSeconds ? { msPerSecond: totalMs / context.windowSeconds } : {}),
        },
        confidence: { level: 0.9, basis: 'statistics' },
        explains: { kpis: ['blocked-sessions', 'checkout-failure-ratio', 'pool-wait-p95'], traces: [] },
        fix: {
          summary: 'take the number from a sequence, or in a short transaction of its own',
          sql: [`CREATE SEQUENCE ${context.session.quote(table.schema, `${table.name.slice(0, 50)}_seq`)}`],
          undo: [`DROP SEQUENCE ${context.session.quote(table.schema, `${table.name.slice(0, 50)}_seq`)}`],
          lock: 'none on existing tables; the application’s statement changes',
          risk: 'A sequence leaves gaps when a transaction is rolled back; where gaps are forbidden, number afterwards.',
          expectedEffect: 'transactions no longer wait for each other here',
        },
      };
    }
  },
};

/** Longer than a person's patience with a page, while holding locks and keeping vacuum from its work. */
const IDLE_SECONDS = 5;

export const idleInTransaction: Check = {
  id: 'idle-in-transaction',
  group: 'queries',
  title: 'Transactions left open',
  description: 'Sessions that hold a transaction, its locks and its snapshot, and do nothing.',
  async *run(context) {
    const rows = await context.session.query<{
      application: string;
      sessions: number;
      longest: number;
    }>(`SELECT coalesce(application_name, '') AS application, count(*)::int AS sessions,
           max(extract(epoch FROM clock_timestamp() - state_change))::float8 AS longest
      FROM pg_stat_activity
     WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()
     GROUP BY 1 HAVING max(clock_timestamp() - state_change) > make_interval(secs => ${IDLE_SECONDS})`);
    const timeout = context.settings.get('idle_in_transaction_session_timeout')?.value ?? '0';
    if (!context.capabilities.canReadAllStats && !context.capabilities.isSuperuser)
      context.blind({ what: 'sessions of other roles', remedy: 'GRANT pg_read_all_stats to this role.' });
    for (const { application, sessions, longest } of rows)
      yield {
        id: `idle-in-transaction:${application}`,
        check: 'idle-in-transaction',
        severity: longest >= 60 ? 'critical' : 'warning',
        title: `${sessions} ${sessions === 1 ? 'session' : 'sessions'} of ${application || 'an unnamed application'} idle in a transaction, up to ${Math.round(longest)} s`,
        explanation: `Locks stay held, a pool connection is taken, and vacuum cannot remove rows that died since.${timeout === '0' ? ' No timeout ends them.' : ''}`,
        cause: 'lock-contention',
        objects: [],
        statements: [],
        evidence: [
          {
            label: 'longest',
            value: Math.round(longest),
            unit: 's',
            how: "SELECT * FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
          },
        ],
        cost: {},
        confidence: { level: 1, basis: 'exact', note: 'at the moment of the diagnosis' },
        explains: { kpis: ['blocked-sessions', 'pool-saturation', 'dead-rows'], traces: [] },
      };
  },
};

export const lockWaits: Check = {
  id: 'lock-waits',
  group: 'queries',
  title: 'Sessions that wait for a lock',
  description: 'Who waits for whom, at the moment of the diagnosis.',
  async *run(context) {
    const waits = new Map<string, { table: string | null; seen: number; longest: number }>();
    const looks = 5;
    for (let look = 0; look < looks; look += 1) {
      const rows = await context.session.query<{ relation: string | null; waiting: number; longest: number }>(
        `SELECT c.relname AS relation, count(*)::int AS waiting,
                max(extract(epoch FROM clock_timestamp() - a.query_start))::float8 AS longest
           FROM pg_stat_activity a
           LEFT JOIN pg_locks l ON l.pid = a.pid AND l.locktype IN ('tuple', 'relation') AND l.database IS NOT NULL
             AND l.mode IN ('ExclusiveLock', 'RowExclusiveLock', 'AccessExclusiveLock', 'ShareLock', 'ShareUpdateExclusiveLock')
             AND (NOT l.granted OR l.locktype = 'tuple')
           LEFT JOIN pg_class c ON c.oid = l.relation
          WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' AND a.pid <> pg_backend_pid()
          GROUP BY 1`,
      );
      for (const { relation, waiting, longest } of rows) {
        const known = waits.get(relation ?? '') ?? { table: relation, seen: 0, longest: 0 };
        known.seen += waiting;
        known.longest = Math.max(known.longest, longest);
        waits.set(relation ?? '', known);
      }
    }
    for (const { table: name, seen, longest } of waits.values()) {
      const table = name ? tableOf(context.tables, name) : undefined;
      if (seen < 2 && longest < 1) continue;
      yield {
        id: `lock-waits:${name ?? ''}`,
        check: 'lock-waits',
        severity: longest >= 1 ? 'critical' : 'warning',
        title: `${(seen / looks).toFixed(1)} sessions on average wait for a lock${name ? ` on ${name}` : ''}, up to ${longest.toFixed(1)} s`,
        explanation:
          'They hold connections of the pool while they wait. Look for the transaction that holds the lock across a slow step, such as a call to another service.',
        cause: 'lock-contention',
        objects: table ? [{ schema: table.schema, table: table.name }] : [],
        statements: [],
        evidence: [
          {
            label: `waiting sessions in ${looks} looks`,
            value: seen,
            unit: '1',
            how: "SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
          },
        ],
        cost: { msPerSecond: (seen / looks) * 1000 },
        confidence: { level: 0.7, basis: 'sample', note: `${looks} looks at pg_stat_activity` },
        explains: { kpis: ['blocked-sessions', 'pool-wait-p95'], traces: [] },
      };
    }
  },
};
