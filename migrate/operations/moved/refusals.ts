import type pg from 'pg';
import { quote as id } from '../../../lib/pg/quote.ts';
import type { TableDescription } from '../description.ts';
import { type ColumnUse, functionsNaming, usesOf } from './columnUse.ts';

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
  const reasons: string[] = [];
  const no = (when: unknown, why: string) => {
    if (when) reasons.push(why);
  };
  const { rows } = await client.query<{ server: number; busy: string | null }>(
    `SELECT current_setting('server_version_num')::int AS server,
            (SELECT min(tgname::text) FROM pg_trigger WHERE tgrelid = $1::oid AND starts_with(tgname::text, 'sqltrail_')) AS busy`,
    [table.oid],
  );
  const [facts] = rows;
  no(
    (facts?.server ?? 0) < 140_000,
    'The server is older than Postgres 14, which cannot read a table by ranges of its blocks. Upgrade it first.',
  );
  no(
    table.kind === 'p' || table.partition,
    `${name} is partitioned, or a partition, whose rows are not in one file that can be read by blocks. Columns of such tables cannot be moved yet.`,
  );
  no(table.kind !== 'r' && table.kind !== 'p', `${name} is no ordinary table.`);
  if (reasons.length > 0) return { reasons, later: [] };
  no(
    facts?.busy,
    `${name} has triggers of another migration (${facts?.busy}). Complete that one first, or roll it back.`,
  );
  no(
    table.inherits,
    `${name} inherits from a table, or others inherit from it. Undo that first (ALTER TABLE ... NO INHERIT).`,
  );
  no(table.typed, `${name} is a typed table. Make it an ordinary one first (ALTER TABLE ... NOT OF).`);
  no(table.persistence === 't', `${name} is a temporary table.`);
  no(
    table.method !== 'heap',
    `${name} is stored by the access method ${table.method}; only heap is read by blocks.`,
  );
  no(table.extension, `${name} belongs to the extension ${table.extension}.`);
  no(
    table.subscribed,
    `${name} is filled by a subscription, whose changes fire no statement triggers. Drop it from the subscription first.`,
  );
  no(
    !table.mayCreate,
    `Its owner ${table.owner} may not create tables in the schema ${table.schema}. GRANT CREATE ON SCHEMA ${id(table.schema)} TO ${id(table.owner)} first.`,
  );
  no(
    table.forceRowSecurity,
    `Row-level security is forced on its owner too, who would read only what the policies let through. Take it off for the time of the migration: ALTER TABLE ${id(table.schema, table.name)} NO FORCE ROW LEVEL SECURITY.`,
  );
  for (const column of columns) {
    const known = d.columns.find((each) => each.name === column);
    no(!known, `${name} has no column ${column}. It has ${d.columns.map((each) => each.name).join(', ')}.`);
    no(known?.generated, `${column} is a generated column: what it is made from moves, and not it.`);
    no(known?.identity, `${column} is an identity column.`);
  }
  const uses = await usesOf(client, table.oid, columns);
  for (const { what } of uses.filter(({ essential }) => essential))
    no(
      true,
      `The ${what} depends on ${columns.join(', ')}, and could not be kept when that goes. Drop or change it first.`,
    );
  const functions = await functionsNaming(client, { table: table.name, columns, except: [] });
  return {
    reasons,
    later: [
      ...uses.filter((use: ColumnUse) => !use.essential).map(({ what }) => what),
      ...functions.map((each) => `function ${each}`),
    ],
  };
}
