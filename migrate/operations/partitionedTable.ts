import { quote as id, literal, quoteList } from '../../lib/pg/quote.ts';
import { SHORT_LOCK } from '../migration.ts';
import type { DeclaredStep } from './declared.ts';
import type { TableDescription, TableIndex } from './description.ts';
import type { Range } from './intervals.ts';
import type { Layout, Renamed } from './layout.ts';
import type { FreeNames } from './names.ts';
import { createTable, foreignKeys, indexComments, LIKE, restOfTable, stored } from './newTable.ts';
import { noDefaultGrants } from './objects.ts';
import { lines, noWrites } from './phases.ts';

export interface Partition {
  name: string;
  /** Undefined for the default partition. */
  range: Range | undefined;
}

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
export function partitionedTable(
  d: TableDescription,
  layout: Layout,
  partitions: readonly Partition[],
  by: string,
): string {
  const { fresh, schema } = layout;
  const lines = [
    `CREATE TABLE ${fresh} (LIKE ${layout.table} ${LIKE}) PARTITION BY RANGE (${id(by)});`,
    ...partitions.map(
      ({ name, range }) =>
        `${createTable(d)} ${id(schema, name)} PARTITION OF ${fresh} ${
          range ? `FOR VALUES FROM (${literal(range.lower)}) TO (${literal(range.upper)})` : 'DEFAULT'
        }${stored(d)};`,
    ),
    // Rights on a partition hold whatever those of its table are, and pass by its policies.
    ...[fresh, ...partitions.map(({ name }) => id(schema, name))].flatMap((each) => noDefaultGrants(d, each)),
  ];
  for (const index of layout.indexes) {
    const name = id(index.newName);
    if (index.constraint !== null) {
      const { nulls, include } = nullsAndIncluded(d, index);
      lines.push(
        `ALTER TABLE ${fresh} ADD CONSTRAINT ${name} ${index.primary ? 'PRIMARY KEY' : `UNIQUE${nulls}`} (${quoteList(extended(index, by))})${include};`,
      );
    } else if (index.unique) lines.push(`CREATE UNIQUE INDEX ${name} ON ${fresh}${bodyWith(index, by)};`);
    else lines.push(`CREATE INDEX ${name} ON ONLY ${fresh}${index.body};`);
    lines.push(...indexComments(d, layout, index));
  }
  lines.push(...restOfTable(d, layout, [layout.names.newName, ...partitions.map(({ name }) => name)]));
  return lines.join('\n');
}

interface PartitionIndex {
  parent: Renamed;
  indexes: { name: string; sql: string }[];
}

/** Indexes that need not be there while the table is filled, one for each partition. */
function laterIndexes(layout: Layout, partitions: readonly Partition[], free: FreeNames): PartitionIndex[] {
  const { schema, names } = layout;
  return layout.indexes
    .filter(({ unique }) => !unique)
    .map((index) => ({
      parent: index,
      indexes: partitions.map((partition) => {
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

const attachIndexes = (layout: Layout, later: readonly PartitionIndex[]): string =>
  later
    .flatMap(({ parent, indexes }) =>
      indexes.map(
        ({ name }) =>
          `ALTER INDEX ${id(layout.schema, parent.newName)} ATTACH PARTITION ${id(layout.schema, name)};`,
      ),
    )
    .join('\n');

/** Indexes and foreign keys, for each partition first: where they are on all of them, the table takes those. */
export function afterRows(
  d: TableDescription,
  layout: Layout,
  partitions: readonly Partition[],
  free: FreeNames,
): DeclaredStep[] {
  const later = laterIndexes(layout, partitions, free);
  const keys = foreignKeys(
    d,
    layout,
    partitions.map(({ name }) => name),
  );
  const referenced = `SHARE ROW EXCLUSIVE on ${layout.table}, the new table and those that it refers to, ${SHORT_LOCK}`;
  const steps: DeclaredStep[] = [];
  if (later.length > 0)
    steps.push(
      {
        name: 'indexes of the partitions',
        lock: 'SHARE UPDATE EXCLUSIVE: reads and writes continue (CONCURRENTLY)',
        indexes: later.flatMap(({ indexes }) => indexes),
      },
      {
        name: 'indexes of the table',
        lock: `SHARE ROW EXCLUSIVE on ${layout.table}, ACCESS EXCLUSIVE on the indexes of the partitions, ${SHORT_LOCK}`,
        sql: lines(noWrites(layout), attachIndexes(layout, later)),
      },
    );
  if (keys.own.length > 0)
    steps.push(
      {
        name: 'foreign keys, for new rows',
        lock: referenced,
        sql: lines(noWrites(layout), keys.add),
        undo: lines(noWrites(layout), keys.drop),
      },
      {
        name: 'foreign keys, for all rows',
        lock: 'SHARE UPDATE EXCLUSIVE on the partitions: reads and writes continue',
        sql: keys.validate,
      },
      {
        name: 'foreign keys of the table',
        lock: referenced,
        sql: lines(
          noWrites(layout),
          keys.own.map(
            ({ name, definition }) => `ALTER TABLE ${layout.fresh} ADD CONSTRAINT ${id(name)} ${definition};`,
          ),
          keys.comments,
        ),
        undo: lines(noWrites(layout), foreignKeys(d, layout, [layout.names.newName]).drop),
      },
    );
  return steps;
}
