import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import type { PlanNode } from '../../plans.ts';
import { about, largest, merger, rewrite, tablesOf } from './about.ts';
import { matters, rowsPerCall, withoutStatements } from './shared.ts';

/** Of fewer rows the last page costs hardly more than the first. */
const MIN_PAGED_ROWS = 500;

/** The most rows that a LIMIT of the plan chooses from; undefined without one. */
function rowsBelowLimit(plan: PlanNode): number | undefined {
  const found = (plan.Plans ?? []).flatMap((node) => rowsBelowLimit(node) ?? []);
  const [below] = plan.Plans ?? [];
  if (plan['Node Type'] === 'Limit' && below) found.push(below['Plan Rows']);
  return found.length > 0 ? Math.max(...found) : undefined;
}

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
      // All pages together: what the LIMIT takes its rows from.
      const paged = entry.plan ? rowsBelowLimit(entry.plan) : undefined;
      if (paged !== undefined && paged < MIN_PAGED_ROWS) continue;
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
