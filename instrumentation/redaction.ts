import { maskLiterals } from './statement.ts';

/** A SQLSTATE: five digits or upper-case letters. */
export const isSqlState = (code: unknown): code is string =>
  typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code);

/** Messages of pg and pg-pool that hold no value and are worth more than their type. */
const HARMLESS =
  /^(timeout exceeded when trying to connect|Connection terminated( unexpectedly| due to connection timeout)?|Query read timeout|canceling statement due to (statement timeout|user request|lock timeout)|deadlock detected)$/;

/**
 * An error's text without values. A database's text is replaced by its SQLSTATE, for it repeats keys and rows
 * ("Key (email)=(anna@example.com) already exists"); in any other text quoted strings and numbers are masked.
 */
export function redactMessage(message: string, sqlState: string | undefined): string {
  if (HARMLESS.test(message)) return message;
  if (sqlState) return `SQLSTATE ${sqlState}`;
  return maskLiterals(message.slice(0, 500))
    .replaceAll(/"[^"]*"?/g, '?')
    .replaceAll(/[\w.+-]+@[\w.-]+/g, '?');
}

const EXPRESSION_KEYS = /( Cond|Filter| Key|^Output|^Group Key|^Function Call|^Presorted Key|Qual)$/;

/** A plan of EXPLAIN (FORMAT JSON) with the literals in its expressions replaced by `?`. */
export function redactPlan(plan: unknown, key = ''): unknown {
  if (Array.isArray(plan)) return plan.map((item) => redactPlan(item, key));
  if (plan !== null && typeof plan === 'object')
    return Object.fromEntries(Object.entries(plan).map(([name, value]) => [name, redactPlan(value, name)]));
  if (typeof plan === 'string' && EXPRESSION_KEYS.test(key)) return maskLiterals(plan);
  return plan;
}
