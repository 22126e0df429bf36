import type { Column, Table } from '../../relations.ts';
import { snakeCase } from '../shared.ts';

export const singular = (name: string) =>
  name.endsWith('ies')
    ? `${name.slice(0, -3)}y`
    : name.endsWith('sses')
      ? name.slice(0, -2)
      : name.endsWith('s')
        ? name.slice(0, -1)
        : name;

/** What a person is in the row, and the tables that hold persons. An owner may be a firm, so that is not among them. */
const ROLES =
  /^(author|creator|updater|assignee|editor|reviewer|approver|uploader|sender|recipient|receiver|submitter|moderator|manager|reporter|requester|inviter)_?id$|^(created|updated|deleted|invited|approved|assigned|reviewed|closed)_by(_id)?$/;
const PERSONS = /^(.*_)?(users?|accounts?|persons?|people|members?|profiles?|employees?|staff)$/;

/** Another row of the same table. */
const SELF =
  /^(parent|root|previous|prev|next|original|ancestor|predecessor|successor|reply_to|in_reply_to|duplicate_of|replaced_by)_?id$/;

/** A key that names one thing everywhere; `name` or `code` is of many tables. */
const OWN_NAME = /^.+_(id|uuid|key)$/;

/** Columns by which a row can be referred to: the primary key and what is unique. */
function keysOf(table: Table): { key: string; primary: boolean }[] {
  const single = (columns: readonly (string | null)[]) => (columns.length === 1 ? (columns[0] ?? []) : []);
  const primary = single(table.primaryKey);
  const unique = [
    ...table.uniqueKeys.map(single),
    ...table.indexes
      .filter(
        ({ unique: only, valid, predicate, immediate }) => only && valid && immediate && predicate === null,
      )
      .map(({ columns }) => single(columns)),
  ].flat();
  return [
    ...(typeof primary === 'string' ? [{ key: primary, primary: true }] : []),
    ...[...new Set(unique)].filter((key) => key !== primary).map((key) => ({ key, primary: false })),
  ];
}

/** A key that a column may refer to, with what names and types are compared by: worked out once, not for each column. */
export interface Parent {
  parent: Table;
  key: string;
  primary: boolean;
  family: string;
  /** The table's name as it may stand before `_id`. */
  forms: string[];
  /** It holds persons. */
  persons: boolean;
}

const family = ({ type, base = type }: Column) =>
  /^(smallint|integer|bigint)/.test(base) ? 'integer' : /^(text|character)/.test(base) ? 'text' : base;

/** Every key of the tables. */
export function parentsOf(tables: readonly Table[]): Parent[] {
  return tables.flatMap((parent) => {
    const name = snakeCase(parent.name);
    const forms = [name, singular(name)];
    const persons = PERSONS.test(name);
    return keysOf(parent).flatMap((each) => {
      const column = parent.columns.find((known) => known.name === each.key);
      return column ? [{ parent, ...each, family: family(column), forms, persons }] : [];
    });
  });
}

/** What the name of a column says, whatever it is compared with. */
function namedBy(column: string) {
  const name = snakeCase(column);
  return {
    column,
    stem: /^(.+?)_?(id|uuid|key|fk)$/.exec(name)?.[1],
    self: SELF.test(name),
    role: ROLES.test(name),
    ownName: OWN_NAME.test(name),
  };
}

/**
 * How well the column's name goes with a reference to the key, 0 for not at all. Names only propose; rows decide. The
 * table's name stands before `_id`, without a common prefix such as `django_` only as an ending; or the column has the
 * key's own name; or it is the role of a person, or of another row of the table.
 */
function closeness(
  child: Table,
  { column, stem, self, role, ownName }: ReturnType<typeof namedBy>,
  { parent, key, primary, forms, persons }: Parent,
) {
  if (parent === child) return primary && (self || (role && persons)) ? 4 : 0;
  if (key === column && (primary ? key !== 'id' : ownName)) return 3;
  if (!primary) return 0;
  if (stem && forms.includes(stem)) return 5;
  if (stem && forms.some((form) => stem.endsWith(`_${form}`) || form.endsWith(`_${stem}`))) return 2;
  return role && persons ? 1 : 0;
}

/**
 * Keys that the column may refer to by its name and type, the likeliest first; none where a column beside it tells the
 * table of each row (`owner_id`, `owner_type`).
 */
export function possibleKeys(
  child: Table,
  column: Column,
  parents: readonly Parent[],
): Pick<Parent, 'parent' | 'key'>[] {
  const stem = column.name.replace(/_?id$/i, '');
  if (
    child.columns.some(({ name }) => name !== column.name && [`${stem}_type`, `${stem}Type`].includes(name))
  )
    return [];
  // Of two tables that share a unique column the values do not say which one refers to the other.
  const unique = keysOf(child).some(({ key }) => key === column.name);
  const ownFamily = family(column);
  const named = namedBy(column.name);
  return parents
    .flatMap((each) => {
      if (each.family !== ownFamily || (unique && !each.primary)) return [];
      const { parent, key } = each;
      const close = closeness(child, named, each);
      const sameSchema = Number(parent.schema === child.schema);
      return close > 0 ? [{ parent, key, order: sameSchema * 10 + close }] : [];
    })
    .sort((a, b) => b.order - a.order)
    .map(({ parent, key }) => ({ parent, key }));
}
