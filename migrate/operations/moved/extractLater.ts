import { quote as id, literal, quoteList } from '../../../lib/pg/quote.ts';
import { definerFunction, statementTriggerFunction } from '../functions.ts';
import {
  assign,
  chosenSql,
  type Extract,
  FILL,
  image,
  keepSql,
  keysType,
  LEFT,
  latest,
  namesOf,
  noting,
  ROLLED_BACK,
  tablesOf,
  unfolded,
} from './extractSql.ts';
import { collected, columnsOf, equal, givenKeys, handedTo, keyTypes, named } from './keySets.ts';
import { GUARD } from './noted.ts';

/**
 * What a statement wrote into the old columns counts from then on; what it replaced is kept in the ledger. A key that
 * is new is made first, so that of two that make it at once the later one sees what the other said.
 */
function written(e: Extract): string {
  const { from, to } = tablesOf(e);
  const key = id(e.key.name);
  const columns = quoteList([e.key.name, ...namesOf(e)]);
  const given = `${givenKeys(e.identity)}
      JOIN ${from} AS t ON ${equal(columnsOf(e.identity, 't'), 'c')}`;
  const chosen = `wrote AS MATERIALIZED (
    SELECT t.${key} AS key, t.ctid AS place, ${latest(e, 't')}${image(e, 't')} AS image FROM ${given} WHERE t.${key} IS NOT NULL),
  differing AS MATERIALIZED (
    SELECT w.*, CASE WHEN n.${key} IS NOT NULL THEN ${image(e, 'n')} END AS was
      FROM wrote AS w LEFT JOIN ${to} AS n ON n.${key} = w.key WHERE n.${key} IS NULL OR ${image(e, 'n')} <> w.image),
  ${chosenSql(e, 'differing', ', was')}`;
  return definerFunction(
    e,
    e.fn.written,
    { takes: keyTypes(e.identity), returns: 'void', indexed: true },
    `BEGIN
  PERFORM set_config(${literal(GUARD)}, ${literal(e.into)}, true);
  WITH ${chosen}
  INSERT INTO ${to} (${columns})
  SELECT ${quoteList([e.key.name, ...namesOf(e)], 't')} FROM chosen AS c JOIN ${from} AS t ON t.ctid = c.place WHERE c.was IS NULL
  ON CONFLICT (${key}) DO NOTHING;
  -- As a foreign key does: what is referred to does not go meanwhile.
  PERFORM FROM ${given} JOIN ${to} AS n ON n.${key} = t.${key} ORDER BY n.${key} FOR KEY SHARE OF n;
  WITH ${chosen},
  kept AS (
    ${keepSql(e, 'SELECT d.key, d.image AS was, c.image AS now FROM differing AS d JOIN chosen AS c ON c.key = d.key UNION SELECT key, was, image FROM chosen WHERE was IS NOT NULL')})
  UPDATE ${to} AS n SET ${assign(e, 't')} FROM chosen AS c JOIN ${from} AS t ON t.ctid = c.place WHERE n.${key} = c.key;
  PERFORM set_config(${literal(GUARD)}, '', true);
END`,
  );
}

/** After the cutover: keys are noted as before it, for a rollback, and what was written counts. */
export function forwardSql(e: Extract): string {
  const { to, queue } = tablesOf(e);
  const key = id(e.key.name);
  const rows = (of: string) =>
    `SELECT ${named(columnsOf(e.identity, 'r'))}, r.${key}::text COLLATE "C" AS key, ${image(e, 'r')} AS image FROM ${of} AS r`;
  const handOver = (query: string) => `
    ${collected(e.identity, query)}
    ${handedTo(e.identity, id(e.schema, e.fn.written))}`;
  return [
    written(e),
    statementTriggerFunction(
      e,
      e.fn.forward,
      noting(e, `INSERT INTO ${queue} (key) SELECT n.${key} FROM ${to} AS n;`, {
        INSERT: handOver(rows('new_rows')),
        UPDATE: handOver(`${rows('new_rows')} EXCEPT ${rows('old_rows')}`),
      }),
    ),
    fill(e),
  ].join('\n');
}
export const noForwardSql = (e: Extract): string =>
  `DROP TRIGGER ${FILL} ON ${tablesOf(e).from};
DROP FUNCTION ${id(e.schema, e.fn.fill)}();
DROP FUNCTION ${id(e.schema, e.fn.forward)}();
DROP FUNCTION ${id(e.schema, e.fn.written)}(${keyTypes(e.identity)});`;

/** Whether a row says nothing of its own in the old columns, as one from an application that no longer knows them. */
export const silent = (e: Extract, alias: string): string =>
  e.columns
    .map(({ name, default: by }) => {
      const column = `${alias}.${id(name)}`;
      return by === null ? `${column} IS NULL` : `(${column} IS NULL OR ${column}::text = (${by})::text)`;
    })
    .join(' AND ');

/** Fills old columns that a row leaves out, so that who reads them finds what the new table says. */
function fill(e: Extract): string {
  const { from, to } = tablesOf(e);
  const key = id(e.key.name);
  const name = id(e.schema, e.fn.fill);
  return [
    definerFunction(
      e,
      e.fn.fill,
      { returns: 'trigger', indexed: true },
      `DECLARE
  known  record;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT (${silent(e, 'NEW')}) THEN
      RETURN NEW;
    END IF;
  ELSIF NEW.${key} IS NOT DISTINCT FROM OLD.${key} OR ${image(e, 'NEW')} <> ${image(e, 'OLD')} THEN
    RETURN NEW;
  END IF;
  SELECT ${quoteList(namesOf(e), 'n')} INTO known FROM ${to} AS n WHERE n.${key} = NEW.${key};
  IF FOUND THEN
${namesOf(e)
  .map((column) => `    NEW.${id(column)} := known.${id(column)};`)
  .join('\n')}
  END IF;
  RETURN NEW;
END`,
    ),
    `CREATE TRIGGER ${FILL} BEFORE INSERT OR UPDATE ON ${from} FOR EACH ROW EXECUTE FUNCTION ${name}();`,
    `ALTER TABLE ${from} ENABLE ALWAYS TRIGGER ${FILL};`,
  ].join('\n');
}

