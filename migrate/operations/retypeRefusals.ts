import { quote as id } from '../../lib/pg/quote.ts';
import { isWidening, needsNoRewrite } from './conversion.ts';
import type { TableDescription } from './description.ts';
import { names, reasons } from './refusals.ts';
import type { Retyped } from './retyped.ts';
import type { Uses } from './retypeUses.ts';

/** Why a column cannot get a type, before any value was read; each with what to do. */
export function typeRefusals(d: TableDescription, column: string, to: string): string[] {
  const { found, no } = reasons();
  const table = id(d.table.schema, d.table.name);
  const described = d.columns.find(({ name }) => name === column);
  if (!described) return [`${d.table.schema}.${d.table.name} has no column ${column}.`];
  const { type, generated, identity } = described;
  if (type === to) return [`${column} already has the type ${to}.`];
  no(
    generated,
    `${column} is a generated column. Drop it and add it again with the new type: its values follow from the other columns.`,
  );
  no(
    identity && !isWidening('smallint', to) && to !== 'smallint',
    `${column} is an identity column, which Postgres only supports for integers. ALTER TABLE ${table} ALTER COLUMN ${id(column)} DROP IDENTITY first.`,
  );
  no(
    needsNoRewrite(type, to),
    `Postgres changes ${type} to ${to} by itself, without a rewrite and within milliseconds; no migration is needed: SET lock_timeout = '500ms'; ALTER TABLE ${table} ALTER COLUMN ${id(column)} TYPE ${to};`,
  );
  return found;
}

/** Why what uses the columns cannot follow them. */
export function useRefusals(
  d: TableDescription,
  columns: readonly Retyped[],
  uses: Uses,
  { acceptTriggers }: { acceptTriggers: boolean },
): string[] {
  const { found, no } = reasons();
  const of = new Map(columns.map((each) => [each.column, each]));
  for (const generated of uses.generated)
    no(
      true,
      `The generated column ${generated} is computed from it, and Postgres cannot change the type of such a column. Drop that column first, and add it again after sqltrail migrate complete.`,
    );
  for (const { index, column, special, possible } of uses.indexKeys) {
    no(
      special,
      `The index ${index} has an operator class or a collation of its own for ${column}, which the new type does not have. Drop it first; sqltrail diagnose proposes one for the new type where it is needed.`,
    );
    no(
      !special && !possible,
      `The index ${index} cannot be built over ${of.get(column)?.to}: its access method has no operators for that type. Drop it first.`,
    );
  }
  for (const { name, incoming, schema, table, column, otherColumn, otherType } of uses.foreignKeys) {
    const retyped = of.get(column);
    if (!retyped) continue;
    const self = schema === d.table.schema && table === d.table.name;
    const other = self ? (of.get(otherColumn)?.to ?? otherType) : otherType;
    const what = self ? 'of the table itself' : incoming ? `of ${schema}.${table}` : `to ${schema}.${table}`;
    if (!retyped.widening || !/^(smallint|integer|bigint)$/.test(other)) {
      no(
        incoming || !self,
        `The foreign key ${name} ${what} compares ${column} with ${otherColumn} of the type ${other}, which ${retyped.to} cannot be compared with. Drop it first (ALTER TABLE ... DROP CONSTRAINT), retype both columns, and add it again.`,
      );
      continue;
    }
    no(
      incoming && isWidening(other, retyped.to),
      `${otherColumn} ${what} refers to ${column} and is of the type ${other}: the first ${column} beyond its range could not be referred to. Retype it first: ${
        self
          ? `add --also ${otherColumn}=${retyped.to}`
          : `sqltrail migrate plan URL retype ${id(schema, table, otherColumn)} ${retyped.to}`
      }.`,
    );
  }
  for (const trigger of d.triggers) {
    if (acceptTriggers) break;
    const named = columns.find(({ column }) => names(trigger.source, column));
    no(
      uses.conditions.includes(trigger.name) || (named && !named.widening),
      `The trigger ${trigger.name} names ${named?.column ?? 'the column'}${uses.conditions.includes(trigger.name) ? ' in its condition' : ' in its function'}. Make sure that it works with the new type, then choose --accept-triggers.`,
    );
  }
  for (const publication of d.publications)
    no(
      !publication.plain,
      `The publication ${publication.name} would publish the new table while it is filled, or has a filter or a column list. Let it name only the table.`,
    );
  return found;
}
