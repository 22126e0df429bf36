import type pg from 'pg';
import { describeTarget, openDirect, openReadOnly } from '../lib/pg/connect.ts';
import { isConnectionLost, OperationError } from '../lib/pg/errors.ts';
import { type Action, distinguish } from './action.ts';
import { carryOut, takeBack } from './carryOut.ts';
import type { Change, Work } from './change.ts';
import { runStatements } from './indexes.ts';
import { BY_HAND, HALF_DONE, Journal, type JournalEntry } from './journal.ts';
import {
  type Comparison,
  type Effect,
  effectOf,
  isBetter,
  isWorse,
  joinWindows,
  measureWindows,
  type Verdict,
  type Windows,
} from './measure.ts';
import { Looks } from './sequentialTest.ts';
import { StillUsed, undoNoted } from './settled.ts';

/** An action that is not plain SQL (switching the application's queries, archival) is carried out by its handler. */
export interface Handler {
  apply(client: pg.Client, action: Action, signal: AbortSignal): Promise<void>;
  undo(client: pg.Client, action: Action, signal: AbortSignal): Promise<void>;
  /** A measure of its own, where the action's statements are others afterwards. */
  measure?: {
    /** What it measures, as the subject of a sentence. */
    what: string;
    seconds: number;
    run(what: 'before' | 'after', signal: AbortSignal): Promise<Effect>;
  };
}

export type Handlers = Partial<Record<Action['kind'], Handler>>;

/** SQL alone would change the database under an application that goes on as before. */
const needsHandler = ({ kind }: Action, handlers: Handlers | undefined) =>
  (kind === 'query' || kind === 'pool') && !handlers?.[kind];
const NEEDS_HANDLER = 'belongs to the application: give its address (--shop)';

export type ShortTermEvent =
  | { type: 'measuring'; what: 'before' | 'after' | 'again'; action: Action; seconds: number }
  | { type: 'applying'; action: Action }
  | { type: 'progress'; action: Action; phase: string; done: number | null }
  | { type: 'kept'; action: Action; comparison: Comparison | undefined; note: string }
  | { type: 'taken-back'; action: Action; comparison: Comparison | undefined; note: string }
  | { type: 'skipped'; action: Action; note: string }
  | { type: 'failed'; action: Action; note: string };

export interface ShortTermOptions {
  /** A role that owns the tables. */
  url: string;
  /** A role that may read the statistics (pg_monitor), for the measurements; `url` without it. */
  readUrl?: string;
  actions: readonly Action[];
  /** Windows looked at before and after each action; 0 windows for no measurement, then nothing is taken back. */
  windows: number;
  windowMs: number;
  /** Temporary indexes, and what could not be measured, are to be looked at again after these days. */
  reviewDays: number;
  handlers?: Handlers;
  signal: AbortSignal;
  onEvent: (event: ShortTermEvent) => void;
}

const ADVISORY_LOCK = 7_236_544_101;

async function connect(url: string, name: string): Promise<pg.Client> {
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
async function takeTurn(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
    ADVISORY_LOCK,
  ]);
  if (!rows[0]?.mine)
    throw new OperationError('another run of sqltrail fix works on this database; wait until it has ended.');
}

/** Reads the journal. */
export async function readJournal(url: string): Promise<JournalEntry[]> {
  const client = await openReadOnly({ url, applicationName: 'sqltrail-fix' }).catch((error: Error) => {
    throw new OperationError(`${describeTarget(url)}: ${error.message}`, { cause: error });
  });
  try {
    return await new Journal(client).list();
  } finally {
    await client.end();
  }
}

/**
 * Applies the actions one by one, the dearest cause first, and measures each against the running load. An action
 * that was measured and is not shown to help, after a longer look where the first shows nothing, is taken back; what
 * cannot be measured is kept, says why, and is to be reviewed. Every step is journalled before it is done, so that a
 * run that was killed is taken up by the next.
 *
 * @throws OperationError when the database cannot be reached, or another run is on
 */