/** After the cutover: what is written to the new table is in the old columns of all rows of its key. */
export function reverseSql(e: Extract): string {
  const { from, to, queue } = tablesOf(e);
  const key = id(e.key.name);
  const refers = `RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = ${literal(`rows of ${e.table} still refer to what would go from ${e.into}`)};`;
  const keysIn = (query: string) => `SELECT array_agg(d.key) AS keys INTO c FROM (${query}) AS d;`;
  const keys = (of: string) => `SELECT r.${key} AS key FROM ${of} AS r`;
  return [
    definerFunction(
      e,
      e.fn.back,
      { takes: keysType(e), returns: 'void', indexed: true },
      `BEGIN
  -- As the foreign key will, which comes with complete.
  IF EXISTS (SELECT FROM unnest($1) AS g (key) WHERE NOT EXISTS (SELECT FROM ${to} AS n WHERE n.${key} = g.key) AND EXISTS (SELECT FROM ${from} AS t WHERE t.${key} = g.key)) THEN
    ${refers}
  END IF;
  INSERT INTO ${queue} (key) SELECT DISTINCT g.key FROM unnest($1) AS g (key);
  UPDATE ${from} AS t SET ${assign(e, 'n')} FROM (SELECT DISTINCT u.key FROM unnest($1) AS u (key)) AS g JOIN ${to} AS n ON n.${key} = g.key
   WHERE t.${key} = g.key AND ${image(e, 't')} <> ${image(e, 'n')};
END`,
    ),
    statementTriggerFunction(
      e,
      e.fn.reverse,
      `  IF current_setting(${literal(GUARD)}, true) = ${literal(e.into)} THEN
    RETURN NULL;
  ELSIF TG_OP = 'TRUNCATE' THEN
    IF EXISTS (SELECT FROM ${from} AS t WHERE t.${key} IS NOT NULL) THEN
      ${refers}
    END IF;
    RETURN NULL;
  ELSIF TG_OP = 'INSERT' THEN
    ${keysIn(keys('new_rows'))}
  ELSIF TG_OP = 'DELETE' THEN
    ${keysIn(keys('old_rows'))}
  ELSE
    ${keepSql(e, `SELECT o.${key} AS key, ${image(e, 'o')} AS was, ${image(e, 'n')} AS now FROM old_rows AS o JOIN new_rows AS n ON n.${key} = o.${key}`)};
    ${keysIn(`${keys('new_rows')} UNION ${keys('old_rows')}`)}
  END IF;
  IF c.keys IS NOT NULL THEN
    PERFORM ${id(e.schema, e.fn.back)}(c.keys);
  END IF;`,
    ),
  ].join('\n');
}
/** Rows of the new table that no row of the old one refers to cannot be held by its columns: the ledger keeps them. */
export const keepUnreferred = (e: Extract): string => {
  const { from, to, ledger } = tablesOf(e);
  const key = id(e.key.name);
  return `INSERT INTO ${ledger} (key, column_name, copies, chosen, rule)
SELECT n.${key}, u.name, '[]', u.value, ${literal(ROLLED_BACK)} FROM ${to} AS n CROSS JOIN LATERAL ${unfolded(e, image(e, 'n'))} AS u (name, value)
 WHERE NOT EXISTS (SELECT FROM ${from} AS t WHERE t.${key} = n.${key});`;
};
export const noReverseSql = (e: Extract): string =>
  `DROP FUNCTION ${id(e.schema, e.fn.reverse)}();
DROP FUNCTION ${id(e.schema, e.fn.back)}(${keysType(e)});`;

/** Whether the ledger has a value that a copy has. */
export const noted = (
  e: Extract,
  { key, name, value }: { key: string; name: string; value: string },
): string =>
  `EXISTS (SELECT FROM ${tablesOf(e).ledger} AS l WHERE l.key = ${key} AND l.column_name = ${name} AND (l.chosen IS NOT DISTINCT FROM ${value} OR l.copies @> jsonb_build_array(jsonb_build_object('value', ${value}))))`;

/** What the old columns say otherwise than the new table, and is not in the ledger yet. */
export const restOfLedger = (e: Extract): string => {
  const { from, to, ledger } = tablesOf(e);
  const key = id(e.key.name);
  return `INSERT INTO ${ledger} (key, column_name, copies, chosen, rule)
SELECT d.key, u.name, jsonb_agg(DISTINCT jsonb_build_object('value', u.value)), min(w.value), ${literal(LEFT)}
  FROM (SELECT DISTINCT t.${key} AS key, ${image(e, 't')} AS image, ${image(e, 'n')} AS counts
          FROM ${from} AS t JOIN ${to} AS n ON n.${key} = t.${key} WHERE ${image(e, 't')} <> ${image(e, 'n')}) AS d
 CROSS JOIN LATERAL ${unfolded(e, 'd.image')} AS u (name, value)
  JOIN LATERAL ${unfolded(e, 'd.counts')} AS w (name, value) ON w.name = u.name
 WHERE u.value IS DISTINCT FROM w.value AND NOT ${noted(e, { key: 'd.key', name: 'u.name', value: 'u.value' })}
 GROUP BY d.key, u.name;`;
};
