import { quote as id, literal, quoteList } from '../../../lib/pg/quote.ts';
import { definerFunction, statementTriggerFunction } from '../functions.ts';
import { boundSql, inRange } from './compare.ts';
import {
  byEvent,
  collected,
  columnsOf,
  equal,
  givenKeys,
  handedTo,
  keyColumns,
  keyTypes,
  named,
} from './keySets.ts';

/** A list in a column, and the table that its entries move to. */
export interface SplitList {
  schema: string;
  table: string;
  /** Name of the new table, within the same schema. */
  into: string;
  column: string;
  /** Of a list in a text; undefined for an array. */
  separator: string | undefined;
  /** Type of the column, and of an entry. */
  type: string;
  entry: string;
  /** What the column says where there is no entry, as SQL. */
  empty: string;
  /** Of the old table, with their names in the new one. */
  key: readonly { name: string; newName: string; type: string }[];
  /** Of the new table. */
  position: string;
  value: string;
  searchPath: string;
  /** Functions: both triggers, and what carries over the entries of some keys, there and back. */
  fn: { forward: string; reverse: string; there: string; back: string };
}

/** Its only purpose is that a list can be made of the entries again. */
export const CHECK = id('sqltrail_separator');

const tables = (l: SplitList) => ({ from: id(l.schema, l.table), to: id(l.schema, l.into) });
const newKeys = (l: SplitList) => l.key.map(({ newName }) => newName);
const newKey = (l: SplitList) => l.key.map(({ newName, type }) => ({ name: newName, type }));
const oldKeys = (l: SplitList, alias: string) => columnsOf(l.key, alias);
const freshKeys = (l: SplitList, alias: string) => columnsOf(newKey(l), alias);

/** The entries, as an array; null or empty where there is none. */
const entriesOf = (l: SplitList, alias: string) =>
  l.separator === undefined
    ? `${alias}.${id(l.column)}`
    : `string_to_array(${alias}.${id(l.column)}::text, ${literal(l.separator)})`;
const entryOf = (l: SplitList, alias: string) =>
  l.separator === undefined ? `${alias}.value` : `${alias}.value::${l.entry}`;
/** What a column says, to be compared bit by bit: no list and an empty one are the same. */
const saidBy = (l: SplitList, alias: string) =>
  l.separator === undefined
    ? `coalesce(${alias}.${id(l.column)}, '{}'::${l.type})::text COLLATE "C"`
    : `coalesce(${alias}.${id(l.column)}::text, '') COLLATE "C"`;
/** The list that rows of the new table make; null without any. */
const joined = (l: SplitList, alias: string) =>
  l.separator === undefined
    ? `array_agg(${alias}.${id(l.value)} ORDER BY ${alias}.${id(l.position)})`
    : `string_agg(${alias}.${id(l.value)}::text, ${literal(l.separator)} ORDER BY ${alias}.${id(l.position)})`;
const saidNew = (l: SplitList, list: string) =>
  `coalesce(${list}::text, ${l.separator === undefined ? "'{}'" : "''"}) COLLATE "C"`;

/** @param create `CREATE TABLE`, or of an unlogged one */
export function newTableSql(l: SplitList, create: string): string {
  const { from, to } = tables(l);
  const value = l.separator === undefined ? `(t.${id(l.column)})[1]` : `t.${id(l.column)}::${l.entry}`;
  return [
    `${create} ${to} AS
  SELECT ${l.key.map(({ name, newName }) => `t.${id(name)} AS ${id(newName)}`).join(', ')}, 1::integer AS ${id(l.position)}, ${value} AS ${id(l.value)}
    FROM ${from} AS t WITH NO DATA;`,
    `ALTER TABLE ${to} ADD PRIMARY KEY (${quoteList([...newKeys(l), l.position])});`,
    ...(l.separator === undefined
      ? []
      : [
          `ALTER TABLE ${to} ALTER COLUMN ${id(l.value)} SET NOT NULL,
  ADD CONSTRAINT ${CHECK} CHECK (strpos(${id(l.value)}::text, ${literal(l.separator)}) = 0);`,
        ]),
    `COMMENT ON TABLE ${to} IS ${literal(`Entries of ${l.table}.${l.column}, in their order.`)};`,
  ].join('\n');
}

