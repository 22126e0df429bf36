import type pg from 'pg';
import { isConnectionLost, OperationError } from '../lib/pg/errors.ts';
import type { Action } from './action.ts';
import { revertChanges } from './carryOut.ts';
import type { Change, Work } from './change.ts';
import { type Handlers, NEEDS_HANDLER, needsHandler } from './handler.ts';
import { runStatements } from './indexes.ts';
import { Journal } from './journal.ts';
import { isUndoable, type JournalEntry, type Outcome } from './journalEntry.ts';
import { connect, takeTurn } from './runSession.ts';
import { StillUsed, undoNoted } from './settled.ts';

interface Undoing {
  handlers?: Handlers | undefined;
  signal: AbortSignal;
}

export const workOn = (
  client: pg.Client,
  journal: Journal,
  id: string,
  changes: Change[],
  signal: AbortSignal,
): Work => ({ client, changes, save: () => journal.record(id, changes), signal });

/** An index that an earlier version built bears its comment; any other of the name is somebody else's. */
async function undoUnnoted(
  client: pg.Client,
  { index, undo }: Action,
  signal: AbortSignal,
): Promise<string[]> {
  if (!index) {
    await runStatements(client, undo, signal);
    return [];
  }
  const { rows } = await client.query<{ ours: boolean }>(
    `SELECT coalesce(obj_description(i.indexrelid, 'pg_class') LIKE 'temporary, by sqltrail%', false) AS ours
       FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2`,
    [index.schema, index.name],
  );
  if (!rows[0]) return [];
  if (!rows[0].ours) return [`${index.name} was left: nothing shows that sqltrail built it`];
  await runStatements(client, undo, signal);
  return [];
}

/** @returns what was left, in words */
export async function undoEntry(
  client: pg.Client,
  journal: Journal,
  { action, changes }: JournalEntry,
  { handlers, signal }: Undoing,
): Promise<string[]> {
  const handler = handlers?.[action.kind];
  if (handler) {
    await handler.undo(client, action, signal);
    return [];
  }
  if (needsHandler(action, handlers)) throw new OperationError(`${action.title} ${NEEDS_HANDLER}.`);
  if (changes === null) return undoUnnoted(client, action, signal);
  const entries = await journal.list();
  const at = entries.findIndex((entry) => entry.action.id === action.id);
  const later = entries.slice(at + 1).flatMap((entry) => {
    const { changes: theirs } = entry;
    if (!theirs || !isUndoable(entry)) return [];
    return [{ changes: theirs, save: () => journal.record(entry.action.id, theirs) }];
  });
  return (await revertChanges(workOn(client, journal, action.id, changes, signal), action, later)).remarks;
}

/** Undoes an action of the journal and notes it. @returns what was left, in words */
export async function undoJournalled(
  client: pg.Client,
  journal: Journal,
  id: string,
  { outcome, note }: { outcome: Outcome; note?: string | undefined },
  undoing: Undoing,
): Promise<string[]> {
  await journal.set(id, 'undoing', { outcome, note });
  const entry = await journal.entry(id);
  const left = entry ? await undoEntry(client, journal, entry, undoing) : [];
  const whole = [...(note ? [note] : []), ...left].join('; ');
  await journal.set(id, 'reverted', { outcome, note: whole || undefined });
  await dropUnused(client, journal, undoing.signal);
  return left;
}

/** Extensions that stayed because an action which is undone by now used them. */
async function dropUnused(client: pg.Client, journal: Journal, signal: AbortSignal): Promise<void> {
  for (const { action, state, changes } of await journal.list()) {
    if (state !== 'reverted' || !changes) continue;
    for (const change of changes)
      if (change.change === 'extension' && !change.undone)
        await undoNoted(workOn(client, journal, action.id, changes, signal), change).catch((error) => {
          if (!(error instanceof StillUsed)) throw error;
        });
  }
}

/**
 * Undoes actions of the journal, the last one first. One that cannot be undone does not keep the others from it.
 *
 * @returns those that could not be undone, each with the reason; they stay in the journal as on their way
 * @throws OperationError for an id that is not in force, for what only its application can undo, and when another
 *   run works on the database
 */
export async function undoActions(options: {
  url: string;
  /** All that are in force without it. */
  ids?: readonly string[];
  handlers?: Handlers;
  signal: AbortSignal;
  /** `left`: what the owner changed since or others use, in words. */
  onUndone: (action: Action, left: readonly string[]) => void;
}): Promise<{ action: Action; reason: string }[]> {
  const client = await connect(options.url, 'sqltrail-fix');
  const failed: { action: Action; reason: string }[] = [];
  try {
    await takeTurn(client);
    const journal = new Journal(client);
    const entries = (await journal.list()).filter(isUndoable);
    for (const id of options.ids ?? [])
      if (!entries.some(({ action }) => action.id === id))
        throw new OperationError(`no action "${id}" is in force; sqltrail fix list shows those that are.`);
    const chosen = entries.filter(({ action }) => !options.ids || options.ids.includes(action.id));
    if (chosen.length > 0) await journal.open(options.signal);
    for (const { action } of chosen)
      if (needsHandler(action, options.handlers))
        throw new OperationError(`${action.id} ${NEEDS_HANDLER}, or choose others with --only.`);
    for (const { action } of chosen.reverse())
      try {
        const left = await undoJournalled(
          client,
          journal,
          action.id,
          { outcome: 'by hand', note: 'undone by hand' },
          options,
        );
        options.onUndone(action, left);
      } catch (error) {
        if (options.signal.aborted || isConnectionLost(error)) throw error;
        failed.push({ action, reason: (error as Error).message });
      }
    return failed;
  } finally {
    await client.end().catch(() => {});
  }
}
