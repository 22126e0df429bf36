import { loadModule, parseSync, scanSync } from 'libpg-query';

await loadModule();

/** A relation as a statement names it; without a schema it is looked for along the search path. */
export interface Named {
  schema: string | undefined;
  name: string;
}

/** What a statement changes of the catalogue; what pg_dump does not show of a database is not part of it. */
export type Effect =
  | { on: 'options'; relation: Named; names: string[] }
  | { on: 'column'; relation: Named; column: string; recurses: boolean }
  | { on: 'setting'; database: string | null; role: string | null; name: string }
  | { on: 'system'; name: string }
  | { on: 'extension'; name: string }
  | { on: 'new-index' }
  | { on: 'attached-index' }
  | { on: 'dropped-index'; index: Named }
  /** VACUUM, ANALYZE, REINDEX: nothing is to be undone. */
  | { on: 'nothing' }
  /** Known to nobody but its author, whose undo it needs. */
  | { on: 'other' };

type Node = Record<string, unknown>;
const at = (node: unknown, ...path: (string | number)[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Node | undefined)?.[key], node);

const named = (relation: unknown): Named => ({
  schema: at(relation, 'schemaname') as string | undefined,
  name: String(at(relation, 'relname')),
});

/** Names of storage options, those of TOAST too. */
const optionNames = (items: unknown): string[] =>
  ((items as unknown[] | undefined) ?? []).map((item) => String(at(item, 'DefElem', 'defname')));

function ofAlterTable(statement: unknown): Effect[] {
  const relation = named(at(statement, 'relation'));
  const recurses = at(statement, 'relation', 'inh') === true;
  return (at(statement, 'cmds') as unknown[]).map((each): Effect => {
    const command = at(each, 'AlterTableCmd');
    const column = at(command, 'name') as string;
    switch (at(command, 'subtype')) {
      case 'AT_SetRelOptions':
      case 'AT_ResetRelOptions':
        return { on: 'options', relation, names: optionNames(at(command, 'def', 'List', 'items')) };
      case 'AT_SetOptions':
      case 'AT_ResetOptions':
        return { on: 'column', relation, column, recurses: false };
      case 'AT_SetStatistics':
        return column ? { on: 'column', relation, column, recurses } : { on: 'other' };
      case 'AT_AttachPartition':
        return at(statement, 'objtype') === 'OBJECT_INDEX' ? { on: 'attached-index' } : { on: 'other' };
      default:
        return { on: 'other' };
    }
  });
}

function ofNode(kind: string, statement: unknown): Effect[] {
  switch (kind) {
    case 'IndexStmt':
      return [{ on: 'new-index' }];
    case 'AlterTableStmt':
      return ofAlterTable(statement);
    case 'AlterDatabaseSetStmt':
    case 'AlterRoleSetStmt': {
      const name = at(statement, 'setstmt', 'name') as string | undefined;
      const database = (at(statement, kind === 'AlterRoleSetStmt' ? 'database' : 'dbname') ?? null) as
        | string
        | null;
      const role = (at(statement, 'role', 'rolename') ?? null) as string | null;
      return name && (database !== null || role !== null)
        ? [{ on: 'setting', database, role, name }]
        : [{ on: 'other' }];
    }
    case 'AlterSystemStmt': {
      const name = at(statement, 'setstmt', 'name') as string | undefined;
      return [name ? { on: 'system', name } : { on: 'other' }];
    }
    case 'CreateExtensionStmt':
      return [{ on: 'extension', name: String(at(statement, 'extname')) }];
    case 'DropStmt': {
      if (at(statement, 'removeType') !== 'OBJECT_INDEX') return [{ on: 'other' }];
      return (at(statement, 'objects') as unknown[]).map((object): Effect => {
        const names = (at(object, 'List', 'items') as unknown[]).map((item) =>
          String(at(item, 'String', 'sval')),
        );
        return { on: 'dropped-index', index: { schema: names.at(-2), name: names.at(-1) ?? '' } };
      });
    }
    case 'VacuumStmt':
    case 'ReindexStmt':
      return [{ on: 'nothing' }];
    default:
      return [{ on: 'other' }];
  }
}

/** Whether it builds, drops or rebuilds an index beside what others do (CONCURRENTLY), by Postgres's own parser. */
export function isConcurrent(sql: string): boolean {
  let statement: unknown;
  try {
    statement = at(parseSync(sql), 'stmts', 0, 'stmt');
  } catch {
    return false;
  }
  const options = (at(statement, 'ReindexStmt', 'params') as unknown[] | undefined) ?? [];
  return (
    at(statement, 'IndexStmt', 'concurrent') === true ||
    at(statement, 'DropStmt', 'concurrent') === true ||
    options.some((option) => at(option, 'DefElem', 'defname') === 'concurrently')
  );
}

/** What a statement changes, by Postgres's own parser. */
export function effectsOf(sql: string): Effect[] {
  let statements: unknown[];
  try {
    statements = (parseSync(sql) as unknown as { stmts?: unknown[] }).stmts ?? [];
  } catch {
    // The server says what is wrong with it.
    return [{ on: 'other' }];
  }
  return statements.flatMap((each) =>
    Object.entries((at(each, 'stmt') ?? {}) as Node).flatMap(([kind, statement]) => ofNode(kind, statement)),
  );
}

export interface IndexStatement {
  name: string | undefined;
  unique: boolean;
  only: boolean;
  table: Named;
  /** All that follows the table's name: method, keys, storage, predicate. */
  rest: string;
}

/** A CREATE INDEX in its parts, so that the same index can be made on another table; undefined for anything else. */
export function indexStatement(sql: string): IndexStatement | undefined {
  let statement: unknown;
  try {
    statement = at(parseSync(sql), 'stmts', 0, 'stmt', 'IndexStmt');
  } catch {
    return undefined;
  }
  if (!statement) return undefined;
  const table = named(at(statement, 'relation'));
  const bytes = Buffer.from(sql);
  const tokens = scanSync(sql).tokens;
  const first = tokens.findIndex(
    ({ start }) => start === (at(statement, 'relation', 'location') as number | undefined),
  );
  // schema.table is three tokens.
  const last = tokens[first + (table.schema === undefined ? 0 : 2)];
  if (first < 0 || !last) return undefined;
  return {
    name: at(statement, 'idxname') as string | undefined,
    unique: at(statement, 'unique') === true,
    only: at(statement, 'relation', 'inh') !== true,
    table,
    rest: bytes
      .subarray(last.end)
      .toString()
      .replace(/^\s*\*/, '')
      .replace(/;?\s*$/, ''),
  };
}
