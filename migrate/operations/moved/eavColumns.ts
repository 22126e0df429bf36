import type pg from 'pg';
import { quote as id, quoteList } from '../../../lib/pg/quote.ts';
import type { TableDescription } from '../description.ts';
import { keysOf, listed, reasons } from '../refusals.ts';
import { usesOfTable } from './columnUse.ts';
import type { Kind } from './eavSql.ts';

export interface EavOptions {
  /** As SQL writes it. */
  table: string;
  /** Columns that say which entity a row is about. */
  entity: readonly string[];
  /** The column that names the attribute. */
  attribute: string;
  /** The column with its value, or one for each kind of value, of which a row fills one. */
  values: readonly string[];
  /** Further columns, which no document has. */
  leaveOut: readonly string[];
  /** Name of the new table; `TABLE_documents` without it. */
  into?: string;
}

/** Types of which two values are equal only when they are the same, so that one stands for the other. */
const EXACT = new Set([
  'smallint',
  'integer',
  'bigint',
  'uuid',
  'text',
  'character varying',
  'enum',
  'date',
  'timestamp without time zone',
  'timestamp with time zone',
  'bytea',
]);
const NAMES = new Set(['smallint', 'integer', 'bigint', 'uuid', 'text', 'character varying', 'enum']);
const KINDS: Readonly<Record<string, Kind>> = {
  text: 'string',
  'character varying': 'string',
  character: 'string',
  citext: 'string',
  enum: 'string',
  uuid: 'string',
  date: 'string',
  'timestamp without time zone': 'string',
  'timestamp with time zone': 'string',
  smallint: 'number',
  integer: 'number',
  bigint: 'number',
  numeric: 'number',
  real: 'number',
  'double precision': 'number',
  boolean: 'boolean',
};
/** What a column's values become in a document; undefined where they would not come back from it. */
export const kindOf = (base: string | undefined): Kind | undefined => KINDS[base ?? ''];

/** @returns of each column the type, or the one that a domain is made from; none for a collation that takes unlike texts for equal */
export async function baseTypes(client: pg.ClientBase, oid: string): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; type: string; exact: boolean }>(
    `SELECT a.attname::text AS name, coalesce(l.collisdeterministic, true) AS exact,
            CASE WHEN y.typtype = 'e' THEN 'enum' WHEN y.typname = 'citext' THEN 'citext' ELSE format_type(coalesce(nullif(y.typbasetype, 0), y.oid), NULL) END AS type
       FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
      WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped`,
    [oid],
  );
  return new Map(rows.filter(({ exact }) => exact).map(({ name, type }) => [name, type]));
}

/** The key that has an attribute of an entity once, and finds an entity's rows by its first columns. */
const hasKey = (d: TableDescription, entity: readonly string[], attribute: string) =>
  keysOf(d).some(
    (key) =>
      key.length === entity.length + 1 &&
      key.at(-1) === attribute &&
      key.slice(0, -1).every((column) => entity.includes(column)),
  );

