import { constants } from 'node:os';
import type { Attributes } from '@opentelemetry/api';
import { maskLiterals } from './lexer.ts';
import { describeStatement } from './statement.ts';

/**
 * A SQLSTATE: five digits or upper-case letters, those of an application's own (`USING ERRCODE = 'SHOPX'`) included.
 * Codes of the operating system that look the same (EPIPE) are none.
 */
export const isSqlState = (code: unknown): code is string =>
  typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !(code in constants.errno);

/** Messages of pg, pg-pool and Postgres that hold no value and say more than their type. */
const HARMLESS =
  /^(timeout exceeded when trying to connect|Connection terminated( unexpectedly| due to connection timeout)?|Query read timeout|Client was closed and is not queryable|Client has encountered a connection error and is not queryable|Cannot use a pool after calling end on the pool|canceling statement due to (statement timeout|user request|lock timeout)|deadlock detected|could not serialize access due to (concurrent update|concurrent delete|read\/write dependencies among transactions)|terminating connection due to (administrator command|idle-in-transaction timeout|idle-session timeout)|remaining connection slots are reserved for .{1,60}|sorry, too many clients already|socket hang up)$/;

/** A system call that failed, without the address or path that follows: `connect ECONNREFUSED`. */
const SYSTEM_CALL = /^(?:[a-z]{2,12} )?(E[A-Z0-9_]{2,15})\b/;

/** Codes of failed look-ups of names, which the operating system does not number. */
const LOOKUPS = new Set(['ENOTFOUND', 'EAI_AGAIN']);

/** The system call and its code at the start of a message; undefined where there is none. */
export function systemCallOf(message: string): string | undefined {
  const [call, code = ''] = SYSTEM_CALL.exec(message) ?? [];
  return call && (code in constants.errno || LOOKUPS.has(code)) ? call : undefined;
}

/** A message is exported whole only when it is known; any other may hold a value. */
export function redactMessage(message: string, sqlState: string | undefined): string {
  if (HARMLESS.test(message)) return message;
  if (sqlState) return `SQLSTATE ${sqlState}`;
  return systemCallOf(message) ?? '?';
}

/** Frames of a stack trace; what comes before the first repeats the message. */
export const framesOf = (stack: string) =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');

/** Names in a plan: of relations, indexes, functions, and words of EXPLAIN itself. Every other text is masked. */
const PLAN_NAMES = new Set([
  'Node Type',
  'Parent Relationship',
  'Subplan Name',
  'CTE Name',
  'Tuplestore Name',
  'Relation Name',
  'Schema',
  'Alias',
  'Function Name',
  'Table Function Name',
  'Index Name',
  'Trigger Name',
  'Constraint Name',
  'Relation',
  'Join Type',
  'Strategy',
  'Partial Mode',
  'Command',
  'Operation',
  'Scan Direction',
  'Sort Method',
  'Sort Methods Used',
  'Sort Space Type',
  'Cache Mode',
  'Storage',
  'Conflict Resolution',
  'Conflict Arbiter Indexes',
  'Custom Plan Provider',
  'Sampling Method',
]);

/** Planner settings hold numbers, units and words of their own, but for names of schemas. */
const isPlainSetting = (name: string, value: unknown) =>
  name !== 'search_path' && typeof value === 'string' && /^[\w.-]{1,32}$/.test(value);

/** A plan of EXPLAIN (FORMAT JSON) without values: what is neither a number nor a known name is masked. */
export function redactPlan(plan: unknown, key = ''): unknown {
  if (Array.isArray(plan)) return plan.map((item) => redactPlan(item, key));
  if (plan !== null && typeof plan === 'object')
    return Object.fromEntries(
      Object.entries(plan).map(([name, value]) => [
        name,
        key === 'Settings' ? (isPlainSetting(name, value) ? value : '?') : redactPlan(value, name),
      ]),
    );
  return typeof plan === 'string' && !PLAN_NAMES.has(key) ? maskLiterals(plan) : plan;
}

/** A parameter's name as programs write them; another may be a value (`?anna@example.com`). */
const PARAMETER_NAME = /^[A-Za-z_][\w.[\]-]{0,63}$/;

/** The names of a query string's parameters; one without `=` is a value. */
export function redactQuery(query: string): string {
  return query
    .replace(/^\?/, '')
    .slice(0, 2_048)
    .split('&')
    .map((part) => {
      const [name = ''] = part.split('=', 1);
      return part.includes('=') && PARAMETER_NAME.test(name) ? `${name}=?` : '?';
    })
    .join('&');
}

/** Scheme and host of an address: its path and query may name a customer, its user part is a password. */
export function redactUrl(url: string): string {
  if (!URL.canParse(url)) return '?';
  const { protocol, host, pathname, search, hash } = new URL(url);
  return `${protocol}//${host}/${pathname === '/' && !search && !hash ? '' : '?'}`;
}

/** Statements, of the conventions of now and of before 1.25. */
const STATEMENTS = ['db.query.text', 'db.statement'];
const URLS = ['url.full', 'http.url', 'http.referer'];
const PATHS = ['url.path', 'http.target'];
/** Values by their nature: parameters, customers' addresses, what a browser sends. */
const DROPPED =
  /^(db\.postgresql\.values|db\.query\.parameter\..*|db\.operation\.parameter\..*|db\.user|client\.(address|port|socket\.address)|network\.peer\.(address|port)|net\.(peer|sock\.peer)\.(ip|addr|address)|http\.client_ip|enduser\..*|user\..*|http\.(request|response)\.(header|body)\..*|url\.fragment|user_agent\.original|http\.user_agent)$/;

/**
 * Takes what could be a value out of a span's attributes, in place, whoever made the span.
 *
 * @param described whether this process has described the span's statement already
 */
export function redactAttributes(attributes: Attributes, described: boolean): void {
  for (const name of Object.keys(attributes)) if (DROPPED.test(name)) delete attributes[name];
  for (const name of STATEMENTS) {
    const sql = attributes[name];
    if (typeof sql !== 'string' || (described && name === 'db.query.text')) continue;
    const { text, summary, operation, collection, fingerprint } = describeStatement(sql);
    attributes[name] = text;
    attributes['db.query.summary'] = summary;
    attributes['db.operation.name'] = operation;
    if (collection) attributes['db.collection.name'] = collection;
    if (fingerprint) attributes['sqltrail.query.fingerprint'] = fingerprint;
  }
  for (const name of URLS) {
    const url = attributes[name];
    if (typeof url === 'string') attributes[name] = redactUrl(url);
  }
  for (const name of PATHS)
    if (attributes[name] !== undefined) attributes[name] = attributes['http.route'] ?? '/?';
  const query = attributes['url.query'];
  if (typeof query === 'string') attributes['url.query'] = redactQuery(query);
}
