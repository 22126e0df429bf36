import { quote as id } from '../../lib/pg/quote.ts';
import type { TableDescription } from './description.ts';

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

/** Collects reasons. */
export function reasons() {
  const found: string[] = [];
  return {
    found,
    no: (when: unknown, ...why: string[]) => {
      if (when) found.push(why.join(' '));
    },
  };
}

/** Why no table like this can be rebuilt under its name, whatever its new shape is; each with what to do. */
export function refusals(d: TableDescription, server: number): string[] {
  const { table } = d;
  const name = `${table.schema}.${table.name}`;
  const inSql = id(table.schema, table.name);
  const { found, no } = reasons();
  no(
    server < 140_000,
    'The server is older than Postgres 14, which cannot read a table by ranges of its blocks. Upgrade it first.',
  );
  no(table.partition, `${name} is a partition. Give the partitioned table that it belongs to.`);
  no(table.kind === 'p', `${name} is partitioned already, and is not rebuilt.`);
  no(table.kind !== 'r' && table.kind !== 'p', `${name} is no ordinary table.`);
  // What follows is of ordinary tables.
  if (found.length > 0) return found;

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
  no(table.extension, `${name} belongs to the extension ${table.extension}, which would lose it.`);
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
    `Row-level security is forced on its owner too, who would copy only what the policies let through. Take it off for the time of the migration: ALTER TABLE ${inSql} NO FORCE ROW LEVEL SECURITY.`,
  );

  no(
    keysOf(d).length === 0,
    `${name} has no key: no unique index of columns that are never null tells its rows apart, so that changes could not be carried over while it is copied. Add one first, such as ALTER TABLE ${inSql} ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY (it rewrites the table under a lock), or make unique columns NOT NULL.`,
  );
  for (const index of d.indexes)
    no(
      index.unique && !index.immediate,
      `${index.name} is deferrable, and cannot tell rows apart while both tables are kept in step. Make it NOT DEFERRABLE first.`,
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
      `The view ${view.schema}.${view.name} belongs to somebody else, and would go on reading the old table. Give both one owner.`,
    );
  for (const publication of d.publications)
    no(
      !publication.ours,
      `The publication ${publication.name} belongs to somebody else. Give it the table's owner, or take the table out of it.`,
    );
  for (const what of d.dependents)
    no(
      true,
      `The ${what} depends on the table itself and not on its name, and would go on using the old one. Drop it for the time of the migration.`,
    );
  return found;
}
