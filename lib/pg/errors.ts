/** An operation cannot be done, or was stopped; the message names the cause and the next step. */
export class OperationError extends Error {}

/** The server ended the session, or the network did. */
export function isConnectionLost(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return (
    ['57P01', '57P02', '57P03', '08003', '08006', 'ECONNRESET', 'EPIPE'].includes(code) ||
    /Connection terminated|is not queryable/.test(message)
  );
}
