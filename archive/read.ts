import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { OperationError } from '../lib/pg/errors.ts';
import { explained } from './failure.ts';
import { changedFile, sha256Of } from './files.ts';
import {
  contentOf,
  csvLines,
  type Duck,
  duckContentOf,
  name,
  openDuck,
  parquet,
  postgresRowHash,
  rowsOf,
  text,
} from './parquet.ts';
import { type ArchivePlace, inForce, readExcluded, tableOf } from './query.ts';
import { prepareTables } from './restoring.ts';
import { openArchive, readSegments, type Segment, type SegmentFile } from './session.ts';
import { fileColumn, keyType, PINNED, stored } from './types.ts';

export { type ArchivePlace, type QueryResult, queryArchive } from './query.ts';

const id = pg.escapeIdentifier;

export const listArchive = async ({ url }: Pick<ArchivePlace, 'url'>): Promise<Segment[]> => {
  const client = await openArchive(url, 'read');
  try {
    return await readSegments(client);
  } finally {
    await client.end();
  }
};

export interface FileVerdict {
  segment: number;
  unit: string;
  file: string;
  /** Undefined when it is as it was written. */
  problem: string | undefined;
}

/** Compares each file with what was written. Reads the files whole. */
export async function verifyArchive({ url, directory }: ArchivePlace): Promise<FileVerdict[]> {
  const verdicts: FileVerdict[] = [];
  for (const { id: segment, unit, state, files } of await listArchive({ url })) {
    if (state === 'exporting' || state === 'expired') continue;
    for (const { file, sha256 } of files) {
      const found = await sha256Of(path.join(directory, file)).catch(
        (error: NodeJS.ErrnoException) => `it cannot be read (${error.code ?? error.message})`,
      );
      verdicts.push({
        segment,
        unit,
        file,
        problem:
          found === sha256 ? undefined : /^[0-9a-f]{64}$/.test(found) ? 'its content has changed' : found,
      });
    }
  }
  return verdicts;
}

export interface RestoreOptions extends ArchivePlace {
  segment: number;
  /** Keys of units; the whole segment without it. */
  keys?: readonly string[];
  /** They are not archived again for so long, days. */
  holdDays: number;
  reason: string;
  /** Nothing is restored when it is aborted. */
  signal?: AbortSignal;
}

/** The units that are asked for, in a segment whose files are as they were written. */
async function wantedUnits(client: pg.ClientBase, { connection }: Duck, options: RestoreOptions) {
  const { directory, segment: wanted, keys } = options;
  const segments = await readSegments(client);
  const segment = segments.find(({ id: each }) => each === wanted);
  if (!segment)
    throw new OperationError(
      `There is no segment ${wanted}; sqltrail archive list shows all segments${segments.length > 0 ? ` (${segments[0]?.id} to ${segments.at(-1)?.id})` : ''}.`,
    );
  if (segment.state !== 'archived')
    throw new OperationError(`Segment ${wanted} is ${segment.state}; only an archived one can be restored.`);
  const { policy, files } = segment;
  if (keys && !policy.key)
    throw new OperationError(`Rows of ${policy.name} have no key; restore the whole segment.`);
  const changed = await changedFile(directory, files);
  if (changed !== undefined)
    throw new OperationError(
      `${path.join(directory, changed)} is missing, or differs from what was written; nothing was restored. Put back an intact copy (--copy-dir keeps them), then run it again.`,
    );
  const excluded = (await readExcluded(client)).get(wanted) ?? [];
  const parent = files[0] as SegmentFile;
  const keyColumn = parent.columns.find((column) => column.name === policy.key);
  const type = keyType(keyColumn?.type ?? '') ?? 'text';
  if (type === 'bigint' && keys?.some((each) => !/^-?\d+$/.test(each)))
    throw new OperationError('A key is a whole number.');
  const key = keyColumn ? `${name(fileColumn(keyColumn))}::VARCHAR` : 'NULL';
  const units = await rowsOf<{ unit: number; key: string | null }>(
    connection,
    `SELECT sqltrail_unit AS unit, ${key} AS key FROM ${parquet(path.join(directory, parent.file))}
      WHERE ${inForce(segment, excluded)}${keys ? ` AND ${key} IN (${keys.map(text).join(', ')})` : ''} ORDER BY 1`,
  );
  const missing = keys?.filter((each) => !units.some((unit) => unit.key === each)) ?? [];
  if (missing.length > 0)
    throw new OperationError(
      `Not in segment ${wanted}, or already restored: ${missing.join(', ')}. Use sqltrail archive query to find a unit.`,
    );
  if (units.length === 0) throw new OperationError(`Segment ${wanted} has already been restored completely.`);
  return { segment, excluded, units, type };
}