/**
 * Makes the new table say what the column says, for some keys. What says it already is left alone, so that both
 * directions together come to rest, and entries keep their positions.
 *
 * A transaction with a snapshot of its own does not see what was copied since, and would leave it behind: it tries to
 * put an entry first, at which Postgres ends it (40001), and takes that back.
 */
function there(l: SplitList): string {
  const { from, to } = tables(l);
  return definerFunction(
    l,
    l.fn.there,
    { takes: keyTypes(l.key), returns: 'void', indexed: true },
    `BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    BEGIN
      INSERT INTO ${to} (${quoteList([...newKeys(l), l.position, l.value])})
      SELECT ${keyColumns(l.key, 'c')}, 1, ${l.separator === undefined ? 'NULL' : "''"} FROM ${givenKeys(l.key)}
      ON CONFLICT (${quoteList([...newKeys(l), l.position])}) DO NOTHING;
      RAISE EXCEPTION USING ERRCODE = 'SQT01';
    EXCEPTION WHEN SQLSTATE 'SQT01' THEN
      NULL;
    END;
  END IF;
  WITH stale AS MATERIALIZED (
    SELECT ${keyColumns(l.key, 'c')}, ${entriesOf(l, 't')} AS list
      FROM ${givenKeys(l.key)} LEFT JOIN ${from} AS t ON ${equal(oldKeys(l, 't'), 'c')}
     WHERE ${oldKeys(l, 't')[0]} IS NULL
        OR ${saidBy(l, 't')} <> ${saidNew(l, `(SELECT ${joined(l, 'n')} FROM ${to} AS n WHERE ${equal(freshKeys(l, 'n'), 'c')})`)}),
  gone AS (
    DELETE FROM ${to} AS n USING stale AS s
     WHERE ${equal(freshKeys(l, 'n'), 's')} AND n.${id(l.position)} NOT BETWEEN 1 AND coalesce(cardinality(s.list), 0))
  INSERT INTO ${to} AS n (${quoteList([...newKeys(l), l.position, l.value])})
  SELECT ${keyColumns(l.key, 's')}, e.position, ${entryOf(l, 'e')}
    FROM stale AS s CROSS JOIN LATERAL unnest(s.list) WITH ORDINALITY AS e (value, position)
  ON CONFLICT (${quoteList([...newKeys(l), l.position])}) DO UPDATE SET ${id(l.value)} = EXCLUDED.${id(l.value)}
    WHERE n.${id(l.value)}::text COLLATE "C" IS DISTINCT FROM EXCLUDED.${id(l.value)}::text COLLATE "C";
END`,
  );
}

/** Calls a function with the keys of the rows that a statement concerned. */
const trigger = (l: SplitList, { fn, calls }: { fn: string; calls: string }, body: string): string =>
  statementTriggerFunction(l, fn, `${body}\n  ${handedTo(l.key, id(l.schema, calls))}`);

/** What one statement did to the column is done to the new table, and the function that does it. */
export function forwardSql(l: SplitList): string {
  const { to } = tables(l);
  return [
    there(l),
    trigger(
      l,
      { fn: l.fn.forward, calls: l.fn.there },
      byEvent(oldKeys(l, 'r'), `TRUNCATE ${to};`, (query) => collected(l.key, query)),
    ),
  ].join('\n');
}

/**
 * What one statement did to the new table is done to the column. The rows of the old table are locked first, so that
 * of two that add entries to one list the later one sees both.
 */
