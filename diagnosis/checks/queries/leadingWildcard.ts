import { count } from '../../../lib/units/format.ts';
import { extensionSchema } from '../../catalogue.ts';
import type { Check, CheckContext } from '../../check.ts';
import { qualify } from '../../proposals/expression.ts';
import type { ColumnUse } from '../../sql/shape.ts';
import { newIndexOn, toBeBuilt } from '../shared.ts';
import { about, merger } from './about.ts';
import { matters, withoutStatements } from './shared.ts';

/** Operator classes of pg_trgm. */
const TRIGRAMS = ['gin_trgm_ops', 'gist_trgm_ops'];

/** The operator class of pg_trgm, by its schema where that is on nobody's search_path. */
async function trigramClass({ session }: CheckContext): Promise<string> {
  const schema = (await extensionSchema(session, 'pg_trgm')) ?? 'public';
  return schema === 'public' ? 'gin_trgm_ops' : `${session.quote(schema)}.gin_trgm_ops`;
}

/** What the patterns are compared with: an index on the column does not serve a pattern on lower(column). */
async function keysOf(
  context: CheckContext,
  patterns: readonly ColumnUse[],
  path: readonly string[],
): Promise<{ expression: string; column: string }[]> {
  const keys = new Map<string, { expression: string; column: string }>();
  for (const { column, wrapped } of patterns) {
    const name = context.session.quote(column);
    const expression = wrapped === null ? name : wrapped.replaceAll('%', () => name);
    const found = (await qualify(context, expression, path)) ?? expression;
    keys.set(found, { expression: found, column });
  }
  return [...keys.values()];
}

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
      .some(({ classes }) => classes.some((name) => name !== null && TRIGRAMS.includes(name)));
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const { table, use, sequential } of entry.scans) {
        if (!table || !use || !sequential) continue;
        const patterns = use.pattern.filter(({ anchored }) => !anchored);
        if (patterns.length === 0 || table.estimatedRows < 500) continue;
        const columns = [...new Set(patterns.map(({ column }) => column))];
        const keys = await keysOf(context, patterns, entry.path);
        const operatorClass = await trigramClass(context);
        merge(
          about('leading-wildcard', entry, {
            table,
            columns,
            title: `Search in ${table.name} (${columns.join(', ')}) reads every row`,
            explanation: `A pattern that may begin with a wildcard cannot use a B-tree, so each search compares all ${count(table.estimatedRows)} rows${trigram ? ', although the database has trigram indexes elsewhere' : ''}.`,
            level: patterns.every(({ parameter }) => parameter) ? 0.8 : 0.95,
            note: 'The pattern itself is a parameter and is not seen; the plan shows that every row is read.',
            fix: {
              kind: 'index',
              automatic: true,
              summary: `trigram index on ${columns.join(', ')}`,
              ...toBeBuilt,
              create: newIndexOn(table, {
                extension: 'pg_trgm',
                method: 'gin',
                keys: keys.map((key) => ({ ...key, operatorClass })),
                ordered: false,
              }),
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
