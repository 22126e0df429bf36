import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import type { DeclaredMigration } from './declared.ts';
import type { TableDescription } from './description.ts';
import { phasesOf, type Rebuild } from './phases.ts';
import { refusals } from './refusals.ts';

/** @throws OperationError with every reason why it cannot be done, and what to do */
export async function refuse(
  client: pg.ClientBase,
  d: TableDescription,
  what: string,
  own: readonly string[],
): Promise<void> {
  const { rows } = await client.query<{ number: number }>(
    "SELECT current_setting('server_version_num')::int AS number",
  );
  const reasons = refusals(d, rows[0]?.number ?? 0);
  // What an operation has against a table is about ordinary ones.
  if (d.table.kind === 'r') reasons.push(...own);
  if (reasons.length > 0)
    throw new OperationError(
      `${d.table.schema}.${d.table.name} ${what}:\n${reasons.map((reason) => `- ${reason}`).join('\n')}`,
    );
}

/** A rebuild as a file: what was chosen, and all SQL that will run. */
export function declare(
  rebuild: Rebuild &
    Pick<DeclaredMigration, 'operation' | 'choices' | 'notes'> & {
      converted?: DeclaredMigration['rows']['converted'];
      copy?: string;
    },
): DeclaredMigration {
  const { d, layout, operation, choices, notes, definition, converted, copy } = rebuild;
  const { schema, name, owner, oid } = d.table;
  return {
    sqltrail: 'migration',
    version: 1,
    operation,
    // A table of the same name may be rebuilt again, when this one is done.
    name: `${operation} ${schema}.${name} (OID ${oid})`,
    table: { oid, schema, name, owner },
    choices,
    notes,
    size: d.size,
    definition,
    rows: {
      searchPath: layout.searchPath,
      newName: layout.names.newName,
      oldName: layout.names.oldName,
      copied: layout.copied,
      compared: d.columns.map((each) => each.name),
      key: layout.key.map((each) => ({
        name: each,
        type: d.columns.find(({ name: of }) => of === each)?.type ?? 'text',
      })),
      newKey: layout.newKey,
      ...(converted
        ? {
            converted,
            settings: { ...layout.settings },
            conflicts: layout.reverse.conflicts,
            ...(copy === undefined ? {} : { copy }),
          }
        : {}),
    },
    phases: phasesOf(rebuild),
  };
}
