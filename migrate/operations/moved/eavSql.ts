import { quote as id, literal, quoteList } from '../../../lib/pg/quote.ts';
import type { Settings } from '../../../lib/pg/transaction.ts';
import { definerFunction, statementTriggerFunction } from '../functions.ts';
import { boundSql, inRange } from './compare.ts';
import {
  byEvent,
  collected,
  columnsOf,
  equal,
  givenKeys,
  handedTo,
  type Key,
  keyColumns,
  keyTypes,
  named,
} from './keySets.ts';
import { drainSql as drainOf, GUARD, queueSql } from './noted.ts';

/** Of a value in a document; each column of values has one of its own, by which a value finds its column again. */
export type Kind = 'string' | 'number' | 'boolean';

/** A table with a row for each attribute of an entity, and the table with one document for each entity. */
export interface Eav {
  schema: string;
  table: string;
  /** Within the same schema: the new table, and entities that changed since they were carried over. */
  into: string;
  queue: string;
  /** Columns of the entity, which are the key of the new table. */
  entity: Key;
  attribute: { name: string; type: string };
  values: readonly { name: string; type: string; kind: Kind }[];
  /** Column of the new table. */
  document: string;
  searchPath: string;
  settings: Settings;
  fn: { note: string; put: string; forward: string; back: string; reverse: string };
}

/** Under which values are the same text in any session. */
export const SETTINGS: Settings = { TimeZone: 'UTC', DateStyle: 'ISO', extra_float_digits: '1' };

export const tablesOf = (e: Eav) => ({
  from: id(e.schema, e.table),
  to: id(e.schema, e.into),
  queue: id(e.schema, e.queue),
});
const queueKey = (e: Eav): Key => e.entity.map(({ type }, at) => ({ name: `k${at}`, type }));
const document = (e: Eav, alias: string) => `${alias}.${id(e.document)}`;
const attribute = (e: Eav, alias: string) => `${alias}.${id(e.attribute.name)}::text`;

/** What a row says, as JSON; null where it says nothing. */
const saidBy = (e: Eav, alias: string) =>
  `coalesce(${e.values.map(({ name }) => `to_jsonb(${alias}.${id(name)})`).join(', ')}, 'null')`;
const documentOf = (e: Eav, alias: string) => `jsonb_object_agg(${attribute(e, alias)}, ${saidBy(e, alias)})`;
/** The document that the rows of an entity make; null without any. @param keys alias of the entity's key */
const rowsSay = (e: Eav, keys: string) =>
  `(SELECT ${documentOf(e, 't')} FROM ${tablesOf(e).from} AS t WHERE ${equal(columnsOf(e.entity, 't'), keys)})`;
/** Numbers that are equal may be written in several ways: documents are compared as they print. */
const differ = (one: string, other: string) => `${one}::text COLLATE "C" <> ${other}::text COLLATE "C"`;
/** Whether a row fills more than one of its columns of values. */
export const several = (e: Eav, alias: string): string =>
  `num_nonnulls(${e.values.map(({ name }) => `${alias}.${id(name)}`).join(', ')}) > 1`;

/** A value of a document for each column. */
const columnValues = (e: Eav, value: string): string[] =>
  e.values.map(({ type, kind }) => {
    const converted = `(${value} #>> '{}')::${type}`;
    return e.values.length === 1
      ? converted
      : `CASE WHEN jsonb_typeof(${value}) = ${literal(kind)} THEN ${converted} END`;
  });

const given = (e: Eav) => `(SELECT DISTINCT ${keyColumns(e.entity, 'c')} FROM ${givenKeys(e.entity)})`;

