import { quote as id } from '../../lib/pg/quote.ts';
import { SHORT_LOCK } from '../migration.ts';
import { type Conversion, isWidening } from './conversion.ts';
import type { DeclaredStep } from './declared.ts';
import type { TableDescription } from './description.ts';
import { functionSql, inSettings } from './functions.ts';
import type { Layout } from './layout.ts';
import {
  createTable,
  foreignKeys,
  indexComments,
  LIKE,
  noStatistics,
  restOfTable,
  statisticsSql,
  stored,
  trial,
} from './newTable.ts';
import { noDefaultGrants } from './objects.ts';
import { lines, noWrites, when } from './phases.ts';
import type { Retyped } from './retyped.ts';
import { copyFunction } from './sync.ts';

/** A default in the new type; null where the column has none. */
export type Defaults = ReadonlyMap<string, string | null>;

/** Of the table and all that has to hold from the first row on. */
export function retypedTable(
  d: TableDescription,
  layout: Layout,
  columns: readonly Retyped[],
  defaults: Defaults,
): string {
  const { fresh } = layout;
  const lines = [
    `${createTable(d)} ${fresh} (LIKE ${layout.table} ${LIKE})${stored(d)};`,
    ...noDefaultGrants(d, fresh),
  ];
  for (const { column, to } of columns) {
    const alter = `ALTER TABLE ${fresh} ALTER COLUMN ${id(column)}`;
    const value = defaults.get(column);
    if (value) lines.push(`${alter} DROP DEFAULT;`);
    // The table is empty: Postgres writes the CHECK constraints for the new type, and reads no value.
    lines.push(`${alter} TYPE ${to} USING NULL::${to};`);
    if (value) lines.push(`${alter} SET DEFAULT ${value};`);
  }
  for (const index of layout.indexes.filter(isFirst)) {
    const definition = d.constraints.find(({ name }) => name === index.constraint)?.definition;
    lines.push(
      definition
        ? `ALTER TABLE ${fresh} ADD CONSTRAINT ${id(index.newName)} ${definition};`
        : `CREATE UNIQUE INDEX ${id(index.newName)} ON ${fresh}${index.body};`,
      ...indexComments(d, layout, index),
    );
  }
  lines.push(...restOfTable(d, layout, [layout.names.newName]));
  return lines.join('\n');
}

type Index = Layout['indexes'][number];
const isFirst = ({ unique, constraint }: Index) => unique || constraint !== null;
const createIndex = ({ fresh }: Layout, { newName, body }: Index, how = '') =>
  `CREATE INDEX${how} ${id(newName)} ON ${fresh}${body}`;

/** With the rows goes what is built after them. */
export function retypeTrial(d: TableDescription, layout: Layout): string {
  const later = layout.indexes.filter((index) => !isFirst(index));
  return trial(layout, [
    ...later.map((index) => `${createIndex(layout, index)};`),
    ...statisticsSql(d, layout),
    ...noStatistics(d, layout),
    ...later.map(({ newName }) => `DROP INDEX ${id(layout.schema, newName)};`),
  ]);
}

export function indexesAndKeys(d: TableDescription, layout: Layout): DeclaredStep[] {
  const later = layout.indexes.filter((index) => !isFirst(index));
  const comments = later.flatMap((index) => indexComments(d, layout, index));
  const clustered = layout.indexes.find((index) => index.clustered);
  const about = [
    ...comments,
    ...(clustered ? [`ALTER TABLE ${layout.fresh} CLUSTER ON ${id(clustered.newName)};`] : []),
  ].join('\n');
  const keys = foreignKeys(d, layout, [layout.names.newName]);
  return [
    ...when(later.length > 0, {
      name: 'indexes',
      lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes continue (CONCURRENTLY)',
      indexes: later.map((index) => ({
        name: index.newName,
        sql: createIndex(layout, index, ' CONCURRENTLY'),
      })),
    }),
    ...when(about !== '', {
      name: 'what is said of the indexes',
      lock: `SHARE UPDATE EXCLUSIVE on the new table, ${SHORT_LOCK}`,
      sql: about,
    }),
    ...when(
      keys.own.length > 0,
      {
        name: 'foreign keys, for new rows',
        lock: `SHARE ROW EXCLUSIVE on ${layout.table}, the new table and those that it refers to, ${SHORT_LOCK}`,
        sql: lines(noWrites(layout), keys.add, keys.comments),
        undo: lines(noWrites(layout), keys.drop),
      },
      {
        name: 'foreign keys, for all rows',
        lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes continue',
        sql: keys.validate,
      },
    ),
  ];
}

