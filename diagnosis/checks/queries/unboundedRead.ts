import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { about, largest, merger, rewrite, tablesOf } from './about.ts';
import { matters, rowsPerCall, withoutStatements } from './shared.ts';

const MANY_ROWS = 1_000;

export const check: Check = {
  id: 'unbounded-read',
  group: 'queries',
  title: 'Reads without a bound',
  description: 'SELECT without LIMIT that returns a thousand rows or more a call: it grows with the data.',
  async *run(context) {
    if (withoutStatements(context, 'reads without a bound')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (entry.shape?.operation !== 'SELECT' || entry.shape.limit || entry.statement.calls < 5) continue;
      const table = largest(tablesOf(context, entry));
      if (!table || rowsPerCall(entry) < MANY_ROWS || !matters(entry)) continue;
      merge(
        about('unbounded-read', entry, {
          table,
          title: `A statement on ${table.name} returns ${count(rowsPerCall(entry))} rows a call, without LIMIT`,
          explanation:
            'Nothing bounds the answer, so it grows with the table, in the database, on the wire and in the application’s memory.',
          level: 0.9,
          fix: rewrite('page it, or aggregate in the database', 'the answer no longer grows with the table'),
        }),
      );
    }
    yield* merge.all();
  },
};
