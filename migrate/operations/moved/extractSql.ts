import { nameOf } from '../../../lib/pg/names.ts';
import { quote as id, literal, quoteList } from '../../../lib/pg/quote.ts';
import { TRIGGER_PREFIX } from '../descriptionSql.ts';
import { definerFunction } from '../functions.ts';
import { drainSql as drainOf, queueSql } from './noted.ts';

/** How one row is chosen where the copies of a key contradict. */
export type Rule = { kind: 'most-frequent' } | { kind: 'latest-by'; column: string };

/** Copies in columns of a table, and the table with one row for each key that they move to. */
export interface Extract {
  schema: string;
  table: string;
  /** Within the same schema: the new table, what was contradictory, and keys that changed since they were carried over. */
  into: string;
  ledger: string;
  queue: string;
  /** What determines the others, and its type. */
  key: { name: string; type: string };
  columns: readonly { name: string; notNull: boolean; default: string | null }[];
  /** Of a unique key of the old table. */
  identity: readonly { name: string; type: string }[];
  rule: Rule;
  searchPath: string;
  fn: {
    note: string;
    put: string;
    forward: string;
    written: string;
    fill: string;
    reverse: string;
    back: string;
  };
}

/** As it is written in the ledger. */
export const ruleText = (rule: Rule): string =>
  rule.kind === 'latest-by' ? `latest-by ${rule.column}` : rule.kind;
/** Of entries that are made after the cutover; those of the rule are made again whenever a key is. */
export const WRITTEN = 'written later';
export const LEFT = 'left at complete';
export const ROLLED_BACK = 'rolled back';
/** Name of the trigger that fills the old columns from the cutover on. */
export const FILL = `${TRIGGER_PREFIX}fill`;

export const namesOf = ({ columns }: Extract) => columns.map(({ name }) => name);
export const tablesOf = (e: Extract) => ({
  from: id(e.schema, e.table),
  to: id(e.schema, e.into),
  ledger: id(e.schema, e.ledger),
  queue: id(e.schema, e.queue),
});
/** The values of a row as they print, to be compared bit by bit. */
export const image = (e: Extract, alias: string) =>
  `jsonb_build_array(${namesOf(e)
    .map((name) => `${alias}.${id(name)}::text`)
    .join(', ')})`;
/** The columns of an image as rows: name, value. */
export const unfolded = (e: Extract, of: string) =>
  `(VALUES ${namesOf(e)
    .map((name, at) => `(${literal(name)}, ${of} ->> ${at})`)
    .join(', ')})`;
/** Whether the values of a group are not all the same; NULL is one of them. */
export const contradict = (value: string) =>
  `min(coalesce('v' || ${value}, 'n') COLLATE "C") <> max(coalesce('v' || ${value}, 'n') COLLATE "C")`;
/**
 * Keeps what is replaced.
 *
 * @param replaced gives `key`, and the images `was` and `now`
 */
export const keepSql = (e: Extract, replaced: string): string =>
  `INSERT INTO ${tablesOf(e).ledger} (key, column_name, copies, chosen, rule)
    SELECT r.key, u.name, jsonb_build_array(jsonb_build_object('value', u.value), jsonb_build_object('value', w.value)), w.value, ${literal(WRITTEN)}
      FROM (${replaced}) AS r CROSS JOIN LATERAL ${unfolded(e, 'r.was')} AS u (name, value)
      JOIN LATERAL ${unfolded(e, 'r.now')} AS w (name, value) ON w.name = u.name WHERE u.value IS DISTINCT FROM w.value`;
export const assign = (e: Extract, from: string) =>
  `(${quoteList(namesOf(e))}) = ROW(${quoteList(namesOf(e), from)})`;

/** @param create `CREATE TABLE`, or of an unlogged one */
export function newTablesSql(e: Extract, create: string): string {
  const { from, to, ledger, queue } = tablesOf(e);
  return [
    `${create} ${to} AS SELECT ${quoteList([e.key.name, ...namesOf(e)])} FROM ${from} WITH NO DATA;`,
    `ALTER TABLE ${to} ADD PRIMARY KEY (${id(e.key.name)});`,
    ...e.columns
      .filter(({ notNull }) => notNull)
      .map(({ name }) => `ALTER TABLE ${to} ALTER COLUMN ${id(name)} SET NOT NULL;`),
    `COMMENT ON TABLE ${to} IS ${literal(`What ${e.table} says of each ${e.key.name}.`)};`,
    `CREATE TABLE IF NOT EXISTS ${ledger} (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key          ${e.key.type} NOT NULL,
  column_name  text NOT NULL,
  copies       jsonb NOT NULL,
  chosen       text,
  rule         text NOT NULL,
  at           timestamptz NOT NULL DEFAULT clock_timestamp()
);`,
    `CREATE INDEX IF NOT EXISTS ${id(nameOf(e.ledger, '_key_idx'))} ON ${ledger} (key, column_name);`,
    `COMMENT ON TABLE ${ledger} IS ${literal(`Where the copies in ${e.table} of one ${e.key.name} contradicted each other: the values with the number of rows of each, which one was chosen, and by which rule.`)};`,
    queueSql(queue, [{ name: 'key', type: e.key.type }]),
  ].join('\n');
}

