import { type DuckDBConnection, type DuckDBPreparedStatement, StatementType } from '@duckdb/node-api';
import { OperationError } from '../lib/pg/errors.ts';
import { rowsOf, text } from './parquet.ts';

/** What a FROM may call. DuckDB has others that read files, and some that write them (enable_logging). */
const TABLE_FUNCTIONS = new Set(['range', 'generate_series', 'unnest', 'json_each', 'json_tree']);
/** Functions that write or tell about the machine. */
const REFUSED_FUNCTIONS = new Set(['write_log', 'getenv', 'current_setting']);
/** Of the forms of SHOW: SHOW TABLES and SHOW ALL TABLES. */
const SHOWN = new Set(['"tables"', '__show_tables_expanded']);
/** What a FROM consists of; another kind that DuckDB gets is refused until somebody has looked at it. */
const SOURCES = new Set([
  'BASE_TABLE',
  'SUBQUERY',
  'JOIN',
  'TABLE_FUNCTION',
  'EXPRESSION_LIST',
  'EMPTY',
  'PIVOT',
  'SHOW_REF',
]);
const QUERIES = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'RECURSIVE_CTE_NODE', 'CTE_NODE']);
/** A name that DuckDB could take for that of a file. */
const LIKE_A_FILE = /[./\\:*?[\]]/;

type Node = Record<string, unknown>;

function nodesOf(tree: unknown): Node[] {
  const nodes: Node[] = [];
  for (const left: unknown[] = [tree]; left.length > 0; ) {
    const next = left.pop();
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) nodes.push(next as Node);
    left.push(...Object.values(next));
  }
  return nodes;
}

const refuse = (why: string) =>
  new OperationError(
    `${why} archive query runs one SELECT over the archived tables, and changes nothing. SHOW TABLES lists them.`,
  );

/**
 * Prepares a statement, if it is one SELECT that reads nothing but the given tables and what it computes itself. It is
 * DuckDB that parses it, so nothing is another statement than it seems.
 *
 * @param tables names in lower case, with and without their schema
 * @throws OperationError saying what of it is refused
 */
export async function prepareSelect(
  connection: DuckDBConnection,
  sql: string,
  tables: ReadonlySet<string>,
): Promise<DuckDBPreparedStatement> {
  if (sql.includes('\0')) throw refuse('The SQL holds a NUL character.');
  const [row] = await rowsOf<{ tree: string }>(connection, `SELECT json_serialize_sql(${text(sql)}) AS tree`);
  const parsed = JSON.parse(row?.tree ?? '{"error":true}') as {
    error: boolean;
    error_type?: string;
    error_message?: string;
    statements?: { node: Node; named_param_map: unknown[] }[];
  };
  if (parsed.error && parsed.error_type !== 'not implemented')
    throw new OperationError(`The SQL is wrong: ${parsed.error_message}`);
  if (parsed.error || !parsed.statements) throw refuse('This is not a SELECT.');
  const [statement, ...more] = parsed.statements;
  if (!statement || more.length > 0) throw refuse('Give one statement.');
  if (statement.named_param_map.length > 0)
    throw refuse('The SQL has placeholders; write the values into it.');
  const nodes = nodesOf(statement.node);
  const common = new Set(
    nodes.flatMap(({ cte_map: map }) =>
      ((map as { map?: { key: string }[] } | undefined)?.map ?? []).map(({ key }) => key.toLowerCase()),
    ),
  );
  for (const key of common)
    if (LIKE_A_FILE.test(key)) throw refuse(`${key} cannot be the name of a WITH query here.`);
  for (const node of nodes) checkNode(node, tables, common);
  const extracted = await connection.extractStatements(sql);
  if (extracted.count !== 1) throw refuse('Give one statement.');
  const prepared = await extracted.prepare(0);
  if (prepared.statementType !== StatementType.SELECT) throw refuse('This is not a SELECT.');
  return prepared;
}

function checkNode(node: Node, tables: ReadonlySet<string>, common: ReadonlySet<string>): void {
  for (const key of ['from_table', 'source', 'left', 'right'] as const) {
    const child = node[key] as Node | undefined | null;
    if (!child || typeof child !== 'object' || 'class' in child) continue;
    const { type } = child;
    if (!SOURCES.has(String(type)) && !QUERIES.has(String(type)))
      throw refuse(`${String(type)} cannot be in a FROM here.`);
  }
  if ('cte_map' in node && !QUERIES.has(String(node['type'])))
    throw refuse(`${String(node['type'])} is no SELECT.`);
  switch (node['type']) {
    case 'BASE_TABLE': {
      const [catalog, schema, table] = ['catalog_name', 'schema_name', 'table_name'].map((key) =>
        String(node[key] ?? ''),
      ) as [string, string, string];
      const known = schema
        ? tables.has(JSON.stringify([schema.toLowerCase(), table.toLowerCase()]))
        : tables.has(table.toLowerCase()) || common.has(table.toLowerCase());
      if (!known || (catalog && catalog !== 'memory'))
        throw refuse(`${[catalog, schema, table].filter(Boolean).join('.')} is no archived table.`);
      return;
    }
    case 'TABLE_FUNCTION': {
      const called = node['function'] as Node;
      const name = String(called['function_name'] ?? '').toLowerCase();
      if (!TABLE_FUNCTIONS.has(name)) throw refuse(`${name}() cannot be called in a FROM here.`);
      return;
    }
    case 'SHOW_REF':
      if (!node['query'] && !SHOWN.has(String(node['table_name'])))
        throw refuse(`SHOW ${String(node['table_name'])} is not answered here.`);
      return;
    case 'FUNCTION':
      if (REFUSED_FUNCTIONS.has(String(node['function_name']).toLowerCase()))
        throw refuse(`${String(node['function_name'])}() cannot be called here.`);
  }
}
