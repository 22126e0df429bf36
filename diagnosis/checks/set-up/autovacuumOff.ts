import type { Check } from '../../check.ts';

export const check: Check = {
  id: 'autovacuum-off',
  group: 'set-up',
  title: 'Autovacuum and statistics off',
  description: 'autovacuum or track_counts off, and large tables that were never analysed.',
  whileObserving: true,
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
          kind: 'setting',
          summary: `switch ${off.join(' and ')} on`,
          extensions: [],
          settings: off.map((name) => ({ name, values: ['on'] })),
          reset: true,
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
