import type pg from 'pg';
import { describeTarget } from '../lib/pg/connect.ts';
import { isConnectionLost, OperationError } from '../lib/pg/errors.ts';
import { type Action, distinguish } from './action.ts';
import { carryOut } from './carryOut.ts';
import { type Handlers, NEEDS_HANDLER, needsHandler } from './handler.ts';
import { runStatements } from './indexes.ts';
import { inWords } from './inWords.ts';
import { Journal } from './journal.ts';
import { isHalfDone, type JournalEntry, type Outcome } from './journalEntry.ts';
import {
  type Comparison,
  type Effect,
  effectOf,
  isBetter,
  joinWindows,
  measureWindows,
  type Windows,
} from './measure.ts';
import { connect, takeTurn } from './runSession.ts';
import { SequentialTest } from './sequentialTest.ts';
import { undoEntry, undoJournalled, workOn } from './undo.ts';

export type ApplyEvent =
  | { type: 'measuring'; what: 'before' | 'after' | 'again'; action: Action; seconds: number }
  | { type: 'applying'; action: Action }
  | { type: 'progress'; action: Action; phase: string; done: number | null }
  | { type: 'kept'; action: Action; comparison: Comparison | undefined; note: string }
  | { type: 'reverted'; action: Action; comparison: Comparison | undefined; note: string }
  | { type: 'skipped'; action: Action; note: string }
  | { type: 'failed'; action: Action; note: string };

export interface ApplyOptions {
  /** A role that owns the tables. */
  url: string;
  /** A role that may read the statistics (pg_monitor), for the measurements; `url` without it. */
  readUrl?: string;
  actions: readonly Action[];
  /** Windows observed before and after each action; 0 for no measurement, then nothing is reverted. */
  windows: number;
  windowMs: number;
  /** Temporary indexes, and what could not be measured, are to be reviewed after these days. */
  reviewDays: number;
  handlers?: Handlers;
  signal: AbortSignal;
  onEvent: (event: ApplyEvent) => void;
}

/**
 * Applies the actions one by one, the most expensive cause first, and measures each against the running load. An action
 * that was measured and is not shown to help, after more windows where the first ones show nothing, is reverted; what
 * cannot be measured is kept, says why, and is to be reviewed. Every step is journalled before it is done, so that the
 * next run resumes one that was killed.
 *
 * @throws OperationError when the database cannot be reached, or another run is on
 */
