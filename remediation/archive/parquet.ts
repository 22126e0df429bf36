import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** A column in Postgres's terms; `type` as format_type() tells it. */
export interface Column {
  name: string;
  type: string;
}

/** SQL of a string literal; DuckDB's are the standard's. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
export const name = (value: string): string => `"${value.replaceAll('"', '""')}"`;

/**
 * The Parquet type of a column. Types whose text is the same on both sides keep their type; anything else is kept as
 * Postgres writes it, so that nothing is rounded or reinterpreted.
 */
export function parquetType(type: string): string {
  if (['smallint', 'integer', 'bigint'].includes(type)) return 'BIGINT';
  if (type === 'boolean') return 'BOOLEAN';
  const numeric = /^numeric\((\d+),(\d+)\)$/.exec(type);
  if (numeric && Number(numeric[1]) <= 38 && Number(numeric[2]) <= Number(numeric[1]))
    return `DECIMAL(${numeric[1]},${numeric[2]})`;
  return 'VARCHAR';
}

/** One hash of a row, the same expression in Postgres and in DuckDB. `length` is the engine's length in bytes. */
const rowHash = (columns: readonly string[], length: string, cast: (column: string) => string) =>
  `md5(concat(${columns
    .map((column) => `coalesce(concat(${length}(${cast(column)}), ':', ${cast(column)}), '-')`)
    .join(', ')}))`;

/** The hash of a row in Postgres; 100 arguments are the most a function takes there, hence the nested parts. */
export const postgresRowHash = (columns: readonly Column[], quote: (name: string) => string): string => {
  const parts: string[] = [];
  for (let at = 0; at < columns.length; at += 40)
    parts.push(
      rowHash(
        columns.slice(at, at + 40).map((column) => quote(column.name)),
        'octet_length',
        (column) => `${column}::text`,
      ),
    );
  return parts.length === 1 ? (parts[0] as string) : `md5(concat(${parts.join(', ')}))`;
};

export const duckRowHash = (columns: readonly Column[]): string => {
  const parts: string[] = [];
  for (let at = 0; at < columns.length; at += 40)
    parts.push(
      rowHash(
        columns.slice(at, at + 40).map((column) => name(column.name)),
        'strlen',
        (column) => `${column}::VARCHAR`,
      ),
    );
  return parts.length === 1 ? (parts[0] as string) : `md5(concat(${parts.join(', ')}))`;
};

const MOST_MEMORY_MB = 512;
/** Of a container's limit; the rest is for Node itself. */
const SHARE_OF_CONTAINER = 0.45;
const container = Math.floor((process.constrainedMemory() * SHARE_OF_CONTAINER) / 1_000_000);
const MEMORY_MB = container > 0 ? Math.min(MOST_MEMORY_MB, container) : MOST_MEMORY_MB;
/** Bytes. DuckDB takes a buffer of 16 times the longest row at once: 128 MiB, or 16 where there is little memory. */
const LONGEST_ROW = (MEMORY_MB < 256 ? 1 : 8) * 1_048_576;

/** A DuckDB of its own in memory, bounded: it runs beside a shop that has no memory to give. */
export async function openDuck(): Promise<{ connection: DuckDBConnection; close: () => void }> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: `${MEMORY_MB}MB`,
    // Its own default is the working directory, which a container may not write to.
    temp_directory: path.join(tmpdir(), `sqltrail-duckdb-${process.pid}`),
  });
  const connection = await instance.connect();
  // Nothing is loaded from outside.
  await connection.run(
    'SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; SET preserve_insertion_order = true',
  );
  return {
    connection,
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

export async function rowsOf<T>(connection: DuckDBConnection, sql: string): Promise<T[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson() as T[];
}

/** A CSV as COPY writes it: NULL is nothing, an empty text is quoted. A row that is longer than {@link LONGEST_ROW} is an error. */
export const csv = (file: string, columns: readonly { name: string; type: string }[]): string =>
  `read_csv(${text(file)}, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n', max_line_size = ${LONGEST_ROW}, columns = {${columns
    .map(({ name: column, type }) => `${text(column)}: ${text(type)}`)
    .join(', ')}})`;
