import type { Check } from '../../check.ts';
import { count } from '../shared.ts';

export const timeouts: Check = {
  id: 'timeouts-missing',
  group: 'set-up',
  title: 'Timeouts that are not set',
  description:
    'statement_timeout, lock_timeout and idle_in_transaction_session_timeout, at the server, the database or a role.',
  async *run(context) {
    const rows = await context.session.query<{ config: string[] }>(
      'SELECT setconfig AS config FROM pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))',
    );
    const given = new Set(rows.flatMap(({ config }) => config).map((entry) => entry.split('=')[0]));
    // The diagnosis sets its own for its session, so the server's value is read from where it would come without that.
    const [reset] = await context.session.query<Record<string, string>>(
      `SELECT json_object_agg(name, reset_val) AS all FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')`,
    );
    const values = (reset?.['all'] ?? {}) as unknown as Record<string, string>;
    const missing = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'].filter(
      (name) => (values[name] ?? '0') === '0' && !given.has(name),
    );
    if (missing.length === 0) return;
    const [database] = await context.session.query<{ name: string; longest: number | null }>(
      `SELECT current_database() AS name, (SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8
         FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS longest`,
    );
    const name = context.session.quote(database?.name ?? '');
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
      explanation: `One statement, lock or forgotten transaction can hold a connection for ever; the pool then runs dry.${longest > 1 ? ` The longest transaction now is ${longest.toFixed(0)} s old.` : ''} An application may still set its own when it connects.`,
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
        summary: `set ${missing.join(', ')} for the database`,
        sql: missing.map((setting) => `ALTER DATABASE ${name} SET ${setting} = '${suggested[setting]}'`),
        undo: missing.map((setting) => `ALTER DATABASE ${name} RESET ${setting}`),
        lock: 'none',
        risk: 'A long report or migration has to set its own. Holds for new sessions only.',
        expectedEffect: 'a connection is given back within a known time',
      },
    };
  },
};

export const blindness: Check = {
  id: 'telemetry-blind',
  group: 'set-up',
  title: 'Nothing is recorded',
  description: 'pg_stat_statements, track_io_timing, slow-statement logging and auto_explain.',
  async *run(context) {
    const value = (name: string) => context.settings.get(name)?.value ?? '';
    const preloaded = value('shared_preload_libraries');
    const missing: { what: string; sql: string }[] = [];
    if (!context.capabilities.pgStatStatements)
      missing.push({
        what: 'pg_stat_statements',
        sql: preloaded.includes('pg_stat_statements')
          ? 'CREATE EXTENSION pg_stat_statements'
          : `ALTER SYSTEM SET shared_preload_libraries = '${[...preloaded.split(',').filter(Boolean), 'pg_stat_statements'].join(', ').replaceAll("'", "''")}'`,
      });
    const logs = value('log_min_duration_statement') !== '-1' || preloaded.includes('auto_explain');
    if (!logs)
      missing.push({
        what: 'slow-statement logging',
        sql: "ALTER SYSTEM SET log_min_duration_statement = '500ms'",
      });
    if (value('log_lock_waits') === 'off')
      missing.push({ what: 'log_lock_waits', sql: 'ALTER SYSTEM SET log_lock_waits = on' });
    if (value('track_io_timing') === 'off')
      missing.push({ what: 'track_io_timing', sql: 'ALTER SYSTEM SET track_io_timing = on' });
    if (missing.length === 0) return;
    yield {
      id: 'telemetry-blind',
      check: 'telemetry-blind',
      severity: context.capabilities.pgStatStatements ? 'info' : 'warning',
      title: `Not recorded: ${missing.map(({ what }) => what).join(', ')}`,
      explanation:
        'Without these, nobody can say afterwards which statement hurt; what is found here is from the moment only.',
      cause: 'telemetry-blind',
      objects: [],
      statements: [],
      evidence: missing.map(({ what }) => ({ label: what, value: 'off', how: `SELECT * FROM pg_settings` })),
      cost: {},
      confidence: { level: 1, basis: 'exact' },
      explains: { kpis: ['spans-lost'], traces: [] },
      fix: {
        summary: 'switch them on',
        sql: missing.map(({ sql }) => sql),
        undo: [],
        lock: 'none; shared_preload_libraries needs a restart, the others a reload',
        risk: 'Logged statements hold values: keep the log as safe as the data.',
        expectedEffect: 'the next diagnosis knows which statement took the time',
      },
    };
  },
};

