import { quote as id, literal } from '../../../lib/pg/quote.ts';
import { boundSql, inRange } from './compare.ts';
import { noted, silent } from './extractLater.ts';
import { contradict, type Extract, image, ruleText, tablesOf, unfolded } from './extractSql.ts';

/**
 * Before the cutover the new table has to say what the rule makes of all rows of a key, and the ledger has to name every
 * contradiction; keys that are still in the queue are left out. After it, each copy has to say what the new table says,
 * or be in the ledger.
 */
export function compareSql(e: Extract): { bound: string; before: string; after: string } {
  const { from, to, ledger, queue } = tablesOf(e);
  const key = id(e.key.name);
  const range = (alias: string) => inRange([e.key], alias);
  const latest = e.rule.kind === 'latest-by' ? `t.${id(e.rule.column)}` : 'NULL::int';
  const copies = `copies AS MATERIALIZED (
    SELECT t.${key} AS key, ${image(e, 't')} AS image, count(*) AS n, max(${latest}) AS latest FROM ${from} AS t WHERE t.${key} IS NOT NULL AND ${range('t')} GROUP BY 1, 2)`;
  const counts = `coalesce((SELECT sum(c.n) FROM copies AS c), 0)::int AS "legacyRows", (SELECT count(*) FROM ${to} AS n WHERE ${range('n')})::int AS "rebuiltRows"`;
  // They have no key to which what they say could belong.
  const keyless = `(SELECT count(*) FROM ${from} AS t WHERE $2::text[] IS NULL AND t.${key} IS NULL AND NOT (${silent(e, 't')}))`;
  const differs = `(o.key IS NOT NULL AND (n.key IS NULL OR n.image <> o.image OR coalesce(a.contradictions, 0) <> coalesce(l.entries, 0)))`;
  return {
    bound: boundSql(from, [e.key], `t.${key} IS NOT NULL`),
    before: `WITH ${copies}, /* sqltrail */
  wanted AS (
    SELECT key, image FROM (
      SELECT key, image, row_number() OVER (PARTITION BY key ORDER BY ${e.rule.kind === 'latest-by' ? 'latest DESC NULLS LAST' : 'n DESC'}, image) AS place FROM copies) AS c
     WHERE place = 1),
  against AS (
    SELECT key, count(*) AS contradictions FROM (
      SELECT c.key, u.name FROM copies AS c CROSS JOIN LATERAL ${unfolded(e, 'c.image')} AS u (name, value) GROUP BY c.key, u.name HAVING ${contradict('u.value')}) AS d
     GROUP BY key)
SELECT ${counts},
       (count(*) FILTER (WHERE q.key IS NULL AND ${differs}) + ${keyless})::int AS missing,
       count(*) FILTER (WHERE q.key IS NULL AND o.key IS NULL)::int AS surplus,
       coalesce((array_agg(coalesce(o.key, n.key)::text) FILTER (WHERE q.key IS NULL AND (o.key IS NULL OR ${differs})))[1:5], '{}') AS samples
  FROM wanted AS o
  FULL JOIN (SELECT n.${key} AS key, ${image(e, 'n')} AS image FROM ${to} AS n WHERE ${range('n')}) AS n ON n.key = o.key
  LEFT JOIN against AS a ON a.key = o.key
  LEFT JOIN (SELECT key, count(*) AS entries FROM ${ledger} WHERE rule = ${literal(ruleText(e.rule))} GROUP BY key) AS l ON l.key = o.key
  LEFT JOIN (SELECT DISTINCT key FROM ${queue}) AS q ON q.key = coalesce(o.key, n.key)`,
    after: `WITH ${copies}, /* sqltrail */
  wrong AS (
    SELECT c.key FROM copies AS c LEFT JOIN ${to} AS n ON n.${key} = c.key
     WHERE n.${key} IS NULL
        OR (${image(e, 'n')} <> c.image AND EXISTS (
             SELECT FROM ${unfolded(e, 'c.image')} AS u (name, value) JOIN ${unfolded(e, image(e, 'n'))} AS w (name, value) ON w.name = u.name
              WHERE u.value IS DISTINCT FROM w.value AND NOT ${noted(e, { key: 'c.key', name: 'u.name', value: 'u.value' })})))
SELECT ${counts}, ((SELECT count(*) FROM wrong) + ${keyless})::int AS missing, 0 AS surplus,
       ARRAY(SELECT DISTINCT key::text FROM wrong LIMIT 5) AS samples`,
  };
}

/** What the columns say of each key, for the plan. */
export const contentSql = (e: Extract): string => {
  const key = id(e.key.name);
  return `SELECT coalesce(sum(n), 0)::float8 AS rows, count(*) FILTER (WHERE key IS NOT NULL)::float8 AS keys, coalesce(max(n) FILTER (WHERE key IS NOT NULL), 0)::float8 AS largest, /* sqltrail */
       count(*) FILTER (WHERE key IS NOT NULL AND images > 1)::float8 AS contradicting,
       coalesce((array_agg(key::text) FILTER (WHERE key IS NOT NULL AND images > 1))[1:3], '{}') AS examples,
       coalesce(sum(loud) FILTER (WHERE key IS NULL), 0)::float8 AS keyless
  FROM (SELECT t.${key} AS key, count(*) AS n, count(DISTINCT ${image(e, 't')}) AS images, count(*) FILTER (WHERE NOT (${silent(e, 't')})) AS loud
          FROM ONLY ${tablesOf(e).from} AS t GROUP BY t.${key}) AS k`;
};
