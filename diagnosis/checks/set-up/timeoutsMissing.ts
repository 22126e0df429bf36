import type { Check, CheckContext } from '../../check.ts';

const TIMEOUTS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];

/** Roles that work in the database, by their statements and sessions; those of the diagnosis are left out. */
async function rolesAtWork({ session, statements }: CheckContext, own: string): Promise<string[]> {
  const rows = await session.query<{ role: string }>(
    `SELECT DISTINCT usename::text AS role FROM pg_stat_activity
      WHERE datname = current_database() AND backend_type = 'client backend' AND usename <> session_user`,
  );
  return [...new Set([...rows.map(({ role }) => role), ...statements.flatMap(({ roles }) => roles ?? [])])]
    .filter((role) => role !== own && role !== 'sqltrail_monitor')
    .sort();
}

export const check: Check = {
  id: 'timeouts-missing',
  group: 'set-up',
  title: 'Timeouts that are not set',
  description:
    'statement_timeout, lock_timeout and idle_in_transaction_session_timeout, at the server, the database or a role.',
  async *run(context) {
    // The diagnosis sets its own for its session, so the server's value is read from where it would come without that.
    const askReset = context.session.query<{ own: string; values: Record<string, string> }>(
      `SELECT session_user::text AS own, json_object_agg(name, reset_val) AS values FROM pg_settings WHERE name = ANY($1)`,
      [TIMEOUTS],
    );
    const askRows = context.session.query<{ role: string | null; config: string[] }>(
      `SELECT r.rolname::text AS role, s.setconfig AS config FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
        WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`,
    );
    const askDatabase = context.session.query<{ name: string; longest: number | null }>(
      `SELECT current_database() AS name, (SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8
         FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS longest`,
    );
    const [[reset], rows, [database]] = await Promise.all([askReset, askRows, askDatabase]);
    const unset = TIMEOUTS.filter((name) => (reset?.values[name] ?? '0') === '0');
    if (unset.length === 0) return;
    const sets = (role: string | null, name: string) =>
      rows.some((row) => row.role === role && row.config.some((entry) => entry.startsWith(`${name}=`)));
    const roles = await rolesAtWork(context, reset?.own ?? '');
    // What is set for one role leaves the others without.
    const without = (name: string) => (sets(null, name) ? [] : roles.filter((role) => !sets(role, name)));
    const isGiven = (name: string) => sets(null, name) || (roles.length > 0 && without(name).length === 0);
    const missing = unset.filter((name) => !isGiven(name));
    if (missing.length === 0) return;
    const lacking = new Set(missing.flatMap(without));
    const some = lacking.size < roles.length ? [...lacking].sort() : [];
    const longest = database?.longest ?? 0;
    const suggested: Record<string, string> = {
      statement_timeout: '30s',
      lock_timeout: '5s',
      idle_in_transaction_session_timeout: '60s',
    };
    yield {
      id: 'timeouts-missing',
      check: 'timeouts-missing',
      severity: longest > 60 ? 'warning' : 'info',
      title: `No ${missing.join(', no ')}`,
      explanation: `${some.length > 0 ? `${some.join(', ')} ${some.length === 1 ? 'has' : 'have'} none, other roles do. ` : ''}One statement, lock or forgotten transaction can hold a connection for ever; the pool then runs dry.${longest > 1 ? ` The longest transaction now is ${longest.toFixed(0)} s old.` : ''} An application may still set its own when it connects.`,
      cause: 'missing-timeout',
      objects: [],
      statements: [],
      evidence: missing.map((setting) => ({ label: setting, value: 0, unit: 'ms', how: `SHOW ${setting}` })),
      cost: {},
      confidence: {
        level: 0.7,
        basis: 'exact',
        note: 'what an application sets for its own sessions is not seen',
      },
      explains: { kpis: ['statement-timeouts', 'pool-saturation', 'blocked-sessions'], traces: [] },
      fix: {
        kind: 'setting',
        automatic: true,
        summary: `set ${missing.join(', ')} for the database`,
        extensions: [],
        settings: missing.map((setting) => ({
          name: setting,
          values: [suggested[setting] ?? ''],
          database: database?.name ?? '',
        })),
        reset: true,
        lock: 'none',
        risk: 'A long report or migration has to set its own. Holds for new sessions only.',
        expectedEffect: 'a connection is given back within a known time',
      },
    };
  },
};
