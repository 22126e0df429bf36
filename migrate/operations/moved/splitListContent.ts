import type pg from 'pg';
import { quote as id, literal } from '../../../lib/pg/quote.ts';
import type { TableColumn, TableDescription } from '../description.ts';
import { reasons } from '../refusals.ts';

export interface SplitListOptions {
  /** As SQL writes it. */
  table: string;
  column: string;
  /** Between the entries of a text. */
  separator: string;
  /** Name of the new table; `TABLE_COLUMN` without it. */
  into?: string;
  /** Quotes and backslashes in entries are ordinary characters. */
  acceptQuotes: boolean;
  /** Rows without a list and those with an empty one may become the same. */
  mergeEmpty: boolean;
}

/** What the lists of a column are made of. */
export interface ListForm {
  /** Type of an entry; undefined where the column holds no list that can be split. */
  entry: string | undefined;
  array: boolean;
}

/** @param client with `search_path = pg_catalog` */
export async function formOf(client: pg.ClientBase, oid: string, column: TableColumn): Promise<ListForm> {
  const { rows } = await client.query<{ array: boolean; entry: string | null }>(
    `SELECT y.typelem <> 0 AND y.typlen = -1 AS array,
            CASE WHEN y.typelem <> 0 AND y.typlen = -1 AND y.typtype = 'b'
                   THEN (SELECT format_type(e.oid, a.atttypmod) FROM pg_type AS e WHERE e.oid = y.typelem AND e.typtype <> 'c'
                            AND NOT EXISTS (SELECT FROM pg_type AS base WHERE base.oid = e.typbasetype AND base.typtype = 'c'))
                 WHEN y.oid IN ('text'::regtype, 'varchar'::regtype) THEN 'text'
                 WHEN y.typname = 'citext' AND y.typtype = 'b' THEN format_type(y.oid, NULL) END AS entry
       FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid WHERE a.attrelid = $1::oid AND a.attname = $2`,
    [oid, column.name],
  );
  return { array: rows[0]?.array ?? false, entry: rows[0]?.entry ?? undefined };
}

/** What the values of the column are like, each as a number of rows. */
export interface Content {
  rows: number;
  nulls: number;
  empty: number;
  /** With more than one entry. */
  lists: number;
  /** With a quote or a backslash. */
  quoted: number;
  /** JSON, or an array as text. */
  documents: number;
  /** Arrays of more than one dimension, or that do not begin at 1. */
  unusual: number;
  /** With an entry that is empty. */
  gaps: number;
  /** With an entry that begins or ends with a blank. */
  blanks: number;
}

/** Reads the whole column once. */
export async function contentOf(
  client: pg.ClientBase,
  d: TableDescription,
  column: string,
  separator: string | undefined,
): Promise<Content> {
  const c = id(column);
  const text = `${c}::text`;
  const s = literal(separator ?? '');
  const count = (when: string) => `count(*) FILTER (WHERE ${when})::float8`;
  const { rows } = await client.query<Content>(
    separator === undefined
      ? `SELECT count(*)::float8 AS rows, ${count(`${c} IS NULL`)} AS nulls, ${count(`cardinality(${c}) = 0`)} AS empty, ${count(`cardinality(${c}) > 1`)} AS lists,
                0 AS quoted, 0 AS documents, ${count(`array_ndims(${c}) > 1 OR array_lower(${c}, 1) <> 1`)} AS unusual, 0 AS gaps, 0 AS blanks
           FROM ONLY ${id(d.table.schema, d.table.name)} /* sqltrail */`
      : `SELECT count(*)::float8 AS rows, ${count(`${c} IS NULL`)} AS nulls, ${count(`${text} = ''`)} AS empty, ${count(`strpos(${text}, ${s}) > 0`)} AS lists,
                ${count(`${text} ~ '["\\\\]'`)} AS quoted, ${count(`${text} ~ '^\\s*[\\[{]'`)} AS documents, 0 AS unusual,
                ${count(`${text} <> '' AND strpos(${s} || ${text} || ${s}, ${s} || ${s}) > 0`)} AS gaps,
                ${count(`strpos(${s} || ${text}, ${s} || ' ') > 0 OR strpos(${text} || ${s}, ' ' || ${s}) > 0`)} AS blanks
           FROM ONLY ${id(d.table.schema, d.table.name)} /* sqltrail */`,
  );
  return rows[0] as Content;
}

const rowsOf = (n: number) => `${n} row${n === 1 ? '' : 's'}`;

/** Why the values cannot be split as asked; each with what to do. */
export function contentRefusals(
  { rows, nulls, empty, lists, quoted, documents, unusual }: Content,
  { column, separator, acceptQuotes, mergeEmpty }: SplitListOptions,
  array: boolean,
): string[] {
  const { found, no } = reasons();
  no(
    !array && rows > 0 && lists === 0,
    `No value of ${column} contains the separator “${separator}”. Give the right one with --separator.`,
  );
  no(
    documents > 0,
    `${rowsOf(documents)} of ${column} begin with a bracket: JSON or arrays as text cannot be split by a separator. Change the type first (jsonb, or an array).`,
  );
  no(
    quoted > 0 && !acceptQuotes,
    `${rowsOf(quoted)} of ${column} contain a quote or a backslash: a separator within quotes or after a backslash may not be a real one. If these are ordinary characters, choose --accept-quotes; if not, change those values first.`,
  );
  no(
    unusual > 0,
    `${rowsOf(unusual)} of ${column} hold arrays with several dimensions, or that do not start at 1, which could not be rebuilt from their entries. Change them to plain arrays first.`,
  );
  no(
    nulls > 0 && empty > 0 && !mergeEmpty,
    `${rowsOf(nulls)} have no list in ${column} (NULL), and ${rowsOf(empty)} have an empty one: in the new table neither has an entry. Until complete the column keeps the difference. Where it means nothing, choose --merge-empty; where it does, keep it in another column first.`,
  );
  return found;
}

/** For the reader of the plan. */
export const contentNotes = (
  { gaps, blanks }: Content,
  { column, separator }: SplitListOptions,
): string[] => [
  ...(gaps > 0
    ? [`${rowsOf(gaps)} of ${column} have an entry that is empty: it is kept as one, at its position.`]
    : []),
  ...(blanks > 0
    ? [
        `${rowsOf(blanks)} of ${column} have entries that begin or end with a blank, which is kept: “a${separator} b” has the entries “a” and “ b”. Where each separator is followed by one, --separator '${separator} ' takes both away.`,
      ]
    : []),
];