export function reverseSql(l: SplitList): string {
  const { from, to } = tables(l);
  return [
    definerFunction(
      l,
      l.fn.back,
      { takes: keyTypes(l.key), returns: 'void', indexed: true },
      `BEGIN
  PERFORM FROM ${givenKeys(l.key)} JOIN ${from} AS t ON ${equal(oldKeys(l, 't'), 'c')} ORDER BY ${keyColumns(l.key, 'c')} FOR NO KEY UPDATE OF t;
  -- As the foreign key will, which comes with complete: until then TRUNCATE of the old table works as before.
  IF EXISTS (SELECT FROM ${givenKeys(l.key)} JOIN ${to} AS n ON ${equal(freshKeys(l, 'n'), 'c')} WHERE NOT EXISTS (SELECT FROM ${from} AS t WHERE ${equal(oldKeys(l, 't'), 'c')})) THEN
    RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = ${literal(`an entry in ${l.into} belongs to no row of ${l.table}`)};
  END IF;
  UPDATE ${from} AS t SET ${id(l.column)} = coalesce(w.list, ${l.empty})
    FROM (SELECT c.*, (SELECT ${joined(l, 'n')} FROM ${to} AS n WHERE ${equal(freshKeys(l, 'n'), 'c')}) AS list FROM ${givenKeys(l.key)}) AS w
   WHERE ${equal(oldKeys(l, 't'), 'w')} AND ${saidBy(l, 't')} <> ${saidNew(l, 'w.list')};
END`,
    ),
    trigger(
      l,
      { fn: l.fn.reverse, calls: l.fn.back },
      byEvent(
        freshKeys(l, 'r'),
        `UPDATE ${from} AS t SET ${id(l.column)} = ${l.empty} WHERE ${saidBy(l, 't')} <> ${saidNew(l, 'NULL')};`,
        (query) => collected(l.key, query),
      ),
    ),
  ].join('\n');
}

export const noFunctions = (l: SplitList, trigger: 'forward' | 'reverse'): string =>
  `DROP FUNCTION ${id(l.schema, l.fn[trigger])}();
DROP FUNCTION ${id(l.schema, trigger === 'forward' ? l.fn.there : l.fn.back)}(${keyTypes(l.key)});`;

/** Carries over the rows between two places; they are held, so that what is copied is what they say. */
export const copySql = (l: SplitList): string => {
  const { from, to } = tables(l);
  return `INSERT INTO ${to} (${quoteList([...newKeys(l), l.position, l.value])}) /* sqltrail */
SELECT ${oldKeys(l, 'h').join(', ')}, e.position, ${entryOf(l, 'e')}
  FROM (SELECT * FROM ONLY ${from} WHERE ctid >= $1::tid AND ctid < $2::tid FOR SHARE) AS h
 CROSS JOIN LATERAL unnest(${entriesOf(l, 'h')}) WITH ORDINALITY AS e (value, position)
ON CONFLICT (${quoteList([...newKeys(l), l.position])}) DO NOTHING`;
};

export function compareSql(l: SplitList): { bound: string; before: string } {
  const { from, to } = tables(l);
  return {
    bound: boundSql(from, l.key),
    before: `SELECT count(o.here)::int AS "legacyRows", coalesce(sum(f.entries), 0)::int AS "rebuiltRows", /* sqltrail */
       count(*) FILTER (WHERE o.here AND o.said <> ${saidNew(l, 'f.list')})::int AS missing,
       count(*) FILTER (WHERE o.here IS NULL)::int AS surplus,
       coalesce((array_agg(coalesce(o.key, f.key)) FILTER (WHERE o.here IS NULL OR o.said <> ${saidNew(l, 'f.list')}))[1:5], '{}') AS samples
  FROM (SELECT true AS here, ${named(oldKeys(l, 't'))}, ROW(${oldKeys(l, 't').join(', ')})::text AS key, ${saidBy(l, 't')} AS said
          FROM ${from} AS t WHERE ${inRange(l.key, 't')}) AS o
  FULL JOIN (SELECT ${named(freshKeys(l, 'n'))}, ROW(${freshKeys(l, 'n').join(', ')})::text AS key, count(*) AS entries, ${joined(l, 'n')} AS list
          FROM ${to} AS n WHERE ${inRange(newKey(l), 'n')} GROUP BY ${freshKeys(l, 'n').join(', ')}) AS f ON ${l.key.map((_, at) => `f.k${at} = o.k${at}`).join(' AND ')}`,
  };
}
