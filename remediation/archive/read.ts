import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { RemediationError } from '../errors.ts';
import { sha256Of } from './archive.ts';
import { duckRowHash, name, openDuck, postgresRowHash, rowsOf, text } from './parquet.ts';
import { prepareTables } from './restoring.ts';
import { openArchive, readSegments, type Segment, type SegmentFile } from './session.ts';

const id = pg.escapeIdentifier;

export interface ArchivePlace {
  /** URL of the database that the rows came from; its journal tells which files count. */
  url: string;
  directory: string;
}

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

/** Units of a segment that its files speak for, as SQL on sqltrail_unit. */
const inForce = (segment: Segment, excluded: readonly number[]): string =>
  `sqltrail_unit < ${segment.removed}${excluded.length > 0 ? ` AND sqltrail_unit NOT IN (${excluded.join(', ')})` : ''}`;

async function readExcluded(client: pg.ClientBase): Promise<Map<number, number[]>> {
  const { rows } = await client.query<{ segment: number; units: number[] }>(
    'SELECT segment::int, array_agg(unit ORDER BY unit) AS units FROM sqltrail.archive_excluded GROUP BY segment',
  );
  return new Map(rows.map(({ segment, units }) => [segment, units]));
}

export interface QueryResult {
  columns: string[];
  /** Values as JSON has them; wide integers and decimals as text. */
  rows: Record<string, unknown>[];
}

/**
 * Answers SQL (DuckDB's) over what is archived: a view for each table, by its name without the schema. It sees each
 * row that is in force in the archive exactly once, and can neither write nor read anything else.
 *
 * @throws RemediationError when nothing is archived, a file is missing, or the SQL is wrong
 */
export async function queryArchive({
  url,
  directory,
  sql,
}: ArchivePlace & { sql: string }): Promise<QueryResult> {
  const client = await openArchive(url, 'read');
  const duck = await openDuck();
  try {
    const segments = (await readSegments(client)).filter(
      ({ state }) => state === 'archived' || state === 'exported',
    );
    if (segments.length === 0) throw new RemediationError('Nothing is archived from this database.');
    const excluded = await readExcluded(client);
    const tables = new Map<string, { segment: Segment; file: SegmentFile }[]>();
    for (const segment of segments)
      for (const file of segment.files)
        tables.set(file.table, [...(tables.get(file.table) ?? []), { segment, file }]);
    for (const [table, parts] of tables) {
      const wanted = [...new Set(parts.flatMap(({ file }) => file.columns.map((column) => column.name)))];
      const selects = parts.map(({ segment, file }) => {
        const has = new Set(file.columns.map((column) => column.name));
        return `SELECT ${wanted.map((column) => (has.has(column) ? name(column) : `NULL AS ${name(column)}`)).join(', ')} FROM read_parquet(${text(path.resolve(directory, file.file))}) WHERE ${inForce(segment, excluded.get(segment.id) ?? [])}`;
      });
      await duck.connection.run(
        `CREATE VIEW ${name(table.slice(table.indexOf('.') + 1))} AS ${selects.join(' UNION ALL ')}`,
      );
    }
    await duck.connection.run(
      `SET allowed_directories = [${text(path.resolve(directory))}]; SET enable_external_access = false; SET lock_configuration = true`,
    );
    const prepared = await duck.connection.extractStatements(sql);
    if (prepared.count !== 1) throw new RemediationError('Give one statement.');
    const reader = await duck.connection.runAndReadAll(sql);
    return { columns: reader.columnNames(), rows: reader.getRowObjectsJson() as Record<string, unknown>[] };
  } catch (error) {
    if (error instanceof RemediationError) throw error;
    throw new RemediationError(`The archive could not answer: ${(error as Error).message}`, { cause: error });
  } finally {
    duck.close();
    await client.end();
  }
}

export interface RestoreOptions extends ArchivePlace {
  segment: number;
  /** Keys of units; the whole segment without it. */
  keys?: readonly string[];
  /** They are not archived again for so long, days. */
  holdDays: number;
  reason: string;
}

/**
 * Brings units back to their tables, in one transaction, and compares what is there then with the files.
 *
 * @returns how many units came back
 * @throws RemediationError when a file is not as it was written, a key is not in force there, or a table refuses rows
 */