/** A function that converts, and fails for a value that is another one after the way back. */
function converter(
  name: string,
  { from, to }: { from: string; to: string },
  there: Conversion['there'],
  back: Conversion['back'] | undefined,
): string {
  return functionSql(
    name,
    { takes: `v ${from}`, returns: to, settings: 'STABLE STRICT' },
    `DECLARE
  made  ${to} := ${there('v')};
BEGIN${
      back
        ? `
  IF (${back('made')})::text IS DISTINCT FROM v::text THEN
    RAISE data_exception USING MESSAGE = 'the value is another one after the way back';
  END IF;`
        : ''
    }
  RETURN made;
END`,
  );
}

export interface Converters {
  /** By column, quoted and with their schema. */
  there: Record<string, string>;
  back: Record<string, string>;
  /** Name of the function that copies; undefined where nothing can fail. */
  copy: string | undefined;
  conflicts: string;
}

/** The functions of a conversion, and the table of rows that have no place on the other side. */
export function conversion(
  d: TableDescription,
  layout: Layout,
  columns: readonly Retyped[],
  { there, back, copy, conflicts }: Converters,
  acceptChanges: boolean,
): { make: string; drop: string } {
  const table = id(layout.schema, conflicts);
  const make: string[] = [];
  const drop: string[] = [];
  for (const { column, from, to, conversion: way } of columns) {
    const [forth, home] = [there[column], back[column]];
    if (!forth || !home) continue;
    make.push(
      converter(forth, { from, to }, way.there, acceptChanges ? undefined : way.back),
      // What the old type cannot hold would be lost by a rollback.
      converter(home, { from: to, to: from }, way.back, way.there),
    );
    drop.push(`DROP FUNCTION IF EXISTS ${forth}(${from}), ${home}(${to});`);
  }
  const key = layout.newKey.map((column) => id(column)).join(', ');
  make.push(
    `CREATE TABLE ${table} AS SELECT ${key}, ''::text AS problem FROM ${layout.fresh} WITH NO DATA;`,
    `ALTER TABLE ${table} ADD PRIMARY KEY (${key});`,
    ...noDefaultGrants(d, table),
  );
  drop.push(`DROP TABLE IF EXISTS ${table};`);
  if (copy !== undefined) {
    make.push(copyFunction({ ...layout.forward, conflicts }, copy));
    drop.unshift(`DROP FUNCTION IF EXISTS ${id(layout.schema, copy)}(tid, tid);`);
  }
  return { make: [inSettings(layout), ...make].join('\n'), drop: drop.join('\n') };
}

/** A sequence that feeds a column has the column's range from the cutover on. */
export function sequenceTypes(d: TableDescription, columns: readonly Retyped[]) {
  const wider = d.sequences.flatMap(({ schema, name, column, kind, type }) => {
    const to = columns.find((each) => each.column === column)?.to;
    // Postgres changes the sequence of an identity column with it.
    return to && kind === 'a' && isWidening(type, to) ? [{ sequence: id(schema, name), type, to }] : [];
  });
  return {
    there: wider.map(({ sequence, to }) => `ALTER SEQUENCE ${sequence} AS ${to};`),
    back: wider.map(({ sequence, type }) => `ALTER SEQUENCE ${sequence} AS ${type};`),
  };
}
