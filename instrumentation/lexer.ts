/** What a piece of SQL is to Postgres's own lexer (src/backend/parser/scan.l), as far as masking needs it. */
export type TokenKind =
  | 'space'
  | 'comment'
  /** Any constant between quotes or dollar tags, its prefix included. */
  | 'string'
  | 'number'
  /** Keyword or unquoted identifier. */
  | 'word'
  /** Quoted identifier. */
  | 'quoted'
  /** `$1` */
  | 'parameter'
  | 'symbol';

export interface Token {
  kind: TokenKind;
  text: string;
}

const SPACE = /[ \t\n\r\f\v]+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
const PARAMETER = /\$\d+/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
/** A sign of an exponent becomes a symbol between two numbers: both are masked. */
const NUMBER = /\.?\d[\w.]*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
/** Constants with a prefix: E'…', B'…', X'…', N'…', U&'…', and the identifier U&"…". */
const PREFIXED = /(?:[eEbBxXnN]|[uU]&)'|[uU]&"/y;

const match = (pattern: RegExp, sql: string, at: number) => {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : undefined;
};

/** End of a comment that may hold others, or of the text. */
function endOfComment(sql: string, at: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = at;
  let depth = 0;
  for (let found = edge.exec(sql); found; found = edge.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return sql.length;
}

/**
 * End of a quoted piece whose opening quote is at `at`. A piece that never closes takes the rest of the text. So does
 * a constant that ends elsewhere with `standard_conforming_strings` off than with it on, for what follows it is inside
 * a constant under one of the two: which one the server has cannot be told from the text.
 */
function endOfQuoted(sql: string, at: number, escapes: boolean): number {
  const quote = sql[at] as string;
  for (let i = at + 1; i < sql.length; i += 1) {
    const char = sql[i];
    if (char === '\\' && quote === "'") {
      if (escapes) i += 1;
      else {
        let after = i;
        while (sql[after] === '\\') after += 1;
        if (sql[after] === quote && (after - i) % 2 === 1) return sql.length;
        i = after - 1;
      }
    } else if (char === quote) {
      if (sql[i + 1] !== quote) return i + 1;
      i += 1;
    }
  }
  return sql.length;
}

function endOfDollarQuoted(sql: string, at: number, end: number): number {
  const closing = sql.indexOf(sql.slice(at, end), end);
  return closing === -1 ? sql.length : closing + end - at;
}

function tokenAt(sql: string, at: number): { kind: TokenKind; end: number } {
  const space = match(SPACE, sql, at);
  if (space !== undefined) return { kind: 'space', end: space };
  if (sql.startsWith('--', at)) return { kind: 'comment', end: match(LINE_COMMENT, sql, at) ?? at + 2 };
  if (sql.startsWith('/*', at)) return { kind: 'comment', end: endOfComment(sql, at) };
  const prefixed = match(PREFIXED, sql, at);
  if (prefixed !== undefined) {
    const opening = prefixed - 1;
    return sql[opening] === '"'
      ? { kind: 'quoted', end: endOfQuoted(sql, opening, false) }
      : { kind: 'string', end: endOfQuoted(sql, opening, /e/i.test(sql[at] as string)) };
  }
  if (sql[at] === "'") return { kind: 'string', end: endOfQuoted(sql, at, false) };
  if (sql[at] === '"') return { kind: 'quoted', end: endOfQuoted(sql, at, false) };
  if (sql[at] === '$') {
    const parameter = match(PARAMETER, sql, at);
    if (parameter !== undefined) return { kind: 'parameter', end: parameter };
    const tag = match(DOLLAR_TAG, sql, at);
    if (tag !== undefined) return { kind: 'string', end: endOfDollarQuoted(sql, at, tag) };
  }
  const number = match(NUMBER, sql, at);
  if (number !== undefined) return { kind: 'number', end: number };
  const word = match(WORD, sql, at);
  return word === undefined ? { kind: 'symbol', end: at + 1 } : { kind: 'word', end: word };
}

/** The tokens of a text, SQL or not, in time linear in its length; their texts together are the text. */
export function* tokens(sql: string): Generator<Token> {
  for (let at = 0; at < sql.length; ) {
    const { kind, end } = tokenAt(sql, at);
    yield { kind, text: sql.slice(at, end) };
    at = end;
  }
}

/** A quoted identifier that the text's end, not a quote, closed: it may have been something else. */
const isClosed = (quoted: string) => /^(?:[uU]&)?"(?:[^"]|"")*"$/.test(quoted);

export interface MaskOptions {
  /** What takes the place of the n-th constant (from 0); `?` by default. */
  placeholder?: (n: number) => string;
  /** Whether quoted identifiers stay. In text that no parser has accepted they may be values; `true` by default. */
  keepQuoted?: boolean;
  /** Offsets, in bytes of UTF-8 as the parser counts, at which a word is a value too. */
  alsoAt?: ReadonlySet<number>;
}

/**
 * A text without what could be a value: constants become placeholders, comments a space. Errs on the side of masking
 * too much; what is cut off in the middle is masked to its end.
 */
export function maskLiterals(
  sql: string,
  { placeholder = () => '?', keepQuoted = true, alsoAt }: MaskOptions = {},
): string {
  let masked = '';
  let constants = 0;
  let byte = 0;
  for (const { kind, text } of tokens(sql)) {
    const isConstant =
      kind === 'string' ||
      kind === 'number' ||
      (kind === 'quoted' && !(keepQuoted && isClosed(text))) ||
      alsoAt?.has(byte);
    if (alsoAt?.size) byte += Buffer.byteLength(text);
    if (kind === 'comment') {
      if (!/\s$/.test(masked)) masked += ' ';
    } else if (isConstant) {
      masked += placeholder(constants);
      constants += 1;
    } else masked += text;
  }
  return masked.trim();
}
