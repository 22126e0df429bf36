/**
 * Something the person who ran the command can put right: a taken port, an unwritable directory, a wrong
 * setting. The message names the cause and the next step; the command line prints it alone, without a stack,
 * and ends with 2.
 */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/** The `code` of a system error (`ENOENT`, `EADDRINUSE` ...), or undefined. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;

/** The message of an error and of its causes, outermost first, on one line. */
export function describeError(error: unknown): string {
  const messages: string[] = [];
  for (let at = error; at !== undefined && at !== null; at = at instanceof Error ? at.cause : undefined) {
    const text = at instanceof AggregateError ? at.errors.map(describeError).join('; ') : at;
    messages.push(text instanceof Error ? text.message : String(text));
  }
  return messages.join(': ');
}