/** What a rollback could not bring back stays in the ledger. */
export const noNewTablesSql = (e: Extract): string => {
  const { to, ledger, queue } = tablesOf(e);
  return `DROP TABLE ${to}, ${queue};
DO $sqltrail$ BEGIN
  IF NOT EXISTS (SELECT FROM ${ledger} WHERE rule = ${literal(ROLLED_BACK)}) THEN
    DROP TABLE ${ledger};
  END IF;
END $sqltrail$;`;
};
export const emptySql = (e: Extract): string => {
  const { to, ledger, queue } = tablesOf(e);
  return `TRUNCATE ${to}, ${queue};\nDELETE FROM ${ledger} WHERE rule <> ${literal(ROLLED_BACK)};`;
};

/** Type of a parameter for keys. */
export const keysType = (e: Extract) => `${e.key.type}[]`;
/** Of a row, what the rule chooses by, for a list of columns. */
export const latest = (e: Extract, alias: string): string =>
  e.rule.kind === 'latest-by' ? `${alias}.${id(e.rule.column)} AS latest, ` : '';

/**
 * The row of each key that the rule chooses.
 *
 * @param from rows with `key`, `place`, `image`, `latest` where the rule has it, and the columns `more`
 */
export const chosenSql = (e: Extract, from: string, more = ''): string =>
  `chosen AS MATERIALIZED (
    ${
      e.rule.kind === 'latest-by'
        ? `SELECT DISTINCT ON (key) key, place, image${more} FROM ${from} ORDER BY key, latest DESC NULLS LAST, image, place`
        : `SELECT DISTINCT ON (key) key, place, image${more} FROM (SELECT key, image${more}, count(*) AS n, min(place) AS place FROM ${from} GROUP BY key, image${more}) AS c ORDER BY key, n DESC, image`
    })`;

/** Rows of some keys with what is needed to choose one. */
const rowsOf = (e: Extract) => {
  const { from } = tablesOf(e);
  return `given AS MATERIALIZED (SELECT DISTINCT u.key FROM unnest($1) AS u (key) WHERE u.key IS NOT NULL),
  found AS MATERIALIZED (
    SELECT g.key, t.ctid AS place, ${latest(e, 't')}${image(e, 't')} AS image
      FROM given AS g JOIN ${from} AS t ON t.${id(e.key.name)} = g.key),
  ${chosenSql(e, 'found')}`;
};

/** Whether the new table counts already: then it keeps what no row refers to, and the ledger what is replaced. */
const counts = (e: Extract) =>
  `EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = ${literal(tablesOf(e).from)}::pg_catalog.regclass AND tgname = ${literal(FILL)})`;

/** Makes the new table and the ledger say what the rule makes of the rows of some keys. */
function put(e: Extract): string {
  const { from, to, ledger, queue } = tablesOf(e);
  const key = id(e.key.name);
  const rule = literal(ruleText(e.rule));
  return definerFunction(
    e,
    e.fn.put,
    { takes: keysType(e), returns: 'void', indexed: true },
    `BEGIN
  IF ${counts(e)} THEN
    -- Whoever writes to the old columns now changes the new row too. What that says is seen only once the row is ours:
    -- otherwise the rule would replace it, and the ledger not know of it.
    WITH ${rowsOf(e)}
    INSERT INTO ${to} (${quoteList([e.key.name, ...namesOf(e)])})
    SELECT ${quoteList([e.key.name, ...namesOf(e)], 't')} FROM chosen AS c JOIN ${from} AS t ON t.ctid = c.place
    ON CONFLICT (${key}) DO NOTHING;
    PERFORM FROM ${to} AS n WHERE n.${key} = ANY ($1) ORDER BY n.${key} FOR UPDATE;
  END IF;
  WITH ${rowsOf(e)},
  gone AS (
    DELETE FROM ${to} AS n USING given AS g WHERE n.${key} = g.key AND NOT EXISTS (SELECT FROM chosen AS c WHERE c.key = g.key) AND NOT ${counts(e)}),
  -- What stays without a row goes after a rollback, which makes the new table follow the rows again.
  noted AS (
    INSERT INTO ${queue} (key) SELECT g.key FROM given AS g JOIN ${to} AS n ON n.${key} = g.key WHERE NOT EXISTS (SELECT FROM chosen AS c WHERE c.key = g.key) AND ${counts(e)}),
  kept AS (
    ${keepSql(e, `SELECT n.${key} AS key, ${image(e, 'n')} AS was, c.image AS now FROM chosen AS c JOIN ${to} AS n ON n.${key} = c.key WHERE ${counts(e)}`)}),
  forgotten AS (
    DELETE FROM ${ledger} AS l USING given AS g WHERE l.key = g.key AND l.rule = ${rule}),
  contradictions AS (
    INSERT INTO ${ledger} (key, column_name, copies, chosen, rule)
    SELECT v.key, v.name, jsonb_agg(jsonb_build_object('value', v.value, 'rows', v.n) ORDER BY v.n DESC, v.value), min(v.chosen), ${rule}
      FROM (SELECT f.key, u.name, u.value, count(*) AS n, (SELECT w.value FROM ${unfolded(e, 'min(c.image::text)::jsonb')} AS w (name, value) WHERE w.name = u.name) AS chosen
              FROM found AS f JOIN chosen AS c ON c.key = f.key CROSS JOIN LATERAL ${unfolded(e, 'f.image')} AS u (name, value)
             GROUP BY f.key, u.name, u.value) AS v
     GROUP BY v.key, v.name HAVING count(*) > 1)
  INSERT INTO ${to} AS n (${quoteList([e.key.name, ...namesOf(e)])})
  SELECT ${quoteList([e.key.name, ...namesOf(e)], 't')} FROM chosen AS c JOIN ${from} AS t ON t.ctid = c.place
  ON CONFLICT (${key}) DO UPDATE SET ${assign(e, 'EXCLUDED')} WHERE ${image(e, 'n')} <> ${image(e, 'EXCLUDED')};
END`,
  );
}

