/** An operation cannot be done, or was stopped; the message names the cause and the next step. */
export class OperationError extends Error {}

/** lock_not_available, deadlock_detected, serialization_failure: the same statement may do in a moment. */
const TRANSIENT = new Set(['55P03', '40P01', '40001']);

/** Two sessions changed the same row of the catalogue, as DDL beside DDL may; Postgres gives it no code of its own. */
const CATALOGUE_RACE = /^tuple concurrently (updated|deleted)$/;

export function isTransient(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return TRANSIENT.has(code) || (code === 'XX000' && CATALOGUE_RACE.test(message));
}

/** The server ended the session, or the network did; the 25P and 57P05 ones are time limits of transactions and idle sessions. */
export function isConnectionLost(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return (
    ['57P01', '57P02', '57P03', '57P05', '25P03', '25P04', '08003', '08006', 'ECONNRESET', 'EPIPE'].includes(
      code,
    ) || /Connection terminated|is not queryable/.test(message)
  );
}
