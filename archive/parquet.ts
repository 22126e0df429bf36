import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type Column, type Form, fileColumn, valueSql } from './types.ts';

/** SQL of a string literal; DuckDB's are the standard's. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
export const name = (value: string): string => `"${value.replaceAll('"', '""')}"`;

/** A Parquet file as a table: this file only, whatever pattern its path could be read as, with its own columns only. */
export const parquet = (file: string): string =>
  `read_parquet(${text(path.resolve(file).replaceAll(/[*?[]/g, '[$&]'))}, hive_partitioning = false)`;

/**
 * The Parquet type of a column. Types whose text is the same on both sides keep their type; anything else is kept as
 * Postgres writes it, so that nothing is rounded or reinterpreted. `wide`: numbers as text too, for NaN, which a
 * decimal cannot hold.
 */
export function parquetType(type: string, { wide, form }: { wide: boolean; form: Form }): string {
  if (form === 'escaped') return 'VARCHAR';
  if (['smallint', 'integer', 'bigint'].includes(type)) return 'BIGINT';
  if (type === 'boolean') return 'BOOLEAN';
  const [, precision, scale] = (/^numeric\((\d+),(\d+)\)$/.exec(type) ?? []).map(Number);
  if (wide || precision === undefined || scale === undefined || scale > precision) return 'VARCHAR';
  // A decimal without a digit before the point is written as .5 there, and as 0.5 by Postgres.
  const digits = Math.max(precision, scale + 1);
  return digits <= 38 ? `DECIMAL(${digits},${scale})` : 'VARCHAR';
}

/** Four arguments each, of the 100 that a function takes in Postgres. */
const COLUMNS_AT_ONCE = 24;

function rowHash(values: readonly string[], hash: (values: string) => string): string {
  const parts: string[] = [];
  for (let at = 0; at < values.length; at += COLUMNS_AT_ONCE)
    parts.push(hash(`concat(${values.slice(at, at + COLUMNS_AT_ONCE).join(', ')})`));
  return parts.length === 1 ? (parts[0] as string) : hash(`concat(${parts.join(', ')})`);
}

/**
 * The hash of a row in Postgres, from the same text that COPY writes: that of the types' output functions. A cast to
 * text is another one for some types (character(n) loses its blanks, inet gains a mask). Of each value: is it null, its
 * length in bytes of UTF-8, its text.
 */
export const postgresRowHash = (
  columns: readonly Column[],
  quote: (name: string) => string,
  form: Form = 'plain',
): string =>
  rowHash(
    columns.map((column) => {
      const value = valueSql(column, quote(column.name), form);
      return `num_nulls(${value}), octet_length(convert_to(concat(${value}), 'UTF8')), ':', ${value}`;
    }),
    (values) => `md5(convert_to(${values}, 'UTF8'))`,
  );

/** The same hash in DuckDB. */
export const duckRowHash = (columns: readonly Column[]): string =>
  rowHash(
    columns.map((column) => {
      const value = `${name(fileColumn(column))}::VARCHAR`;
      return `CASE WHEN ${value} IS NULL THEN '10:' ELSE concat('0', strlen(${value}), ':', ${value}) END`;
    }),
    (values) => `md5(${values})`,
  );

const MOST_MEMORY_MB = 512;
/** Of a container's limit; the rest is for Node itself. */
const SHARE_OF_CONTAINER = 0.45;
const container = Math.floor((process.constrainedMemory() * SHARE_OF_CONTAINER) / 1_000_000);
const MEMORY_MB = container > 0 ? Math.min(MOST_MEMORY_MB, container) : MOST_MEMORY_MB;
/** Bytes. DuckDB takes a buffer of 16 times the longest row at once: 128 MiB, or 16 where there is little memory. */
const LONGEST_ROW = (MEMORY_MB < 256 ? 1 : 8) * 1_048_576;
/** Of what does not fit into memory; a query must not fill the disk. */
const MAX_SPILL_GB = 4;

