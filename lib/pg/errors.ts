/** An operation cannot be done, or was stopped; the message names the cause and the next step. */
export class OperationError extends Error {}

/** lock_not_available, deadlock_detected, serialization_failure: the same statement may do in a moment. */
const TRANSIENT = new Set(['55P03', '40P01', '40001']);

export const isTransient = (error: unknown): boolean =>
  TRANSIENT.has((error as { code?: string }).code ?? '');

/** The server ended the session, or the network did. */
export function isConnectionLost(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return (
    ['57P01', '57P02', '57P03', '08003', '08006', 'ECONNRESET', 'EPIPE'].includes(code) ||
    /Connection terminated|is not queryable/.test(message)
  );
}
