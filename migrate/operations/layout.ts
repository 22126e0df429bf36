import { quote as id } from '../../lib/pg/quote.ts';
import type { Choices } from './choices.ts';
import type { TableDescription, TableIndex } from './description.ts';
import type { Range } from './intervals.ts';
import type { FreeNames } from './names.ts';
import { keyOf } from './refusals.ts';
import type { Sync } from './sync.ts';

/** A relation that has one name while the table is filled, and gets the old one's at the cutover. */
export interface Renamed {
  name: string;
  newName: string;
  oldName: string;
}

/** Names of everything that is made, and which columns do what. */
export interface Layout {
  schema: string;
  /** Quoted, with schema: what the application writes to, the new table before the cutover, the old one after it. */
  table: string;
  fresh: string;
  old: string;
  names: Renamed;
  indexes: (TableIndex & Renamed)[];
  statistics: ReadonlyMap<string, Renamed>;
  sequences: ReadonlyMap<string, Renamed>;
  partitions: { name: string; range: Range | undefined }[];
  key: string[];
  /** The key and the partition column. */
  newKey: string[];
  copied: string[];
  searchPath: string;
  forward: Sync;
  reverse: Sync;
}

export function layoutOf(
  d: TableDescription,
  choices: Choices,
  ranges: readonly Range[],
  free: FreeNames,
): Layout {
  const { schema, name } = d.table;
  const renamed = (base: string): Renamed => ({
    name: base,
    newName: free.take(base, '_sqltrail_new'),
    oldName: free.take(base, '_sqltrail_old'),
  });
  const names = renamed(name);
  const key = keyOf(d) ?? [];
  const newKey = key.includes(choices.by) ? key : [...key, choices.by];
  const columns = d.columns.filter(({ generated }) => !generated);
  const copied = columns.map((column) => column.name);
  const always = columns.filter(({ identity }) => identity === 'a').map((column) => column.name);
  const unique = d.indexes.filter((index) => index.unique && index.valid).length;
  const searchPath = [
    ...new Set(['pg_catalog', ...d.columns.flatMap(({ typeSchemas }) => typeSchemas), schema]),
  ]
    .map((each) => id(each))
    .concat('pg_temp')
    .join(', ');
  const sync = (
    direction: Sync['direction'],
    from: string,
    to: string,
    arbiter: readonly string[],
  ): Sync => ({
    direction,
    schema,
    searchPath,
    fn: free.take(name, `_sqltrail_${direction}`),
    from,
    to,
    columns: copied,
    key: direction === 'forward' ? key : newKey,
    identity: newKey,
    arbiter,
    replace: unique > 1 || always.some((column) => !arbiter.includes(column)),
    // A column GENERATED ALWAYS AS IDENTITY cannot be updated; its rows are replaced.
    set: copied.filter((column) => !arbiter.includes(column) && !always.includes(column)),
  });
  return {
    schema,
    table: id(schema, name),
    fresh: id(schema, names.newName),
    old: id(schema, names.oldName),
    names,
    indexes: d.indexes.filter(({ valid }) => valid).map((index) => ({ ...index, ...renamed(index.name) })),
    statistics: new Map(d.statistics.map((each) => [each.name, renamed(each.name)])),
    // Postgres names the sequence of an identity column itself; it gets its planned name when the table is made.
    sequences: new Map(
      d.sequences.filter(({ kind }) => kind === 'i').map((each) => [each.name, renamed(each.name)]),
    ),
    partitions: [
      ...ranges.map((range) => ({ name: free.take(name, `_${range.label}`), range })),
      { name: free.take(name, '_default'), range: undefined },
    ],
    key,
    newKey,
    copied,
    searchPath,
    forward: sync('forward', name, names.newName, newKey),
    reverse: sync('reverse', name, names.oldName, key),
  };
}