export async function applyActions(options: ApplyOptions): Promise<JournalEntry[]> {
  const { url, signal } = options;
  const client = await connect(url, 'sqltrail-fix');
  try {
    await takeTurn(client);
    const journal = new Journal(client);
    await journal.open(signal);
    await new Run(client, journal, options).run();
    return await journal.list();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!isConnectionLost(error)) throw error;
    throw new OperationError(
      `${describeTarget(url)}: the connection was lost. Unfinished work is in the journal: run this again to resume it.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}

class Run {
  readonly #client: pg.Client;
  readonly #journal: Journal;
  readonly #options: ApplyOptions;
  /** What was measured last: the "after" of one action is the "before" of the next. */
  #last: Windows | undefined;

  constructor(client: pg.Client, journal: Journal, options: ApplyOptions) {
    this.#client = client;
    this.#journal = journal;
    this.#options = options;
  }

  async run(): Promise<void> {
    await this.#resume();
    for (const action of distinguish(this.#options.actions, await this.#journal.list())) {
      this.#options.signal.throwIfAborted();
      await this.#one(action);
    }
  }

  /**
   * What a run that ended early has left half done is brought to an end: undoing goes on, applying begins anew, and
   * what is applied is measured.
   */
  async #resume(): Promise<void> {
    const { actions, handlers, onEvent } = this.#options;
    const entries = await this.#journal.list();
    const asked = new Set(distinguish(actions, entries).map(({ id }) => id));
    for (const entry of entries) {
      const { action, state, outcome, note } = entry;
      if (needsHandler(action, handlers)) {
        if (isHalfDone(entry)) onEvent({ type: 'skipped', action, note: `half done, and ${NEEDS_HANDLER}` });
        continue;
      }
      if (state === 'undoing') {
        if (await this.#undo(action, outcome ?? 'no gain', note ?? undefined))
          onEvent({
            type: 'reverted',
            action,
            comparison: undefined,
            note: note ?? 'as an earlier run began to',
          });
      } else if (isHalfDone(entry) && !asked.has(action.id)) await this.#one(action);
      // A run may also have ended between an action that did not help and what only that needed.
      if (['undoing', 'reverted'].includes(state) && outcome !== 'by hand')
        await this.#undoWhatItNeeded(action);
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
      await this.#journal.set(action.id, 'reverted', { outcome: 'nothing to do', note });
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
    const entry = await this.#journal.entry(action.id);
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
    const entry = await this.#journal.entry(action.id);
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
    return (await this.#journal.entry(id))?.before ?? null;
  }

  async #measureAfter(action: Action, before: Effect): Promise<ReturnType<SequentialTest['add']>> {
    const test = new SequentialTest(before);
    let latest = await this.#measure(action, 'after');
    while (latest) {
      const answer = test.add(latest);
      if (answer) return answer;
      latest = await this.#measure(action, 'again');
    }
    return undefined;
  }

  /** @param about what is to be known of how it was applied */
  async #judge(action: Action, measured: Effect | null, about?: string): Promise<void> {
    const { onEvent, reviewDays } = this.#options;
    const handler = this.#options.handlers?.[action.kind];
    const known = measured ?? (await this.#measuredBefore(action));
    const tested = known ? await this.#measureAfter(action, known) : undefined;
    const { time, work } = tested?.verdict ?? {};
    // Less work a call can have another reason (statistics of an expression); time alone can be the machine's, in both directions.
    const unused = tested && !(work && isBetter(work.ratio)) && (await this.#builtWithoutUse(action));
    const is = unused ? 'unshown' : (tested?.verdict.is ?? 'unmeasured');
    const unmeasured =
      is === 'unmeasured' || (is === 'unshown' && (known?.nothingToGain ?? action.neededBy) !== undefined);
    const words = tested && time ? inWords(handler?.measure?.what ?? 'its statements', tested.verdict) : '';
    if (tested && time && !unmeasured && is !== 'better' && (handler || action.undo.length > 0)) {
      const note =
        is === 'worse'
          ? words
          : unused
            ? `no gain: no statement has used it${tested.verdict.is === 'better' ? '. Something else made the difference: ' : '; '}${words}`
            : `no gain in two observations in a row, in ${tested.sides.after.meanMs.length} windows: ${words}`;
      await this.#journal.set(action.id, 'applied', tested.sides);
      if (!(await this.#undo(action, is === 'worse' ? 'worse' : 'no gain', note))) return;
      onEvent({ type: 'reverted', action, comparison: time, note });
      await this.#undoWhatItNeeded(action);
      return;
    }
    const outcome: Outcome = unmeasured ? 'unmeasured' : is === 'better' ? 'better' : 'irreversible';
    const said = {
      unmeasured: `not measured: ${known?.nothingToGain ?? known?.failed ?? tested?.sides.after.failed ?? this.#whyUnmeasured(action)}`,
      better: words,
      irreversible: `${words}; it cannot be undone`,
    }[outcome];
    const note = about ? `${said}; ${about}` : said;
    await this.#journal.set(action.id, 'kept', {
      ...(tested?.sides ?? {}),
      outcome,
      note,
      ...(unmeasured ? { reviewDays } : {}),
    });
    onEvent({ type: 'kept', action, comparison: time, note });
  }

  /** Whether an action built indexes and the server has not scanned any of them: then no statement is faster by them. */
  async #builtWithoutUse({ id }: Action): Promise<boolean> {
    const changes = (await this.#journal.entry(id))?.changes ?? [];
    const built = changes.flatMap((each) =>
      each.change === 'index' && !each.undone && each.oid !== null ? [each.oid] : [],
    );
    if (built.length === 0) return false;
    const { rows } = await this.#client.query<{ unused: boolean }>(
      `SELECT current_setting('track_counts')::boolean AND bool_and(coalesce(pg_stat_get_numscans(oid), 0) = 0) AS unused
         FROM unnest($1::oid[]) AS built (oid)`,
      [built],
    );
    return rows[0]?.unused ?? false;
  }

  #whyUnmeasured({ kind, statements, neededBy }: Action): string {
    if (this.#options.windows === 0) return 'no windows were asked for';
    if (neededBy) return `the statements that need it come with ${neededBy}`;
    if (statements.length > 0) return 'its statements were not seen both before and after';
    return {
      index: 'no statement that was seen needs it yet',
      settings: 'it acts on the next vacuum or session, not in the next seconds',
      maintenance: 'no statement is known to suffer from what it resolves',
      query: 'its statements are others afterwards, and the application’s times are not known here',
      pool: 'the application’s times are not known here',
    }[kind];
  }

  /** What was there for an action that did not help has no use either, unless it was shown to have one of its own. */
  async #undoWhatItNeeded({ id, title }: Action): Promise<void> {
    const entries = (await this.#journal.list()).filter(
      ({ action, state, outcome }) => action.neededBy === id && state === 'kept' && outcome === 'unmeasured',
    );
    for (const { action } of entries.reverse()) {
      const note = `only “${title}” needed it, which was reverted`;
      if (await this.#undo(action, 'not needed', note))
        this.#options.onEvent({ type: 'reverted', action, comparison: undefined, note });
    }
  }

  /** @returns whether it came to its end; otherwise an event says why, and the next run tries again */
  async #undo(action: Action, outcome: Outcome, note?: string): Promise<boolean> {
    const { signal, onEvent } = this.#options;
    const left = await undoJournalled(
      this.#client,
      this.#journal,
      action.id,
      { outcome, note },
      this.#options,
    ).catch((error: Error) => {
      if (signal.aborted || isConnectionLost(error)) throw error;
      onEvent({ type: 'failed', action, note: `not undone: ${error.message}` });
      return undefined;
    });
    this.#last = undefined;
    return left !== undefined;
  }
}
