import { quote as id, literal, quoteList } from '../../lib/pg/quote.ts';
import type { TableDescription } from './description.ts';
import { inSettings } from './functions.ts';
import type { Layout } from './layout.ts';
import { comment } from './objects.ts';
import { valuesOf } from './sync.ts';

/** ` WITH (...)` and ` TABLESPACE` of the old table, for what has rows. */
export const stored = ({ table }: TableDescription) =>
  `${table.options ? ` WITH (${table.options.join(', ')})` : ''}${table.tablespace ? ` TABLESPACE ${id(table.tablespace)}` : ''}`;

/** `CREATE TABLE` of what has the rows, unlogged where the old table is. */
export const createTable = ({ table }: TableDescription): string =>
  `CREATE ${table.persistence === 'u' ? 'UNLOGGED ' : ''}TABLE`;

/** All but rows, constraints of other tables and indexes. */
export const LIKE = 'INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS';

/** `comment` of a constraint, and of its index. */
export const indexComments = (
  d: TableDescription,
  { fresh, schema }: Layout,
  index: Layout['indexes'][number],
) => [
  ...(index.constraint === null
    ? []
    : comment(
        `CONSTRAINT ${id(index.newName)} ON ${fresh}`,
        d.constraints.find((each) => each.name === index.constraint)?.comment ?? null,
      )),
  ...comment(`INDEX ${id(schema, index.newName)}`, index.comment),
];

/**
 * What CREATE TABLE ... LIKE and the indexes do not bring.
 *
 * @param tables that have rows: the new table itself, or with its partitions
 */
export function restOfTable(d: TableDescription, layout: Layout, tables: readonly string[]): string[] {
  const { fresh, schema } = layout;
  const lines: string[] = [];
  for (const { name, statistics, options } of d.columns) {
    const column = `ALTER TABLE ${fresh} ALTER COLUMN ${id(name)}`;
    if (statistics !== null) lines.push(`${column} SET STATISTICS ${statistics};`);
    if (options) lines.push(`${column} SET (${options.join(', ')});`);
  }
  const identity = d.indexes.find(({ replicaIdentity }) => replicaIdentity);
  if (d.table.replicaIdentity === 'f' || d.table.replicaIdentity === 'n')
    for (const name of tables)
      lines.push(
        `ALTER TABLE ${id(schema, name)} REPLICA IDENTITY ${d.table.replicaIdentity === 'f' ? 'FULL' : 'NOTHING'};`,
      );
  if (d.table.replicaIdentity === 'i' && identity) {
    const index = layout.indexes.find(({ name }) => name === identity.name);
    if (index) lines.push(`ALTER TABLE ${fresh} REPLICA IDENTITY USING INDEX ${id(index.newName)};`);
  }
  for (const { name, column, kind, schema: of } of d.sequences) {
    const names = layout.sequences.get(name);
    if (kind === 'i' && names)
      lines.push(
        `DO $sqltrail$ BEGIN
  EXECUTE format('ALTER SEQUENCE %s RENAME TO %I', pg_get_serial_sequence(${literal(fresh)}, ${literal(column)}), ${literal(names.newName)});
END $sqltrail$;`,
        ...(of === schema ? [] : [`ALTER SEQUENCE ${id(schema, names.newName)} SET SCHEMA ${id(of)};`]),
      );
  }
  lines.push(...comment(`TABLE ${fresh}`, d.table.comment));
  return lines;
}

/** Real rows go in and out again: what they meet there shows now, and not in the application's first write. */
export const trial = (layout: Layout, more: readonly string[] = []): string => {
  const columns = quoteList(layout.copied);
  return `${inSettings(layout)}
INSERT INTO ${layout.fresh} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${valuesOf(layout.forward, 't')} FROM ${layout.table} AS t LIMIT 1000;
${more.map((line) => `${line}\n`).join('')}TRUNCATE ${layout.fresh};`;
};

/** Foreign keys of the table to others: first without a look at the rows, where they need no long lock. */
export function foreignKeys(d: TableDescription, layout: Layout, tables: readonly string[]) {
  const own = d.constraints.filter(({ type, references }) => type === 'f' && references !== d.table.oid);
  const each = (make: (table: string, key: (typeof own)[number]) => string) =>
    own.flatMap((key) => tables.map((name) => make(id(layout.schema, name), key))).join('\n');
  return {
    own,
    add: each(
      (table, { name, definition }) =>
        `ALTER TABLE ${table} ADD CONSTRAINT ${id(name)} ${definition} NOT VALID;`,
    ),
    validate: each((table, { name }) => `ALTER TABLE ${table} VALIDATE CONSTRAINT ${id(name)};`),
    drop: each((table, { name }) => `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${id(name)};`),
    comments: own.flatMap(({ name, comment: text }) =>
      comment(`CONSTRAINT ${id(name)} ON ${layout.fresh}`, text),
    ),
  };
}

/** Those of {@link statisticsSql}. */
export const noStatistics = (d: TableDescription, layout: Layout): string[] =>
  d.statistics.flatMap(({ schema, name }) => {
    const names = layout.statistics.get(name);
    return names ? [`DROP STATISTICS IF EXISTS ${id(schema, names.newName)};`] : [];
  });

export function statisticsSql(d: TableDescription, layout: Layout): string[] {
  return d.statistics.flatMap(({ schema, name, definition, target, comment: text }) => {
    const names = layout.statistics.get(name);
    if (!names) return [];
    const made = id(schema, names.newName);
    const from = definition.lastIndexOf(' FROM ');
    const head = /^CREATE STATISTICS (?:"(?:[^"]|"")*"|[^\s."]+)\.(?:"(?:[^"]|"")*"|[^\s"]+)/;
    return [
      `${definition.slice(0, from).replace(head, () => `CREATE STATISTICS ${made}`)} FROM ${layout.fresh};`,
      ...(target === null ? [] : [`ALTER STATISTICS ${made} SET STATISTICS ${target};`]),
      ...comment(`STATISTICS ${made}`, text),
    ];
  });
}
