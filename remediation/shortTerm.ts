import type pg from 'pg';
import { describeTarget } from '../diagnosis/session.ts';
import { openDirect, openReadOnly } from '../lib/pg/connect.ts';
import type { Action } from './action.ts';
import { isConnectionLost, RemediationError } from './errors.ts';
import { buildIndex, runStatements } from './indexes.ts';
import { BY_HAND, HALF_DONE, Journal, type JournalEntry } from './journal.ts';
import { Looks } from './looks.ts';
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
    throw new RemediationError(`${describeTarget(url)}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Two runs at once would measure each other, and an undo would take away what the other is at: the second is refused.
 *
 * @throws RemediationError when another run holds the database; the lock ends with the connection
 */
async function takeTurn(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
    ADVISORY_LOCK,
  ]);
  if (!rows[0]?.mine)
    throw new RemediationError(
      'another run of sqltrail fix works on this database; wait until it has ended.',
    );
}

/** Reads the journal. */
export async function readJournal(url: string): Promise<JournalEntry[]> {
  const client = await openReadOnly({ url, applicationName: 'sqltrail-fix' }).catch((error: Error) => {
    throw new RemediationError(`${describeTarget(url)}: ${error.message}`, { cause: error });
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
 * @throws RemediationError when the database cannot be reached, or another run is on
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
    throw new RemediationError(
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
    for (const action of this.#options.actions) {
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
    const asked = new Set(actions.map(({ id }) => id));
    for (const { action, state, note } of await this.#journal.list()) {
      if (needsHandler(action, handlers)) {
        if (HALF_DONE.includes(state))
          onEvent({ type: 'skipped', action, note: `half done, and ${NEEDS_HANDLER}` });
        continue;
      }
      if (state === 'undoing') {
        await this.#undo(action);
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
    const state = await this.#journal.plan(action, action.temporary ? this.#options.reviewDays : null);
    if (state === 'kept' || state === 'applied') {
      if (state === 'applied') await this.#judge(action, null);
      else onEvent({ type: 'skipped', action, note: 'already done' });
      return;
    }
    // It may be in force already where a run ended while applying it: then only that run has seen the time before.
    const before =
      state === 'applying' ? await this.#measuredBefore(action) : await this.#measure(action, 'before');
    await this.#journal.set(action.id, 'applying', { before });
    onEvent({ type: 'applying', action });
    try {
      await this.#apply(action);
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      const note = (error as Error).message;
      await this.#journal.set(action.id, 'failed', { note });
      onEvent({ type: 'failed', action, note });
      return;
    }
    await this.#journal.set(action.id, 'applied');
    this.#last = undefined;
    await this.#judge(action, before);
  }

  async #apply(action: Action): Promise<void> {
    const { signal, onEvent, url } = this.#options;
    const handler = this.#options.handlers?.[action.kind];
    if (handler) return handler.apply(this.#client, action, signal);
    if (needsHandler(action, this.#options.handlers))
      throw new RemediationError(`${action.title} ${NEEDS_HANDLER}.`);
    if (action.index) {
      await buildIndex(this.#client, {
        target: action.index,
        sql: action.sql,
        bytes: action.bytes,
        comment: `temporary, by sqltrail: ${action.title}. Review in ${this.#options.reviewDays} days (sqltrail fix list).`,
        connect: () => connect(url, 'sqltrail-fix-progress'),
        onProgress: ({ phase, done }) => onEvent({ type: 'progress', action, phase, done }),
        signal,
      });
      return;
    }
    await runStatements(this.#client, action.sql, signal);
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

  async #judge(action: Action, measured: Effect | null): Promise<void> {
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
      await this.#undo(action, note);
      onEvent({ type: 'taken-back', action, comparison: time, note });
      await this.#undoWhatItNeeded(action);
      return;
    }
    const note = unmeasured
      ? `${NOT_MEASURED}${known?.nothingToGain ?? known?.failed ?? looked?.sides.after.failed ?? this.#whyUnmeasured(action)}`
      : is === 'better'
        ? words
        : `${words}; it cannot be undone`;
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
      await this.#undo(action, note);
      this.#options.onEvent({ type: 'taken-back', action, comparison: undefined, note });
    }
  }

  /** @param note why; without it the one that was written before an interruption holds */
  async #undo(action: Action, note?: string): Promise<void> {
    await this.#journal.set(action.id, 'undoing', { note });
    await undoSql(this.#client, action, this.#options.handlers, this.#options.signal);
    await this.#journal.set(action.id, 'taken-back');
    this.#last = undefined;
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

async function undoSql(
  client: pg.Client,
  action: Action,
  handlers: ShortTermOptions['handlers'],
  signal: AbortSignal,
): Promise<void> {
  const handler = handlers?.[action.kind];
  if (handler) return handler.undo(client, action, signal);
  if (needsHandler(action, handlers)) throw new RemediationError(`${action.title} ${NEEDS_HANDLER}.`);
  await runStatements(client, action.undo, signal);
}

/**
 * Undoes actions of the journal, the last one first.
 *
 * @throws RemediationError for an id that is not in force, for what only its application can undo, and when another
 *   run works on the database
 */
export async function undoActions(options: {
  url: string;
  /** All that are in force without it. */
  ids?: readonly string[];
  handlers?: ShortTermOptions['handlers'];
  signal: AbortSignal;
  onUndone: (action: Action) => void;
}): Promise<void> {
  const client = await connect(options.url, 'sqltrail-fix');
  try {
    await takeTurn(client);
    const journal = new Journal(client);
    const entries = (await journal.list()).filter(({ state }) => state !== 'taken-back');
    for (const id of options.ids ?? [])
      if (!entries.some(({ action }) => action.id === id))
        throw new RemediationError(`no action "${id}" is in force; sqltrail fix list shows those that are.`);
    const chosen = entries.filter(({ action }) => !options.ids || options.ids.includes(action.id));
    if (chosen.length > 0) await journal.open(options.signal);
    for (const { action } of chosen)
      if (needsHandler(action, options.handlers))
        throw new RemediationError(`${action.id} ${NEEDS_HANDLER}, or choose others with --only.`);
    for (const { action } of chosen.reverse()) {
      await journal.set(action.id, 'undoing', { note: BY_HAND });
      await undoSql(client, action, options.handlers, options.signal);
      await journal.set(action.id, 'taken-back');
      options.onUndone(action);
    }
  } finally {
    await client.end().catch(() => {});
  }
}
