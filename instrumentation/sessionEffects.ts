/** What a statement does to the session that runs it, as far as the plans of later statements depend on it. */
export type SessionEffect =
  /** SET of one setting to constants; said again in another session, it has the same effect. */
  | { kind: 'set'; name: string; local: boolean }
  /** RESET of one setting. */
  | { kind: 'reset'; name: string }
  /** RESET ALL. */
  | { kind: 'resetAll' }
  /** DISCARD ALL: the session is as it was when it was opened. */
  | { kind: 'discard' }
  | { kind: 'begin' }
  | { kind: 'commit' }
  | { kind: 'rollback' }
  /** ROLLBACK TO SAVEPOINT. */
  | { kind: 'rollbackTo' }
  /** Something that cannot be repeated elsewhere: a temporary table, `set_config`, code in a DO block. */
  | { kind: 'unknown' };

/** Settings on which no plan depends; many clients set them whenever they connect. */
const HARMLESS = new Set([
  'application_name',
  'bytea_output',
  'client_encoding',
  'client_min_messages',
  'datestyle',
  'extra_float_digits',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'intervalstyle',
  'lock_timeout',
  'log_min_duration_statement',
  'log_min_messages',
  'log_statement',
  'standard_conforming_strings',
  'statement_timeout',
  'synchronous_commit',
  'tcp_user_timeout',
  'timezone',
  'transaction_timeout',
]);

type Node = { [key: string]: unknown };

const UNKNOWN: SessionEffect = { kind: 'unknown' };
/** Tables that only the session has; functions that set what they like; blocks of code. */
const OPAQUE =
  /"relpersistence":"t"|"sval":"(?:set_config|pg_reload_conf|set_limit)"|"(?:DoStmt|CallStmt|LoadStmt)":/i;

const OPAQUE_WORDS = /\b(?:temp|temporary|pg_temp|set_config|set_limit|pg_reload_conf|do|call|load)\b/i;

function effectOf(stmt: Node, sql: string): SessionEffect | undefined {
  const [type = ''] = Object.keys(stmt);
  const body = (stmt[type] ?? {}) as Node;
  const kind = String(body['kind'] ?? '');
  if (type === 'VariableSetStmt') {
    const name = String(body['name'] ?? '').toLowerCase();
    if (kind === 'VAR_RESET_ALL') return { kind: 'resetAll' };
    // SET TRANSACTION and SET SESSION CHARACTERISTICS change no plan, SET … FROM CURRENT changes nothing.
    if (kind === 'VAR_SET_MULTI' || kind === 'VAR_SET_CURRENT' || HARMLESS.has(name)) return undefined;
    const local = body['is_local'] === true;
    if (kind === 'VAR_SET_VALUE') return { kind: 'set', name, local };
    return local ? UNKNOWN : { kind: 'reset', name };
  }
  if (type === 'DiscardStmt') return body['target'] === 'DISCARD_ALL' ? { kind: 'discard' } : undefined;
  if (type === 'TransactionStmt') {
    if (/BEGIN|START/.test(kind)) return { kind: 'begin' };
    // PREPARE TRANSACTION ends it as well.
    if (/COMMIT$|PREPARE$/.test(kind)) return { kind: 'commit' };
    if (/ROLLBACK$/.test(kind)) return { kind: 'rollback' };
    return kind.endsWith('ROLLBACK_TO') ? { kind: 'rollbackTo' } : undefined;
  }
  return OPAQUE_WORDS.test(sql) && OPAQUE.test(JSON.stringify(stmt)) ? UNKNOWN : undefined;
}

/** Of several statements in one text only those that begin and end transactions are known one by one. */
export function effectsOf(stmts: readonly (Node | undefined)[], sql: string): SessionEffect[] {
  const effects = stmts.map((stmt) => effectOf(stmt ?? {}, sql)).filter((effect) => effect !== undefined);
  return stmts.length === 1
    ? effects
    : effects.map((effect) => (effect.kind === 'set' || effect.kind === 'reset' ? UNKNOWN : effect));
}

/** Of a text that no parser has read: whatever may change a session counts. */
export const effectsOfUnparsed = (sql: string): SessionEffect[] =>
  /\b(?:set|reset|discard|temp|temporary|set_config|do|call|load|begin|start|commit|end|rollback|abort)\b/i.test(
    sql,
  )
    ? [UNKNOWN]
    : [];
