import type pg from 'pg';
import { quote as id, quoteList } from '../../lib/pg/quote.ts';
import type { Settings } from '../../lib/pg/transaction.ts';
import type { ComparedChunk, Verification, VerifyOptions } from '../verify.ts';
import type { DeclaredMigration } from './declared.ts';
import { CHUNK, compareRanges } from './ranges.ts';
import { same } from './sync.ts';

/** Settings for the session that compares: a chunk is read through the indexes of the keys. */
export const comparingIn = ({
  searchPath,
  settings = {},
}: Pick<DeclaredMigration['rows'], 'searchPath' | 'settings'>): Settings => ({
  enable_seqscan: 'off',
  search_path: searchPath,
  ...settings,
});

/** Compares old and new table by ranges of the key, every column bit by bit, whatever its type is. */
export async function compareTables(
  client: pg.ClientBase,
  { table, rows, name }: DeclaredMigration,
  options: VerifyOptions,
): Promise<Verification> {
  const started = performance.now();
  const { rows: names } = await client.query<{ cutover: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS cutover',
    [id(table.schema, rows.oldName)],
  );
  const cutover = names[0]?.cutover ?? false;
  const old = id(table.schema, cutover ? rows.oldName : table.name);
  const fresh = id(table.schema, cutover ? table.name : rows.newName);
  const keys = rows.key.map((column) => column.name);
  const converted = new Map(rows.converted?.map((each) => [each.column, each]));
  /** Of a row of the old table, as the new one has it. */
  const asNew = (column: string) => {
    const value = `(o.whole).${id(column)}`;
    const { by, type } = converted.get(column) ?? {};
    return by ? `${by}(${value})` : type ? `${value}::${type}` : value;
  };
  const side = (from: string, where: string) =>
    `SELECT true AS here, ${quoteList(rows.newKey, 't')}, t AS whole FROM ${from} AS t WHERE ${where}`;
  const list = (of: (column: string) => string) => rows.compared.map(of).join(', ');
  // Two constructors would be compared column by column, with operators that not all types have.
  const differs = `CASE WHEN o.here AND n.here THEN ${
    rows.converted
      ? `ROW(${list(asNew)})::record *<> ROW(${list((column) => `(n.whole).${id(column)}`)})`
      : 'o.whole *<> n.whole'
  } END`;
  // A row that one table lacks because it cannot hold it.
  const known = rows.conflicts
    ? `(o.here IS NULL OR n.here IS NULL) AND EXISTS (SELECT FROM ${id(table.schema, rows.conflicts)} AS c WHERE ${rows.newKey
        .map((column) => `c.${id(column)} = coalesce(o.${id(column)}, n.${id(column)})`)
        .join(' AND ')})`
    : 'false';
  let unconverted = 0;
  const count = rows.key.length;
  const placed = (from: number) => rows.key.map(({ type }, at) => `$${from + at}::text::${type}`).join(', ');
  const begins = (after: string[] | null) => (after ? `(${quoteList(keys, 't')}) > (${placed(1)})` : 'true');
  const result = await compareRanges(
    `${table.schema}.${table.name}`,
    {
      async boundAfter(after) {
        const { rows: bounds } = await client.query<{ bound: string[] }>(
          `SELECT ARRAY[${keys.map((key) => `t.${id(key)}::text`).join(', ')}] AS bound FROM ${old} AS t WHERE ${begins(after)}
            ORDER BY ${quoteList(keys, 't')} OFFSET ${CHUNK - 1} LIMIT 1`,
          after ?? [],
        );
        return bounds[0]?.bound ?? null;
      },
      async compare(after, to) {
        const range = to
          ? `${begins(after)} AND (${quoteList(keys, 't')}) <= (${placed(after ? count + 1 : 1)})`
          : begins(after);
        const { rows: chunks } = await client.query<ComparedChunk & { known: number }>(
          `SELECT count(o.here)::int AS "legacyRows", count(n.here)::int AS "rebuiltRows",
                  count(*) FILTER (WHERE o.here AND NOT known AND (n.here IS NULL OR differs))::int AS missing,
                  count(*) FILTER (WHERE n.here AND NOT known AND (o.here IS NULL OR differs))::int AS surplus,
                  count(*) FILTER (WHERE known)::int AS known,
                  coalesce((array_agg(DISTINCT coalesce(ROW(${quoteList(keys, 'o')})::text, ROW(${quoteList(keys, 'n')})::text))
                    FILTER (WHERE NOT known AND (o.here IS NULL OR n.here IS NULL OR differs)))[1:5], '{}') AS samples
             FROM (${side(old, range)}) AS o FULL JOIN (${side(fresh, range)}) AS n
               ON ${same('o', 'n', rows.newKey)} CROSS JOIN LATERAL (SELECT ${known} AS known, ${differs} AS differs) AS k`,
          [...(after ?? []), ...(to ?? [])],
        );
        const chunk = chunks[0] as (typeof chunks)[number];
        unconverted += chunk.known;
        return chunk;
      },
    },
    options,
  );
  const { rows: unproven } = await client.query<{ name: string }>(
    `SELECT i.indexrelid::regclass::text AS name FROM pg_partition_tree($1::regclass) AS p
       JOIN pg_index AS i ON i.indrelid = p.relid WHERE NOT i.indisvalid`,
    [fresh],
  );
  return {
    // After the cutover the new table is what is true; what the old one cannot hold stands in the way of a rollback only.
    equal: result.missing + result.surplus + (cutover ? 0 : unconverted) === 0 && unproven.length === 0,
    tables: [result],
    money: [],
    ledger: [],
    setAside: 0,
    ...(rows.conflicts
      ? { unconverted: { rows: unconverted, table: id(table.schema, rows.conflicts), cutover } }
      : {}),
    unproven: unproven.map((each) => `${each.name} (${name})`),
    durationMs: performance.now() - started,
  };
}