/** Why the rows of a table like this cannot become documents; each with what to do. */
export function columnRefusals(
  d: TableDescription,
  types: ReadonlyMap<string, string>,
  { entity, attribute, values, leaveOut }: EavOptions,
): string[] {
  const { found, no } = reasons();
  const name = `${d.table.schema}.${d.table.name}`;
  const named = [...entity, attribute, ...values];
  const all = [...named, ...leaveOut];
  const known = (column: string) => d.columns.find((each) => each.name === column);
  for (const column of all)
    no(
      !known(column),
      `${name} has no column ${column}. It has ${d.columns.map((each) => each.name).join(', ')}.`,
    );
  no(new Set(all).size < all.length, 'Give each column only once.');
  if (found.length > 0) return found;
  for (const column of named)
    no(
      known(column)?.generated || known(column)?.identity,
      `${column} is a generated or identity column, which cannot be written when a document changes.`,
    );
  const unlike = (column: string, allowed: (type: string) => boolean, what: string) =>
    no(
      !allowed(types.get(column) ?? ''),
      `${column} is of type ${known(column)?.type}, or of a collation, that ${what}. Change its type first (sqltrail migrate plan URL retype).`,
    );
  for (const column of entity) unlike(column, (type) => EXACT.has(type), 'treats different values as equal');
  unlike(attribute, (type) => NAMES.has(type), 'cannot name the attributes of a document');
  for (const column of values)
    unlike(column, (type) => kindOf(type) !== undefined, 'cannot be restored from JSON unchanged');
  const kinds = values.map((column) => kindOf(types.get(column)));
  no(
    new Set(kinds).size < kinds.length && !kinds.includes(undefined),
    `${listed(values)} become ${listed(kinds.map((kind) => `${kind}s`))} in a document, but the kind of a value has to decide to which column it belongs. Combine columns of the same kind first.`,
  );
  const inSql = id(d.table.schema, d.table.name);
  no(
    !hasKey(d, entity, attribute),
    `No unique index on (${quoteList([...entity, attribute])}), of columns without NULL, ensures that an entity has each attribute only once, as a document does. Find attributes that occur twice: SELECT ${quoteList([...entity, attribute])}, count(*) FROM ${inSql} GROUP BY ${quoteList([...entity, attribute])} HAVING count(*) > 1. Then make the columns NOT NULL, and CREATE UNIQUE INDEX CONCURRENTLY ON ${inSql} (${quoteList([...entity, attribute])}). If another column, such as a language, distinguishes them, add it to --entity.`,
  );
  const others = d.columns.map((column) => column.name).filter((column) => !all.includes(column));
  no(
    others.length > 0,
    `${name} also has ${listed(others)}, which a document cannot contain. Give columns that may be dropped with the table with --leave-out; until then, rows that come from a document get their defaults. Give columns of the entity with --entity. Columns that describe a single value have to become attributes first.`,
  );
  for (const column of leaveOut) {
    const { notNull, default: by, identity, generated } = known(column) ?? {};
    no(
      notNull && by === null && !identity && !generated,
      `${column} cannot be left out: it is NOT NULL without a default, so a row that comes from a document would have no value. Set a default first.`,
    );
  }
  for (const key of d.incoming)
    no(
      true,
      `The foreign key ${key.name} of ${key.schema}.${key.table} refers to its rows, which will be dropped. Drop it, or let it refer to the entity, first.`,
    );
  no(
    d.table.rowSecurity,
    'Row-level security decides about single attributes, but a document shows all attributes of an entity. Disable it first, and create policies for the documents.',
  );
  for (const what of d.dependents)
    no(true, `The ${what} depends on the table, which will be dropped. Drop or change it first.`);
  return found;
}

/** What goes with the table and is not in the documents, for the reader of the plan. */
export function goingWith(
  d: TableDescription,
  leaveOut: readonly string[],
  later: readonly string[],
): string[] {
  const named = (what: string, those: readonly string[]) =>
    those.length > 0 ? [`${what} ${listed(those)}`] : [];
  const goes = [
    ...named('the columns', leaveOut),
    ...named(
      'the indexes',
      d.indexes.map(({ name }) => name),
    ),
    ...named(
      'the constraints',
      d.constraints.filter(({ type }) => type === 'f' || type === 'c').map(({ name }) => name),
    ),
    ...named(
      'the triggers',
      d.triggers.map(({ name }) => name),
    ),
    ...named(
      'its place in the publications',
      d.publications.map(({ name }) => name),
    ),
  ];
  const uses = [...usesOfTable(d), ...later];
  return [
    `complete drops ${d.table.schema}.${d.table.name}, and with it ${goes.join('; ')}.`,
    ...(uses.length > 0
      ? [`complete stops while these use ${d.table.name}; change or drop them before: ${uses.join('; ')}.`]
      : []),
    ...(d.triggers.length > 0
      ? [
          'Until then, the triggers also fire for rows that come from documents. If a trigger changes such a row, writing the document fails.',
        ]
      : []),
  ];
}
