import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OperationError } from '../lib/pg/errors.ts';
import { type Duck, openDuck } from './parquet.ts';
import { prepareSelect } from './selectOnly.ts';

let duck: Duck;
const tables = new Set(['lone', JSON.stringify(['public', 'lone'])]);
beforeAll(async () => {
  duck = await openDuck();
  await duck.connection.run("CREATE TABLE lone AS SELECT 'x' AS day, 1 AS year");
});
afterAll(() => duck.close());

const prepare = (sql: string) => prepareSelect(duck.connection, sql, tables);
const home = '/archive';
const first = '/archive/rows-000001.public.rows.parquet';

describe('a statement is refused before DuckDB binds it', () => {
  // All that DuckDB takes and that is not a SELECT over the tables.
  const file = () => `'${first}'`;
  const plain = () => `'${home}/written'`;
  it.each<[string, () => string]>([
    ['COPY over a file', () => `COPY (SELECT 1 AS a) TO ${file()} (FORMAT parquet)`],
    [
      'COPY over a file at once',
      () => `COPY (SELECT 1 AS a) TO ${file()} (FORMAT parquet, USE_TMP_FILE false)`,
    ],
    ['COPY to a new one', () => `COPY lone TO ${plain()}`],
    ['COPY of the database', () => 'COPY FROM DATABASE memory TO memory'],
    ['EXPLAIN ANALYZE of a COPY', () => `EXPLAIN ANALYZE COPY lone TO ${plain()}`],
    ['EXPLAIN', () => 'EXPLAIN SELECT * FROM lone'],
    ['EXPORT', () => `EXPORT DATABASE ${plain()}`],
    ['IMPORT', () => `IMPORT DATABASE ${plain()}`],
    ['ATTACH', () => `ATTACH ${plain()} AS x`],
    ['DETACH', () => 'DETACH memory'],
    ['USE', () => 'USE memory.public'],
    ['CREATE TABLE', () => 'CREATE TABLE x AS SELECT 1'],
    ['CREATE MACRO', () => `CREATE MACRO m() AS TABLE SELECT * FROM read_text(${file()})`],
    ['CREATE SECRET', () => "CREATE SECRET (TYPE s3, KEY_ID 'x')"],
    ['DROP', () => 'DROP VIEW lone'],
    ['INSERT', () => 'INSERT INTO lone VALUES (NULL, 1)'],
    ['INSERT in a WITH', () => 'WITH x AS (INSERT INTO lone VALUES (NULL, 1) RETURNING *) SELECT * FROM x'],
    ['INSTALL', () => 'INSTALL httpfs'],
    ['LOAD', () => "LOAD '/tmp/x.duckdb_extension'"],
    ['SET', () => 'SET enable_external_access = true'],
    ['RESET', () => 'RESET allowed_paths'],
    ['PRAGMA', () => 'PRAGMA version'],
    ['PRAGMA that sets', () => `PRAGMA profiling_output = ${plain()}`],
    ['CALL', () => `CALL enable_logging('QueryLog', storage = 'file', storage_path = ${plain()})`],
    [
      'the same in a SELECT',
      () => `SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = ${plain()})`,
    ],
    ['profiling', () => 'SELECT * FROM enable_profiling()'],
    ['PREPARE', () => `PREPARE x AS COPY lone TO ${plain()}`],
    ['EXECUTE', () => 'EXECUTE x'],
    ['BEGIN', () => 'BEGIN'],
    ['CHECKPOINT', () => 'CHECKPOINT'],
    ['checkpoint()', () => 'SELECT * FROM checkpoint()'],
    ['two statements', () => `SELECT 1; COPY lone TO ${plain()}`],
    ['two SELECTs', () => 'SELECT 1; SELECT 2'],
    ['a comment between', () => `SELECT 1 /* ; */ ; -- x\nCOPY lone TO ${plain()}`],
    ['nothing', () => ''],
    ['a comment', () => '-- nothing'],
    ['a semicolon', () => ';'],
    ['PIVOT, which makes a type', () => 'PIVOT lone ON year'],
    ['a placeholder', () => 'SELECT $1'],
    ['a NUL', () => 'SELECT 1\0'],
    ['a file in force', () => `SELECT * FROM ${file()}`],
    ['the same, as a name', () => `SELECT * FROM "${first}"`],
    [
      'the same under the name of a WITH',
      () => `SELECT * FROM (WITH "${first}" AS (SELECT 1) SELECT 1), "${first}"`,
    ],
    ['read_parquet', () => `SELECT * FROM read_parquet(${file()})`],
    ['parquet_scan', () => `SELECT * FROM parquet_scan([${file()}])`],
    ['parquet_metadata', () => `SELECT * FROM parquet_metadata(${file()})`],
    ['read_text', () => `SELECT * FROM read_text(${file()})`],
    ['read_blob', () => `SELECT * FROM read_blob(${file()})`],
    ['read_csv', () => "SELECT * FROM read_csv('/etc/passwd')"],
    ['read_json', () => "SELECT * FROM read_json('/etc/passwd')"],
    ['sniff_csv', () => "SELECT * FROM sniff_csv('/etc/passwd')"],
    ['a file of the system', () => "SELECT * FROM '/etc/passwd'"],
    ['in a subquery', () => `SELECT (SELECT content FROM read_text(${file()}))`],
    ['in an EXISTS', () => `SELECT 1 WHERE EXISTS (SELECT * FROM read_text(${file()}))`],
    ['in a LATERAL', () => `SELECT * FROM lone AS a, LATERAL (SELECT * FROM read_text(${file()}))`],
    ['in a DESCRIBE', () => `DESCRIBE SELECT * FROM ${file()}`],
    ['in a SUMMARIZE', () => `SUMMARIZE ${file()}`],
    [
      'in a recursive WITH',
      () => `WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT 2 FROM read_text(${file()})) FROM x`,
    ],
    ['in a PIVOT', () => `FROM (PIVOT read_text(${file()}) ON size IN (1))`],
    ['in a HAVING', () => `SELECT 1 FROM lone HAVING count(*) > (SELECT count(*) FROM read_text(${file()}))`],
    ['in an ORDER BY', () => `SELECT 1 FROM lone ORDER BY (SELECT size FROM read_text(${file()}))`],
    ['in a window', () => `SELECT sum(1) OVER (ORDER BY (SELECT size FROM read_text(${file()}))) FROM lone`],
    ['in a lambda', () => `SELECT list_transform([1], lambda x: (SELECT size FROM read_text(${file()})))`],
    ['in a LIMIT', () => `SELECT 1 LIMIT (SELECT size FROM read_text(${file()}))`],
    ['query()', () => `SELECT * FROM query('SELECT * FROM read_text(${file().replaceAll("'", "''")})')`],
    ['query_table()', () => `SELECT * FROM query_table(${file()})`],
    ['json_execute_serialized_sql', () => "SELECT * FROM json_execute_serialized_sql('{}')"],
    ['glob', () => `SELECT * FROM glob('${home}/*')`],
    ['secrets', () => 'SELECT * FROM duckdb_secrets()'],
    ['settings', () => 'SELECT * FROM duckdb_settings()'],
    ['the definition of a view', () => 'SELECT sql FROM duckdb_views()'],
    ['a view of the system', () => 'SELECT * FROM information_schema.tables'],
    ['SHOW DATABASES', () => 'SHOW DATABASES'],
    ['getenv', () => "SELECT getenv('HOME')"],
    ['a setting', () => "SELECT current_setting('allowed_paths')"],
    ['a log', () => "SELECT write_log('x')"],
  ])('%s', async (_, sql) => {
    const said = await prepare(sql()).catch((error: Error) => error);
    expect(said).toBeInstanceOf(OperationError);
    expect((said as Error).message).toMatch(/runs one SELECT|The SQL is wrong/);
  });

  it('whatever case and quotes its names are written in', async () => {
    for (const sql of [
      'SELECT * FROM READ_TEXT($$/x$$)',
      'FROM "Read_Text"(\'/x\')',
      "FROM main.read_text('/x')",
    ])
      await expect(prepare(sql)).rejects.toThrow(/read_text\(\) cannot be called/);
    expect((await prepare('FROM PUBLIC."LONE"').catch((error: Error) => error.message)) as string).toMatch(
      /public.*does not exist/i,
    );
    await expect(prepare('FROM private.lone')).rejects.toThrow(/private\.lone is no archived table/);
    await expect(prepare('FROM other.main.lone')).rejects.toThrow(/is no archived table/);
  });
});
