import type { Check } from '../../check.ts';

const SAMPLES = 5;
const MAX_HOLDERS = 3;

/**
 * Sessions that wait for a lock, with the table where that can be told: of a row's lock by the lock on its place in the
 * queue. By pg_locks, as the wait event is null for a moment whenever a waiter wakes to look for a deadlock.
 */
const WAITING = `SELECT a.pid, max(ARRAY[n.nspname::text, c.relname::text]) FILTER (WHERE c.oid IS NOT NULL) AS relation,
        max(extract(epoch FROM clock_timestamp() - a.query_start)) AS seconds
   FROM pg_stat_activity a
   JOIN pg_locks l ON l.pid = a.pid
   LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON c.oid = l.relation
     AND l.locktype IN ('tuple', 'relation') AND l.database IS NOT NULL AND (NOT l.granted OR l.locktype = 'tuple')
  WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  GROUP BY a.pid HAVING NOT bool_and(l.granted)`;

/** Who waits for nobody, and is waited for. */
const HOLDERS = `SELECT w.relation, h.pid, coalesce(nullif(h.application_name, ''), h.usename::text, 'a session') AS application,
        coalesce(h.state, '') AS state, extract(epoch FROM clock_timestamp() - h.xact_start)::float8 AS seconds
   FROM (${WAITING}) AS w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
   JOIN pg_stat_activity AS h ON h.pid = b.pid
  WHERE NOT EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = h.pid AND NOT l.granted)
  GROUP BY 1, 2, 3, 4, 5`;

/** Schema and name. */
type Relation = [string, string] | null;

interface Holder {
  relation: Relation;
  pid: number;
  application: string;
  state: string;
  /** Since its transaction began; null for a role that may not see it. */
  seconds: number | null;
}

interface Wait {
  relation: Relation;
  seen: number;
  longest: number;
  holders: Map<number, Holder>;
}

const longestFirst = (holders: ReadonlyMap<number, Holder>) =>
  [...holders.values()].sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0)).slice(0, MAX_HOLDERS);

export const check: Check = {
  id: 'lock-waits',
  group: 'queries',
  title: 'Sessions that wait for a lock',
  description: 'Who waits for whom, at the moment of the diagnosis.',
  async *run(context) {
    const waits = new Map<string, Wait>();
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const rows = await context.session.query<{ relation: Relation; waiting: number; longest: number }>(
        `SELECT relation, count(*)::int AS waiting, max(seconds)::float8 AS longest FROM (${WAITING}) AS w GROUP BY 1`,
      );
      for (const { relation, waiting, longest } of rows) {
        const known = waits.get(`${relation}`) ?? { relation, seen: 0, longest: 0, holders: new Map() };
        known.seen += waiting;
        known.longest = Math.max(known.longest, longest);
        waits.set(`${relation}`, known);
      }
      if (rows.length === 0) continue;
      for (const holder of await context.session.query<Holder>(HOLDERS))
        waits.get(`${holder.relation}`)?.holders.set(holder.pid, holder);
    }
    for (const { relation, seen, longest, holders } of waits.values()) {
      const [schema, name] = relation ?? [];
      if (seen < 2 && longest < 1) continue;
      const held = longestFirst(holders);
      const [first] = held;
      yield {
        id: `lock-waits:${name ?? ''}`,
        check: 'lock-waits',
        severity: longest >= 1 ? 'critical' : 'warning',
        title: `${(seen / SAMPLES).toFixed(1)} sessions on average wait for a lock${name ? ` on ${name}` : ''}, up to ${longest.toFixed(1)} s${first ? `, held by ${first.application}` : ''}`,
        explanation:
          'They hold connections of the pool while they wait. Look for the transaction that holds the lock across a slow step, such as a call to another service.',
        cause: 'lock-contention',
        objects: schema && name ? [{ schema, table: name }] : [],
        statements: [],
        evidence: [
          {
            label: `waiting sessions in ${SAMPLES} samples`,
            value: seen,
            unit: '1',
            how: 'SELECT * FROM pg_locks WHERE NOT granted',
          },
          ...held.map(({ pid, application, state, seconds }) => ({
            label: `age of the transaction of ${application} (pid ${pid}${state ? `, ${state}` : ''})`,
            ...(seconds === null
              ? { value: 'not known to this role' }
              : { value: Math.round(seconds), unit: 's' }),
            how: 'SELECT pid, pg_blocking_pids(pid) FROM pg_locks WHERE NOT granted',
          })),
        ],
        cost: { msPerSecond: (seen / SAMPLES) * 1000 },
        confidence: { level: 0.7, basis: 'sample', note: `${SAMPLES} samples of pg_stat_activity` },
        explains: { kpis: ['blocked-sessions', 'pool-wait-p95', 'pool-saturation'], traces: [] },
        ...(first
          ? {
              fix: {
                kind: 'application' as const,
                summary: `let the transaction of ${first.application} end, or end it: SELECT pg_terminate_backend(${first.pid})`,
                changes: [],
                lock: 'none',
                risk: 'Its transaction is rolled back, and its client gets an error.',
                expectedEffect: 'whoever waits for it goes on',
              },
            }
          : {}),
      };
    }
  },
};
