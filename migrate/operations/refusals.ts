import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { quote as id } from '../../lib/pg/quote.ts';
import type { TableDescription } from './description.ts';
import { TRIGGER_PREFIX } from './descriptionSql.ts';

/** What tells the rows of a table apart: columns of unique indexes that are never null; the best first. */
export function keysOf({ columns, indexes }: TableDescription): string[][] {
  const notNull = new Set(columns.filter(({ notNull }) => notNull).map(({ name }) => name));
  const usable = indexes.filter(
    (index) =>
      index.unique &&
      index.valid &&
      index.immediate &&
      !index.partial &&
      index.method === 'btree' &&
      index.columns.every((column) => column !== null && notNull.has(column)),
  );
  return usable
    .sort((a, b) => Number(b.primary) - Number(a.primary) || a.columns.length - b.columns.length)
    .map((index) => index.columns as string[]);
}

export const listed = (names: readonly (string | null)[]) =>
  names.map((name) => name ?? 'an expression').join(', ');

/** Whether a source text has the word in it. */
export const names = (source: string, word: string) =>
  new RegExp(
    `(?<![\\p{L}\\p{N}_])${word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\p{L}\\p{N}_])`,
    'iu',
  ).test(source);

/** Collects reasons, with those that were found before. */
export function reasons(found: string[] = []) {
  return {
    found,
    no: (when: unknown, ...why: string[]) => {
      if (when) found.push(why.join(' '));
    },
  };
}

/** @param what cannot be done as asked, and to which table */
export const refusalOf = (what: string, why: readonly string[]): OperationError =>
  new OperationError(`${what}:\n${why.map((reason) => `- ${reason}`).join('\n')}`);

/**
 * Why rows cannot be carried over from a table like this, whatever becomes of them; each with what to do.
 *
 * @param partitioned what there is against a partitioned table, or a partition
 * @returns `ordinary` whether it is a table of which more can be said
 */
export async function carryRefusals(
  client: pg.ClientBase,
  { table }: TableDescription,
  partitioned: readonly string[],
): Promise<{ found: string[]; ordinary: boolean }> {
  const { rows } = await client.query<{ number: number }>(
    "SELECT current_setting('server_version_num')::int AS number",
  );
  const name = `${table.schema}.${table.name}`;
  const { found, no } = reasons();
  no(
    (rows[0]?.number ?? 0) < 140_000,
    'The server is older than Postgres 14, which cannot read a table by ranges of its blocks. Upgrade it first.',
  );
  found.push(...partitioned);
  no(table.kind !== 'r' && table.kind !== 'p', `${name} is neither an ordinary nor a partitioned table.`);
  // What follows is of ordinary tables.
  if (found.length > 0) return { found, ordinary: false };

  const { rows: triggers } = await client.query<{ busy: string | null }>(
    'SELECT min(tgname::text) AS busy FROM pg_trigger WHERE tgrelid = $1::oid AND starts_with(tgname::text, $2)',
    [table.oid, TRIGGER_PREFIX],
  );
  const busy = triggers[0]?.busy;
  no(busy, `${name} has triggers of another migration (${busy}). Complete that one first, or roll it back.`);
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
  no(table.extension, `${name} belongs to the extension ${table.extension}, which expects it unchanged.`);
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
    `Row-level security is forced on its owner too, who would read only what the policies let through. Disable this during the migration: ALTER TABLE ${id(table.schema, table.name)} NO FORCE ROW LEVEL SECURITY.`,
  );
  return { found, ordinary: true };
}

/** @param therefore what cannot be done without one */
export const noKey = ({ table }: TableDescription, therefore = ''): string =>
  `${table.schema}.${table.name} has no key: no unique index of columns that are never null tells its rows apart${therefore}. Add one first, such as ALTER TABLE ${id(table.schema, table.name)} ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY (it rewrites the table under a lock), or make unique columns NOT NULL.`;

/** Why no ordinary table like this can be rebuilt under its name, whatever its new shape is; each with what to do. */
export function rebuildRefusals(d: TableDescription): string[] {
  const { table } = d;
  const inSql = id(table.schema, table.name);
  const { found, no } = reasons();
  no(keysOf(d).length === 0, noKey(d, ', so that changes could not be carried over while it is copied'));
  for (const index of d.indexes)
    no(
      index.unique && !index.immediate,
      `${index.name} is deferrable, and cannot identify rows while both tables are kept in sync. Make it NOT DEFERRABLE first.`,
    );
  for (const { name: constraint, type, validated } of d.constraints)
    no(
      !validated && (type === 'c' || type === 'f'),
      `${constraint} is not validated: rows that break it could not be copied, or it could not be the new table's. ALTER TABLE ${inSql} VALIDATE CONSTRAINT ${id(constraint)} first.`,
    );
  for (const { schema, table: other, name: key, ours } of d.incoming)
    no(
      !ours,
      `The foreign key ${key} belongs to ${schema}.${other}, which ${table.owner} may not change. Give both tables one owner.`,
    );
  for (const view of d.views)
    no(
      !view.ours,
      `The view ${view.schema}.${view.name} belongs to another role, and would continue to read the old table. Give both the same owner.`,
    );
  for (const publication of d.publications)
    no(
      !publication.ours,
      `The publication ${publication.name} belongs to another role. Give it the table's owner, or remove the table from it.`,
    );
  for (const what of d.dependents)
    no(
      true,
      `The ${what} depends on the table itself and not on its name, and would continue to use the old table. Drop it during the migration.`,
    );
  return found;
}
