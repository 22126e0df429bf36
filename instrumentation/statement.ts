import { LRUCache } from 'lru-cache';
import { maskLiterals, tokens } from './lexer.ts';
import { loadedParser } from './parser.ts';
import { effectsOf, effectsOfUnparsed, type SessionEffect } from './sessionEffects.ts';

export { loadParser } from './parser.ts';

type Parser = NonNullable<ReturnType<typeof loadedParser>>;

/** What is told about a statement; none of it holds a value. */
export interface Statement {
  /** `db.query.text`: literals replaced by placeholders. */
  text: string;
  /** `db.query.summary`: operation and tables in the order of the text, for example `SELECT orders order_items`. */
  summary: string;
  /** `db.operation.name`, upper case. */
  operation: string;
  /** `db.collection.name`: only where the statement has exactly one table, as the conventions say. */
  collection: string | undefined;
  /** libpg_query's fingerprint: equal for statements that differ only in values. Undefined when it cannot be parsed. */
  fingerprint: string | undefined;
  /** One SELECT, INSERT, UPDATE, DELETE or MERGE, which EXPLAIN takes. */
  explainable: boolean;
  /** What it does to its session, for the plans of later statements. */
  effects: readonly SessionEffect[];
}

/** A longer text is not parsed: it is generated, and its parse would hold up the event loop. */
const MAX_PARSED = 32_768;
/**
 * The parser recurses on operators, set operations, joins and parentheses, and its WebAssembly stack ends at some
 * 1,800 of them, which costs memory that is never given back (bench/parserMemory.ts). Statements of people have tens.
 */
const MAX_NESTING = 1_000;
const MAX_TEXT = 8_192;
/** The conventions' bound on a summary. */
const MAX_SUMMARY = 255;

const operations: Record<string, string> = {
  SelectStmt: 'SELECT',
  InsertStmt: 'INSERT',
  UpdateStmt: 'UPDATE',
  DeleteStmt: 'DELETE',
  MergeStmt: 'MERGE',
  VariableSetStmt: 'SET',
  VariableShowStmt: 'SHOW',
  ExplainStmt: 'EXPLAIN',
  CopyStmt: 'COPY',
  LockStmt: 'LOCK',
};
const explainable = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE']);

/**
 * First words of SQL commands (the reference's chapter "SQL Commands"). Only these become an operation: the first word
 * of a text that is no SQL may be anything, and an operation is the label of a metric.
 */
const COMMANDS = new Set(
  (
    'ABORT ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DELETE ' +
    'DISCARD DO DROP END EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE ' +
    'REASSIGN REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SELECT SET SHOW START TABLE TRUNCATE ' +
    'UNLISTEN UPDATE VACUUM VALUES WITH'
  ).split(' '),
);

function firstWord(sql: string): string {
  for (const { kind, text } of tokens(sql)) {
    if (kind === 'space' || kind === 'comment' || text === '(') continue;
    const word = kind === 'word' ? text.toUpperCase() : '';
    return COMMANDS.has(word) ? word : 'OTHER';
  }
  return 'OTHER';
}

const RECURSION = /^(?:UNION|INTERSECT|EXCEPT|JOIN|NOT|CASE|IS|IN|LIKE|ILIKE|BETWEEN|COLLATE|OPERATOR)$/i;

/** Whether the parser takes it without harm: neither too long nor too deeply nested. */
function isParsable(sql: string): boolean {
  if (sql.length > MAX_PARSED) return false;
  let nesting = 0;
  for (const { kind, text } of tokens(sql)) {
    if (kind === 'symbol' ? !',;.)'.includes(text) : kind === 'word' && RECURSION.test(text)) nesting += 1;
    if (nesting > MAX_NESTING) return false;
  }
  return true;
}

type Node = { [key: string]: unknown };
const isNode = (value: unknown): value is Node => value !== null && typeof value === 'object';

/**
 * Tables in the order of the text. A name is that of a common table expression, and no table, only where it is in
 * scope: in the statement that defines it, and in those of its siblings that come later (or all of them, if recursive).
 */
function tablesOf(root: unknown): string[] {
  const found: { name: string; at: number }[] = [];
  const walk = (value: unknown, scope: ReadonlySet<string>): void => {
    if (Array.isArray(value)) {
      for (const item of value) walk(item, scope);
      return;
    }
    if (!isNode(value)) return;
    let inner = scope;
    const clause = value['withClause'] as { ctes?: unknown[]; recursive?: boolean } | undefined;
    if (clause?.ctes) {
      const name = (cte: unknown) =>
        String(((cte as Node)['CommonTableExpr'] as Node | undefined)?.['ctename']);
      const seen = new Set(scope);
      if (clause.recursive) for (const cte of clause.ctes) seen.add(name(cte));
      for (const cte of clause.ctes) {
        walk(cte, new Set(seen));
        seen.add(name(cte));
      }
      inner = seen;
    }
    for (const [key, child] of Object.entries(value)) {
      if (key === 'withClause') continue;
      if ((key === 'RangeVar' || key === 'relation') && isNode(child) && typeof child['relname'] === 'string')
        if (child['schemaname'] !== undefined || !inner.has(child['relname']))
          found.push({ name: child['relname'], at: Number(child['location'] ?? 0) });
      walk(child, inner);
    }
  };
  walk(root, new Set());
  return found.sort((a, b) => a.at - b.at).map(({ name }) => name);
}

