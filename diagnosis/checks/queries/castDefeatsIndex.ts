import type { Check } from '../../check.ts';
import { tableOf } from '../../workload.ts';
import { count, mutableCasts } from '../shared.ts';
import { about, merger, rewrite } from './about.ts';
import { matters, withoutStatements } from './shared.ts';

export const check: Check = {
  id: 'cast-defeats-index',
  group: 'queries',
  title: 'Casts and functions that no index can serve',
  description:
    'Conditions and sort orders on a cast or a function of a column: a plain index on the column does not help, and a cast that depends on settings cannot even be indexed.',
  async *run(context) {
    if (withoutStatements(context, 'casts that defeat an index')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const use of entry.shape?.tables ?? []) {
        const table = tableOf(context.tables, use.table, use.schema);
        const scan = entry.scans.find(({ alias, sequential }) => alias === use.alias && sequential);
        if (!table || !scan || table.estimatedRows < 1_000) continue;
        const wrapped = [...use.equal, ...use.range].filter(
          ({ wrapped: around, join }) => around !== null && !join && mutableCasts.test(around),
        );
        const columns = [...new Set(wrapped.map(({ column }) => column))];
        if (columns.length === 0) continue;
        const expressions = [
          ...new Set(
            wrapped.map(({ wrapped: around, column }) => String(around).replaceAll('%', () => column)),
          ),
        ];
        const types = columns.map((column) => table.columns.find(({ name }) => name === column)?.type);
        merge(
          about('cast-defeats-index', entry, {
            table,
            columns,
            title: `${expressions.join(', ')} on ${table.name} cannot use an index on ${columns.join(', ')}`,
            explanation: `The condition is on ${expressions.join(' and ')}, computed for all ${count(table.estimatedRows)} rows at each call. ${types.includes('text') && /::/.test(expressions.join()) ? 'The column is text; with its true type the condition would be on the column itself.' : 'An index on the same expression, or a condition on the bare column, would serve.'}`,
            level: 0.9,
            fix: rewrite(
              `compare ${columns.join(', ')} itself: give it its true type, or index the expression`,
              'the condition can be answered by an index',
            ),
          }),
        );
      }
    }
    yield* merge.all();
  },
};
