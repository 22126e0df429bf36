import type { CheckContext } from '../check.ts';
import type { NewIndex } from '../fix.ts';
import type { QueryLimits } from '../readSession.ts';
import type { Table } from '../relations.ts';
import { BudgetExceeded, ConnectionFailed, NoTimeLeft } from '../session.ts';

/** A statement's text on one line, cut for a title. */
export function shortly(sql: string, length = 120): string {
  const line = sql.replaceAll(/\s+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/** `createdAt` as `created_at`, so that names are judged by their words however an application writes them. */
export const snakeCase = (name: string): string => name.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();

/** What a fix that builds an index gets when it is verified. */
export const toBeBuilt = { lock: '' };

/** An index that is to be on a table. @param index its keys, as SQL */
export const newIndexOn = (
  { schema, name }: Table,
  index: Pick<NewIndex, 'method' | 'keys' | 'ordered' | 'extension'>,
): NewIndex => ({ schema, table: name, parts: [], ...index });

/** What an online migration that rebuilds a table takes of it. */
export const whileSwapped = { lock: 'ACCESS EXCLUSIVE for milliseconds, when the tables swap names' };

/** What is waited for later; until then its failure is nobody's. */
export function awaitedLater<Answer>(asked: Promise<Answer>): Promise<Answer> {
  asked.catch(() => {});
  return asked;
}

/** Of what is left of its share, what one statement of {@link askWithin} may take. */
const LARGEST_PART = 1 / 3;

/**
 * Asks about one table after another, small ones first, within a share (0..1) of the time that the run still has.
 * What small ones leave is for the large ones; where one does not come to its end, larger ones would not either and
 * are not asked.
 *
 * @returns a function that runs one statement; it throws NoTimeLeft, or the server's own error
 */
export function askWithin(context: CheckContext, share: number) {
  const keptMs = context.remainingMs() * (1 - share);
  let over = false;
  return async <Answer>(ask: (limits: QueryLimits) => Promise<Answer>): Promise<Answer> => {
    if (over) throw new NoTimeLeft();
    try {
      return await ask({ withinMs: (context.remainingMs() - keptMs) * LARGEST_PART });
    } catch (error) {
      over = error instanceof NoTimeLeft || (error as { code?: string }).code === CANCELLED;
      throw error;
    }
  };
}

/** What helps where {@link askWithin} did not come to an answer. */
export const WHEN_LESS_BUSY =
  'Run the diagnosis when the server is less busy, or give it more time with --deadline.';

/** SQLSTATE query_canceled. */
const CANCELLED = '57014';

/** Rethrows an error that is not about one table but ends the run. */
export function endIfOver(context: CheckContext, error: unknown): void {
  if (error instanceof BudgetExceeded || error instanceof ConnectionFailed || context.signal.aborted)
    throw error;
}
