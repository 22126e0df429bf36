import type { OperationOf } from '../fix.ts';
import type { Column, Table } from '../relations.ts';

/** From so many rows on partitions pay: vacuum, backups and indexes go by part, and old parts leave at once. */
export const LARGE_ROWS = 25_000_000;

const sizeOf = ({ schema, name, estimatedRows, totalBytes }: Table) => ({
  schema,
  table: name,
  rows: estimatedRows,
  bytes: totalBytes,
});

/** Columns by which rows of a table can be told apart; none of a table that is not migrated. */
const keysOf = ({ kind, fixedColumns, primaryKey, uniqueKeys }: Table): string[][] =>
  kind === 'table' && !fixedColumns ? [primaryKey, ...uniqueKeys].filter(({ length }) => length > 0) : [];
const keyed = (table: Table) => keysOf(table).length > 0;

const INTEGER = /^(smallint|integer|bigint)$/;

/**
 * Columns that `sqltrail migrate plan ... retype` can give another type: those of a table with a key, which tells its
 * rows apart in both tables, so that only whole numbers of it can be widened.
 *
 * @returns none where there is no such column
 */
export function retypeOf(
  table: Table,
  columns: readonly { column: string; type: string }[],
  format?: string,
): OperationOf<'retype'>[] {
  const keys = keysOf(table);
  if (keys.length === 0) return [];
  const possible = columns.filter(
    ({ column, type }) => INTEGER.test(type) || keys.some((key) => !key.includes(column)),
  );
  return possible.length === 0
    ? []
    : [
        {
          operation: 'retype',
          ...sizeOf(table),
          columns: possible,
          ...(format === undefined ? {} : { format }),
        },
      ];
}

/** A large table whose rows have their date in a column that is never null. */
export function partitionOf(table: Table, by: string): OperationOf<'partition'>[] {
  const column = table.columns.find(({ name }) => name === by);
  return keyed(table) &&
    table.estimatedRows >= LARGE_ROWS &&
    column?.notNull &&
    /^(date|timestamp(\(\d\))? with(out)? time zone)$/.test(column.type)
    ? [{ operation: 'partition', ...sizeOf(table), by, interval: 'month' }]
    : [];
}

/** A list that `sqltrail migrate plan ... split-list` can move to a table of its own. */
export const splitListOf = (
  table: Table,
  list: { column: string; separator: string; into: string },
): OperationOf<'split-list'>[] =>
  keyed(table) ? [{ operation: 'split-list', ...sizeOf(table), ...list }] : [];

/** Copies that `sqltrail migrate plan ... extract` can move to a table of their own; names with a comma cannot be listed. */
export const extractOf = (
  table: Table,
  copies: Pick<OperationOf<'extract'>, 'columns' | 'key' | 'into' | 'contradicting'>,
): OperationOf<'extract'>[] =>
  keyed(table) && !copies.columns.some((name) => name.includes(','))
    ? [{ operation: 'extract', ...sizeOf(table), ...copies }]
    : [];

const TEXT = /^(text|character varying)$/;
/** What a value is in JSON; undefined where that is not sure to come back from it. */
function jsonOf({ type, base }: Column): string | undefined {
  const plain = (base ?? type).replace(/\(\d+(,\d+)?\)/, '');
  if (TEXT.test(plain) || /^(uuid|date|timestamp with(out)? time zone)$/.test(plain)) return 'string';
  if (INTEGER.test(plain) || /^(numeric|real|double precision)$/.test(plain)) return 'number';
  return plain === 'boolean' ? 'boolean' : undefined;
}

/**
 * Attributes kept as rows that `sqltrail migrate plan ... eav-to-jsonb` can make documents of: each is there once for an
 * entity, its values are told apart by their kinds in JSON, and what no document has is a number of the row at most.
 */
export function eavToJsonbOf(
  table: Table,
  rows: Pick<OperationOf<'eav-to-jsonb'>, 'entity' | 'attribute' | 'values' | 'into'>,
): OperationOf<'eav-to-jsonb'>[] {
  const { columns, primaryKey, indexes } = table;
  const pair = [...rows.entity, rows.attribute];
  const named = [...pair, ...rows.values];
  const of = (names: readonly string[]) => columns.filter(({ name }) => names.includes(name));
  const kinds = of(rows.values).map(jsonOf);
  const others = columns.filter(({ name }) => !named.includes(name));
  const possible =
    keyed(table) &&
    named.every((name) => !name.includes(',')) &&
    of(pair).every(
      ({ type, notNull }) =>
        notNull && (INTEGER.test(type) || type === 'uuid' || TEXT.test(type.replace(/\(\d+\)/, ''))),
    ) &&
    !kinds.includes(undefined) &&
    new Set(kinds).size === kinds.length &&
    others.every(({ name, hasDefault }) => hasDefault && primaryKey.length === 1 && primaryKey[0] === name) &&
    indexes.every(({ foreignKeys }) => foreignKeys.length === 0) &&
    indexes.some(
      (index) =>
        index.unique &&
        index.valid &&
        index.immediate &&
        index.predicate === null &&
        index.columns.length === pair.length &&
        index.columns.at(-1) === rows.attribute &&
        rows.entity.every((name) => index.columns.includes(name)),
    );
  return possible
    ? [
        {
          operation: 'eav-to-jsonb',
          ...sizeOf(table),
          ...rows,
          leaveOut: others.map(({ name }) => name),
        },
      ]
    : [];
}