/** @param create `CREATE TABLE`, or of an unlogged one */
export function newTablesSql(e: Eav, create: string): string {
  const { from, to, queue } = tablesOf(e);
  const column = id(e.document);
  return [
    `${create} ${to} AS SELECT ${quoteList(e.entity.map(({ name }) => name))}, '{}'::jsonb AS ${column} FROM ${from} WITH NO DATA;`,
    `ALTER TABLE ${to} ADD PRIMARY KEY (${quoteList(e.entity.map(({ name }) => name))}),
  ALTER COLUMN ${column} SET NOT NULL, ALTER COLUMN ${column} SET DEFAULT '{}', ADD CHECK (jsonb_typeof(${column}) = 'object');`,
    `COMMENT ON TABLE ${to} IS ${literal(`The attributes of ${e.table}, one document for each ${e.entity.map(({ name }) => name).join(', ')}.`)};`,
    queueSql(queue, queueKey(e)),
  ].join('\n');
}
export const emptySql = (e: Eav): string => `TRUNCATE ${tablesOf(e).to}, ${tablesOf(e).queue};`;

/** A transaction with a snapshot of its own would read rows that are gone: Postgres ends it there (40001). */
const current = (e: Eav) =>
  `IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM FROM ${given(e)} AS c JOIN ${tablesOf(e).from} AS t ON ${equal(columnsOf(e.entity, 't'), 'c')} FOR SHARE OF t;
  END IF;`;

/**
 * Makes the documents of some entities what their rows say. A document is ours before the rows are read, so that of two
 * that change one entity the later one sees both; also where there is none yet, as another one may be about to make it
 * of rows that are gone. One that somebody else made empty says the same as no rows.
 */
function put(e: Eav): string {
  const { to } = tablesOf(e);
  const key = quoteList(e.entity.map(({ name }) => name));
  const keys = columnsOf(e.entity, 'm');
  const same = equal(columnsOf(e.entity, 'n'), 's');
  return definerFunction(
    e,
    e.fn.put,
    { takes: keyTypes(e.entity), returns: 'void', indexed: true },
    `DECLARE
  made  record;
BEGIN
  ${current(e)}
  PERFORM set_config(${literal(GUARD)}, ${literal(to)}, true);
  WITH m AS (
    INSERT INTO ${to} AS n (${key}, ${id(e.document)})
    SELECT ${keyColumns(e.entity, 'c')}, '{}'::jsonb FROM ${given(e)} AS c ORDER BY ${keyColumns(e.entity, 'c')}
    ON CONFLICT (${key}) DO UPDATE SET ${id(e.document)} = EXCLUDED.${id(e.document)} WHERE false
    RETURNING ${columnsOf(e.entity, 'n').join(', ')})
  SELECT ${keys.map((each, at) => `array_agg(${each}) AS k${at}`).join(', ')} INTO made FROM m;
  WITH said AS MATERIALIZED (
    SELECT ${keyColumns(e.entity, 'c')}, ${rowsSay(e, 'c')} AS said FROM ${given(e)} AS c),
  gone AS (
    DELETE FROM ${to} AS n USING said AS s
     WHERE ${same} AND s.said IS NULL
       AND (${document(e, 'n')} <> '{}' OR EXISTS (SELECT FROM unnest(${keyColumns(e.entity, 'made')}) AS w (${keyColumns(e.entity)}) WHERE ${equal(columnsOf(e.entity, 'n'), 'w')})))
  UPDATE ${to} AS n SET ${id(e.document)} = s.said FROM said AS s WHERE ${same} AND ${differ(document(e, 'n'), 's.said')};
  PERFORM set_config(${literal(GUARD)}, '', true);
END`,
  );
}

const handOver = (e: Eav, to: string) => (query: string) =>
  `${collected(e.entity, query)}
    ${handedTo(e.entity, id(e.schema, to))}`;

/** Before the cutover: which entities are to be carried over, and what does it. */
export const noteSql = (e: Eav): string =>
  [
    put(e),
    statementTriggerFunction(
      e,
      e.fn.note,
      byEvent(
        columnsOf(e.entity, 'r'),
        emptySql(e),
        (query) => `INSERT INTO ${tablesOf(e).queue} (${keyColumns(e.entity)}) ${query};`,
      ),
    ),
  ].join('\n');
