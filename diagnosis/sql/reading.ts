import { type ScanToken, scanSync } from 'libpg-query';

/** Keywords that only a locking clause holds after its FOR. */
const LOCKING = new Set(['UPDATE', 'NO', 'KEY', 'SHARE']);
const WAITING = new Set(['NOWAIT', 'SKIP', 'LOCKED']);

/** Upper case; undefined for what is no keyword, such as a quoted name. */
const keyword = (token: ScanToken | undefined) =>
  token && token.keywordKind > 0 ? token.text.toUpperCase() : undefined;

/** Without FOR UPDATE and the like, which need the right to change, wherever they stand. */
function withoutLocks(tokens: readonly ScanToken[]): ScanToken[] {
  const kept: ScanToken[] = [];
  for (let at = 0; at < tokens.length; ) {
    if (keyword(tokens[at]) !== 'FOR' || !LOCKING.has(keyword(tokens[at + 1]) ?? '')) {
      kept.push(...tokens.slice(at, at + 1));
      at += 1;
      continue;
    }
    at += 2;
    while (LOCKING.has(keyword(tokens[at]) ?? '')) at += 1;
    if (keyword(tokens[at]) === 'OF') {
      at += 2;
      while ([',', '.'].includes(tokens[at]?.text ?? '')) at += 2;
    }
    while (WAITING.has(keyword(tokens[at]) ?? '')) at += 1;
  }
  return kept;
}

/**
 * The SELECT that finds the rows which a statement changes or locks: the same tables, joins and conditions, so the
 * same scans, but for the right to read alone. What subqueries of SET read is not in it. Parameters are numbered anew.
 * The parser is loaded first.
 *
 * @returns undefined for what reads nothing (INSERT … VALUES), for MERGE, and for what is no change
 */
export function readingOf(sql: string): string | undefined {
  const all = scanSync(sql).tokens.filter(({ tokenName }) => !tokenName.endsWith('COMMENT'));
  const tokens = withoutLocks(all);
  let depth = 0;
  /** Keywords outside of parentheses. */
  const outer = tokens.map((token) => {
    if (token.text === ')') depth -= 1;
    const found = depth === 0 ? keyword(token) : undefined;
    if (token.text === '(') depth += 1;
    return found;
  });
  const find = (words: readonly string[], from: number): number => {
    const at = outer.findIndex((word, place) => place >= from && word !== undefined && words.includes(word));
    return at < 0 ? tokens.length : at;
  };
  const verb = find(['SELECT', 'VALUES', 'INSERT', 'UPDATE', 'DELETE', 'MERGE'], 0);
  let end = find(['RETURNING'], verb);
  const part = (from: number, to: number) => tokens.slice(from, to);
  // Common table expressions stay in front.
  const reading: (ScanToken | string)[] = part(0, verb);
  if (outer[verb] === 'SELECT' && tokens.length < all.length) reading.push(...part(verb, tokens.length));
  else if (outer[verb] === 'INSERT') {
    const query = find(['SELECT', 'WITH', 'VALUES'], verb);
    if (query === tokens.length || outer[query] === 'VALUES') return undefined;
    for (let at = find(['ON'], query); at < end; at = find(['ON'], at + 1))
      if (outer[at + 1] === 'CONFLICT') end = at;
    reading.push(...part(query, end));
  } else if (outer[verb] === 'UPDATE' || outer[verb] === 'DELETE') {
    const where = Math.min(end, find(['WHERE'], verb));
    const set = outer[verb] === 'UPDATE' ? find(['SET'], verb) : verb;
    let others = find([outer[verb] === 'UPDATE' ? 'FROM' : 'USING'], set);
    // `SET changed = a IS DISTINCT FROM b` begins no list of tables.
    while (outer[others - 1] === 'DISTINCT') others = find(['FROM'], others + 1);
    others = Math.min(others, where);
    const target = outer[verb] === 'UPDATE' ? part(verb + 1, set) : part(verb + 2, others);
    const joined = part(others + 1, where);
    reading.push(
      'SELECT FROM',
      ...target,
      ...(joined.length > 0 ? [',', ...joined] : []),
      ...part(where, end),
    );
  } else return undefined;
  const numbers: string[] = [];
  const written = (token: ScanToken | string) => {
    if (typeof token === 'string') return token;
    if (token.tokenName !== 'PARAM') return token.text;
    if (!numbers.includes(token.text)) numbers.push(token.text);
    return `$${numbers.indexOf(token.text) + 1}`;
  };
  return reading.map(written).join(' ');
}
