import { fingerprintSync, loadModule, normalizeSync, parseSync } from 'libpg-query';
import { LRUCache } from 'lru-cache';

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
}

/** A longer text is not parsed: it is generated, and its parse would hold up the event loop. */
const LONGEST_PARSED = 32_768;
const LONGEST_TEXT = 8_192;
/** The conventions' bound on a summary. */
const LONGEST_SUMMARY = 255;

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

const firstWord = (sql: string) =>
  /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()*([a-z]+)/i.exec(sql)?.[1]?.toUpperCase() ?? 'OTHER';

/**
 * Replaces what could be a value in a text that the parser does not take: quoted strings, dollar quotes, numbers,
 * comments. Errs on the side of replacing too much; an unclosed quote takes the rest of the text.
 */
export function maskLiterals(sql: string): string {
  return sql.replace(
    /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|(?:\b[eEbBxXnN]|\b[uU]&)?'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|(\$[A-Za-z_]*\$)[\s\S]*?(?:\1|$)|("(?:[^"]|"")*"|\$\d+|[A-Za-z_][\w$]*)|\d[\w.]*/g,
    (match, _dollar, keep?: string) => keep ?? (match.startsWith('--') || match.startsWith('/*') ? '' : '?'),
  );
}

type Node = { [key: string]: unknown };

/** Tables in the order of the text, without names of common table expressions. */
function tablesOf(root: unknown): string[] {
  const found: { name: string; at: number }[] = [];
  const common = new Set<string>();
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (value === null || typeof value !== 'object') return;
    for (const [key, child] of Object.entries(value as Node)) {
      const node = child as Node;
      if (key === 'CommonTableExpr' && typeof node?.['ctename'] === 'string') common.add(node['ctename']);
      if ((key === 'RangeVar' || key === 'relation') && typeof node?.['relname'] === 'string')
        found.push({ name: node['relname'], at: Number(node['location'] ?? 0) });
      walk(child);
    }
  };
  walk(root);
  return found
    .filter(({ name }) => !common.has(name))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
}

function describeUnparsed(sql: string): Statement {
  const operation = firstWord(sql);
  const text = maskLiterals(sql.slice(0, LONGEST_TEXT)).trim();
  return {
    text: sql.length > LONGEST_TEXT ? `${text} …` : text,
    summary: operation,
    operation,
    collection: undefined,
    fingerprint: undefined,
    explainable: false,
  };
}

function describeParsed(sql: string): Statement {
  const tree = parseSync(sql) as { stmts?: { stmt?: Node }[] };
  const statements = tree.stmts ?? [];
  if (statements.length === 0) return describeUnparsed(sql);
  const parts = statements.map(({ stmt = {} }) => {
    const [type = ''] = Object.keys(stmt);
    const kind = String((stmt[type] as Node | undefined)?.['kind'] ?? '');
    const operation =
      type === 'TransactionStmt'
        ? kind.replace('TRANS_STMT_', '').replace('START', 'BEGIN')
        : (operations[type] ?? firstWord(sql));
    return { operation, tables: [...new Set(tablesOf(stmt))] };
  });
  const [first] = parts as [(typeof parts)[number]];
  const tables = new Set(parts.flatMap((part) => part.tables));
  const normal = normalizeSync(sql).trim();
  return {
    text: normal.length > LONGEST_TEXT ? `${normal.slice(0, LONGEST_TEXT)} …` : normal,
    summary: parts
      .map(({ operation, tables: names }) => [operation, ...names].join(' '))
      .join('; ')
      .slice(0, LONGEST_SUMMARY),
    operation: first.operation,
    collection: tables.size === 1 ? [...tables][0] : undefined,
    fingerprint: fingerprintSync(sql),
    explainable: parts.length === 1 && explainable.has(first.operation),
  };
}

const cache = new LRUCache<string, Statement>({
  maxSize: 8_000_000,
  sizeCalculation: (statement, sql) => sql.length + statement.text.length + 200,
});

/** Must have resolved before {@link describeStatement} parses; until then statements are masked, not parsed. */
export async function loadParser(): Promise<void> {
  await loadModule();
}

/** Describes a statement with Postgres's own parser, from a cache where the text was seen. Never throws. */
export function describeStatement(sql: string): Statement {
  const known = cache.get(sql);
  if (known) return known;
  let statement: Statement;
  try {
    statement = sql.length > LONGEST_PARSED ? describeUnparsed(sql) : describeParsed(sql);
  } catch {
    statement = describeUnparsed(sql);
  }
  cache.set(sql, statement);
  return statement;
}
