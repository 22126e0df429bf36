import type pg from 'pg';
import type { DeclaredMigration } from './declared.ts';
import { type TableDescription, typed } from './description.ts';
import { phasesOf, type Rebuild } from './phases.ts';
import { carryRefusals, rebuildRefusals, refusalOf } from './refusals.ts';

/** @throws OperationError with every reason why it cannot be done, and what to do */
export async function refuse(
  client: pg.ClientBase,
  d: TableDescription,
  what: string,
  own: readonly string[],
): Promise<void> {
  const { schema, name, kind, partition } = d.table;
  const table = `${schema}.${name}`;
  const { found, ordinary } = await carryRefusals(client, d, [
    ...(partition ? [`${table} is a partition. Give the partitioned table that it belongs to.`] : []),
    ...(kind === 'p' ? [`${table} is partitioned already, and is not rebuilt.`] : []),
  ]);
  if (ordinary) found.push(...rebuildRefusals(d));
  // What an operation has against a table is about ordinary ones.
  if (kind === 'r') found.push(...own);
  if (found.length > 0) throw refusalOf(`${table} ${what}`, found);
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
      key: typed(d, layout.key),
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