/**
 * Brings units back to their tables, in one transaction, and compares what is there then with the files.
 *
 * @param ready makes a place for them, once it is sure that they can come
 * @returns how many units came back
 * @throws OperationError when a file is not as it was written, a key is not in force there, or a table refuses rows
 */
export async function restoreArchive(
  options: RestoreOptions,
  ready: (client: pg.Client) => Promise<void> = async () => {},
): Promise<number> {
  const { url, directory, segment: wanted, keys, holdDays, reason } = options;
  const client = await openArchive(url, 'change');
  const duck = await openDuck();
  try {
    const { segment, excluded, units, type } = await wantedUnits(client, duck, options);
    await ready(client);
    const { policy, files } = segment;
    const chosen = keys
      ? `sqltrail_unit IN (${units.map(({ unit }) => unit).join(', ')})`
      : inForce(segment, excluded);
    await client.query(`BEGIN; ${PINNED}; SET LOCAL lock_timeout = 5000; SET LOCAL row_security = off`);
    const tables = await prepareTables(client, files.map(tableOf));
    for (const at of tables.order) {
      const file = files[at] as SegmentFile;
      const { schema, table: relation } = tableOf(file);
      const { table, form = 'plain' } = file;
      const columns = stored(file.columns);
      const source = `${parquet(path.join(directory, file.file))} WHERE ${chosen}`;
      const list = columns.map((column) => id(column.name)).join(', ');
      // What is compared is what arrived, whatever defaults or triggers did to it.
      const target = `${id(schema)}.${id(relation)}`;
      // For triggers that keep aggregates of the table and that are not ours to disable: the rows are in these since they left.
      await client.query("SELECT set_config('sqltrail.restoring', $1, true)", [table]);
      const stream = client.query(
        copyFrom(
          `COPY ${target} (${list}) FROM STDIN (FORMAT csv${form === 'escaped' ? ", ENCODING 'SQL_ASCII'" : ''})`,
        ),
      );
      await pipeline(
        Readable.from(csvLines(duck.connection, columns, source, form)),
        stream,
        options.signal ? { signal: options.signal } : {},
      );
      const [said] = await rowsOf<{ rows: number; content: string }>(
        duck.connection,
        duckContentOf(columns, source),
      );
      const column = at === 0 ? policy.key : policy.children[at - 1]?.column;
      // What came just now; a child that was written meanwhile, or stayed when its parent left, is none of it.
      const where = `t.xmin = pg_current_xact_id()::xid AND ${policy.key ? `t.${id(column as string)} = ANY ($1::${type}[])` : '$1::text[] IS NOT NULL'}`;
      const { rows } = await client.query(
        contentOf(
          postgresRowHash(columns, (each) => `t.${id(each)}`, form),
          `${tables.from[at]} AS t WHERE ${where}`,
        ),
        [units.map((unit) => unit.key)],
      );
      if (rows[0].rows !== said?.rows || rows[0].content !== said?.content)
        throw new OperationError(
          `${table} does not accept the rows unchanged (${rows[0].rows} of ${said?.rows} there); nothing was restored. Look for rows with the same keys${tables.firing.length > 0 ? `, and for triggers that only the owner of their table can disable: ${tables.firing.join(', ')}` : ''}.`,
        );
    }
    await tables.asBefore();
    if (keys)
      await client.query(
        "INSERT INTO sqltrail.archive_excluded (segment, unit, reason) SELECT $1, u, 'restored' FROM unnest($2::int[]) AS u",
        [wanted, units.map(({ unit }) => unit)],
      );
    else await client.query("UPDATE sqltrail.archive_segment SET state = 'restored' WHERE id = $1", [wanted]);
    if (policy.key && holdDays > 0)
      await client.query(
        `INSERT INTO sqltrail.archive_hold (unit, key, until, reason) SELECT $1, k, now() + make_interval(days => $3), $4 FROM unnest($2::text[]) AS k
         ON CONFLICT (unit, key) DO UPDATE SET until = EXCLUDED.until, reason = EXCLUDED.reason`,
        [policy.name, units.map((unit) => unit.key), holdDays, reason],
      );
    await client.query('COMMIT');
    return units.length;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw explained(error, { url, directory, nothing: 'Nothing was restored' });
  } finally {
    await duck.close();
    await client.end().catch(() => {});
  }
}