export async function applyShortTerm(options: ShortTermOptions): Promise<JournalEntry[]> {
  const { url, signal } = options;
  const client = await connect(url, 'sqltrail-fix');
  try {
    await takeTurn(client);
    const journal = new Journal(client);
    await journal.open(signal);
    await new ShortTerm(client, journal, options).run();
    return await journal.list();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!isConnectionLost(error)) throw error;
    throw new OperationError(
      `${describeTarget(url)}: the connection was cut. What was on its way is in the journal: run this again, and it goes on from there.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}

/** How the note of an action begins that is kept although nothing was shown of it. */
const NOT_MEASURED = 'not measured: ';

class ShortTerm {
  readonly #client: pg.Client;
  readonly #journal: Journal;
  readonly #options: ShortTermOptions;
  /** What was measured last: the "after" of one action is the "before" of the next. */
  #last: Windows | undefined;

  constructor(client: pg.Client, journal: Journal, options: ShortTermOptions) {
    this.#client = client;
    this.#journal = journal;
    this.#options = options;
  }

  async run(): Promise<void> {
    await this.#takeUp();
    for (const action of distinguish(this.#options.actions, await this.#journal.list())) {
      this.#options.signal.throwIfAborted();
      await this.#one(action);
    }
  }

  /**
   * What a run that ended early has left half done is brought to an end: undoing goes on, applying begins anew, and
   * what is applied is measured.
   */
  async #takeUp(): Promise<void> {
    const { actions, handlers, onEvent } = this.#options;
    const entries = await this.#journal.list();
    const asked = new Set(distinguish(actions, entries).map(({ id }) => id));
    for (const { action, state, note } of entries) {
      if (needsHandler(action, handlers)) {
        if (HALF_DONE.includes(state))
          onEvent({ type: 'skipped', action, note: `half done, and ${NEEDS_HANDLER}` });
        continue;
      }
      if (state === 'undoing') {
        if (await this.#undo(action, note ?? undefined))
          onEvent({
            type: 'taken-back',
            action,
            comparison: undefined,
            note: note ?? 'as an earlier run began to',
          });
      } else if (HALF_DONE.includes(state) && !asked.has(action.id)) await this.#one(action);
      // A run may also have ended between an action that did not help and what only that needed.
      if (['undoing', 'taken-back'].includes(state) && note !== BY_HAND) await this.#undoWhatItNeeded(action);
    }
  }

  async #one(action: Action): Promise<void> {
    const { onEvent } = this.#options;
    if (action.blocked) {
      onEvent({ type: 'skipped', action, note: action.blocked });
      return;
    }
    const state = await this.#journal.plan(action, action.temporary ? this.#options.reviewDays : null);
    if (state === 'kept' || state === 'applied') {
      if (state === 'applied') await this.#judge(action, null);
      else onEvent({ type: 'skipped', action, note: 'already done' });
      return;
    }
    if (state === 'undoing') {
      onEvent({ type: 'skipped', action, note: 'an earlier undo of it has not come to its end' });
      return;
    }
    // It may be in force already where a run ended while applying it: then only that run has seen the time before.
    const before =
      state === 'applying' ? await this.#measuredBefore(action) : await this.#measure(action, 'before');
    await this.#journal.set(action.id, 'applying', { before });
    onEvent({ type: 'applying', action });
    let result: { built: boolean; note?: string } | undefined;
    try {
      result = await this.#apply(action);
    } catch (error) {
      if (this.#options.signal.aborted || isConnectionLost(error)) throw error;
      const left = await this.#giveBack(action);
      const note = [(error as Error).message, ...left].join(' ');
      await this.#journal.set(action.id, 'failed', { note });
      onEvent({ type: 'failed', action, note });
      return;
    }
    if (!result.built) {
      await this.#giveBack(action);
      const note = `nothing to do: ${result.note}`;
      await this.#journal.set(action.id, 'taken-back', { note });
      onEvent({ type: 'skipped', action, note });
      return;
    }
    await this.#journal.set(action.id, 'applied');
    this.#last = undefined;
    await this.#judge(action, before, result.note);
  }

  /** What a failed action has done so far. @returns what is left of it, in words */
  async #giveBack(action: Action): Promise<string[]> {
    if (this.#options.handlers?.[action.kind]) return [];
    const entry = (await this.#journal.list()).find((each) => each.action.id === action.id);
    if (!entry) return [];
    try {
      return (await undoEntry(this.#client, this.#journal, entry, this.#options)).map((left) => `${left}.`);
    } catch (error) {
      if (this.#options.signal.aborted || isConnectionLost(error)) throw error;
      return [`What it had done could not be undone: ${(error as Error).message}`];
    }
  }

  async #apply(action: Action): Promise<{ built: boolean; note?: string }> {
    const { signal, onEvent, url, reviewDays } = this.#options;
    const handler = this.#options.handlers?.[action.kind];
    if (handler) {
      await handler.apply(this.#client, action, signal);
      return { built: true };
    }
    if (needsHandler(action, this.#options.handlers))
      throw new OperationError(`${action.title} ${NEEDS_HANDLER}.`);
    const entry = (await this.#journal.list()).find(({ action: { id } }) => id === action.id);
    // A journal of an earlier version does not say what it changed before it was interrupted.
    if (entry && entry.changes === null && !action.index)
      await runStatements(this.#client, action.undo, signal);
    return carryOut(workOn(this.#client, this.#journal, action.id, entry?.changes ?? [], signal), action, {
      comment: `temporary, by sqltrail: ${action.title}. Review in ${reviewDays} days (sqltrail fix list).`,
      connect: () => connect(url, 'sqltrail-fix-progress'),
      onProgress: ({ phase, done }) => onEvent({ type: 'progress', action, phase, done }),
    });
  }

  async #measure(action: Action, what: 'before' | 'after' | 'again'): Promise<Effect | null> {
    const { windows, windowMs, url, readUrl = url, signal, onEvent } = this.#options;
    const own = this.#options.handlers?.[action.kind]?.measure;
    if (own && windows > 0) {
      onEvent({ type: 'measuring', what, action, seconds: own.seconds });
      return own.run(what === 'before' ? 'before' : 'after', signal).catch((error: Error) => {
        if (signal.aborted) throw error;
        return { meanMs: [], calls: 0, windowSeconds: 0, failed: error.message };
      });
    }
    if (windows === 0 || action.statements.length === 0) return null;
    if (!this.#last || what === 'again') {
      onEvent({ type: 'measuring', what, action, seconds: (windows * windowMs) / 1000 });
      const seen = await measureWindows({ url: readUrl, windows, windowMs, signal });
      this.#last = this.#last ? joinWindows(this.#last, seen) : seen;
      return effectOf(seen, action.statements);
    }
    return effectOf(this.#last, action.statements);
  }

  /** What was measured before the action, by this run or an earlier one. */
  async #measuredBefore({ id }: Action): Promise<Effect | null> {
    return (await this.#journal.list()).find(({ action }) => action.id === id)?.before ?? null;
  }

  async #lookAfter(action: Action, before: Effect): Promise<ReturnType<Looks['add']>> {
    const looks = new Looks(before);
    let latest = await this.#measure(action, 'after');
    while (latest) {
      const looked = looks.add(latest);
      if (looked) return looked;
      latest = await this.#measure(action, 'again');
    }
    return undefined;
  }

  /** @param about what is to be known of how it was applied */
  async #judge(action: Action, measured: Effect | null, about?: string): Promise<void> {
    const { onEvent, reviewDays } = this.#options;
    const handler = this.#options.handlers?.[action.kind];
    const known = measured ?? (await this.#measuredBefore(action));
    const looked = known ? await this.#lookAfter(action, known) : undefined;
    const { time } = looked?.verdict ?? {};
    const is = looked?.verdict.is ?? 'unmeasured';
    const unmeasured =
      is === 'unmeasured' || (is === 'unshown' && (known?.nothingToGain ?? action.neededBy) !== undefined);
    const words = looked && time ? inWords(handler?.measure?.what ?? 'its statements', looked.verdict) : '';
    if (looked && time && !unmeasured && is !== 'better' && (handler || action.undo.length > 0)) {
      const note =
        is === 'worse'
          ? words
          : `no gain in two looks one after the other, in ${looked.sides.after.meanMs.length} windows: ${words}`;
      await this.#journal.set(action.id, 'applied', looked.sides);
      if (!(await this.#undo(action, note))) return;
      onEvent({ type: 'taken-back', action, comparison: time, note });
      await this.#undoWhatItNeeded(action);
      return;
    }
    const said = unmeasured
      ? `${NOT_MEASURED}${known?.nothingToGain ?? known?.failed ?? looked?.sides.after.failed ?? this.#whyUnmeasured(action)}`
      : is === 'better'
        ? words
        : `${words}; it cannot be undone`;
    const note = about ? `${said}; ${about}` : said;
    await this.#journal.set(action.id, 'kept', {
      ...(looked?.sides ?? {}),
      note,
      ...(unmeasured ? { reviewDays } : {}),
    });
    onEvent({ type: 'kept', action, comparison: time, note });
  }

  #whyUnmeasured({ kind, statements, neededBy }: Action): string {
    if (this.#options.windows === 0) return 'no windows were asked for';
    if (neededBy) return `the statements that need it come with ${neededBy}`;
    if (statements.length > 0) return 'its statements were not seen both before and after';
    return {
      index: 'no statement that was seen needs it yet',
      settings: 'it acts on the next vacuum or session, not in the next seconds',
      maintenance: 'no statement is known to suffer from what it mends',
      query: 'its statements are others afterwards, and the application’s times are not known here',
      pool: 'the application’s times are not known here',
    }[kind];
  }

  /** What was there for an action that did not help has no use either, unless it was shown to have one of its own. */
  async #undoWhatItNeeded({ id, title }: Action): Promise<void> {
    const entries = (await this.#journal.list()).filter(
      ({ action, state, note }) =>
        action.neededBy === id && state === 'kept' && note?.startsWith(NOT_MEASURED),
    );
    for (const { action } of entries.reverse()) {
      const note = `only “${title}” needed it, which was taken back`;
      if (await this.#undo(action, note))
        this.#options.onEvent({ type: 'taken-back', action, comparison: undefined, note });
    }
  }

  /** @param note why. @returns whether it came to its end; otherwise it is told, and the next run tries again */
  async #undo(action: Action, note?: string): Promise<boolean> {
    const { signal, onEvent } = this.#options;
    const left = await undoJournalled(this.#client, this.#journal, action.id, note, this.#options).catch(
      (error: Error) => {
        if (signal.aborted || isConnectionLost(error)) throw error;
        onEvent({ type: 'failed', action, note: `not undone: ${error.message}` });
        return undefined;
      },
    );
    this.#last = undefined;
    return left !== undefined;
  }
}

