import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { samplePools } from '../../pools.ts';
import { erlangC } from './erlangC.ts';

const SAMPLES = 10;

export const check: Check = {
  id: 'pool-size',
  group: 'set-up',
  title: 'Pool size against its load',
  description:
    'Connections of each application against those that are busy, by samples of pg_stat_activity; the chance of having to wait by Erlang’s C formula.',
  whileObserving: true,
  async *run(context) {
    const { pools, allowed, free } = await samplePools(context.session, {
      samples: SAMPLES,
      signal: context.signal,
    });
    const total = allowed - free;
    for (const { application, connections, busy: load } of pools) {
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
            how: `${SAMPLES} samples of pg_stat_activity`,
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
          note: `${SAMPLES} samples; it assumes requests that come independently of each other`,
        },
        explains: { kpis: ['pool-saturation', 'pool-wait-p95', 'pool-acquire-timeouts'], traces: [] },
      };
    }
    if (total / allowed < 0.85) return;
    const others = await context.session.query<{ name: string; connections: number }>(
      `SELECT coalesce(datname, '')::text AS name, count(*)::int AS connections FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname IS DISTINCT FROM current_database() GROUP BY 1 ORDER BY 2 DESC, 1`,
    );
    const elsewhere = others.reduce((sum, { connections }) => sum + connections, 0);
    const [most] = others;
    yield {
      id: 'connections-full',
      check: 'pool-size',
      severity: total / allowed >= 0.95 ? 'critical' : 'warning',
      title: `${count(total)} of ${count(allowed)} connections are taken`,
      explanation: `New connections will be refused.${most && elsewhere > total / 2 ? ` Most are not of this database: ${most.name} has ${count(most.connections)}.` : ''} Share connections through a pooler instead of raising max_connections: each costs memory and work.`,
      cause: 'pool-size',
      objects: [],
      statements: [],
      evidence: [
        { label: 'connections', value: total, unit: '1', how: 'SELECT count(*) FROM pg_stat_activity' },
        ...(elsewhere > 0
          ? [
              {
                label: 'of them to other databases of the server',
                value: elsewhere,
                unit: '1',
                how: 'SELECT datname, count(*) FROM pg_stat_activity GROUP BY 1',
              },
            ]
          : []),
      ],
      cost: {},
      confidence: { level: 0.9, basis: 'exact' },
      explains: { kpis: ['server-connections'], traces: [] },
    };
  },
};
