import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { Finding } from '../diagnosis/finding.ts';
import { type Action, actionsFor, distinguish } from './action.ts';
import { type ApplyOptions, applyActions } from './apply.ts';
import { withTimes } from './duration.ts';
import type { Handlers } from './handler.ts';
import { readJournal } from './journal.ts';
import { isHalfDone, isInForce, type JournalEntry } from './journalEntry.ts';
import { checkActions } from './planCheck.ts';
import { settingsActions } from './settings.ts';

/** What the application itself offers beside SQL: other statements, another size of its pool. */
export interface Application {
  handlers: Handlers;
  /** Its actions for the findings. */
  actions(findings: readonly Finding[]): Action[];
  /** Its pool, sized for the load of now; without an action where its size fits, and `reason` says why. */
  sizePool?:
    | ((readUrl: string, signal: AbortSignal) => Promise<{ action?: Action | undefined; reason: string }>)
    | undefined;
}

interface PlanOptions {
  findings: readonly Finding[];
  /** Reads the statistics and the journal. */
  readUrl: string;
  /** The role that will apply it, which the plan is checked for; unchecked without it. */
  url?: string | undefined;
  application?: Application | undefined;
  signal: AbortSignal;
}

/** What can be applied of the findings, in the order in which it is, checked against the database. */
export async function planFor(options: PlanOptions): Promise<Action[]> {
  const { findings, readUrl, url, application, signal } = options;
  const offered = application?.actions(findings) ?? [];
  const found = actionsFor(findings).map((action) => {
    // An index that a finding asks for may be needed by the application's new statements too.
    const neededBy = offered.find(({ id }) => id === action.id)?.neededBy;
    return neededBy === undefined ? action : { ...action, neededBy };
  });
  const actions = [
    ...found,
    ...(await settingsActions({ url: readUrl, signal })),
    ...offered.filter(({ id }) => !found.some((action) => action.id === id)),
  ];
  const journal = await readJournal(url ?? readUrl);
  const distinct = distinguish(actions, journal);
  if (url === undefined) return distinct;
  // What an earlier run began is resumed as it is: a part of it is there already.
  const begun = new Set(journal.filter(isHalfDone).map(({ action }) => action.id));
  const fresh = distinct.filter(({ id }) => !begun.has(id));
  const checked = await checkActions({ url, actions: fresh, signal });
  return distinct.map((action) => checked.find(({ id }) => id === action.id) ?? action);
}

/** Without what serves nothing but statements that are neither to come nor there. */
function withUse(
  actions: readonly Action[],
  journal: readonly JournalEntry[],
  onLeftOut: (action: Action) => void,
): Action[] {
  const there = new Set([
    ...actions.map(({ id }) => id),
    ...journal.filter(isInForce).map(({ action }) => action.id),
  ]);
  return actions.filter((action) => {
    const { neededBy, findings } = action;
    if (!neededBy || findings.length > 0 || there.has(neededBy)) return true;
    onLeftOut(action);
    return false;
  });
}

/** Groups of checks whose findings can be mitigated at once; reading the data model would only take time from it. */
export const MITIGATED = ['indexes', 'queries', 'size', 'set-up'] as const;

export interface Plan {
  /** From 1. */
  round: number;
  /** All that can be applied. */
  found: readonly Action[];
  /** Of these what is chosen and was not tried yet. */
  actions: readonly Action[];
  journal: readonly JournalEntry[];
}

export interface MitigateOptions
  extends Pick<ApplyOptions, 'windows' | 'windowMs' | 'reviewDays' | 'signal'> {
  /** A role that owns the tables. */
  url: string;
  /** A role with pg_monitor, for diagnosis and measurement. */
  readUrl: string;
  /** Diagnoses, from 1: mitigation lets statements through that nothing was known of before. */
  rounds: number;
  diagnose(round: number): Promise<Pick<Diagnosis, 'findings'>>;
  application?: Application | undefined;
  /** Leaves actions out; all are chosen without it. */
  isChosen?(action: Action): boolean;
  onLeftOut?(action: Action): void;
  /** @returns whether to apply it; it is applied without it */
  onPlan?(plan: Plan): boolean;
  /** The pool is sized last; `action` is undefined where it stays. */
  onPool?(pool: { action: Action | undefined; reason: string }): void;
  onEvent: ApplyOptions['onEvent'];
  onApplied?(journal: readonly JournalEntry[]): void;
}

/**
 * The workflow of all who fix: diagnose, plan, apply, measure, keep or revert, and again, as long as something new is
 * found; then the application's pool, for the load that is left.
 *
 * @throws OperationError when the database cannot be reached, or another run is on
 */
export async function mitigate(options: MitigateOptions): Promise<void> {
  const { url, readUrl, application, signal, windows, windowMs, reviewDays, onEvent } = options;
  const measured = { windows, windowMs, ...(application ? { handlers: application.handlers } : {}), signal };
  const isChosen = (action: Action) => options.isChosen?.(action) ?? true;
  const timed = async (actions: readonly Action[]) =>
    actions.length === 0 ? [] : withTimes({ ...measured, url: readUrl, actions });
  const apply = async (actions: readonly Action[]) => {
    const journal = await applyActions({ ...measured, url, readUrl, actions, reviewDays, onEvent });
    options.onApplied?.(journal);
  };
  const planned: Action[] = [];
  const tried = new Set<string>();
  for (let round = 1; round <= options.rounds; round += 1) {
    signal.throwIfAborted();
    const { findings } = await options.diagnose(round);
    const found = await planFor({ findings, readUrl, url, application, signal });
    // An action of an earlier round is known in later ones by its name, although it is done.
    planned.push(...found.filter(({ id }) => !planned.some((known) => known.id === id)));
    const journal = await readJournal(url);
    const chosen = withUse(planned.filter(isChosen), journal, options.onLeftOut ?? (() => {}));
    const actions = await timed(chosen.filter(({ id }) => !tried.has(id)));
    if (options.onPlan?.({ round, found: planned, actions, journal }) === false) return;
    for (const { id } of actions) tried.add(id);
    // With nothing to apply, what an earlier run left half done is still brought to its end.
    if (actions.length > 0 || (round === 1 && journal.length > 0)) await apply(actions);
    if (actions.length === 0) break;
  }
  if (!application?.sizePool) return;
  const { action, reason } = await application.sizePool(readUrl, signal).catch((error: Error) => {
    if (signal.aborted) throw error;
    return { action: undefined, reason: `its load could not be seen (${error.message}).` };
  });
  if (action && !isChosen(action)) return;
  const [pool] = await timed(action ? [action] : []);
  options.onPool?.({ action: pool, reason });
  if (pool) await apply([pool]);
}
