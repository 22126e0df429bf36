import { ConnectionFailed } from '../diagnosis/session.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { isDatabaseUrl } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';

/**
 * The URL of the database, from the argument or the environment.
 *
 * @param example the command and the beginning of a URL, such as `diagnose postgres://reader`
 * @throws ConfigurationError when none is given, or it is none; never with the URL, which may hold a password
 */
export function databaseUrl(given: string | undefined, example: string): string {
  const url = given ?? process.env['DATABASE_URL'];
  if (!url)
    throw new ConfigurationError(
      `No database given. Example: sqltrail ${example}@localhost:5432/app (password in PGPASSWORD), or set DATABASE_URL.`,
    );
  if (!isDatabaseUrl(url))
    throw new ConfigurationError(
      `The address of the database is not a URL such as ${example.slice(example.indexOf('postgres://'))}@localhost:5432/app.`,
    );
  return url;
}

/** What the caller can put right becomes a message with exit code 2. */
export async function reported<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof OperationError || error instanceof ConnectionFailed)
      throw new ConfigurationError(error.message, { cause: error });
    throw error;
  }
}
