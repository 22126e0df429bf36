import type { Check } from '../../check.ts';
import { tableOf } from '../../workload.ts';
import { count, indexName } from '../shared.ts';
import { about, merger } from './about.ts';
import { matters, withoutStatements } from './shared.ts';

export const check: Check = {
  id: 'leading-wildcard',
  group: 'queries',
  title: 'Searches by pattern that no index can serve',
  description:
    'LIKE, ILIKE and regular expressions whose pattern begins with a wildcard, or is a parameter, on columns that are read whole.',
  async *run(context) {
    if (withoutStatements(context, 'searches by pattern')) return;
    const merge = merger();
    const trigram = context.tables
      .flatMap(({ indexes }) => indexes)
      .some(({ definition }) => /gi[ns]t_trgm_ops/.test(definition));
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const use of entry.shape?.tables ?? []) {
        const table = tableOf(context.tables, use.table, use.schema);
        const scan = entry.scans.find(({ alias, sequential }) => alias === use.alias && sequential);
        const patterns = use.pattern.filter(({ anchored }) => !anchored);
        if (!table || !scan || patterns.length === 0 || table.estimatedRows < 500) continue;
        const columns = [...new Set(patterns.map(({ column }) => column))];
        const target = context.session.quote(table.schema, table.name);
        const name = indexName(table, columns, 'trgm_idx');
        const list = columns.map((column) => `${context.session.quote(column)} gin_trgm_ops`).join(', ');
        merge(
          about('leading-wildcard', entry, {
            table,
            columns,
            title: `Search in ${table.name} (${columns.join(', ')}) reads every row`,
            explanation: `A pattern that may begin with a wildcard cannot use a B-tree, so each search compares all ${count(table.estimatedRows)} rows${trigram ? ', although the database has trigram indexes elsewhere' : ''}.`,
            level: patterns.every(({ parameter }) => parameter) ? 0.8 : 0.95,
            note: 'The pattern itself is a parameter and is not seen; the plan shows that every row is read.',
            fix: {
              summary: `trigram index on ${columns.join(', ')}`,
              sql: [
                'CREATE EXTENSION IF NOT EXISTS pg_trgm',
                `CREATE INDEX CONCURRENTLY ${context.session.quote(name)} ON ${target} USING gin (${list})`,
              ],
              undo: [`DROP INDEX CONCURRENTLY IF EXISTS ${context.session.quote(table.schema, name)}`],
              lock: 'SHARE UPDATE EXCLUSIVE while it is built; reads and writes go on',
              risk: 'A GIN index makes changes of these columns slower; patterns below three characters still read all.',
              expectedEffect: 'a search reads the rows that hold the pattern’s trigrams instead of all',
            },
          }),
        );
      }
    }
    yield* merge.all();
  },
};