/**
 * Statements of a trigger function that note which keys a statement concerned; nothing waits for that. Those that were
 * not carried over yet are noted too: an update may have moved their row to where the copy has been already.
 *
 * @param written further statements for rows that were written, by event
 */
export function noting(
  e: Extract,
  truncate: string,
  written: { INSERT?: string; UPDATE?: string } = {},
): string {
  const { to, queue } = tablesOf(e);
  const key = id(e.key.name);
  const what = (rows: string) =>
    `SELECT r.${key} AS key, ${image(e, 'r')} AS image${e.rule.kind === 'latest-by' ? `, r.${id(e.rule.column)}::text COLLATE "C" AS latest` : ''} FROM ${rows} AS r`;
  const noted = (query: string) =>
    `INSERT INTO ${queue} (key) SELECT DISTINCT d.key FROM (${query}) AS d WHERE d.key IS NOT NULL;`;
  return `  IF TG_OP = 'TRUNCATE' THEN
    ${truncate}
  ELSIF TG_OP = 'INSERT' THEN
    ${noted(`SELECT r.${key} AS key FROM new_rows AS r`)}${written.INSERT ?? ''}
  ELSIF TG_OP = 'DELETE' THEN
    ${noted(`SELECT r.${key} AS key FROM old_rows AS r`)}
  ELSE
    ${noted(`SELECT a.key FROM (${what('new_rows')} EXCEPT ALL ${what('old_rows')}) AS a
      UNION ALL SELECT b.key FROM (${what('old_rows')} EXCEPT ALL ${what('new_rows')}) AS b
      UNION ALL SELECT r.${key} FROM new_rows AS r WHERE NOT EXISTS (SELECT FROM ${to} AS n WHERE n.${key} = r.${key})`)}${written.UPDATE ?? ''}
  END IF;`;
}

/** Before the cutover: which keys are to be carried over, and what does it. */
export const noteSql = (e: Extract): string =>
  [
    put(e),
    definerFunction(
      e,
      e.fn.note,
      { returns: 'trigger', indexed: false },
      `BEGIN
${noting(e, emptySql(e))}
  RETURN NULL;
END`,
    ),
  ].join('\n');

export const noNoteSql = (e: Extract): string =>
  `DROP FUNCTION ${id(e.schema, e.fn.note)}();
DROP FUNCTION ${id(e.schema, e.fn.put)}(${keysType(e)});`;

/** Carries over the keys that the rows between two places have, and that are not there yet. */
export const copySql = (e: Extract): string => {
  const { from, to } = tablesOf(e);
  const key = id(e.key.name);
  return `WITH given AS MATERIALIZED ( /* sqltrail */
  SELECT array_agg(DISTINCT t.${key}) AS keys FROM ONLY ${from} AS t
   WHERE t.ctid >= $1::tid AND t.ctid < $2::tid AND t.${key} IS NOT NULL AND NOT EXISTS (SELECT FROM ${to} AS n WHERE n.${key} = t.${key}))
SELECT coalesce(cardinality(keys), 0) AS units, ${id(e.schema, e.fn.put)}(keys) FROM given`;
};

export const drainSql = (e: Extract): { last: string; batch: string } =>
  drainOf(tablesOf(e).queue, ['key'], id(e.schema, e.fn.put));
