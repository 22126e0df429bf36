import type { Check } from '../../check.ts';
import { kept } from '../kept.ts';

const KINDS: Record<string, string> = { c: 'check', f: 'foreign key', n: 'NOT NULL constraint' };

export const check: Check = {
  id: 'not-validated-constraint',
  group: 'model',
  title: 'Constraints that old rows were never checked for',
  description:
    'Constraints that were added NOT VALID and not validated since: they hold for new rows, and the planner does not use them.',
  whileObserving: true,
  async *run(context) {
    const rows = await context.session.query<{ oid: number; name: string; kind: string; definition: string }>(
      // What is NOT ENFORCED (Postgres 18) is not validated by intention; on a table of others it is that of the parent.
      `SELECT conrelid::int8::float8 AS oid, conname::text AS name, contype::text AS kind, pg_get_constraintdef(oid) AS definition
         FROM pg_constraint o WHERE NOT convalidated AND contype IN ('c', 'f', 'n') AND conparentid = 0 AND conislocal
          AND coalesce((to_jsonb(o) ->> 'conenforced')::boolean, true) ORDER BY conname`,
    );
    for (const { oid, name, kind, definition } of rows) {
      const table = context.tables.find((each) => each.oid === oid);
      if (!table) continue;
      yield kept({
        id: `not-validated-constraint:${table.schema}.${table.name}(${name})`,
        check: 'not-validated-constraint',
        severity: 'info',
        title: `The ${KINDS[kind] ?? 'constraint'} ${name} of ${table.name} was never validated`,
        explanation:
          'It holds for rows that are written from now on. Whether older rows keep it nobody has looked, so neither the planner nor a reader can rely on it.',
        cause: 'poor-normalisation',
        objects: [{ schema: table.schema, table: table.name }],
        evidence: [
          {
            label: name,
            value: definition,
            how: `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ${oid} AND NOT convalidated`,
          },
        ],
        explains: { kpis: kind === 'f' ? ['missing-foreign-keys'] : [], traces: [] },
        fix: {
          kind: 'migration',
          summary: `validate ${name}`,
          changes: [
            { change: 'validate constraint', schema: table.schema, table: table.name, constraint: name },
          ],
          lock: `SHARE UPDATE EXCLUSIVE${kind === 'f' ? ' here and ROW SHARE on the parent' : ''} while all rows are read; reads and writes continue`,
          risk: 'It fails at the first row that breaks the constraint, and changes nothing then.',
          expectedEffect: 'the constraint holds for all rows',
        },
      });
    }
  },
};
