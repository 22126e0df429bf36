import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { literal } from '../../lib/pg/quote.ts';
import { type Migration, type Step, VERIFY } from '../migration.ts';
import { reading } from '../session.ts';
import type { Undo } from '../state.ts';
import { compareTables, comparingIn } from './compare.ts';
import { copyRows } from './copy.ts';
import type { DeclaredStep } from './declared.ts';
import { fingerprintOf } from './description.ts';
import { keptBy } from './kept.ts';
import { compareMoved } from './moved/compare.ts';
import { movedWork } from './moved/work.ts';
import { hashOfPlan, type Plan } from './plan.ts';

/** Names in the statements are complete; nothing is found by a path that somebody has set. */
const PATH = 'SET LOCAL search_path = pg_catalog;\n';

function workOf(declared: Plan, { sql, indexes, work }: DeclaredStep): Step['work'] {
  if (work === 'compare') return VERIFY;
  if (work)
    return {
      kind: 'run',
      run: (run, at) =>
        'moved' in declared ? movedWork[work](run, at, declared) : copyRows(run, at, declared),
    };
  if (indexes)
    return {
      kind: 'indexes',
      indexes: indexes.map((index) => ({ schema: declared.table.schema, ...index })),
    };
  return sql ? { kind: 'transaction', sql: `${PATH}${sql}` } : { kind: 'nothing' };
}

function undoOf(declared: Plan, { undo, work }: DeclaredStep): Undo {
  const copiedNothing = `DELETE FROM sqltrail.migration_cursor WHERE migration = ${literal(declared.name)}`;
  if (work === 'copy') return { kind: 'transaction', sql: copiedNothing };
  if (!undo) return { kind: 'none' };
  // A copy that was stopped has no end to be undone, but began; what empties its table takes it back to the beginning.
  const empties = /^(TRUNCATE|DROP TABLE) /.test(undo);
  return { kind: 'transaction', sql: `${PATH}${undo}${empties ? `\n${copiedNothing}` : ''}` };
}

/** @throws OperationError when the table is no longer what the plan was made for */
async function refuseChanged(client: pg.ClientBase, { table, definition }: Plan): Promise<void> {
  const now = await reading(client, 'search_path = pg_catalog', () => fingerprintOf(client, table.oid));
  const changed = Object.keys(definition).filter((part) => now[part] !== definition[part]);
  if (changed.length > 0)
    throw new OperationError(
      `${table.schema}.${table.name} has changed since the plan was made (${Object.keys(now).length === 0 ? 'it does not exist' : changed.join(', ')}). Plan it again; nothing was changed.`,
    );
}

/** The migration that a file declares; it runs exactly the SQL that is in it. */
export const operationOf = (declared: Plan): Migration => ({
  name: declared.name,
  hash: hashOfPlan(declared),
  tables: [
    { schema: declared.table.schema, table: declared.table.name },
    ...('rows' in declared ? [{ schema: declared.table.schema, table: declared.rows.oldName }] : []),
  ],
  comparing: comparingIn('moved' in declared ? declared.moved : declared.rows),
  begins: (client) => refuseChanged(client, declared),
  steps: async () =>
    declared.phases.flatMap(({ phase, steps }) =>
      steps.map((step) => ({
        phase,
        name: step.name,
        lock: step.lock,
        work: workOf(declared, step),
        undo: undoOf(declared, step),
        ...(step.work === 'copy'
          ? { size: { rows: declared.size.rows, units: declared.size.rows, bytes: declared.size.totalBytes } }
          : {}),
      })),
    ),
  kept: (client) => keptBy(client, declared),
  verify: (client, options) =>
    'moved' in declared ? compareMoved(client, declared, options) : compareTables(client, declared, options),
});