export const autovacuum: Check = {
  id: 'autovacuum-off',
  group: 'set-up',
  title: 'Autovacuum and statistics off',
  description: 'autovacuum or track_counts off, and large tables that were never analysed.',
  async *run(context) {
    const off = ['autovacuum', 'track_counts'].filter((name) => context.settings.get(name)?.value === 'off');
    if (off.length > 0)
      yield {
        id: 'autovacuum-off',
        check: 'autovacuum-off',
        severity: 'critical',
        title: `${off.join(' and ')} off`,
        explanation:
          'Dead rows stay, plans are made from old statistics, and in the end the server stops to protect against transaction id wraparound.',
        cause: 'maintenance-behind',
        objects: [],
        statements: [],
        evidence: off.map((name) => ({ label: name, value: 'off', how: `SHOW ${name}` })),
        cost: {},
        confidence: { level: 1, basis: 'exact' },
        explains: { kpis: ['dead-rows'], traces: [] },
        fix: {
          summary: `switch ${off.join(' and ')} on`,
          sql: off.map((name) => `ALTER SYSTEM SET ${name} = on`),
          undo: off.map((name) => `ALTER SYSTEM RESET ${name}`),
          lock: 'none; a reload',
          risk: 'The first vacuum of a neglected table reads all of it.',
          expectedEffect: 'dead rows are removed and plans follow the data',
        },
      };
    const never = context.tables.filter(
      (table) => table.pages === 0 && table.heapBytes > 8_192_000 && table.activity.lastAnalyze === null,
    );
    if (never.length > 0)
      context.blind({
        what: `statistics of ${never
          .slice(0, 5)
          .map(({ name }) => name)
          .join(
            ', ',
          )}${never.length > 5 ? ` and ${never.length - 5} more` : ''}: never analysed, so sizes and plans are guesses`,
        remedy: 'ANALYZE, as the tables’ owner.',
      });
  },
};

/**
 * Probability that a request finds all `servers` busy, for `load` mean busy servers: Erlang's C formula (Erlang 1917),
 * by the recurrence of Erlang B. 1 when the load is not less than the servers.
 */
export function erlangC(servers: number, load: number): number {
  if (load >= servers) return 1;
  let blocking = 1;
  for (let n = 1; n <= servers; n += 1) blocking = (load * blocking) / (n + load * blocking);
  return blocking / (1 - (load / servers) * (1 - blocking));
}

const LOOKS = 10;

export const poolSize: Check = {
  id: 'pool-size',
  group: 'set-up',
  title: 'Pool size against its load',
  description:
    'Connections of each application against those that are busy, by looks at pg_stat_activity; the chance of having to wait by Erlang’s C formula.',
  async *run(context) {
    const seen = new Map<string, { connections: number; busy: number }>();
    for (let look = 0; look < LOOKS; look += 1) {
      const rows = await context.session.query<{ application: string; connections: number; busy: number }>(
        `SELECT coalesce(application_name, '') AS application, count(*)::int AS connections,
                count(*) FILTER (WHERE state <> 'idle')::int AS busy
           FROM pg_stat_activity
          WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
          GROUP BY 1`,
      );
      for (const { application, connections, busy } of rows) {
        const known = seen.get(application) ?? { connections: 0, busy: 0 };
        known.connections = Math.max(known.connections, connections);
        known.busy += busy;
        seen.set(application, known);
      }
    }
    const max = Number(context.settings.get('max_connections')?.value ?? 0);
    const total = [...seen.values()].reduce((sum, { connections }) => sum + connections, 0);
    for (const [application, { connections, busy }] of seen) {
      const load = busy / LOOKS;
      const wait = erlangC(connections, load);
      if (connections < 3 || load / connections < 0.7) continue;
      yield {
        id: `pool-size:${application}`,
        check: 'pool-size',
        severity: 'warning',
        title: `${application || 'An unnamed application'} has ${load.toFixed(1)} of its ${connections} connections busy on average`,
        explanation: `At this load a request has to wait for a connection with a probability of ${(wait * 100).toFixed(0)} % (Erlang C). A larger pool only moves the queue into the database; shorter statements shorten it: find first what keeps the connections busy.`,
        cause: 'pool-size',
        objects: [],
        statements: [],
        evidence: [
          {
            label: 'busy connections, mean',
            value: Math.round(load * 10) / 10,
            unit: '1',
            how: `${LOOKS} looks at pg_stat_activity`,
          },
          {
            label: 'connections',
            value: connections,
            unit: '1',
            how: 'SELECT count(*) FROM pg_stat_activity',
          },
          {
            label: 'probability of waiting',
            value: Math.round(wait * 1000) / 1000,
            unit: '1',
            how: 'Erlang C of the two',
          },
        ],
        cost: {},
        confidence: {
          level: 0.7,
          basis: 'sample',
          note: `${LOOKS} looks; it assumes requests that come independently of each other`,
        },
        explains: { kpis: ['pool-saturation', 'pool-wait-p95', 'pool-acquire-timeouts'], traces: [] },
      };
    }
    if (max > 0 && total / max >= 0.85)
      yield {
        id: 'connections-full',
        check: 'pool-size',
        severity: total / max >= 0.95 ? 'critical' : 'warning',
        title: `${count(total)} of ${count(max)} connections are taken`,
        explanation:
          'New connections will be refused. Share connections through a pooler instead of raising max_connections: each costs memory and work.',
        cause: 'pool-size',
        objects: [],
        statements: [],
        evidence: [
          { label: 'connections', value: total, unit: '1', how: 'SELECT count(*) FROM pg_stat_activity' },
        ],
        cost: {},
        confidence: { level: 0.9, basis: 'exact' },
        explains: { kpis: ['server-connections'], traces: [] },
      };
  },
};

export const setUpChecks: readonly Check[] = [timeouts, blindness, autovacuum, poolSize];
