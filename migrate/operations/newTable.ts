import { quote as id, literal, quoteList } from '../../lib/pg/quote.ts';
import type { TableDescription, TableIndex } from './description.ts';
import type { Layout, Renamed } from './layout.ts';
import type { FreeNames } from './names.ts';
import { comment } from './objects.ts';

/** ` WITH (...)` and ` TABLESPACE` of the old table, for what has rows. */
const stored = ({ table }: TableDescription) =>
  `${table.options ? ` WITH (${table.options.join(', ')})` : ''}${table.tablespace ? ` TABLESPACE ${id(table.tablespace)}` : ''}`;

/** Of a constraint that the index backs, or of an index by itself. */
const isConstraint = (index: TableIndex) => index.constraint !== null;

const extended = (index: TableIndex, by: string) =>
  index.columns.includes(by) ? (index.columns as string[]) : [...(index.columns as string[]), by];

/** `(a, b)` at the beginning of what follows USING gets the partition column; what comes after it stays. */
function bodyWith(index: TableIndex, by: string): string {
  if (index.columns.includes(by)) return index.body;
  let depth = 0;
  let quoted = false;
  for (let at = index.body.indexOf('('); at < index.body.length; at += 1) {
    const char = index.body[at];
    if (char === '"') quoted = !quoted;
    else if (!quoted && char === '(') depth += 1;
    else if (!quoted && char === ')') {
      depth -= 1;
      if (depth === 0) return `${index.body.slice(0, at)}, ${id(by)}${index.body.slice(at)}`;
    }
  }
  return index.body;
}

const nullsAndIncluded = (d: TableDescription, index: TableIndex) => {
  const definition = d.constraints.find(({ name }) => name === index.constraint)?.definition ?? '';
  return {
    nulls: definition.includes(' NULLS NOT DISTINCT ') ? ' NULLS NOT DISTINCT' : '',
    include: / INCLUDE \(.*\)/.exec(definition)?.[0] ?? '',
  };
};

/** The partitioned table with its partitions and whatever has to hold from the first row on. */
export function newTable(d: TableDescription, layout: Layout, by: string): string {
  const { fresh, schema } = layout;
  const unlogged = d.table.persistence === 'u' ? 'UNLOGGED ' : '';
  const lines = [
    `CREATE TABLE ${fresh} (LIKE ${layout.table} INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS) PARTITION BY RANGE (${id(by)});`,
    ...layout.partitions.map(
      ({ name, range }) =>
        `CREATE ${unlogged}TABLE ${id(schema, name)} PARTITION OF ${fresh} ${
          range ? `FOR VALUES FROM (${literal(range.lower)}) TO (${literal(range.upper)})` : 'DEFAULT'
        }${stored(d)};`,
    ),
  ];
  for (const index of layout.indexes) {
    const name = id(index.newName);
    if (isConstraint(index)) {
      const { nulls, include } = nullsAndIncluded(d, index);
      lines.push(
        `ALTER TABLE ${fresh} ADD CONSTRAINT ${name} ${index.primary ? 'PRIMARY KEY' : `UNIQUE${nulls}`} (${quoteList(extended(index, by))})${include};`,
        ...comment(
          `CONSTRAINT ${name} ON ${fresh}`,
          d.constraints.find((each) => each.name === index.constraint)?.comment ?? null,
        ),
      );
    } else if (index.unique) lines.push(`CREATE UNIQUE INDEX ${name} ON ${fresh}${bodyWith(index, by)};`);
    else lines.push(`CREATE INDEX ${name} ON ONLY ${fresh}${index.body};`);
    lines.push(...comment(`INDEX ${id(schema, index.newName)}`, index.comment));
  }
  for (const { name, statistics, options } of d.columns) {
    const column = `ALTER TABLE ${fresh} ALTER COLUMN ${id(name)}`;
    if (statistics !== null) lines.push(`${column} SET STATISTICS ${statistics};`);
    if (options) lines.push(`${column} SET (${options.join(', ')});`);
  }
  const identity = d.indexes.find(({ replicaIdentity }) => replicaIdentity);
  if (d.table.replicaIdentity === 'f' || d.table.replicaIdentity === 'n')
    for (const { name } of [{ name: layout.names.newName }, ...layout.partitions])
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
  return lines.join('\n');
}

/** Real rows go in and out again: what they meet there shows now, and not in the application's first write. */
export const trial = (layout: Layout): string => {
  const columns = quoteList(layout.copied);
  return `SET LOCAL search_path = ${layout.searchPath};
INSERT INTO ${layout.fresh} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${layout.table} LIMIT 1000;
TRUNCATE ${layout.fresh};`;
};

interface PartitionIndex {
  parent: Renamed;
  indexes: { name: string; sql: string }[];
}

/** Indexes that need not be there while the table is filled, one for each partition. */
export function laterIndexes(layout: Layout, free: FreeNames): PartitionIndex[] {
  const { schema, names } = layout;
  return layout.indexes
    .filter(({ unique }) => !unique)
    .map((index) => ({
      parent: index,
      indexes: layout.partitions.map((partition) => {
        const rest = index.name.startsWith(`${names.name}_`)
          ? index.name.slice(names.name.length)
          : `_${index.name}`;
        const name = free.take(`${partition.name}${rest}`);
        return {
          name,
          sql: `CREATE INDEX CONCURRENTLY ${id(name)} ON ${id(schema, partition.name)}${index.body}`,
        };
      }),
    }));
}

export const attachIndexes = (layout: Layout, later: readonly PartitionIndex[]): string =>
  later
    .flatMap(({ parent, indexes }) =>
      indexes.map(
        ({ name }) =>
          `ALTER INDEX ${id(layout.schema, parent.newName)} ATTACH PARTITION ${id(layout.schema, name)};`,
      ),
    )
    .join('\n');

/** Foreign keys that stay: first on each partition, where they need no long lock, then on the table, which takes those. */
export function foreignKeys(d: TableDescription, layout: Layout) {
  const own = d.constraints.filter(({ type, references }) => type === 'f' && references !== d.table.oid);
  const each = (make: (partition: string, key: (typeof own)[number]) => string) =>
    own.flatMap((key) => layout.partitions.map(({ name }) => make(id(layout.schema, name), key))).join('\n');
  return {
    own,
    add: each(
      (partition, { name, definition }) =>
        `ALTER TABLE ${partition} ADD CONSTRAINT ${id(name)} ${definition} NOT VALID;`,
    ),
    validate: each((partition, { name }) => `ALTER TABLE ${partition} VALIDATE CONSTRAINT ${id(name)};`),
    attach: own
      .map(({ name, definition, comment: text }) =>
        [
          `ALTER TABLE ${layout.fresh} ADD CONSTRAINT ${id(name)} ${definition};`,
          ...comment(`CONSTRAINT ${id(name)} ON ${layout.fresh}`, text),
        ].join('\n'),
      )
      .join('\n'),
  };
}

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