export interface Duck {
  connection: DuckDBConnection;
  /** A directory of its own that only this user can enter; undefined where none could be made. */
  scratch: string | undefined;
  close(): Promise<void>;
}

/** A DuckDB of its own in memory, bounded: it runs beside a shop that has no memory to give. */
export async function openDuck(): Promise<Duck> {
  // Rows that do not fit into memory are written there: not for others to read, nor under a name that they can foresee.
  const scratch = await mkdtemp(path.join(tmpdir(), 'sqltrail-archive-')).catch(() => undefined);
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: `${MEMORY_MB}MB`,
    // Its own default is the working directory, which a container may not write to.
    temp_directory: scratch ? path.join(scratch, 'spill') : '',
    max_temp_directory_size: `${MAX_SPILL_GB}GB`,
    allow_persistent_secrets: 'false',
    allow_community_extensions: 'false',
  });
  const connection = await instance.connect();
  // Nothing is loaded from outside.
  await connection.run(
    'SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; SET preserve_insertion_order = true',
  );
  return {
    connection,
    scratch,
    close: async () => {
      connection.closeSync();
      instance.closeSync();
      if (scratch) await rm(scratch, { recursive: true, force: true });
    },
  };
}

export async function rowsOf<T>(connection: DuckDBConnection, sql: string): Promise<T[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson() as T[];
}

/** A CSV as COPY writes it: NULL is nothing, an empty text is quoted. A row that is longer than {@link LONGEST_ROW} is an error. */
export const csv = (file: string, columns: readonly { name: string; type: string }[]): string =>
  `read_csv(${text(path.resolve(file).replaceAll(/[*?[]/g, '[$&]'))}, header = false, auto_detect = false, hive_partitioning = false, compression = 'none', delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n', max_line_size = ${LONGEST_ROW}, columns = {${columns
    .map(({ name: column, type }) => `${text(column)}: ${text(type)}`)
    .join(', ')}})`;

/**
 * The rows of a SELECT's source as lines of the CSV that COPY reads, chunk by chunk: they reach Postgres without a file
 * in between. Every value is quoted, so that none is taken for the end of the data.
 */
export async function* csvLines(
  connection: DuckDBConnection,
  columns: readonly Column[],
  source: string,
  form: Form,
): AsyncGenerator<Buffer> {
  const values = columns.map((column) => {
    const value = `${name(fileColumn(column))}::VARCHAR`;
    return `CASE WHEN ${value} IS NULL THEN '' ELSE concat('"', replace(${value}, '"', '""'), '"') END`;
  });
  const result = await connection.stream(`SELECT concat_ws(',', ${values.join(', ')}) FROM ${source}`);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) return;
    const lines = `${chunk.getColumnValues(0).join('\n')}\n`;
    yield form === 'escaped' ? unescaped(lines) : Buffer.from(lines);
  }
}

/** Bytes that are no UTF-8 are kept as Postgres's `encode(…, 'escape')` writes them. */
const unescaped = (lines: string): Buffer =>
  Buffer.from(
    lines.replaceAll(/\\(\\|[0-7]{3})/g, (_, what: string) =>
      what === '\\' ? '\\' : String.fromCharCode(Number.parseInt(what, 8)),
    ),
    'latin1',
  );

export const contentOf = (hash: string, rows: string, readable = 'true') =>
  `SELECT count(*)::int AS rows, encode(sha256(convert_to(coalesce(string_agg(h, '' ORDER BY h COLLATE "C"), ''), 'UTF8')), 'hex') AS content, coalesce(bool_and(r), true) AS readable FROM (SELECT ${hash} AS h, ${readable} AS r FROM ${rows}) AS x`;
export const duckContentOf = (columns: readonly Column[], source: string) =>
  `SELECT count(*)::INTEGER AS rows, sha256(coalesce(string_agg(h, '' ORDER BY h), '')) AS content FROM (SELECT ${duckRowHash(columns)} AS h FROM ${source})`;
