import { quote as id } from '../../lib/pg/quote.ts';
import type { Choices } from './choices.ts';
import { isOwn, type TableDescription } from './description.ts';
import { listed, names, reasons } from './refusals.ts';

/** Unique indexes that do not hold the partition column. */
export const uniqueWithout = ({ indexes }: TableDescription, by: string) =>
  indexes.filter((index) => index.unique && index.valid && !index.columns.includes(by));

/** Foreign keys that cannot stay: what they refer to is no longer unique by itself. */
export const brokenForeignKeys = (d: TableDescription, by: string): string[] =>
  d.incoming
    .filter((key) => isOwn(d, key) || !key.columns.includes(by))
    .map((key) => `${key.name} of ${isOwn(d, key) ? 'the table itself' : `${key.schema}.${key.table}`}`);

/** Why a table cannot be partitioned as asked, beyond what holds for any new shape; each with what to do. */
export function partitionRefusals(d: TableDescription, choices: Choices): string[] {
  const { table } = d;
  const name = `${table.schema}.${table.name}`;
  const inSql = id(table.schema, table.name);
  const { found, no } = reasons();
  const by = d.columns.find((column) => column.name === choices.by);
  no(!by, `${name} has no column ${choices.by}.`);
  if (by) {
    no(
      !/^(date|timestamp(\(\d\))? with(out)? time zone)$/.test(by.type),
      `${by.name} is of type ${by.type}; intervals of time need date, timestamp or timestamptz. Change its type first.`,
    );
    no(
      !by.notNull,
      `${by.name} may be null, and a row without a value belongs to no range. Fill it, then ALTER TABLE ${inSql} ALTER COLUMN ${id(by.name)} SET NOT NULL.`,
    );
    no(by.generated, `${by.name} is a generated column, and Postgres cannot partition by one.`);
  }
  for (const index of d.indexes)
    no(
      index.unique && index.valid && index.columns.includes(null),
      `${index.name} is unique over an expression (${listed(index.columns)}), which Postgres does not allow on a partitioned table. Drop it, or keep the table as it is.`,
    );
  for (const { name: constraint, type } of d.constraints)
    no(
      type === 'x',
      `${constraint} is an exclusion constraint, which would only be enforced within each partition. Drop it first, if you can do without it.`,
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
  for (const { schema, table: other, name: key, partitioned, columns } of d.incoming)
    no(
      partitioned && columns.includes(choices.by),
      `The foreign key ${key} belongs to the partitioned table ${schema}.${other}, which cannot get a foreign key without a long lock. Drop it first.`,
    );
  for (const trigger of d.triggers) {
    no(
      trigger.row && trigger.transition,
      `The trigger ${trigger.name} has transition tables and fires for each row, which Postgres does not allow on a partitioned table. Let it fire for each statement.`,
    );
    no(
      trigger.row && trigger.before && !choices.acceptTriggers && names(trigger.source, choices.by),
      `The trigger ${trigger.name} fires before a row is written and its function names ${choices.by}. On a partitioned table it must not move the row to another partition. If it does not, choose --accept-triggers; if it does, set ${choices.by} by a default instead.`,
    );
  }
  for (const view of d.views)
    no(
      view.needsKey && uniqueWithout(d, choices.by).some(({ primary }) => primary),
      `The view ${view.schema}.${view.name} groups by the primary key and shows other columns, which Postgres only allows while the key is unchanged. Add those columns to GROUP BY first.`,
    );
  for (const publication of d.publications)
    no(
      !publication.plain || !publication.viaRoot,
      `The publication ${publication.name} would send changes under the names of partitions, or those of the new table while it is filled. Publish the table by its name, without a filter, and with publish_via_partition_root = true.`,
    );
  return found;
}