export const noNoteSql = (e: Eav): string =>
  `DROP FUNCTION ${id(e.schema, e.fn.note)}();
DROP FUNCTION ${id(e.schema, e.fn.put)}(${keyTypes(e.entity)});`;

/** From the cutover on: what is done to rows is in the documents at once. */
export const forwardSql = (e: Eav): string =>
  statementTriggerFunction(
    e,
    e.fn.forward,
    byEvent(columnsOf(e.entity, 'r'), emptySql(e), handOver(e, e.fn.put)),
  );
export const noForwardSql = (e: Eav): string => `DROP FUNCTION ${id(e.schema, e.fn.forward)}();`;

/**
 * From the cutover on: what is done to documents is in the rows at once. One statement does it, because its triggers
 * see its end only: rows that are halfway there would be carried over to the documents. What the columns cannot hold
 * as it is (5 in a text, 0.001 in numeric(9, 2)) is an error of who wrote it, and not changed in silence.
 */
export function reverseSql(e: Eav): string {
  const { from, to } = tablesOf(e);
  const names = quoteList(e.values.map(({ name }) => name));
  const its = equal(columnsOf(e.entity, 't'), 'w');
  const wrote = `unnest(${keyColumns(e.entity, 'wrote')}, wrote.documents) AS w (${keyColumns(e.entity)}, document)`;
  const arrays = e.entity.map((_, at) => `array_agg(w.k${at}) AS k${at}`).join(', ');
  return [
    definerFunction(
      e,
      e.fn.back,
      { takes: keyTypes(e.entity), returns: 'void', indexed: true },
      `DECLARE
  wrote  record;
BEGIN
  ${current(e)}
  SELECT ${arrays}, array_agg(w.document) AS documents INTO wrote
    FROM (SELECT ${keyColumns(e.entity, 'c')}, coalesce(${document(e, 'n')}, '{}') AS document, coalesce(${rowsSay(e, 'c')}, '{}') AS said
            FROM ${given(e)} AS c LEFT JOIN ${to} AS n ON ${equal(columnsOf(e.entity, 'n'), 'c')}) AS w
   WHERE ${differ('w.document', 'w.said')};
  IF wrote.k0 IS NULL THEN
    RETURN;
  END IF;
  WITH wanted AS MATERIALIZED (SELECT * FROM ${wrote}),
  gone AS (
    DELETE FROM ${from} AS t USING wanted AS w WHERE ${its} AND NOT w.document ? ${attribute(e, 't')}),
  changed AS (
    UPDATE ${from} AS t SET (${names}) = ROW(${columnValues(e, `(w.document -> ${attribute(e, 't')})`).join(', ')})
      FROM wanted AS w WHERE ${its} AND w.document ? ${attribute(e, 't')} AND ${differ(saidBy(e, 't'), `(w.document -> ${attribute(e, 't')})`)})
  INSERT INTO ${from} (${quoteList([...e.entity.map(({ name }) => name), e.attribute.name])}, ${names})
  SELECT ${keyColumns(e.entity, 'w')}, a.key::${e.attribute.type}, ${columnValues(e, 'a.value').join(', ')}
    FROM wanted AS w CROSS JOIN LATERAL jsonb_each(w.document) AS a (key, value)
   WHERE NOT EXISTS (SELECT FROM ${from} AS t WHERE ${its} AND ${attribute(e, 't')} COLLATE "C" = a.key COLLATE "C");
  IF EXISTS (SELECT FROM ${wrote} WHERE ${differ('w.document', `coalesce(${rowsSay(e, 'w')}, '{}')`)}) THEN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = ${literal(`${e.table} cannot hold an attribute of this document unchanged`)},
      HINT = ${literal(`Until the migration is complete, a document can only contain ${e.values.map(({ name, type, kind }) => `${kind}s that fit ${name} (${type})`).join(', ')}.`)};
  END IF;
END`,
    ),
    statementTriggerFunction(
      e,
      e.fn.reverse,
      `  IF current_setting(${literal(GUARD)}, true) = ${literal(to)} THEN
    RETURN NULL;
  END IF;
${byEvent(columnsOf(e.entity, 'r'), `DELETE FROM ${from};`, handOver(e, e.fn.back))}`,
    ),
  ].join('\n');
}
export const noReverseSql = (e: Eav): string =>
  `DROP FUNCTION ${id(e.schema, e.fn.reverse)}();
DROP FUNCTION ${id(e.schema, e.fn.back)}(${keyTypes(e.entity)});`;

