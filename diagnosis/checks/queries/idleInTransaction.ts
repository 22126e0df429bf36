import type { Check } from '../../check.ts';

/** Longer than a person's patience with a page, while holding locks and keeping vacuum from its work. */
const IDLE_SECONDS = 5;

export const check: Check = {
  id: 'idle-in-transaction',
  group: 'queries',
  title: 'Transactions left open',
  description: 'Sessions that hold a transaction, its locks and its snapshot, and do nothing.',
  whileObserving: true,
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
