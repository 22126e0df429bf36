import type { Check } from '../../check.ts';
import { tableOf } from '../../workload.ts';

export const check: Check = {
  id: 'lock-waits',
  group: 'queries',
  title: 'Sessions that wait for a lock',
  description: 'Who waits for whom, at the moment of the diagnosis.',
  async *run(context) {
    const waits = new Map<string, { table: string | null; seen: number; longest: number }>();
    const samples = 5;
    for (let sample = 0; sample < samples; sample += 1) {
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
        title: `${(seen / samples).toFixed(1)} sessions on average wait for a lock${name ? ` on ${name}` : ''}, up to ${longest.toFixed(1)} s`,
        explanation:
          'They hold connections of the pool while they wait. Look for the transaction that holds the lock across a slow step, such as a call to another service.',
        cause: 'lock-contention',
        objects: table ? [{ schema: table.schema, table: table.name }] : [],
        statements: [],
        evidence: [
          {
            label: `waiting sessions in ${samples} samples`,
            value: seen,
            unit: '1',
            how: "SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
          },
        ],
        cost: { msPerSecond: (seen / samples) * 1000 },
        confidence: { level: 0.7, basis: 'sample', note: `${samples} samples of pg_stat_activity` },
        explains: { kpis: ['blocked-sessions', 'pool-wait-p95'], traces: [] },
      };
    }
  },
};
