import pg from 'pg';
import { shapeSql } from './generate.ts';
import type { Mapping, TableMapping } from './mapping.ts';

const id = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/** Units compared by one statement. */
const CHUNK = 5_000;

export interface TableComparison {
  table: string;
  legacyRows: number;
  rebuiltRows: number;
  chunks: number;
  /** Chunks whose hash differs. */
  differingChunks: number;
  /** Rows that the legacy table has and the new model does not give back. */
  missing: number;
  /** Rows that the new model gives back and the legacy table does not have. */
  surplus: number;
  /** Keys of some of them. */
  samples: string[];
  /** Legacy rows without a key: they belong to no unit and cannot be carried over. */
  keyless: number;
  /** Ledger entries whose row in the new model is no longer what it was when it was noted. */
  staleEntries: number;
}

/** To begin with: nothing was compared. */
export const noComparison = (table: string): TableComparison => ({
  table,
  legacyRows: 0,
  rebuiltRows: 0,
  chunks: 0,
  differingChunks: 0,
  missing: 0,
  surplus: 0,
  samples: [],
  keyless: 0,
  staleEntries: 0,
});

/** What one statement compared. */
export type ComparedChunk = Pick<
  TableComparison,
  'legacyRows' | 'rebuiltRows' | 'missing' | 'surplus' | 'samples'
>;

/** @param differs whether there is a difference in it */
export function addChunk(
  result: TableComparison,
  chunk: ComparedChunk,
  differs = chunk.missing + chunk.surplus > 0,
): void {
  result.chunks += 1;
  result.legacyRows += chunk.legacyRows;
  result.rebuiltRows += chunk.rebuiltRows;
  result.differingChunks += differs ? 1 : 0;
  result.missing += chunk.missing;
  result.surplus += chunk.surplus;
  result.samples = [...result.samples, ...chunk.samples].slice(0, 5);
}

export interface Verification {
  equal: boolean;
  tables: TableComparison[];
  money: { name: string; legacy: string | null; target: string | null; equal: boolean }[];
  ledger: { kind: string; table: string; entries: number }[];
  setAside: number;
  /** Of a column that gets another type: rows that one table cannot hold, and the table of their keys, quoted. */
  unconverted?: { rows: number; table: string; cutover: boolean };
  /** Constraints of the new model that are not validated, and indexes that are not valid. */
  unproven: string[];
  durationMs: number;
}

export interface VerifyOptions {
  signal?: AbortSignal;
  /** Called before each chunk; may wait, or throw to stop. */
  pace?: () => Promise<void>;
}

