import { quote as id, literal } from '../../lib/pg/quote.ts';
import { LOCK_TIMEOUT_MS } from '../run.ts';
import type { IncomingKey, TableDescription } from './description.ts';
import { describeSql } from './descriptionSql.ts';
import type { Layout, Renamed } from './layout.ts';
import {
  comment,
  noTableGrants,
  policiesFollow,
  policiesGone,
  publicationsFollow,
  sequencesFollow,
  sequencesReturn,
  tableGrants,
  triggersFollow,
  triggersGone,
  triggersOff,
  triggersOn,
  viewsFollow,
} from './objects.ts';
import { noSyncFunction, noSyncTriggers, type Sync, same, syncFunction, syncTriggers } from './sync.ts';

const incomingTable = ({ schema, table }: IncomingKey) => id(schema, table);

const notValid = (definition: string) => `${definition.replace(/ NOT VALID$/, '')} NOT VALID`;

const dropIncoming = (keys: readonly IncomingKey[]) =>
  keys.map((key) => `ALTER TABLE ${incomingTable(key)} DROP CONSTRAINT ${id(key.name)};`);
const addIncoming = (keys: readonly IncomingKey[]) =>
  keys.flatMap((key) => [
    `ALTER TABLE ${incomingTable(key)} ADD CONSTRAINT ${id(key.name)} ${notValid(key.definition)};`,
    ...comment(`CONSTRAINT ${id(key.name)} ON ${incomingTable(key)}`, key.comment),
  ]);
export const validateIncoming = (keys: readonly IncomingKey[]) =>
  keys
    .filter(({ validated }) => validated)
    .map((key) => `ALTER TABLE ${incomingTable(key)} VALIDATE CONSTRAINT ${id(key.name)};`)
    .join('\n');

/** Every name goes from one table to the other. `from` is what the application used so far. */
function exchange(d: TableDescription, layout: Layout, forth: boolean): string[] {
  const { schema } = layout;
  const leaving = ({ newName, oldName }: Renamed) => (forth ? oldName : newName);
  const coming = ({ newName, oldName }: Renamed) => (forth ? newName : oldName);
  const rename = (kind: string, of: string, names: Renamed) => [
    `ALTER ${kind} ${id(of, names.name)} RENAME TO ${id(leaving(names))};`,
    `ALTER ${kind} ${id(of, coming(names))} RENAME TO ${id(names.name)};`,
  ];
  return [
    ...rename('TABLE', schema, layout.names),
    // A constraint has the name of its index, and is renamed with it.
    ...layout.indexes.flatMap((index) => rename('INDEX', schema, index)),
    ...d.statistics.flatMap((each) => {
      const names = layout.statistics.get(each.name);
      return names ? rename('STATISTICS', each.schema, names) : [];
    }),
  ];
}

/** Ends the transaction when the table is no longer what the plan was made for. */
export const unchanged = (
  d: Pick<TableDescription, 'table'>,
  definition: Readonly<Record<string, string>>,
) => `DO $sqltrail$
DECLARE
  changed  text;
BEGIN
  SELECT string_agg(p.key, ', ' ORDER BY p.key) INTO changed
    FROM jsonb_each_text(${literal(JSON.stringify(definition))}::jsonb) AS p
    LEFT JOIN jsonb_each((${describeSql(d.table.oid)})) AS c ON c.key = p.key
   WHERE md5(c.value::text) IS DISTINCT FROM p.value;
  IF changed IS NOT NULL THEN
    RAISE EXCEPTION 'The definition of the table has changed since the migration was planned: %', changed
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Undo that change, or roll the migration back and plan it again.';
  END IF;
END $sqltrail$;`;

/**
 * Ends the transaction while the other table lacks rows that it cannot hold. A key stays in the table of conflicts when
 * its row is corrected or gone: what counts is whether the row is here and not there.
 */
function noConflicts({ schema, from, to, conflicts, identity, direction }: Sync): string[] {
  if (!conflicts) return [];
  const table = id(schema, conflicts);
  return [
    `DO $sqltrail$
DECLARE
  lacking  bigint;
BEGIN
  SELECT count(*) INTO lacking FROM ${table} AS c
   WHERE EXISTS (SELECT FROM ${id(schema, from)} AS f WHERE ${same('f', 'c', identity)})
     AND NOT EXISTS (SELECT FROM ${id(schema, to)} AS t WHERE ${same('t', 'c', identity)});
  IF lacking > 0 THEN
    RAISE EXCEPTION '% ${direction === 'forward' ? 'rows cannot be converted to the new type' : 'rows were written that the old type cannot hold'}', lacking
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = ${literal(`Their keys and problems are in ${table}. Correct those rows, or delete them, then run it again.`)};
  END IF;
END $sqltrail$;`,
    `TRUNCATE ${table};`,
  ];
}

