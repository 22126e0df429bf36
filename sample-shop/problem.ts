import { Conflict } from './stores/store.ts';

/** RFC 9457. */
export interface Problem {
  status: number;
  title: string;
  detail: string;
}

/** The caller's fault, with the status to answer. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** query_canceled, which statement_timeout raises. */
const QUERY_CANCELED = '57014';
/**
 * Texts that Postgres refuses: character_not_in_repertoire, as one with a zero byte, and invalid_escape_sequence, as a
 * pattern that ends with a backslash.
 */
const UNUSABLE_TEXT = ['22021', '22025'];
/** Connection exceptions (class 08), shutdown and start-up of the server (57P0x), too_many_connections. */
const DATABASE_AWAY = /^(08...|57P0[1-5]|53300|ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT)$/;

/** pg-pool and pg give these failures no code of their own, only a text. */
const isAcquireTimeout = (message: string) => message.startsWith('timeout exceeded when trying to connect');
const isLostConnection = (message: string) => /^Connection terminated|not queryable/.test(message);

/** What the shop answers when a request failed. Never the database's own text: it may hold values. */
export function toProblem(error: unknown): Problem {
  const { message, code, status } = error as Error & { code?: string; status?: number };
  if (error instanceof Conflict) return { status: 409, title: 'Conflict', detail: message };
  if (error instanceof RequestError)
    return { status: error.status, title: 'Request refused', detail: message };
  if (code === QUERY_CANCELED)
    return {
      status: 504,
      title: 'Statement timeout',
      detail: 'A statement took too long and was cancelled.',
    };
  if (UNUSABLE_TEXT.includes(code ?? ''))
    return {
      status: 400,
      title: 'Request refused',
      detail: 'A text has a character that cannot be used there.',
    };
  if (isAcquireTimeout(message ?? ''))
    return {
      status: 503,
      title: 'No connection free',
      detail: 'All database connections were busy for too long.',
    };
  if (DATABASE_AWAY.test(code ?? '') || isLostConnection(message ?? ''))
    return { status: 503, title: 'Database away', detail: 'The database cannot be reached at the moment.' };
  // body-parser's errors carry the status that they mean
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { status, title: 'Request refused', detail: 'The request body cannot be read.' };
  return { status: 500, title: 'Internal error', detail: 'The shop failed; its log has the cause.' };
}
