import type { RankedFinding } from '../diagnosis/finding.ts';
import { type Action, type ActionKind, actionsFor, distinguish } from '../fix/action.ts';
import { type ApplyEvent, applyActions } from '../fix/apply.ts';
import {
  type ActionState,
  isApplicable,
  isHalfDone,
  isInForce,
  isUndoable,
  type JournalEntry,
  type Outcome,
} from '../fix/journalEntry.ts';
import { type Comparison, compare } from '../fix/measure.ts';
import { type MediumTerm, mediumTermOf } from '../fix/mediumTerm.ts';
import { planFor } from '../fix/mitigate.ts';
import { checkActions } from '../fix/planCheck.ts';
import { undoActions } from '../fix/undo.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { shellWord } from '../lib/shellWord.ts';
import type { DiagnosisService } from './diagnosis.ts';
import { BadRequest } from './problem.ts';
import { SQLTRAIL } from './program.ts';
import type { DatabaseSource } from './sources/database.ts';

export interface ActionReading {
  action: Action;
  /** `proposed` is not in the journal yet. */
  state: ActionState | 'proposed';
  /** What it changes is in the database, complete; also while its effect is measured. */
  inForce: boolean;
  startedAt: string | null;
  endedAt: string | null;
  owner: string | null;
  /** It is to be reviewed on this day; ISO date. */
  reviewOn: string | null;
  note: string | null;
  /** From beginning to applied, as it was; null before. */
  applySeconds: number | null;
  /** Why it is kept or reverted; null before it has an outcome. */
  outcome: Outcome | null;
  /** Measured before and after; null where one side was not. */
  effect: Comparison | null;
  /** What this console may do now, after a confirmation. */
  can: 'apply' | 'undo' | null;
  /** The same on the command line. */
  command: string | null;
}

export interface ActionsReading {
  /** In the journal first, the oldest first; then what the findings propose. */
  actions: ActionReading[];
  /** Online migrations that the findings ask for. They are never started from here. */
  mediumTerm: MediumTerm[];
  /** Whether OWNER_DATABASE_URL is set; without it the console changes nothing. */
  canChange: boolean;
  running: { id: string; verb: 'apply' | 'undo'; text: string } | null;
  /** What went wrong the last time, by the action's id. */
  failure: { id: string; text: string } | null;
}

/** Steps that are SQL alone; the others need the application's part, which the command line has. */
const OWN_KINDS: readonly ActionKind[] = ['index', 'settings', 'maintenance'];

export interface ActionServiceOptions {
  database: DatabaseSource;
  /** A role that owns the tables; undefined where the console may only look. */
  ownerUrl: string | undefined;
  diagnosis: DiagnosisService;
  signal: AbortSignal;
  onChange: () => void;
  log: (message: string) => void;
  /** Windows measured before and after each action. */
  windows: number;
  windowMs: number;
}

const REVIEW_DAYS = 30;

function commandFor(verb: 'apply' | 'undo', { id, kind }: Action): string | null {
  if (!OWN_KINDS.includes(kind)) return null;
  return verb === 'apply'
    ? `${SQLTRAIL} fix apply "$OWNER_DATABASE_URL" --only ${shellWord(id)} --yes`
    : `${SQLTRAIL} fix revert "$OWNER_DATABASE_URL" --only ${shellWord(id)} --yes`;
}

function describe(event: ApplyEvent): string | undefined {
  if (event.type === 'measuring') return `measuring ${event.what} for ${event.seconds} s`;
  if (event.type === 'applying') return 'applying';
  if (event.type === 'progress')
    return `${event.phase}${event.done === null ? '' : ` ${Math.round(event.done * 100)} %`}`;
  return undefined;
}

/**
 * What was done, as the pages have it.
 *
 * @param again the same action, where a finding proposes it once more
 * @param mayChange whether this console may apply and undo now
 */
export function readingOf(entry: JournalEntry, again?: Action, mayChange = false): ActionReading {
  const { action, state, before, after, startedAt, endedAt, owner, reviewOn, outcome, note, applySeconds } =
    entry;
  const undoable = isUndoable(entry) && OWN_KINDS.includes(action.kind);
  const verb = again ? 'apply' : undoable ? 'undo' : null;
  return {
    action: again ?? action,
    state,
    inForce: isInForce(entry),
    startedAt,
    endedAt,
    owner,
    reviewOn,
    note,
    applySeconds,
    outcome,
    effect: (before && after && compare(before, after)) || null,
    can: mayChange ? verb : null,
    command: verb && commandFor(verb, action),
  };
}

/** What the findings propose and what was done, with its effect; applies and undoes one action at a time. */
export class ActionService {
  readonly #options: ActionServiceOptions;
  #running: ActionsReading['running'] = null;
  #failure: ActionsReading['failure'] = null;
  #planned: { findings: readonly RankedFinding[]; actions: Action[] } | undefined;

