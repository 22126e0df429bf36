import { literal } from '../../../lib/pg/quote.ts';
import { count } from '../../../lib/units/format.ts';
import type { Check, CheckContext } from '../../check.ts';
import type { FixOf, NewIndex } from '../../fix.ts';
import { expressionFacts, qualify } from '../../proposals/expression.ts';
import type { Table } from '../../relations.ts';
import type { ColumnUse } from '../../sql/shape.ts';
import { newIndexOn } from '../shared.ts';
import { about, merger, rewrite } from './about.ts';
import { matters, withoutStatements } from './shared.ts';

const INDEXED = 'the condition can be answered by an index';

const written = ({ wrapped, column }: ColumnUse) => (wrapped ?? '%').replaceAll('%', () => column);

const typeOf = (table: Table, column: string) =>
  table.columns.find(({ name }) => name === column)?.type ?? '';

/** Postgres would refuse an index on it, because its value depends on more than the row. */
async function mutable(
  context: CheckContext,
  table: Table,
  { column, wrapped }: ColumnUse,
  path: readonly string[],
): Promise<boolean> {
  const name = context.session.quote(column);
  const expression = await qualify(
    context,
    (wrapped ?? '%').replaceAll('%', () => name),
    path,
  );
  if (expression === undefined || expression === name) return false;
  return (await expressionFacts(context, table, { expression, column })).mutable === true;
}

/** What to write instead, and the index that serves it; an index only where the column has none that begins with it. */
function insteadOf(context: CheckContext, table: Table, use: ColumnUse): FixOf<'rewrite'> {
  const { session, settings } = context;
  const { column } = use;
  const type = typeOf(table, column);
  const name = session.quote(column);
  const after = (index: Pick<NewIndex, 'method' | 'keys' | 'ordered'>) => ({
    create: newIndexOn(table, index),
  });
  const [only, ...more] = use.wrapping ?? [];
  const calls = (name: string) =>
    only !== undefined && more.length === 0 && 'call' in only && only.call === name;
  const casts = (type: string) =>
    only !== undefined && more.length === 0 && 'cast' in only && only.cast === type;
  if (calls('to_tsvector')) {
    const configuration = settings.get('default_text_search_config')?.value ?? 'pg_catalog.simple';
    const expression = `to_tsvector(${literal(configuration)}::regconfig, ${name})`;
    return {
      ...rewrite(
        `name the configuration in the statement, ${expression}, and index that: with one argument it depends on a setting (${configuration} in this session)`,
        INDEXED,
      ),
      ...after({ method: 'gin', keys: [{ expression, column }], ordered: false }),
    };
  }
  if (type.startsWith('timestamp') && (calls('date') || casts('date')))
    return {
      ...rewrite(
        `compare ${column} with the beginning and the end of the day, as moments: ${column} >= day AND ${column} < day + 1`,
        INDEXED,
      ),
      ...(table.indexes.some(({ valid, columns }) => valid && columns[0] === column)
        ? {}
        : after({ method: 'btree', keys: [{ expression: name, column }], ordered: true })),
    };
  if (/^(text|character)/.test(type))
    return rewrite(
      `compare ${column} itself, with its true type; ${written(use)} depends on settings, so Postgres does not index it`,
      INDEXED,
    );
  return rewrite(
    `compare ${column} itself with a value of its type, or keep ${written(use)} in a column of its own; it depends on more than the row, so Postgres does not index it`,
    INDEXED,
  );
}

export const check: Check = {
  id: 'cast-defeats-index',
  group: 'queries',
  title: 'Casts and functions that no index can serve',
  description:
    'Conditions on a cast or a function of a column whose result depends on settings, which Postgres does not index, and on members of an array by = ANY, which no index serves.',
  async *run(context) {
    if (withoutStatements(context, 'casts that defeat an index')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const { table, use, sequential } of entry.scans) {
        if (!table || !use || !sequential || table.estimatedRows < 1_000) continue;
        const wrapped: ColumnUse[] = [];
        for (const condition of [...use.equal, ...use.range, ...use.search])
          if (condition.wrapped !== null && !condition.join && !condition.isNull)
            if (await mutable(context, table, condition, entry.path)) wrapped.push(condition);
        const [first] = wrapped;
        if (first) {
          const columns = [...new Set(wrapped.map(({ column }) => column))];
          const expressions = [...new Set(wrapped.map(written))];
          const types = columns.map((column) => typeOf(table, column));
          merge(
            about('cast-defeats-index', entry, {
              table,
              columns,
              title: `${expressions.join(', ')} on ${table.name} cannot use an index on ${columns.join(', ')}`,
              explanation: `The condition is on ${expressions.join(' and ')}, computed for all ${count(table.estimatedRows)} rows at each call. ${types.includes('text') && wrapped.some(({ wrapping }) => wrapping?.some((each) => 'cast' in each)) ? 'The column is text; with its true type the condition would be on the column itself.' : 'Its result depends on more than the row, so an index on it is refused; a condition on the bare column would serve.'}`,
              level: 0.9,
              fix: insteadOf(context, table, first),
            }),
          );
        }
        for (const { column } of use.member)
          merge(
            about('cast-defeats-index', entry, {
              table,
              columns: [column],
              title: `Members of ${table.name}.${column} are looked for in every row`,
              explanation: `value = ANY (${column}) is compared with all ${count(table.estimatedRows)} rows at each call: no index serves this form, and a B-tree on the array serves only whole arrays.`,
              level: 0.9,
              fix: {
                ...rewrite(
                  `write ${column} @> ARRAY[value], which a GIN index on ${column} serves`,
                  'rows that hold the value are found by the index',
                ),
                ...(table.indexes.some(
                  (index) => index.valid && index.method === 'gin' && index.columns.includes(column),
                )
                  ? {}
                  : {
                      create: newIndexOn(table, {
                        method: 'gin',
                        keys: [{ expression: context.session.quote(column), column }],
                        ordered: false,
                      }),
                    }),
              },
            }),
          );
      }
    }
    yield* merge.all();
  },
};
