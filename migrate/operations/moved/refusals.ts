import type pg from 'pg';
import type { TableDescription } from '../description.ts';
import { carryRefusals, reasons } from '../refusals.ts';
import { functionsNaming, usesOf } from './columnUse.ts';

export interface Refused {
  reasons: string[];
  /** What stands in the way of `complete`, for the notes. */
  later: string[];
}

/** Why no column of a table can move to a table of its own, whatever that looks like; each with what to do. */
export async function commonRefusals(
  client: pg.ClientBase,
  d: TableDescription,
  columns: readonly string[],
): Promise<Refused> {
  const { table } = d;
  const name = `${table.schema}.${table.name}`;
  const { found, ordinary } = await carryRefusals(
    client,
    d,
    table.kind === 'p' || table.partition
      ? [
          `${name} is partitioned, or a partition, whose rows are not in one file that can be read by blocks. Columns of such tables cannot be moved yet.`,
        ]
      : [],
  );
  if (!ordinary) return { reasons: found, later: [] };
  const { no } = reasons(found);
  for (const column of columns) {
    const known = d.columns.find((each) => each.name === column);
    no(!known, `${name} has no column ${column}. It has ${d.columns.map((each) => each.name).join(', ')}.`);
    no(
      known?.generated,
      `${column} is a generated column: move the columns that it is computed from instead.`,
    );
    no(known?.identity, `${column} is an identity column.`);
  }
  const uses = await usesOf(client, table.oid, columns);
  for (const { what } of uses.filter(({ essential }) => essential))
    no(
      true,
      `The ${what} depends on ${columns.join(', ')}, and could not be kept without it. Drop or change it first.`,
    );
  const functions = await functionsNaming(client, { table: table.name, columns, except: [] });
  return {
    reasons: found,
    later: [
      ...uses.filter(({ essential }) => !essential).map(({ what }) => what),
      ...functions.map((each) => `function ${each}`),
    ],
  };
}
