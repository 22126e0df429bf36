import type { Check } from '../../check.ts';
import { finding } from './finding.ts';

export const check: Check = {
  id: 'invalid-index',
  group: 'indexes',
  title: 'Invalid indexes',
  description:
    'Indexes that a failed CREATE INDEX CONCURRENTLY left: written at each change, used by nobody.',
  whileObserving: true,
  async *run(context) {
    const building = await context.session
      .query<{ oid: number }>('SELECT index_relid::int8::float8 AS oid FROM pg_stat_progress_create_index')
      .catch(() => []);
    if (building.length > 0) return;
    for (const table of context.tables)
      for (const index of table.indexes)
        if (!index.valid && table.kind !== 'partitioned' && index.parent === null)
          yield finding(context, 'invalid-index', table, index, {
            title: `${index.name} on ${table.name} is invalid`,
            explanation:
              'A concurrent build did not finish. The index is written at each change but no statement can use it, and CREATE INDEX IF NOT EXISTS takes it for a good one.',
            severity: 'warning',
            level: 1,
            how: 'SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid',
          });
  },
};