export interface Cutover {
  /** Foreign keys of other tables that refer to the new table from then on. */
  kept: readonly IncomingKey[];
  definition: Readonly<Record<string, string>>;
  /** Further statements, where the new table is in its place, and where the old one is again. */
  there?: readonly string[];
  back?: readonly string[];
}

/**
 * All locks together are waited for in less time than a writer waits before it looks for a deadlock: where it waits for
 * one of them and the cutover for one of its own, the cutover gives up first, and tries again.
 */
const IN_TIME = `SELECT set_config('lock_timeout', ceil(greatest(1, least(${LOCK_TIMEOUT_MS}, 1000 * extract(epoch FROM
  0.7 * current_setting('deadlock_timeout')::interval - (clock_timestamp() - transaction_timestamp())))))::text, true);`;

/** LOCK TABLE of a view would lock all tables that it reads, and takes no sequence; a change to the same owner locks one. */
const lockAlone = (kind: 'SEQUENCE' | 'VIEW', all: readonly { schema: string; name: string }[]) =>
  all.map(
    ({
      schema,
      name,
    }) => `DO $sqltrail$ DECLARE command text := (SELECT format('ALTER ${kind} %s OWNER TO %s', oid::regclass, relowner::regrole)
  FROM pg_class WHERE oid = to_regclass(${literal(id(schema, name))})); BEGIN
  IF command IS NOT NULL THEN EXECUTE command; END IF;
END $sqltrail$;`,
  );

/**
 * Everything that the cutover changes, before it changes anything. Views come first, as whoever uses the table through
 * one locks that first; sequences last, as whoever inserts a row takes its number after that.
 */
const locks = ({ views, incoming, sequences }: TableDescription, ...tables: string[]): string[] =>
  [
    ...lockAlone('VIEW', views),
    ...[...new Set([...tables, ...incoming.map(incomingTable)])].map(
      (table) => `LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE;`,
    ),
    ...lockAlone('SEQUENCE', sequences),
  ].flatMap((lock) => [lock, IN_TIME]);

const sequenceNames = (layout: Layout) => (name: string) =>
  layout.sequences.get(name) ?? { newName: name, oldName: name };

/** The new table takes the place of the old one, which is kept in step with it from now on. */
export function cutoverSql(d: TableDescription, layout: Layout, cutover: Cutover): string {
  const { kept, definition, there = [] } = cutover;
  const { table, old, fresh } = layout;
  return [
    ...locks(d, table, fresh),
    unchanged(d, definition),
    ...noConflicts(layout.forward),
    noSyncTriggers(layout.forward),
    noSyncFunction(layout.forward),
    ...dropIncoming(d.incoming),
    ...exchange(d, layout, true),
    ...sequencesFollow(d, table, sequenceNames(layout)),
    ...there,
    ...viewsFollow(d),
    ...triggersOff(d, old),
    ...triggersFollow(d, table),
    ...policiesFollow(d, table),
    ...tableGrants(d, table),
    ...publicationsFollow(d, old, table),
    ...addIncoming(kept),
    syncFunction(layout.reverse),
    syncTriggers(layout.reverse),
  ].join('\n');
}

/** Ends the transaction where the table has columns that the old one lacks: their values would go with the new one. */
const noColumnsSince = (table: string, old: string) => `DO $sqltrail$
DECLARE
  since text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute AS a
    WHERE attrelid = ${literal(table)}::regclass AND attnum > 0 AND NOT attisdropped
      AND NOT EXISTS (SELECT FROM pg_attribute AS o WHERE o.attrelid = ${literal(old)}::regclass AND o.attname = a.attname AND NOT o.attisdropped));
BEGIN
  IF since IS NOT NULL THEN
    RAISE EXCEPTION 'the old table does not have %, which came since the cutover', since
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Add the same to the old table and fill it there, or drop it here, then run it again.';
  END IF;
END $sqltrail$;`;

/** The old table takes its place again; it holds every write that was made since. */
export function cutoverBack(d: TableDescription, layout: Layout, { kept, back = [] }: Cutover): string {
  const { table, old, fresh } = layout;
  return [
    ...locks(d, table, old),
    noColumnsSince(table, old),
    ...noConflicts(layout.reverse),
    noSyncTriggers(layout.reverse),
    noSyncFunction(layout.reverse),
    ...dropIncoming(kept),
    ...publicationsFollow(d, table, old),
    ...policiesGone(d, table),
    ...triggersGone(d, table),
    ...noTableGrants(d, table),
    ...sequencesReturn(d, old, sequenceNames(layout)),
    ...exchange(d, layout, false),
    ...back,
    ...viewsFollow(d),
    ...triggersOn(d, table),
    ...addIncoming(d.incoming),
    syncFunction(layout.forward),
    syncTriggers(layout.forward),
    `-- The new table is ${fresh} again.`,
  ].join('\n');
}
