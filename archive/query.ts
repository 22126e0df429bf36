import { lstat, mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import type { DuckDBPreparedStatement } from '@duckdb/node-api';
import type pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { displayName, distinctNames, type TableName } from './names.ts';
import { type Duck, name, openDuck, parquet, text } from './parquet.ts';
import { prepareSelect } from './selectOnly.ts';
import { openArchive, readSegments, type Segment, type SegmentFile } from './session.ts';
import { fileColumn } from './types.ts';

export interface ArchivePlace {
  /** URL of the database that the rows came from; its journal tells which files count. */
  url: string;
  directory: string;
}

export interface QueryResult {
  columns: string[];
  /** Values as JSON has them; wide integers and decimals as text. */
  rows: Record<string, unknown>[];
  /** There are more rows, which were not read. */
  truncated: boolean;
}

export interface QueryOptions extends ArchivePlace {
  sql: string;
  /** So many rows are read at most; all without it. */
  maxRows?: number;
  /** The query is ended after so many seconds; never without it. */
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

/** Bytes of an answer, as JSON; more would take the memory of whoever asks. */
const MAX_ANSWER_BYTES = 256 * 1_048_576;
/** DuckDB has these for itself, as a catalog or as a schema. */
const TAKEN_SCHEMAS = ['main', 'memory', 'temp', 'system', 'pg_catalog', 'information_schema'];

/** Units of a segment that its files speak for, as SQL on sqltrail_unit. */
export const inForce = (segment: Segment, excluded: readonly number[]): string =>
  `sqltrail_unit < ${segment.removed}${excluded.length > 0 ? ` AND sqltrail_unit NOT IN (${excluded.join(', ')})` : ''}`;

export async function readExcluded(client: pg.ClientBase): Promise<Map<number, number[]>> {
  const { rows } = await client.query<{ segment: number; units: number[] }>(
    'SELECT segment::int, array_agg(unit ORDER BY unit) AS units FROM sqltrail.archive_excluded GROUP BY segment',
  );
  return new Map(rows.map(({ segment, units }) => [segment, units]));
}

/** The table that a file is of. Files of before have its name alone, in which there was no dot. */
export function tableOf({ name: table, table: shown }: SegmentFile): TableName {
  const dot = shown.indexOf('.');
  return table ?? { schema: shown.slice(0, dot), table: shown.slice(dot + 1) };
}

interface Part {
  segment: Segment;
  file: SegmentFile;
}

function partsByTable(segments: readonly Segment[]): { table: TableName; parts: Part[] }[] {
  const tables = new Map<string, { table: TableName; parts: Part[] }>();
  for (const segment of segments)
    for (const file of segment.files) {
      const table = tableOf(file);
      const key = JSON.stringify([table.schema, table.table]);
      const { parts } = tables.get(key) ?? { parts: [] };
      tables.set(key, { table, parts: [...parts, { segment, file }] });
    }
  return [...tables.values()];
}

/** The columns of all files, whatever the table had when they were written. */
function viewSql(
  parts: readonly Part[],
  excluded: ReadonlyMap<number, number[]>,
  links: ReadonlyMap<string, string>,
) {
  const wanted = [...new Set(parts.flatMap(({ file }) => file.columns.map((column) => column.name)))];
  const shown = distinctNames(wanted);
  return parts
    .map(({ segment, file }) => {
      const has = new Map(file.columns.map((column) => [column.name, fileColumn(column)]));
      const columns = wanted.map((column, i) => {
        const own = has.get(column);
        return `${own === undefined ? 'NULL' : name(own)} AS ${name(shown[i] as string)}`;
      });
      return `SELECT ${columns.join(', ')} FROM ${parquet(links.get(file.file) as string)} WHERE ${inForce(segment, excluded.get(segment.id) ?? [])}`;
    })
    .join(' UNION ALL ');
}

/** Links to the files that are in force, under names without a meaning, in a directory that only this user enters. */
async function linkFiles(
  duck: Duck,
  directory: string,
  segments: readonly Segment[],
): Promise<Map<string, string>> {
  if (!duck.scratch)
    throw new OperationError(
      'A query needs a temporary directory, which could not be created. Set TMPDIR to a writable directory.',
    );
  const place = path.join(duck.scratch, 'files');
  await mkdir(place, { mode: 0o700 });
  const links = new Map<string, string>();
  for (const { file, bytes } of segments.flatMap(({ files }) => files)) {
    const at = path.resolve(directory, file);
    const found = await lstat(at).catch((error: NodeJS.ErrnoException) => error);
    const problem =
      found instanceof Error
        ? found.code === 'ENOENT'
          ? 'is missing'
          : `cannot be read (${found.code})`
        : !found.isFile()
          ? 'is no file'
          : found.size !== bytes
            ? 'is not what was written'
            : undefined;
    if (problem)
      throw new OperationError(
        `${at} ${problem}, so the archive cannot answer. Put back an intact copy (--copy-dir keeps them) or give the right directory with --dir; sqltrail archive verify reads all files.`,
      );
    const link = path.join(place, `${links.size}.parquet`);
    await symlink(at, link);
    links.set(file, link);
  }
  return links;
}

/** Makes a view for each table in its schema and, where no other has its name, without it. */
async function makeViews(
  duck: Duck,
  segments: readonly Segment[],
  excluded: ReadonlyMap<number, number[]>,
  links: ReadonlyMap<string, string>,
): Promise<{ names: Set<string>; listed: string[] }> {
  const tables = partsByTable(segments);
  const schemas = [...new Set(tables.map(({ table }) => table.schema))];
  const schemaNames = new Map(
    distinctNames(schemas, TAKEN_SCHEMAS).map((as, i) => [schemas[i] as string, as]),
  );
  const names = new Set<string>();
  const listed: string[] = [];
  for (const as of schemaNames.values()) await duck.connection.run(`CREATE SCHEMA ${name(as)}`);
  for (const [schema, as] of schemaNames) {
    const own = tables.filter(({ table }) => table.schema === schema);
    const viewNames = distinctNames(own.map(({ table }) => table.table));
    for (const [i, { table, parts }] of own.entries()) {
      const view = viewNames[i] as string;
      await duck.connection.run(
        `CREATE VIEW ${name(as)}.${name(view)} AS ${viewSql(parts, excluded, links)}`,
      );
      names.add(JSON.stringify([as.toLowerCase(), view.toLowerCase()]));
      const alike = tables.filter((other) => other.table.table.toLowerCase() === table.table.toLowerCase());
      const alone = alike.every((other) => other.table.schema === schema) && !names.has(view.toLowerCase());
      if (alone) {
        await duck.connection.run(
          `CREATE VIEW main.${name(view)} AS SELECT * FROM ${name(as)}.${name(view)}`,
        );
        names.add(view.toLowerCase());
      }
      listed.push(displayName({ schema: as, table: view }));
    }
  }
  return { names, listed };
}

async function read(prepared: DuckDBPreparedStatement, maxRows: number): Promise<QueryResult> {
  const result = await prepared.stream();
  const columns = result.deduplicatedColumnNames();
  const rows: QueryResult['rows'] = [];
  let bytes = 0;
  for await (const chunk of result.yieldRowsJson())
    for (const row of chunk) {
      if (rows.length === maxRows || bytes > MAX_ANSWER_BYTES) return { columns, rows, truncated: true };
      bytes += JSON.stringify(row).length;
      rows.push(Object.fromEntries(columns.map((column, i) => [column, row[i]])));
    }
  return { columns, rows, truncated: false };
}

/**
 * Answers one SELECT (in DuckDB's SQL) over what is archived: a view for each table, by its name with the schema, or
 * without it where no other has that name. It sees each row that is in force in the archive exactly once; it can
 * neither write nor read anything else: the statement is looked through before it is run, and DuckDB may open the files
 * in force alone.
 *
 * @throws OperationError when nothing is archived, a file is missing, or the SQL is wrong or more than one SELECT
 */
export async function queryArchive(options: QueryOptions): Promise<QueryResult> {
  const { url, directory, sql, maxRows = Number.POSITIVE_INFINITY, timeoutSeconds, signal } = options;
  const client = await openArchive(url, 'read');
  const duck = await openDuck();
  let listed: string[] = [];
  let links = new Map<string, string>();
  let late = false;
  const started = performance.now();
  // Again and again: what comes between two statements of DuckDB interrupts none.
  const watch = setInterval(() => {
    late ||= timeoutSeconds !== undefined && performance.now() - started > timeoutSeconds * 1000;
    if (late || signal?.aborted) duck.connection.interrupt();
  }, 100);
  try {
    const segments = (await readSegments(client)).filter(
      ({ state, removed }) => state === 'archived' || (state === 'exported' && removed > 0),
    );
    if (segments.length === 0) throw new OperationError('Nothing is archived from this database.');
    links = await linkFiles(duck, directory, segments);
    const views = await makeViews(duck, segments, await readExcluded(client), links);
    listed = views.listed;
    await duck.connection.run(
      `SET allowed_paths = [${[...links.values()].map(text).join(', ')}]; SET enable_external_access = false; SET lock_configuration = true`,
    );
    signal?.throwIfAborted();
    const prepared = await prepareSelect(duck.connection, sql, views.names);
    return await read(prepared, maxRows);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof OperationError) throw error;
    if (late)
      throw new OperationError(
        `The query did not finish within ${timeoutSeconds} s and was cancelled. Narrow it, or allow more time with --timeout.`,
        { cause: error },
      );
    let { message } = error as Error;
    for (const [file, link] of links) message = message.replaceAll(link, () => path.resolve(directory, file));
    throw new OperationError(
      `The archive could not answer: ${message}${/does not exist/.test(message) && listed.length > 0 ? `\nIt has: ${listed.join(', ')}` : ''}`,
      { cause: error },
    );
  } finally {
    clearInterval(watch);
    await duck.close();
    await client.end().catch(() => {});
  }
}
