import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { newIndexOn, toBeBuilt } from '../shared.ts';

const MIN_ROWS = 1_000;

export const check: Check = {
  id: 'foreign-key-without-index',
  group: 'indexes',
  title: 'Foreign keys without an index',
  description:
    'Foreign keys whose columns begin no index: each delete or key change of a parent row reads the whole child table, and so do joins from the parent.',
  whileObserving: true,
  async *run(context) {
    for (const table of context.tables) {
      if (table.partitionOf !== null || table.estimatedRows < MIN_ROWS) continue;
      for (const key of table.foreignKeys) {
        const covered = table.indexes.some(
          (index) =>
            index.valid &&
            index.predicate === null &&
            key.columns.every((column) => index.columns.slice(0, key.columns.length).includes(column)),
        );
        if (covered) continue;
        const list = key.columns.map((column) => context.session.quote(column)).join(', ');
        const parent = context.tables.find(
          ({ schema, name: other }) => schema === key.referenced.schema && other === key.referenced.table,
        );
        const deletes = parent?.activity.deleted ?? 0;
        yield {
          id: `foreign-key-without-index:${table.schema}.${table.name}(${key.columns.join(',')})`,
          check: 'foreign-key-without-index',
          severity: deletes > 0 ? 'warning' : 'info',
          title: `${table.name} has no index on its reference ${key.columns.join(', ')} to ${key.referenced.table}`,
          explanation: `A delete in ${key.referenced.table} has to read all ${count(table.estimatedRows)} rows of ${table.name} to see whether one refers to it. ${deletes > 0 ? `${count(deletes)} deletes did so.` : 'No row has been deleted there so far.'}`,
          cause: 'missing-index',
          objects: [{ schema: table.schema, table: table.name, columns: key.columns }],
          statements: [],
          evidence: [
            {
              label: 'rows read for each parent row deleted',
              value: Math.round(table.estimatedRows),
              unit: 'rows',
              how: 'SELECT reltuples FROM pg_class',
            },
            {
              label: 'parent rows deleted',
              value: deletes,
              unit: 'rows',
              how: 'SELECT n_tup_del FROM pg_stat_user_tables',
            },
          ],
          cost: {},
          confidence: { level: 0.9, basis: 'statistics' },
          explains: { kpis: ['unindexed-references', 'blocked-sessions'], traces: [] },
          fix: {
            kind: 'index',
            automatic: true,
            summary: `index on ${table.name} (${list})`,
            ...toBeBuilt,
            create: newIndexOn(table, {
              method: 'btree',
              keys: key.columns.map((column) => ({ column, expression: context.session.quote(column) })),
              ordered: false,
            }),
            risk: 'Each insert writes one more index entry.',
            expectedEffect: 'a delete of a parent row no longer reads the child table',
          },
        };
      }
    }
  },
};
