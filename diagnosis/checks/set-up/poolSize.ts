import type { Check } from '../../check.ts';
import { count } from '../shared.ts';
import { erlangC } from './erlangC.ts';

const LOOKS = 10;

export const check: Check = {
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
