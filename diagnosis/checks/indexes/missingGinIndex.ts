import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import type { FixOf } from '../../fix.ts';
import type { Column, Table } from '../../relations.ts';
import type { ColumnUse } from '../../sql/shape.ts';
import { about, merger, rewrite } from '../queries/about.ts';
import { matters, withoutStatements } from '../queries/shared.ts';
import { newIndexOn, toBeBuilt } from '../shared.ts';

/** A smaller table is read as fast without an index. Rows. */
const MIN_ROWS = 1_000;

/** Types whose default GIN operator class has these operators: the manual, "Built-in Operator Classes" of GIN. */
const hasGin = ({ type, base = type }: Column) =>
  base === 'jsonb' || base === 'tsvector' || base.endsWith('[]');

/** An index that serves the operators: GIN, GiST (hstore, intarray, tsvector) or RUM on the column. */
const isServed = ({ indexes }: Table, column: string) =>
  indexes.some(
    ({ valid, method, columns, definition }) =>
      valid &&
      ['gin', 'gist', 'rum'].includes(method) &&
      (columns.includes(column) || definition.includes(column)),
  );

/** An index on a field of the document. Which field a statement asks for is a parameter, so any may be it. */
const hasFieldIndex = ({ indexes }: Table, column: string) =>
  indexes.some(({ columns, definition }) => columns.includes(null) && definition.includes(column));

export const check: Check = {
  id: 'missing-gin-index',
  group: 'indexes',
  title: 'Documents and arrays searched without an index',
  description:
    'Conditions on what a jsonb, array or tsvector column holds (@>, &&, ?, @@, ->> =) that read a whole table because no GIN index serves them.',
  async *run(context) {
    if (withoutStatements(context, 'searches in documents and arrays')) return;
    const merge = merger();
    const { session } = context;
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const { table, use, sequential } of entry.scans) {
        if (!table || !use || !sequential || table.estimatedRows < MIN_ROWS) continue;
        const columnOf = ({ column, wrapped }: ColumnUse) =>
          wrapped === null ? table.columns.find(({ name }) => name === column) : undefined;
        const index = ({ name }: Column) =>
          newIndexOn(table, {
            method: 'gin',
            keys: [{ expression: session.quote(name), column: name }],
            ordered: false,
          });
        const say = (column: Column, fix: FixOf<'index'> | FixOf<'rewrite'>, what: string) =>
          merge({
            ...about('missing-gin-index', entry, {
              table,
              columns: [column.name],
              cause: 'missing-index',
              title: `${what} ${table.name}.${column.name} is looked for in every row`,
              explanation: `A B-tree cannot serve a condition on what the column holds, so each call reads all ${count(table.estimatedRows)} rows.`,
              level: 0.9,
              fix,
            }),
            // A GIN index on the column does not serve a comparison of a field.
            id: `missing-gin-index:${table.schema}.${table.name}(${column.name}${fix.kind === 'rewrite' ? ' ->>' : ''})`,
          });
        for (const column of new Set([...use.contains, ...use.search].map(columnOf)))
          if (column && hasGin(column) && !isServed(table, column.name))
            say(
              column,
              {
                kind: 'index',
                automatic: true,
                summary: `GIN index on ${table.name} (${session.quote(column.name)})`,
                ...toBeBuilt,
                create: index(column),
                risk: 'A GIN index makes changes of this column slower: each element or key is an entry of its own.',
                expectedEffect: 'rows that hold what is asked for are found by the index',
              },
              'What is in',
            );
        for (const column of new Set(use.field.map(columnOf)))
          if (column && hasGin(column) && !hasFieldIndex(table, column.name))
            say(
              column,
              {
                ...rewrite(
                  `index the field that is asked for, for example CREATE INDEX ON ${session.quote(table.schema, table.name)} ((${session.quote(column.name)} ->> 'field')); or write ${column.name} @> '{"field": value}', which a GIN index on ${column.name} serves`,
                  'rows with that field are found by the index',
                ),
                ...(isServed(table, column.name) ? {} : { create: index(column) }),
              },
              'A field of',
            );
      }
    }
    yield* merge.all();
  },
};
