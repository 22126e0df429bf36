import pg from 'pg';
import { describeTarget } from '../diagnosis/session.ts';
import type { Action } from './action.ts';
import { isConnectionLost, RemediationError } from './errors.ts';
import { buildIndex, lockTimeoutFor, withLockRetries } from './indexes.ts';
import { Journal, type JournalEntry } from './journal.ts';
import { type Comparison, compare, type Effect, effectOf, measureWindows, type Windows } from './measure.ts';

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
  | { type: 'measuring'; what: 'before' | 'after'; action: Action; seconds: number }
  | { type: 'applying'; action: Action }
  | { type: 'progress'; action: Action; phase: string; done: number | null }
  | { type: 'kept'; action: Action; comparison: Comparison | undefined; note: string }
  | { type: 'taken-back'; action: Action; comparison: Comparison; note: string }
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
  /** Temporary indexes are to be looked at again after these days. */
  reviewDays: number;
  handlers?: Handlers;
  signal: AbortSignal;
  onEvent: (event: ShortTermEvent) => void;
}

const ADVISORY_LOCK = 7_236_544_101;

async function connect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    // An index of a large table takes longer than what is good for the application's statements.
    await client.query("SELECT set_config('statement_timeout', '0', false)");
  } catch (error) {
    throw new RemediationError(`${describeTarget(url)}: ${(error as Error).message}`, { cause: error });
  }
  return client;
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
  const client = await connect(url, 'sqltrail-fix');
  try {
    return await new Journal(client).list();
  } finally {
    await client.end();
  }
}

/**
 * Applies the actions one by one, the dearest cause first, and measures each against the running load. An action
 * that is shown to harm (the whole 95 % interval of its speed-up is below 1, by more than chance makes of windows of
 * seconds) is taken back. Every step is
 * journalled before it is done, so that a run that was killed is taken up by the next.
 *
 * @throws RemediationError when the database cannot be reached, or another run is on
 */
export async function applyShortTerm(options: ShortTermOptions): Promise<JournalEntry[]> {
  const { url, signal } = options;
  const client = await connect(url, 'sqltrail-fix');
  try {
    await takeTurn(client);
    const journal = new Journal(client);
    await journal.open();
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

/** Windows of some seconds differ by a tenth by chance; an action is not taken back for that. */
const WORSE = 0.9;

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

  /** What a killed run has left half done is brought to an end: undoing goes on, applying begins anew. */
  async #takeUp(): Promise<void> {
    const asked = new Set(this.#options.actions.map(({ id }) => id));
    for (const { action, state } of await this.#journal.list())
      if (needsHandler(action, this.#options.handlers)) {
        if (['undoing', 'applying', 'planned'].includes(state))
          this.#options.onEvent({ type: 'skipped', action, note: `half done, and ${NEEDS_HANDLER}` });
      } else if (state === 'undoing') await this.#undo(action, 'taken up after an interruption');
      else if ((state === 'applying' || state === 'planned') && !asked.has(action.id))
        await this.#one(action);
  }

  async #one(action: Action): Promise<void> {
    const { onEvent } = this.#options;
    const state = await this.#journal.plan(action, action.temporary ? this.#options.reviewDays : null);
    if (state === 'kept' || state === 'applied') {
      if (state === 'applied') await this.#judge(action, null);
      else onEvent({ type: 'skipped', action, note: 'already done' });
      return;
    }
    const before = await this.#measure(action, 'before');
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
    for (const statement of action.sql)
      await withLockRetries(this.#client, () => this.#client.query(statement), {
        signal,
        lockTimeoutMs: lockTimeoutFor(statement),
      });
  }

  async #measure(action: Action, what: 'before' | 'after'): Promise<Effect | null> {
    const { windows, windowMs, url, readUrl = url, signal, onEvent } = this.#options;
    const own = this.#options.handlers?.[action.kind]?.measure;
    if (own && windows > 0) {
      onEvent({ type: 'measuring', what, action, seconds: own.seconds });
      return own.run(what, signal);
    }
    if (windows === 0 || action.statements.length === 0) return null;
    if (!this.#last) {
      onEvent({ type: 'measuring', what, action, seconds: (windows * windowMs) / 1000 });
      this.#last = await measureWindows({ url: readUrl, windows, windowMs, signal });
    }
    return effectOf(this.#last, action.statements);
  }

  async #judge(action: Action, measured: Effect | null): Promise<void> {
    const { onEvent } = this.#options;
    const known =
      measured ?? (await this.#journal.list()).find((entry) => entry.action.id === action.id)?.before ?? null;
    const after = await this.#measure(action, 'after');
    const comparison = known && after ? compare(known, after) : undefined;
    const what = this.#options.handlers?.[action.kind]?.measure?.what ?? 'its statements';
    if (comparison && comparison.high < 1 && comparison.speedup < WORSE) {
      const note = `${what} became slower: x${comparison.speedup.toFixed(2)} (95 % interval ${comparison.low.toFixed(2)} to ${comparison.high.toFixed(2)})`;
      await this.#journal.set(action.id, 'applied', { after });
      await this.#undo(action, note);
      onEvent({ type: 'taken-back', action, comparison, note });
      return;
    }
    const note = known ? judgement(what, comparison) : 'not measured';
    await this.#journal.set(action.id, 'kept', { after, note });
    onEvent({ type: 'kept', action, comparison, note });
  }

  async #undo(action: Action, note: string): Promise<void> {
    await this.#journal.set(action.id, 'undoing', { note });
    await undoSql(this.#client, action, this.#options.handlers, this.#options.signal);
    await this.#journal.set(action.id, 'taken-back', { note });
    this.#last = undefined;
  }
}

/** What was measured, in words; an interval that holds 1 shows nothing. */
function judgement(what: string, comparison: Comparison | undefined): string {
  if (!comparison) return `${what} not seen in both windows, so no effect could be measured`;
  const { speedup, low, high } = comparison;
  const interval = `(95 % interval ${low.toFixed(1)} to ${high.toFixed(1)})`;
  return low > 1
    ? `${what} ${speedup.toFixed(1)} times as fast ${interval}`
    : `no effect on ${what} shown: x${speedup.toFixed(1)} ${interval}`;
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
  for (const statement of action.undo)
    await withLockRetries(client, () => client.query(statement), {
      signal,
      lockTimeoutMs: lockTimeoutFor(statement),
    });
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
    for (const { action } of chosen)
      if (needsHandler(action, options.handlers))
        throw new RemediationError(`${action.id} ${NEEDS_HANDLER}, or choose others with --only.`);
    for (const { action } of chosen.reverse()) {
      await journal.set(action.id, 'undoing');
      await undoSql(client, action, options.handlers, options.signal);
      await journal.set(action.id, 'taken-back', { note: 'undone by hand' });
      options.onUndone(action);
    }
  } finally {
    await client.end().catch(() => {});
  }
}
