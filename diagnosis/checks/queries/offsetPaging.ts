import type { Check } from '../../check.ts';
import { count } from '../shared.ts';
import { about, largest, merger, rewrite, tablesOf } from './about.ts';
import { matters, rowsPerCall, withoutStatements } from './shared.ts';

export const check: Check = {
  id: 'offset-paging',
  group: 'queries',
  title: 'OFFSET paging',
  description: 'Pages fetched with OFFSET: all rows before the page are read, sorted and thrown away.',
  async *run(context) {
    if (withoutStatements(context, 'paging by OFFSET')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!entry.shape?.offset || !matters(entry)) continue;
      const table = largest(tablesOf(context, entry));
      if (!table || table.estimatedRows < 1_000) continue;
      const order = entry.shape.tables.flatMap(({ order: columns }) => columns.map(({ column }) => column));
      merge(
        about('offset-paging', entry, {
          table,
          ...(order.length > 0 ? { columns: order } : {}),
          title: `Pages of ${table.name} are fetched with OFFSET`,
          explanation: `Each page reads and sorts everything before it${entry.rowsReadPerCall ? `: about ${count(entry.rowsReadPerCall)} rows for the ${Math.max(1, Math.round(rowsPerCall(entry)))} that are shown` : ''}. Later pages cost more than the first.`,
          level: 0.95,
          fix: rewrite(
            `keyset paging: WHERE (${order[0] ?? 'sort key'}, id) < (last seen) ORDER BY … LIMIT n, with an index in that order`,
            'the cost of a page no longer depends on its number',
          ),
        }),
      );
    }
    yield* merge.all();
  },
};