const columnsOf = async (client: pg.ClientBase, schema: string, table: string) =>
  (
    await client.query<{ attname: string }>(
      `SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(format('%I.%I', $1::text, $2::text))
         AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [schema, table],
    )
  ).rows.map(({ attname }) => attname);

async function compareTable(
  client: pg.ClientBase,
  mapping: Mapping,
  table: TableMapping,
  signal: AbortSignal | undefined,
  pace: () => Promise<void>,
): Promise<TableComparison> {
  const legacy = `${id(mapping.legacySchema)}.${id(table.table)}`;
  const rebuilt = `${id(mapping.syncSchema)}.${id(`rebuilt_${table.table}`)}`;
  const key = id(table.key);
  const columns = await columnsOf(client, mapping.legacySchema, table.table);
  const kept = columns.filter((column) => !table.copies?.includes(column));
  const side = (from: string) =>
    `SELECT ${key}::bigint AS key, ROW(${kept.map((column) => id(column)).join(', ')})::text AS said FROM ${from}`;
  const result = noComparison(table.table);
  let from: string | null = null;
  for (let more = true; more; ) {
    signal?.throwIfAborted();
    await pace();
    const bound: pg.QueryResult<{ key: string | null; last: boolean }> = await client.query(
      `SELECT max(key)::text AS key, count(*) < ${CHUNK} AS last
         FROM (SELECT DISTINCT ${key} AS key FROM ${legacy} WHERE ${key} > coalesce($1::bigint, -9223372036854775808) ORDER BY 1 LIMIT ${CHUNK}) AS chunk`,
      [from],
    );
    more = bound.rows[0]?.last === false;
    const to = more ? (bound.rows[0]?.key ?? null) : null;
    // The last chunk has no upper end: rows of the new model beyond the legacy ones are in it.
    const after = from;
    const range = (of: string) =>
      [
        after === null ? [] : [`${of} > ${literal(after)}`],
        to === null ? [] : [`${of} <= ${literal(to)}`],
        [`${of} IS NOT NULL`],
      ]
        .flat()
        .join(' AND ');
    // One statement, one snapshot: both sides are of the same moment, so writes that go on are no difference.
    const { rows } = await client.query(
      `WITH l AS MATERIALIZED (${side(`${legacy} WHERE ${range(key)}`)}), n AS MATERIALIZED (${side(`${shapeSql(mapping, table, columns, range)} AS v`)}),
            missing AS MATERIALIZED (TABLE l EXCEPT ALL TABLE n), surplus AS MATERIALIZED (TABLE n EXCEPT ALL TABLE l)
       SELECT (SELECT count(*) FROM l)::int AS "legacyRows", (SELECT count(*) FROM n)::int AS "rebuiltRows",
              (SELECT sum(hashtextextended(said, key)) FROM l) IS DISTINCT FROM (SELECT sum(hashtextextended(said, key)) FROM n) AS differs,
              (SELECT count(*) FROM missing)::int AS missing, (SELECT count(*) FROM surplus)::int AS surplus,
              ARRAY(SELECT DISTINCT key::text FROM (SELECT key FROM missing UNION ALL SELECT key FROM surplus) AS k LIMIT 5) AS samples`,
    );
    const [chunk] = rows;
    addChunk(result, chunk, chunk.differs);
    from = to;
  }
  const keyless = await client.query(`SELECT count(*)::int AS n FROM ${legacy} WHERE ${key} IS NULL`);
  result.keyless = keyless.rows[0].n;
  const now =
    table.unit === 'row'
      ? `(SELECT to_jsonb(d) - $3::text[] FROM ${rebuilt} AS d WHERE d.${key} = r.key)`
      : `(SELECT jsonb_agg(to_jsonb(d) ORDER BY to_jsonb(d)::text) FROM ${rebuilt} AS d WHERE d.${key} = r.key AND $3::text[] IS NOT NULL)`;
  const stale = await client.query(
    `SELECT count(*)::int AS n FROM sqltrail.migration_resolution AS r
      WHERE r.migration = $1 AND r.legacy_table = $2 AND r.superseded_at IS NULL AND r.kind IN ('normalised', 'set aside')
        AND r.became IS DISTINCT FROM ${now}`,
    [mapping.name, table.table, table.copies ?? []],
  );
  result.staleEntries = stale.rows[0].n;
  return result;
}

/**
 * Settings for the session that compares. A chunk is some thousand keys: through the indexes of the partitions,
 * whatever the planner makes of their sum.
 */
export const COMPARING = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off' };

/**
 * Compares both models: for each legacy table, by chunks of keys, counts, a hash and the two-way difference between
 * its rows and the view that rebuilds them from the new model; sums of money over the typed columns; the ledger's
 * entries; constraints and indexes. Exact while writes go on, because each comparison is one statement.
 *
 * @param client with the settings of {@link COMPARING}
 * @param pace called before each chunk; may wait, or throw to stop
 */
export async function verify(
  client: pg.ClientBase,
  mapping: Mapping,
  options: VerifyOptions & { onTable?: (done: TableComparison) => void } = {},
): Promise<Verification> {
  const started = performance.now();
  const tables: TableComparison[] = [];
  for (const table of mapping.tables) {
    const done = await compareTable(client, mapping, table, options.signal, options.pace ?? (async () => {}));
    options.onTable?.(done);
    tables.push(done);
  }
  const money: Verification['money'] = [];
  for (const { name, legacy, target } of mapping.money) {
    const { rows } = await client.query<{ legacy: string | null; target: string | null }>(
      `SELECT (${legacy}) AS legacy, (${target}) AS target`,
    );
    const [sums] = rows;
    money.push({
      name,
      legacy: sums?.legacy ?? null,
      target: sums?.target ?? null,
      equal: Number(sums?.legacy ?? 0) === Number(sums?.target ?? 0),
    });
  }
  const ledger = await client.query<Verification['ledger'][number]>(
    `SELECT kind, legacy_table AS "table", count(*)::int AS entries FROM sqltrail.migration_resolution
      WHERE migration = $1 AND superseded_at IS NULL GROUP BY kind, legacy_table ORDER BY kind, legacy_table`,
    [mapping.name],
  );
  const unproven = await client.query<{ name: string }>(
    `SELECT conrelid::regclass || ': ' || conname AS name FROM pg_constraint AS c
       JOIN pg_namespace AS n ON n.oid = c.connamespace WHERE n.nspname = $1 AND NOT convalidated
      UNION ALL
     SELECT indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
       JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND NOT indisvalid`,
    [mapping.targetSchema],
  );
  return {
    equal:
      tables.every(
        (table) =>
          table.missing + table.surplus + table.differingChunks + table.keyless + table.staleEntries === 0,
      ) &&
      money.every((sum) => sum.equal) &&
      unproven.rows.length === 0,
    tables,
    money,
    ledger: ledger.rows,
    setAside: ledger.rows
      .filter(({ kind }) => kind === 'set aside')
      .reduce((sum, { entries }) => sum + entries, 0),
    unproven: unproven.rows.map(({ name }) => name),
    durationMs: performance.now() - started,
  };
}

/** Before the cutover such rows are a difference; after it they stand in the way of a rollback, and of nothing else. */
const unconvertedText = (found: Verification['unconverted']): string[] =>
  found && found.rows > 0 && !found.cutover
    ? [
        `${found.rows} rows were written that cannot be converted to the new type; ${found.table} has their keys and problems. Correct those rows, or delete them.`,
      ]
    : [];

/** One line for each thing that is not equal. */
export function differences(verification: Verification): string[] {
  return [
    ...verification.tables.flatMap((table) => [
      ...(table.missing + table.surplus > 0
        ? [
            `${table.table}: ${table.missing} rows are missing in the new model and ${table.surplus} are there too much (keys ${table.samples.join(', ')})`,
          ]
        : table.differingChunks > 0
          ? [`${table.table}: the hash of ${table.differingChunks} chunks differs`]
          : []),
      ...(table.keyless > 0
        ? [`${table.table}: ${table.keyless} rows have no key; give them one, or delete them`]
        : []),
      ...(table.staleEntries > 0
        ? [`${table.table}: ${table.staleEntries} ledger entries no longer agree with the new model`]
        : []),
    ]),
    ...verification.money
      .filter(({ equal }) => !equal)
      .map(
        ({ name, legacy, target }) => `${name}: ${legacy} in the legacy tables, ${target} in the new model`,
      ),
    ...verification.unproven.map((name) => `${name} is not valid`),
    ...unconvertedText(verification.unconverted),
  ];
}
