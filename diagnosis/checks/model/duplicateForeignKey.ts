import type { Check } from '../../check.ts';
import type { Table } from '../../relations.ts';
import { kept } from '../kept.ts';
import { modelTables } from './sample.ts';

interface Row {
  oid: number;
  name: string;
  /** As pg_get_constraintdef() has it, whether its rows were checked left out. */
  definition: string;
  validated: boolean;
}

/** Two of its foreign keys have the same columns and the same parent, perhaps with different actions. */
const hasTwice = ({ foreignKeys }: Table) =>
  new Set(foreignKeys.map(({ columns, referenced }) => JSON.stringify([columns, referenced]))).size <
  foreignKeys.length;

export const check: Check = {
  id: 'duplicate-foreign-key',
  group: 'model',
  title: 'Foreign keys that are there twice',
  description:
    'Foreign keys of one table with the same columns, the same parent and the same actions: each write checks the parent once for each.',
  whileObserving: true,
  async *run(context) {
    const suspects = modelTables(context).filter(hasTwice);
    if (suspects.length === 0) return;
    const rows = await context.session.query<Row>(
      `SELECT conrelid::int8::float8 AS oid, conname::text AS name, replace(pg_get_constraintdef(oid), ' NOT VALID', '') AS definition, convalidated AS validated
         FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY($1::oid[]) ORDER BY NOT convalidated, conname`,
      [suspects.map(({ oid }) => oid)],
    );
    for (const table of suspects) {
      const first = new Map<string, Row>();
      for (const row of rows.filter(({ oid }) => oid === table.oid)) {
        const known = first.get(row.definition);
        if (!known) {
          first.set(row.definition, row);
          continue;
        }
        yield kept({
          id: `duplicate-foreign-key:${table.schema}.${table.name}(${row.name})`,
          check: 'duplicate-foreign-key',
          severity: 'warning',
          title: `${row.name} of ${table.name} is the foreign key ${known.name} once more`,
          explanation:
            'Every write of the reference looks up the parent row twice and locks it twice, and every delete of a parent looks for children twice.',
          cause: 'redundant-data',
          objects: [{ schema: table.schema, table: table.name }],
          evidence: [
            {
              label: row.name,
              value: row.definition,
              how: `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ${table.oid} AND contype = 'f'`,
            },
          ],
          fix: {
            kind: 'migration',
            summary: `drop ${row.name}`,
            changes: [
              {
                change: 'drop constraint',
                schema: table.schema,
                table: table.name,
                constraint: row.name,
                definition: `${row.definition}${row.validated ? '' : ' NOT VALID'}`,
              },
            ],
            lock: 'ACCESS EXCLUSIVE on both tables for a moment',
            risk: 'A migration that names the constraint no longer finds it.',
            expectedEffect: 'one look-up of the parent less for each write',
          },
        });
      }
    }
  },
};
