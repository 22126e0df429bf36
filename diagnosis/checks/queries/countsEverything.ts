import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { about, largest, merger, rewrite, tablesOf } from './about.ts';
import { matters, withoutStatements } from './shared.ts';

export const check: Check = {
  id: 'counts-everything',
  group: 'queries',
  title: 'Counting at each request',
  description: 'count(*) that reads a large part of a table, called again and again.',
  async *run(context) {
    if (withoutStatements(context, 'counting at each request')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!entry.shape?.countsAll || entry.statement.calls < 5 || (entry.rowsReadPerCall ?? 0) < 1_000)
        continue;
      const table = largest(tablesOf(context, entry));
      if (!table || (!matters(entry) && entry.statement.meanMs < 5)) continue;
      const { equal, pattern } = entry.shape.tables[0] ?? { equal: [], pattern: [] };
      const columns = [...new Set([...equal, ...pattern].map(({ column }) => column))];
      merge(
        about('counts-everything', entry, {
          table,
          ...(columns.length > 0 ? { columns } : {}),
          title: `${table.name} is counted at each call, ${count(entry.rowsReadPerCall ?? 0)} rows read for one number`,
          explanation:
            'Postgres has to look at each row to count it. A page that needs “is there more?” can fetch one row more than it shows; a total can be kept or be estimated.',
          level: 0.95,
          fix: rewrite(
            'fetch one row more than is shown instead of counting; keep totals where they are needed',
            'one number no longer costs a scan',
          ),
        }),
      );
    }
    yield* merge.all();
  },
};
