import type { Check } from '../../check.ts';
import { modelTables } from './sample.ts';

export const check: Check = {
  id: 'missing-primary-key',
  group: 'model',
  title: 'Tables without a key',
  description: 'Tables with neither a primary key nor a unique one whose columns are NOT NULL.',
  whileObserving: true,
  async *run(context) {
    for (const table of modelTables(context)) {
      const unique = table.indexes.some(
        (index) =>
          index.unique &&
          index.predicate === null &&
          index.columns.every((name) => table.columns.find((column) => column.name === name)?.notNull),
      );
      if (table.primaryKey.length > 0 || unique) continue;
      const target = context.session.quote(table.schema, table.name);
      const taken = (name: string) => table.columns.some((column) => column.name === name);
      const column = ['row_id', 'row_key', 'row_number_id'].find((name) => !taken(name)) ?? 'row_id';
      yield {
        id: `missing-primary-key:${table.schema}.${table.name}`,
        check: 'missing-primary-key',
        severity: 'warning',
        title: `${table.name} has no primary key`,
        explanation: `A row cannot be named: not by a reference, not by a batch that goes through the table, not by logical replication. Doubled rows cannot be told apart.`,
        cause: 'poor-normalisation',
        objects: [{ schema: table.schema, table: table.name }],
        statements: [],
        evidence: [
          {
            label: 'unique constraints',
            value: 0,
            unit: '1',
            how: `SELECT count(*) FROM pg_index WHERE indrelid = '${target.replaceAll("'", "''")}'::regclass AND indisunique`,
          },
        ],
        cost: {},
        confidence: { level: 1, basis: 'exact' },
        explains: { kpis: ['missing-foreign-keys'], traces: [] },
        fix: {
          kind: 'migration',
          summary: 'a natural key where there is one, otherwise an identity column',
          changes: [
            {
              change: 'add column',
              schema: table.schema,
              table: table.name,
              column,
              type: 'bigint',
              identity: true,
            },
          ],
          lock: 'ACCESS EXCLUSIVE while the table is rewritten; do it in a migration for a large one',
          risk: 'Statements that insert without naming columns still work: the identity is last.',
          expectedEffect: 'each row has a name',
        },
      };
    }
  },
};