/** A rate of nearly nothing divides into any number. */
const times = (ratio: number, digits: number) => (ratio > 10_000 ? 'over 10,000' : ratio.toFixed(digits));
const ratioText = ({ speedup, low, high }: Comparison, digits: number, unit = '') =>
  `${times(speedup, digits)}${unit} (95 % interval ${times(low, digits)} to ${times(high, digits)})`;

/** What was measured, in words. */
function inWords(what: string, { is, time, work }: Verdict): string {
  if (!time) return '';
  const fewer = work && `${work.what}: ${ratioText(work.ratio, 1, ' times fewer')}`;
  if (is === 'better')
    return isBetter(time)
      ? `${what} ${ratioText(time, 1, ' times as fast')}${work && isBetter(work.ratio) ? `; ${fewer}` : ''}`
      : `${fewer}; the time of ${what}, x${ratioText(time, 1)}, ${isWorse(time) ? 'was not worse all the time' : 'shows nothing'}`;
  const parts = [`${what} ${is === 'worse' ? 'became slower: ' : ''}x${ratioText(time, 2)}`];
  if (work) parts.push(`${work.what} x${ratioText(work.ratio, 2)}`);
  return parts.join('; ');
}

interface Undoing {
  handlers?: Handlers | undefined;
  signal: AbortSignal;
}