  constructor(options: ActionServiceOptions) {
    this.#options = options;
  }

  /**
   * What the workflow of `sqltrail fix` plans, read once for each diagnosis; until it is there, or where the database
   * cannot be read, what the findings alone ask for. Whether the server takes an action is tried when it is applied:
   * a page that is looked at tries nothing.
   */
  async #plan(findings: readonly RankedFinding[]): Promise<readonly Action[]> {
    if (this.#planned?.findings === findings) return this.#planned.actions;
    const { database, signal, onChange, log } = this.#options;
    const planned = { findings, actions: actionsFor(findings) };
    this.#planned = planned;
    if (findings.length > 0)
      void planFor({ findings, readUrl: database.url, signal }).then(
        (actions) => {
          planned.actions = actions;
          if (this.#planned === planned) onChange();
        },
        (error: Error) => {
          if (!signal.aborted) log(`The settings could not be read: ${error.message}`);
        },
      );
    return planned.actions;
  }

  get #mayChange(): boolean {
    return this.#options.ownerUrl !== undefined && !this.#running;
  }

  /** @throws SourceUnavailable when the journal cannot be read */
  async read(): Promise<ActionsReading> {
    const { database, ownerUrl, diagnosis } = this.#options;
    const journal = await database.journal(ownerUrl);
    const plan = await this.#plan(diagnosis.findings);
    const proposals = new Map(distinguish(plan, journal).map((action) => [action.id, action]));
    const entries = journal.map((entry) => {
      const again = isApplicable(entry) ? proposals.get(entry.action.id) : undefined;
      proposals.delete(entry.action.id);
      return readingOf(entry, again, this.#mayChange);
    });
    return {
      actions: [...entries, ...[...proposals.values()].map((action) => this.#proposed(action))],
      mediumTerm: mediumTermOf(diagnosis.findings).map((planned) => ({
        ...planned,
        command: planned.command.replace(/^sqltrail/, SQLTRAIL),
      })),
      canChange: ownerUrl !== undefined,
      running: this.#running,
      failure: this.#failure,
    };
  }

  #proposed(action: Action): ActionReading {
    return {
      action,
      state: 'proposed',
      inForce: false,
      startedAt: null,
      endedAt: null,
      owner: null,
      reviewOn: null,
      note: null,
      applySeconds: null,
      outcome: null,
      effect: null,
      can: this.#mayChange ? 'apply' : null,
      command: commandFor('apply', action),
    };
  }

  /**
   * Begins to apply a proposed action, or to undo one that is in force; the reading tells how it goes on.
   *
   * @throws BadRequest when it is not known, not to be changed from here, or another change is under way
   */
  async start(verb: 'apply' | 'undo', id: string): Promise<void> {
    const { ownerUrl, onChange } = this.#options;
    if (ownerUrl === undefined)
      throw new BadRequest(
        'The console has no role that may change the database: set OWNER_DATABASE_URL, or use the command line.',
        403,
      );
    const { actions } = await this.read();
    if (this.#running) throw new BadRequest(`Another change is running: ${this.#running.id}.`, 409);
    const found = actions.find((entry) => entry.action.id === id && entry.can === verb);
    if (!found)
      throw new BadRequest(`There is no action ${id} to ${verb === 'apply' ? 'apply' : 'undo'} now.`, 404);
    this.#running = { id, verb, text: verb === 'apply' ? 'beginning' : 'undoing' };
    this.#failure = null;
    onChange();
    void this.#run(verb, found, ownerUrl);
  }

  async #run(verb: 'apply' | 'undo', { action, state }: ActionReading, url: string): Promise<void> {
    const { database, windows, windowMs, signal, onChange, log } = this.#options;
    const { id } = action;
    try {
      if (verb === 'undo') {
        const [failed] = await undoActions({ url, ids: [id], signal, onUndone: () => {} });
        if (failed) this.#failure = { id, text: failed.reason };
      } else {
        // What an earlier run began is resumed as it is: a part of it is there already.
        const resumed = state !== 'proposed' && isHalfDone({ state });
        const [checked = action] = resumed ? [] : await checkActions({ url, actions: [action], signal });
        if (checked.blocked) this.#failure = { id, text: checked.blocked };
        else
          await applyActions({
            url,
            readUrl: database.url,
            actions: [checked],
            windows,
            windowMs,
            reviewDays: REVIEW_DAYS,
            signal,
            onEvent: (event) => {
              if (event.action.id === id && event.type === 'failed') this.#failure = { id, text: event.note };
              const text = describe(event);
              if (!text) return;
              this.#running = { id, verb, text };
              onChange();
            },
          });
      }
    } catch (error) {
      const text = (error as Error).message;
      this.#failure = { id, text };
      if (!(error instanceof OperationError)) log(String((error as Error).stack ?? error));
    } finally {
      this.#running = null;
      onChange();
    }
  }
}
