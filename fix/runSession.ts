import type pg from 'pg';
import { describeTarget, openDirect } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';

const ADVISORY_LOCK = 7_236_544_101;

/** @throws OperationError when the database cannot be reached */
export async function connect(url: string, name: string): Promise<pg.Client> {
  try {
    const client = await openDirect({ url, applicationName: name, what: 'A fix' });
    // An index of a large table takes longer than what is good for the application's statements.
    await client.query("SELECT set_config('statement_timeout', '0', false)");
    return client;
  } catch (error) {
    throw new OperationError(`${describeTarget(url)}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Two runs at once would measure each other, and an undo would take away what the other is at: the second is refused.
 *
 * @throws OperationError when another run holds the database; the lock ends with the connection
 */
export async function takeTurn(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ mine: boolean }>(
    'SELECT pg_catalog.pg_try_advisory_lock($1::int8) AS mine',
    [ADVISORY_LOCK],
  );
  if (!rows[0]?.mine)
    throw new OperationError('another run of sqltrail fix is active on this database; wait until it ends.');
}
