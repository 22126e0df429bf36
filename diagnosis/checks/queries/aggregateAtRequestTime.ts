import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { about, largest, merger, rewrite, tablesOf } from './about.ts';
import { rowsPerCall, withoutStatements } from './shared.ts';

export const check: Check = {
  id: 'aggregate-at-request-time',
  group: 'queries',
  title: 'Aggregates computed at request time',
  description:
    'GROUP BY over a large part of a big table for each call, where yesterday’s sums do not change any more.',
  async *run(context) {
    if (withoutStatements(context, 'aggregates at request time')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      const { shape } = entry;
      if (!shape?.aggregates || shape.countsAll || shape.operation !== 'SELECT') continue;
      const table = largest(tablesOf(context, entry));
      if (!table || (entry.rowsReadPerCall ?? 0) < 20_000 || entry.statement.meanMs < 100) continue;
      const name = context.session.quote(table.schema, `${table.name.slice(0, 50)}_daily`);
      merge(
        about('aggregate-at-request-time', entry, {
          table,
          title: `Sums over ${table.name} are computed at each call`,
          explanation: `${count(entry.rowsReadPerCall ?? 0)} rows are read for about ${count(rowsPerCall(entry))} rows of sums, although sums of closed periods no longer change.`,
          level: 0.8,
          fix: rewrite(
            `keep the sums in a table of their own (${name}) and add only what is new`,
            'a report reads its few rows of sums',
          ),
        }),
      );
    }
    yield* merge.all();
  },
};