const cut = (text: string) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} …` : text);

function describeUnparsed(sql: string): Statement {
  const start = sql.slice(0, MAX_TEXT);
  const operation = firstWord(start);
  const text = maskLiterals(start, { keepQuoted: false });
  return {
    text: sql.length > MAX_TEXT ? `${text} …` : text,
    summary: operation,
    operation,
    collection: undefined,
    fingerprint: undefined,
    explainable: false,
    effects: effectsOfUnparsed(sql),
  };
}

/** Byte offsets of what SET assigns: there an unquoted word is a value, as in `SET app.tenant TO anna`. */
function assignedAt(root: unknown): Set<number> {
  const found = new Set<number>();
  const walk = (value: unknown, assigned: boolean): void => {
    if (Array.isArray(value)) for (const item of value) walk(item, assigned);
    if (!isNode(value)) return;
    const constant = value['A_Const'];
    if (assigned && isNode(constant)) found.add(Number(constant['location'] ?? 0));
    for (const [key, child] of Object.entries(value))
      walk(child, assigned || key === 'VariableSetStmt' || key === 'setstmt');
  };
  walk(root, false);
  return found;
}

/**
 * The statement's text without values. For what pg_stat_statements normalises, Postgres's own normalisation comes
 * first, so that `$1` is the same constant in both; it leaves comments, and of utility statements nearly everything.
 */
function maskedText(parser: Parser, sql: string, tree: unknown, normalised: boolean): string {
  const text = normalised ? parser.normalizeSync(sql) : sql;
  const used = [...text.matchAll(/\$(\d{1,5})(?!\d)/g)].reduce((max, [, n]) => Math.max(max, Number(n)), 0);
  const assigned = normalised ? new Set<number>() : assignedAt(tree);
  return maskLiterals(text, { placeholder: (n) => `$${used + n + 1}`, alsoAt: assigned });
}

function describeParsed(parser: Parser, sql: string): Statement {
  const tree = parser.parseSync(sql) as {
    stmts?: { stmt?: Node; stmt_location?: number; stmt_len?: number }[];
  };
  const statements = tree.stmts ?? [];
  if (statements.length === 0) return describeUnparsed(sql);
  // The parser counts bytes.
  const bytes = statements.length > 1 ? Buffer.from(sql) : undefined;
  const parts = statements.map(({ stmt = {}, stmt_location: from = 0, stmt_len: length }) => {
    const [type = ''] = Object.keys(stmt);
    const kind = String((stmt[type] as Node | undefined)?.['kind'] ?? '');
    const operation =
      type === 'TransactionStmt'
        ? kind.replace('TRANS_STMT_', '').replace('START', 'BEGIN')
        : (operations[type] ??
          firstWord(bytes ? bytes.subarray(from, length ? from + length : undefined).toString() : sql));
    return { operation, tables: [...new Set(tablesOf(stmt))] };
  });
  const [first] = parts as [(typeof parts)[number]];
  const tables = new Set(parts.flatMap((part) => part.tables));
  return {
    text: cut(
      maskedText(
        parser,
        sql,
        tree,
        parts.every(({ operation }) => explainable.has(operation)),
      ),
    ),
    summary: parts
      .map(({ operation, tables: names }) => [operation, ...names].join(' '))
      .join('; ')
      .slice(0, MAX_SUMMARY),
    operation: first.operation,
    collection: tables.size === 1 ? [...tables][0] : undefined,
    fingerprint: parser.fingerprintSync(sql),
    explainable: parts.length === 1 && explainable.has(first.operation),
    effects: effectsOf(
      statements.map(({ stmt }) => stmt),
      sql,
    ),
  };
}

const cache = new LRUCache<string, Statement>({
  maxSize: 8_000_000,
  sizeCalculation: (statement, sql) => sql.length + statement.text.length + 200,
});

/** Describes a statement with Postgres's own parser, from a cache where the text was seen. Never throws. */
export function describeStatement(sql: string): Statement {
  const known = cache.get(sql);
  if (known) return known;
  const parser = loadedParser();
  let statement: Statement;
  try {
    statement = parser && isParsable(sql) ? describeParsed(parser, sql) : describeUnparsed(sql);
  } catch {
    statement = describeUnparsed(sql);
  }
  // What was only masked because the parser is not there yet is parsed the next time.
  if (parser) cache.set(sql, statement);
  return statement;
}
