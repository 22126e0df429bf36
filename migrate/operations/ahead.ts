import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { quote as id, literal } from '../../lib/pg/quote.ts';
import { Run } from '../run.ts';
import { openChanging } from '../session.ts';
import type { DeclaredMigration } from './declared.ts';
import { DEFAULT_GRANTEES } from './descriptionSql.ts';
import { type Interval, type Range, rangesFor } from './intervals.ts';
import { FreeNames } from './names.ts';
import { noDefaultGrants } from './objects.ts';
import { operationOf } from './operation.ts';

/**
 * Ranges that begin in no partition yet. Not found out by making one: Postgres locks the default partition against all
 * before it says that a range is taken.
 */
async function withoutPartition(
  client: pg.ClientBase,
  table: string,
  type: string,
  ranges: readonly Range[],
): Promise<Range[]> {
  const { rows } = await client.query<{ place: number }>(
    `SELECT r.place::int FROM unnest($1::text[]) WITH ORDINALITY AS r (lower, place)
      WHERE NOT EXISTS (
        SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         CROSS JOIN regexp_match(pg_get_expr(c.relpartbound, c.oid), $3) AS bound
         WHERE i.inhparent = $2::regclass AND r.lower::${type} >= bound[1]::${type} AND r.lower::${type} < bound[2]::${type})
      ORDER BY 1`,
    [ranges.map(({ lower }) => lower), table, String.raw`^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$`],
  );
  return rows.map(({ place }) => ranges[place - 1] as Range);
}

/**
 * Makes the partitions of the present range and of `ahead` more that a partitioned table does not have yet; for a job
 * that runs from time to time.
 *
 * @returns names of those that were made
 * @throws OperationError when the migration is not complete, or rows of the default partition belong to a new one
 */
export async function aheadOf(url: string, declared: DeclaredMigration, ahead: number): Promise<string[]> {
  const { schema, name } = declared.table;
  if (declared.operation !== 'partition')
    throw new OperationError(
      `The plan of ${schema}.${name} makes no partitions: its operation is ${declared.operation}.`,
    );
  const table = id(schema, name);
  const by = String(declared.choices['by']);
  const migration = operationOf(declared);
  const { client, owner } = await openChanging(url, migration);
  try {
    await client.query(`SET search_path = pg_catalog${owner === undefined ? '' : `; SET ROLE ${id(owner)}`}`);
    const { rows: done } = await client.query<{ type: string; complete: boolean }>(
      `SELECT format_type(a.atttypid, a.atttypmod) AS type, to_regclass($3) IS NULL AS complete
         FROM pg_partitioned_table AS p JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attname = $2
        WHERE p.partrelid = to_regclass($1)`,
      [table, by, id(schema, declared.rows.oldName)],
    );
    if (!done[0]?.complete)
      throw new OperationError(
        `${declared.name} is not complete yet. Until then, the partitions of its plan are enough.`,
      );
    const ranges = await rangesFor(client, {
      schema,
      table: name,
      column: by,
      type: done[0].type,
      interval: declared.choices['interval'] as Interval,
      timeZone: String(declared.choices['timeZone']),
      ahead,
      future: true,
    });
    const { rows: siblings } = await client.query<{ storage: string; unlogged: boolean }>(
      `SELECT coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') || coalesce(' TABLESPACE ' || quote_ident(s.spcname), '') AS storage,
              c.relpersistence = 'u' AS unlogged
         FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
        WHERE i.inhparent = $1::regclass ORDER BY c.oid DESC LIMIT 1`,
      [table],
    );
    const [sibling] = siblings;
    const { rows: grantees } = await client.query<{ item: string | null }>(
      `SELECT item FROM pg_class AS c, LATERAL (${DEFAULT_GRANTEES}) AS d WHERE c.oid = $1::regclass`,
      [table],
    );
    const defaultGrantees = grantees.map(({ item }) => item);
    const free = await FreeNames.of(client, schema);
    const run = new Run(client, migration, { url, mapping: migration });
    const made: string[] = [];
    for (const { lower, upper, label } of await withoutPartition(client, table, done[0].type, ranges)) {
      const partition = free.take(name, `_${label}`);
      const sql = [
        `CREATE ${sibling?.unlogged ? 'UNLOGGED ' : ''}TABLE ${id(schema, partition)} PARTITION OF ${table}
  FOR VALUES FROM (${literal(lower)}) TO (${literal(upper)})${sibling?.storage ?? ''};`,
        ...noDefaultGrants({ defaultGrantees }, id(schema, partition)),
      ].join('\n');
      try {
        for await (const _ of run.transaction('contract', partition, sql));
        made.push(partition);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        // invalid_object_definition: another partition has this range, or a part of it.
        if (code === '42P17') continue;
        // check_violation
        if (code === '23514')
          throw new OperationError(
            `${message}. Rows from ${lower} to ${upper} are in the default partition: move them away (DELETE ... RETURNING into another table), run this again, and put them back.`,
            { cause: error },
          );
        throw error;
      }
    }
    return made;
  } finally {
    await client.end().catch(() => {});
  }
}
