import { describeTarget } from '../lib/pg/connect.ts';
import { isConnectionLost, isTransient, OperationError } from '../lib/pg/errors.ts';
import { refusal } from './effects.ts';
import { DiskError, diskFault } from './files.ts';

/** What SQLSTATEs mean here, with the next step. */
const causes: Record<string, string> = {
  '22P05':
    'text has a character that the encoding of this database lacks. Write names and reasons in the policy without it',
  '22021':
    'a value is not valid in its encoding. Look for it with a query on the table, in psql with client_encoding SQL_ASCII',
  '23502':
    'a column that is NOT NULL was added since. Give it a default, or drop NOT NULL until the rows are back',
  '23503':
    'rows that these refer to are not there. If what they refer to is archived too, restore that first: it is in a later segment',
  '23505': 'a row with the same key is there already. Find out whether it was entered again',
  '42501': 'the role may not do this. Use the owner of the tables',
  '42703': 'a column of the file is not in the table any more. Add it, restore, and drop it again',
  '42P01': 'the table is not there any more. Create it, and run it again',
  '53100': 'the disk of the server is full. Make room there, and run it again',
  '53200': 'the server is out of memory. Run it again when it has enough',
  '55P03': 'a lock was not free. Look for long transactions in pg_stat_activity, and run it again',
  '57014': 'the statement was cancelled. Run it again',
};

/**
 * An error of the database, the disk or DuckDB in words, with the next step.
 *
 * @param nothing what has not happened because of it, as the beginning of a sentence
 */
export function explained(
  error: unknown,
  { url, directory, nothing }: { url: string; directory: string; nothing: string },
): unknown {
  if (error instanceof OperationError || !(error instanceof Error) || error.name === 'AbortError')
    return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (isConnectionLost(error))
    return new OperationError(`${describeTarget(url)}: the connection was lost. ${nothing}; run it again.`, {
      cause: error,
    });
  const cause = code === undefined ? undefined : causes[code];
  if (cause) return new OperationError(`${nothing}: ${cause}. (${error.message})`, { cause: error });
  // Postgres's own words name the row and the rule.
  if (code && /^[0-9A-Z]{5}$/.test(code) && !syscall)
    return new OperationError(`${nothing}: ${error.message}`, { cause: error });
  const fault = diskFault(directory, error, nothing);
  if (fault !== error) return fault;
  if (
    /^(Invalid Input|Invalid|IO|Out of Memory|Conversion|Parser|Binder|Catalog|Permission|INTERNAL|Not implemented|Serialization|TransactionContext) Error/i.test(
      error.message,
    )
  )
    return new OperationError(
      `${nothing}: ${error.message.split('\n')[0]} sqltrail archive verify shows which files have changed since they were written.`,
      { cause: error },
    );
  return error;
}

/** Does a failure concern the whole run, rather than the unit at hand? */
export function isFatal(error: unknown): boolean {
  if (error instanceof DiskError || error instanceof TypeError || isConnectionLost(error)) return true;
  if (error instanceof OperationError) return false;
  const { code = '', name: kind = '' } = error as { code?: string; name?: string };
  // What the server says of itself, and not of a statement.
  return (
    kind === 'AbortError' ||
    (/^[0-9A-Z]{5}$/.test(code) && refusal(error) === undefined && !isTransient(error))
  );
}