export async function restoreArchive(options: RestoreOptions): Promise<number> {
  const { url, directory, segment: wanted, keys, holdDays, reason } = options;
  const client = await openArchive(url, 'change');
  const duck = await openDuck();
  const temporary: string[] = [];
  try {
    const segments = await readSegments(client);
    const segment = segments.find(({ id: each }) => each === wanted);
    if (!segment)
      throw new RemediationError(
        `There is no segment ${wanted}; sqltrail archive list shows them${segments.length > 0 ? ` (${segments[0]?.id} to ${segments.at(-1)?.id})` : ''}.`,
      );
    if (segment.state !== 'archived')
      throw new RemediationError(
        `Segment ${wanted} is ${segment.state}; only an archived one can be restored.`,
      );
    const { policy, files } = segment;
    if (keys && !policy.key)
      throw new RemediationError(`Rows of ${policy.name} have no key; restore the whole segment.`);
    if (keys?.some((key) => !/^-?\d+$/.test(key))) throw new RemediationError('A key is a whole number.');
    for (const { file, sha256 } of files)
      if ((await sha256Of(path.join(directory, file)).catch(() => '')) !== sha256)
        throw new RemediationError(
          `${path.join(directory, file)} is missing or not what was written; nothing was restored. Put back an intact copy (--copy-dir keeps them), then run it again.`,
        );
    const excluded = (await readExcluded(client)).get(wanted) ?? [];
    const parent = files[0] as SegmentFile;
    const key = policy.key ? `${name(policy.key)}::VARCHAR` : 'NULL';
    const units = await rowsOf<{ unit: number; key: string | null }>(
      duck.connection,
      `SELECT sqltrail_unit AS unit, ${key} AS key FROM read_parquet(${text(path.join(directory, parent.file))})
        WHERE ${inForce(segment, excluded)}${keys ? ` AND ${key} IN (${keys.map(text).join(', ')})` : ''} ORDER BY 1`,
    );
    const missing = keys?.filter((each) => !units.some((unit) => unit.key === each)) ?? [];
    if (missing.length > 0)
      throw new RemediationError(
        `Not in segment ${wanted}, or restored already: ${missing.join(', ')}. sqltrail archive query finds where a unit is.`,
      );
    if (units.length === 0)
      throw new RemediationError(`Segment ${wanted} holds nothing that is not restored yet.`);
    const chosen = keys
      ? `sqltrail_unit IN (${units.map(({ unit }) => unit).join(', ')})`
      : inForce(segment, excluded);
    await client.query('BEGIN; SET LOCAL lock_timeout = 5000; SET LOCAL row_security = off');
    const tables = await prepareTables(client, files);
    for (const at of tables.order) {
      const { file, columns, table } = files[at] as SegmentFile;
      const [schema, relation] = table.split('.') as [string, string];
      const raw = path.join(tmpdir(), `sqltrail-restore-${process.pid}-${wanted}-${at}.csv`);
      temporary.push(raw);
      const source = `read_parquet(${text(path.join(directory, file))}) WHERE ${chosen}`;
      await duck.connection.run(
        `COPY (SELECT ${columns.map((column) => name(column.name)).join(', ')} FROM ${source}) TO ${text(raw)} (FORMAT csv, HEADER false, NULLSTR '')`,
      );
      const list = columns.map((column) => id(column.name)).join(', ');
      // What is compared is what arrived, whatever defaults or triggers did to it.
      const target = `${id(schema)}.${id(relation)}`;
      // For triggers that keep aggregates of the table and that are not ours to disable: the rows are in these since they left.
      await client.query("SELECT set_config('sqltrail.restoring', $1, true)", [table]);
      const stream = client.query(copyFrom(`COPY ${target} (${list}) FROM STDIN (FORMAT csv)`));
      await pipeline(createReadStream(raw), stream);
      const [said] = await rowsOf<{ rows: number; content: string }>(
        duck.connection,
        `SELECT count(*)::INTEGER AS rows, sha256(coalesce(string_agg(h, '' ORDER BY h), '')) AS content FROM (SELECT ${duckRowHash(columns)} AS h FROM ${source})`,
      );
      const column = at === 0 ? policy.key : policy.children[at - 1]?.column;
      // What came just now; a child that was written meanwhile, or stayed when its parent left, is none of it.
      const where = `t.xmin = pg_current_xact_id()::xid AND ${policy.key ? `t.${id(column as string)} = ANY ($1::bigint[])` : '$1::text[] IS NOT NULL'}`;
      const { rows } = await client.query(
        `SELECT count(*)::int AS rows, encode(sha256(convert_to(coalesce(string_agg(h, '' ORDER BY h COLLATE "C"), ''), 'UTF8')), 'hex') AS content
           FROM (SELECT ${postgresRowHash(columns, (each) => `t.${id(each)}`)} AS h FROM ${tables.from[at]} AS t WHERE ${where}) AS x`,
        [units.map((unit) => unit.key)],
      );
      if (rows[0].rows !== said?.rows || rows[0].content !== said?.content)
        throw new RemediationError(
          `${table} does not take the rows as they were (${rows[0].rows} of ${said?.rows} there); nothing was restored. Look for rows of the same keys${tables.firing.length > 0 ? `, and for triggers that only the owner of their table can disable: ${tables.firing.join(', ')}` : ''}.`,
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
    if (error instanceof RemediationError || !(error as { code?: string }).code) throw error;
    throw new RemediationError(
      `Nothing was restored: ${(error as Error).message}${(error as { code?: string }).code === '23503' ? '. If what they refer to is archived too, restore that first: it is in a later segment' : ''}`,
      { cause: error },
    );
  } finally {
    for (const file of temporary) await rm(file, { force: true });
    duck.close();
    await client.end().catch(() => {});
  }
}
