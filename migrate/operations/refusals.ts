import { quote as id } from '../../lib/pg/quote.ts';
import type { Choices } from './choices.ts';
import type { TableDescription } from './description.ts';

/** What tells the rows of the old table apart: columns of a unique index that are never null. */
export function keyOf({ columns, indexes }: TableDescription): string[] | undefined {
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
  const best =
    usable.find(({ primary }) => primary) ?? usable.sort((a, b) => a.columns.length - b.columns.length)[0];
  return best?.columns as string[] | undefined;
}

const listed = (names: readonly (string | null)[]) => names.map((name) => name ?? 'an expression').join(', ');

/** Whether a source text has the word in it. */
const names = (source: string, word: string) =>
  new RegExp(
    `(?<![\\p{L}\\p{N}_])${word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\p{L}\\p{N}_])`,
    'iu',
  ).test(source);

/** Unique indexes that do not hold the partition column. */
export const uniqueWithout = ({ indexes }: TableDescription, by: string) =>
  indexes.filter((index) => index.unique && index.valid && !index.columns.includes(by));

/** Foreign keys that cannot stay: what they refer to is no longer unique by itself. */
export const brokenForeignKeys = (d: TableDescription, by: string): string[] => [
  ...d.incoming
    .filter(({ columns }) => !columns.includes(by))
    .map(({ schema, table, name }) => `${name} of ${schema}.${table}`),
  ...d.constraints
    .filter(({ type, references }) => type === 'f' && references === d.table.oid)
    .map(({ name }) => `${name} of the table itself`),
];

/** Why a table cannot be partitioned as asked; each with what to do. Empty when it can. */
export function refusals(d: TableDescription, choices: Choices, server: number): string[] {
  const { table } = d;
  const name = `${table.schema}.${table.name}`;
  const inSql = id(table.schema, table.name);
  const found: string[] = [];
  const no = (when: unknown, ...why: string[]) => {
    if (when) found.push(why.join(' '));
  };
  no(
    server < 140_000,
    'The server is older than Postgres 14, which cannot read a table by ranges of its blocks. Upgrade it first.',
  );
  no(table.kind === 'p', `${name} is partitioned already.`);
  no(table.partition, `${name} is a partition. Give the partitioned table that it belongs to.`);
  no(table.kind !== 'r' && table.kind !== 'p', `${name} is no ordinary table.`);
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

  const by = d.columns.find((column) => column.name === choices.by);
  no(!by, `${name} has no column ${choices.by}.`);
  if (by) {
    no(
      !/^(date|timestamp(\(\d\))? with(out)? time zone)$/.test(by.type),
      `${by.name} is of type ${by.type}; intervals of time need date, timestamp or timestamptz. Change its type first.`,
    );
    no(
      !by.notNull,
      `${by.name} may be null, and a row without it belongs to no range. Fill it, then ALTER TABLE ${inSql} ALTER COLUMN ${id(by.name)} SET NOT NULL.`,
    );
    no(by.generated, `${by.name} is a generated column, by which Postgres does not partition.`);
  }
  no(
    !keyOf(d),
    `${name} has no key: no unique index of columns that are never null tells its rows apart, so that changes could not be carried over while it is copied. Add one first, such as ALTER TABLE ${inSql} ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY (it rewrites the table under a lock), or make unique columns NOT NULL.`,
  );
  for (const index of d.indexes) {
    no(
      index.unique && !index.immediate,
      `${index.name} is deferrable, and cannot tell rows apart while both tables are kept in step. Make it NOT DEFERRABLE first.`,
    );
    no(
      index.unique && index.valid && index.columns.includes(null),
      `${index.name} is unique over an expression (${listed(index.columns)}), which Postgres does not allow on a partitioned table. Drop it, or keep the table as it is.`,
    );
  }
  for (const { name: constraint, type } of d.constraints)
    no(
      type === 'x',
      `${constraint} is an exclusion constraint, which would hold within each partition only. Drop it first if that is enough.`,
    );
  for (const { name: constraint, type, validated } of d.constraints)
    no(
      !validated && (type === 'c' || type === 'f'),
      `${constraint} is not validated: rows that break it could not be copied, or it could not be the new table's. ALTER TABLE ${inSql} VALIDATE CONSTRAINT ${id(constraint)} first.`,
    );
  if (!choices.extendKeys)
    for (const index of uniqueWithout(d, choices.by))
      no(
        !index.columns.includes(null),
        `${index.name} is unique over (${listed(index.columns)}). Postgres keeps a key of a partitioned table unique only together with the partition column: over (${listed([...index.columns, choices.by])}) the same ${listed(index.columns)} could be there once for each ${choices.by}, and ON CONFLICT (${listed(index.columns)}) no longer works. Where the values come from a sequence or are random, nothing changes in practice: choose that with --extend-keys.`,
      );
  const broken = brokenForeignKeys(d, choices.by);
  no(
    broken.length > 0 && !choices.dropForeignKeys,
    `${broken.join(', ')} refer to a key that would no longer be unique by itself. Let them go at the cutover with --drop-foreign-keys (rollback makes them again), or give those tables ${choices.by} too and let the foreign keys refer to both columns.`,
  );
  for (const { schema, table: other, name: key, ours, partitioned, columns } of d.incoming) {
    no(
      !ours,
      `The foreign key ${key} belongs to ${schema}.${other}, which ${table.owner} may not change. Give both tables one owner.`,
    );
    no(
      partitioned && columns.includes(choices.by),
      `The foreign key ${key} belongs to the partitioned table ${schema}.${other}, to which none can be added without a long lock. Drop it first.`,
    );
  }
  for (const trigger of d.triggers) {
    no(
      trigger.row && trigger.transition,
      `The trigger ${trigger.name} has transition tables and fires for each row, which Postgres does not allow on a partitioned table. Let it fire for each statement.`,
    );
    no(
      trigger.row && trigger.before && !choices.acceptTriggers && names(trigger.source, choices.by),
      `The trigger ${trigger.name} fires before a row is written and its function names ${choices.by}. On a partitioned table it must not move the row to another partition. Where it does not, choose --accept-triggers; where it does, set ${choices.by} by a default instead.`,
    );
  }
  for (const view of d.views) {
    no(
      !view.ours,
      `The view ${view.schema}.${view.name} belongs to somebody else, and would go on reading the old table. Give both one owner.`,
    );
    no(
      view.needsKey && uniqueWithout(d, choices.by).some(({ primary }) => primary),
      `The view ${view.schema}.${view.name} groups by the primary key and shows other columns, which Postgres allows only while the key is as it is. Name those columns in GROUP BY first.`,
    );
  }
  for (const publication of d.publications) {
    no(
      !publication.ours,
      `The publication ${publication.name} belongs to somebody else. Give it the table's owner, or take the table out of it.`,
    );
    no(
      !publication.plain || !publication.viaRoot,
      `The publication ${publication.name} would send changes under the names of partitions, or those of the new table while it is filled. Publish the table by its name, without a filter, and with publish_via_partition_root = true.`,
    );
  }
  for (const what of d.dependents)
    no(
      true,
      `The ${what} depends on the table itself and not on its name, and would go on using the old one. Drop it for the time of the migration.`,
    );
  return found;
}