const workOn = (
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
async function undoEntry(
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
    if (!theirs || entry.state === 'taken-back') return [];
    return [{ changes: theirs, save: () => journal.record(entry.action.id, theirs) }];
  });
  return (await takeBack(workOn(client, journal, action.id, changes, signal), action, later)).remarks;
}

/** Undoes an action of the journal and notes it. @returns what was left, in words */
async function undoJournalled(
  client: pg.Client,
  journal: Journal,
  id: string,
  note: string | undefined,
  undoing: Undoing,
): Promise<string[]> {
  await journal.set(id, 'undoing', { note });
  const entry = (await journal.list()).find(({ action }) => action.id === id);
  const left = entry ? await undoEntry(client, journal, entry, undoing) : [];
  const whole = [...(note ? [note] : []), ...left].join('; ');
  await journal.set(id, 'taken-back', { note: whole || undefined });
  await dropUnused(client, journal, undoing.signal);
  return left;
}

/** Extensions that stayed because an action which is undone by now used them. */
async function dropUnused(client: pg.Client, journal: Journal, signal: AbortSignal): Promise<void> {
  for (const { action, state, changes } of await journal.list()) {
    if (state !== 'taken-back' || !changes) continue;
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
  handlers?: ShortTermOptions['handlers'];
  signal: AbortSignal;
  /** `left`: what the owner changed since or others use, in words. */
  onUndone: (action: Action, left: readonly string[]) => void;
}): Promise<{ action: Action; reason: string }[]> {
  const client = await connect(options.url, 'sqltrail-fix');
  const failed: { action: Action; reason: string }[] = [];
  try {
    await takeTurn(client);
    const journal = new Journal(client);
    const entries = (await journal.list()).filter(({ state }) => state !== 'taken-back');
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
        const left = await undoJournalled(client, journal, action.id, BY_HAND, options);
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
