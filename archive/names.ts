import { createHash } from 'node:crypto';

export interface TableName {
  schema: string;
  table: string;
}

/** What is before the first dot of a segment's file names. */
export const stem = (unit: string, segment: number): string => `${unit}-${String(segment).padStart(6, '0')}`;

/** Characters of a table's name in its file's name. */
const READABLE = 80;

/**
 * The name of a table's file within its directory. It is readable, the same on every file system, and another one for
 * each table: where characters were replaced, letters are not all lower case or the name is long, a part of its hash
 * follows.
 */
export function fileName(unit: string, segment: number, { schema, table }: TableName): string {
  const whole = `${schema}.${table}`;
  const readable = whole.replaceAll(/[^a-z0-9_.-]+/gi, '_').slice(0, READABLE);
  const same = readable === whole && readable === readable.toLowerCase() && !whole.includes('..');
  const hash = createHash('sha256').update(`${schema}\0${table}`).digest('hex').slice(0, 12);
  return `${stem(unit, segment)}.${same ? readable : `${readable.replaceAll('.', '_')}~${hash}`}.parquet`;
}

/** DuckDB does not tell upper from lower case, so it has one name for what are two in Postgres. */
const folded = (name: string): string => name.toLowerCase();

/** Names that differ for DuckDB too, in the same order: a name that is taken is numbered. */
export function distinctNames(names: readonly string[], taken: readonly string[] = []): string[] {
  const used = new Set(taken.map(folded));
  // Names that need no change keep it, whatever comes before them.
  const counts = Map.groupBy(names, folded);
  return names.map((name) => {
    const first = counts.get(folded(name))?.[0] === name && !used.has(folded(name));
    let unique = name;
    for (let n = 2; !first && (used.has(folded(unique)) || counts.has(folded(unique))); n += 1)
      unique = `${name}_${n}`;
    used.add(folded(unique));
    return unique;
  });
}

/** Columns of sqltrail's own in each file. */
const OWN = ['sqltrail_unit', 'sqltrail_ctid'];

/** Columns with the name that they have in a file. */
export function withFileNames<C extends { name: string }>(columns: readonly C[]): (C & { as?: string })[] {
  const names = distinctNames(
    columns.map(({ name }) => name),
    OWN,
  );
  return columns.map((column, i) =>
    names[i] === column.name ? column : { ...column, as: names[i] as string },
  );
}

/** A control character would end a line or move the cursor where a name or value is printed. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is for them
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) =>
    character === '\n'
      ? '\\n'
      : character === '\t'
        ? '\\t'
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** schema.table, where a part that holds a dot or a quote is quoted as in SQL. */
export const displayName = ({ schema, table }: TableName): string =>
  [schema, table].map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join('.');

/** The opposite of {@link displayName}; undefined when it is not two names. */
export function parseName(text: string): TableName | undefined {
  const [, quotedSchema, schema, quotedTable, table] =
    /^(?:"((?:[^"]|"")+)"|([^."][^.]*))\.(?:"((?:[^"]|"")+)"|([^."][^.]*))$/s.exec(text) ?? [];
  const of = (quoted: string | undefined, plain: string | undefined) =>
    quoted?.replaceAll('""', '"') ?? plain;
  const [first, second] = [of(quotedSchema, schema), of(quotedTable, table)];
  return first && second ? { schema: first, table: second } : undefined;
}
