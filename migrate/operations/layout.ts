import { quote as id } from '../../lib/pg/quote.ts';
import type { Settings } from '../../lib/pg/transaction.ts';
import type { TableDescription, TableIndex } from './description.ts';
import { searchPathOf } from './functions.ts';
import type { FreeNames } from './names.ts';
import type { Sync } from './sync.ts';

/** A relation that has one name while the table is filled, and gets the old one's at the cutover. */
export interface Renamed {
  name: string;
  newName: string;
  oldName: string;
}

/** Names of everything that is made, and which columns do what, whatever the shape of the new table is. */
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
  key: string[];
  /** Tells rows apart in the new table. */
  newKey: string[];
  copied: string[];
  searchPath: string;
  /** Under which values are converted. */
  settings: Settings;
  forward: Sync;
  reverse: Sync;
}

/** How values differ between both tables. */
export interface Converting {
  settings: Settings;
  /** Functions by column, quoted and with their schema; other columns are assigned as they are. */
  there: Readonly<Record<string, string>>;
  back: Readonly<Record<string, string>>;
  /** A row of the old table may have no place in the new one; the other way round one always may. */
  mayFail: boolean;
  /** Table of the keys of rows that have no place in the other table. */
  conflicts: string;
}

export interface Identified {
  /** Tells rows apart in the old table, and in the new one. */
  key: string[];
  newKey: string[];
  converting?: Converting;
}

export function layoutOf(
  d: TableDescription,
  { key, newKey, converting }: Identified,
  free: FreeNames,
): Layout {
  const { schema, name } = d.table;
  const renamed = (base: string): Renamed => ({
    name: base,
    newName: free.take(base, '_sqltrail_new'),
    oldName: free.take(base, '_sqltrail_old'),
  });
  const names = renamed(name);
  const columns = d.columns.filter(({ generated }) => !generated);
  const copied = columns.map((column) => column.name);
  const always = columns.filter(({ identity }) => identity === 'a').map((column) => column.name);
  const exclusions = d.constraints.filter(({ type }) => type === 'x').length;
  const unique = d.indexes.filter((index) => index.unique && index.valid).length + exclusions;
  const searchPath = searchPathOf(d);
  const settings = converting?.settings ?? {};
  const sync = (
    direction: Sync['direction'],
    from: string,
    to: string,
    arbiter: readonly string[],
  ): Sync => ({
    direction,
    schema,
    searchPath,
    settings,
    fn: free.take(name, `_sqltrail_${direction}`),
    from,
    to,
    columns: copied,
    functions: (direction === 'forward' ? converting?.there : converting?.back) ?? {},
    conflicts:
      converting && (direction === 'reverse' || converting.mayFail) ? converting.conflicts : undefined,
    key: direction === 'forward' ? key : newKey,
    identity: newKey,
    arbiter,
    replace: unique > 1 || always.some((column) => !arbiter.includes(column)),
    // Also the key: of what is equal there may be several, as 1.0 and 1.00, or letters of any case. A column GENERATED ALWAYS
    // AS IDENTITY cannot be updated; its rows are replaced.
    set: copied.filter((column) => !always.includes(column)),
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
    key,
    newKey,
    copied,
    searchPath,
    settings,
    forward: sync('forward', name, names.newName, newKey),
    reverse: sync('reverse', name, names.oldName, key),
  };
}