/** Carries over the entities that the rows between two places have, and that are not there yet. */
export const copySql = (e: Eav): string => {
  const { from, to } = tablesOf(e);
  const own = columnsOf(e.entity, 't');
  const there = columnsOf(e.entity, 'n').map((each, at) => `${each} = ${own[at]}`);
  return `WITH given AS MATERIALIZED ( /* sqltrail */
  SELECT ${e.entity.map((_, at) => `array_agg(d.k${at}) AS k${at}`).join(', ')}
    FROM (SELECT DISTINCT ${named(own)} FROM ONLY ${from} AS t
           WHERE t.ctid >= $1::tid AND t.ctid < $2::tid AND NOT EXISTS (SELECT FROM ${to} AS n WHERE ${there.join(' AND ')})) AS d)
SELECT coalesce(cardinality(given.k0), 0) AS units, ${id(e.schema, e.fn.put)}(${keyColumns(e.entity, 'given')}) FROM given`;
};

export const drainSql = (e: Eav): { last: string; batch: string } =>
  drainOf(
    tablesOf(e).queue,
    queueKey(e).map(({ name }) => name),
    id(e.schema, e.fn.put),
  );

/** Compares rows and documents both ways; entities that are still in the queue are left out. */
export function compareSql(e: Eav): { bound: string; before: string } {
  const { from, to, queue } = tablesOf(e);
  const side = (alias: string) => {
    const own = columnsOf(e.entity, alias);
    return `${named(own)}, ROW(${own.join(', ')})::text AS key`;
  };
  const missing = `o.document IS NOT NULL AND (f.document IS NULL OR o.several OR ${differ('f.document', 'o.document')})`;
  const surplus = `o.document IS NULL AND f.document <> '{}'`;
  const count = (when: string) => `count(*) FILTER (WHERE q.k0 IS NULL AND ${when})::int`;
  return {
    bound: boundSql(from, e.entity),
    before: `SELECT coalesce(sum(o.rows), 0)::int AS "legacyRows", count(f.document)::int AS "rebuiltRows", /* sqltrail */
       ${count(missing)} AS missing, ${count(surplus)} AS surplus,
       coalesce((array_agg(coalesce(o.key, f.key)) FILTER (WHERE q.k0 IS NULL AND (${missing} OR ${surplus})))[1:5], '{}') AS samples
  FROM (SELECT ${side('t')}, count(*) AS rows, bool_or(${several(e, 't')}) AS several, ${documentOf(e, 't')} AS document
          FROM ${from} AS t WHERE ${inRange(e.entity, 't')} GROUP BY ${columnsOf(e.entity, 't').join(', ')}) AS o
  FULL JOIN (SELECT ${side('n')}, ${document(e, 'n')} AS document FROM ${to} AS n WHERE ${inRange(e.entity, 'n')}) AS f
    ON ${e.entity.map((_, at) => `f.k${at} = o.k${at}`).join(' AND ')}
  LEFT JOIN (SELECT DISTINCT ${keyColumns(e.entity, 'w')} FROM ${queue} AS w) AS q
    ON ${e.entity.map((_, at) => `q.k${at} = coalesce(o.k${at}, f.k${at})`).join(' AND ')}`,
  };
}
