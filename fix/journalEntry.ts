import { z } from 'zod';
import { actionSchema } from './action.ts';
import { changeSchema } from './change.ts';
import { effectSchema } from './measure.ts';

/**
 * `planned`, `applying` and `undoing` are on the way: a run that finds them resumes them. `applied` waits for its
 * measurement; `kept` has shown its effect or could not be measured; `reverted` is undone; `failed` was not applied.
 */
const states = ['planned', 'applying', 'applied', 'kept', 'undoing', 'reverted', 'failed'] as const;
export type ActionState = (typeof states)[number];

/**
 * Why it is kept: `better`, `unmeasured`, or `irreversible` although no gain was shown. Why it is reverted: `worse`,
 * `no gain`, `not needed` (what needed it was reverted), `nothing to do`, or `by hand`.
 */
export const outcomes = [
  'better',
  'unmeasured',
  'irreversible',
  'worse',
  'no gain',
  'not needed',
  'nothing to do',
  'by hand',
] as const;
export type Outcome = (typeof outcomes)[number];

const entry = z.object({
  action: actionSchema,
  state: z.enum(states),
  owner: z.string(),
  /** Temporary help, and what could not be measured, is to be reviewed on this day; ISO date. */
  reviewOn: z.string().nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  /** What it took from beginning to applied; null before, and in journals that did not note it. */
  applySeconds: z.number().nullable(),
  before: effectSchema.nullable(),
  after: effectSchema.nullable(),
  /** Null before it has one. */
  outcome: z.enum(outcomes).nullable(),
  /** The outcome in words, for people. */
  note: z.string().nullable(),
  /** What it changed, with what was there before; null in journals that did not note it: then its SQL undoes it. */
  changes: z.array(changeSchema).nullable().default(null),
});

export type JournalEntry = z.infer<typeof entry>;

/** How the notes of version 1 begin, which had the outcome in words only. */
const notesOfVersionOne: readonly [beginning: string, outcome: Outcome][] = [
  ['not measured: ', 'unmeasured'],
  ['undone by hand', 'by hand'],
  ['nothing to do: ', 'nothing to do'],
  ['only “', 'not needed'],
];

const versionOne = z.looseObject({
  state: z.string(),
  note: z.string().nullable(),
  outcome: z.null().optional(),
});

/** An entry of version 1 as one of version 2; anything else as it is, for the schema to judge. */
function upgraded(value: unknown): unknown {
  const parsed = versionOne.safeParse(value);
  if (!parsed.success) return value;
  const { state, note } = parsed.data;
  const told = notesOfVersionOne.find(([beginning]) => note?.startsWith(beginning))?.[1];
  const ended = { kept: 'better', 'taken-back': 'no gain', reverted: 'no gain' }[state] ?? null;
  return {
    ...parsed.data,
    state: state === 'taken-back' ? 'reverted' : state,
    outcome: note === null ? null : (told ?? ended),
  };
}

/** An entry as a journal or a recording has it; one of version 1 is upgraded. */
export const journalEntrySchema = z.preprocess(upgraded, entry);

/** What it changed is in the database, complete. */
export const isInForce = ({ state }: Pick<JournalEntry, 'state'>): boolean =>
  state === 'kept' || state === 'applied';

/** A run that ended early, or that is on, has left it on the way. */
export const isHalfDone = ({ state }: Pick<JournalEntry, 'state'>): boolean =>
  ['planned', 'applying', 'applied', 'undoing'].includes(state);

/** There may be something of it in the database; what failed may have left a part. */
export const isUndoable = ({ state }: Pick<JournalEntry, 'state'>): boolean => state !== 'reverted';

/** It may be applied, again or to its end. */
export const isApplicable = (entry: Pick<JournalEntry, 'state'>): boolean =>
  !isInForce(entry) && entry.state !== 'undoing';

/** It is in force, and the day of its review has come (UTC). */
export const isDueForReview = (
  entry: Pick<JournalEntry, 'state' | 'reviewOn'>,
  now: Date = new Date(),
): boolean => isInForce(entry) && entry.reviewOn !== null && entry.reviewOn <= now.toISOString().slice(0, 10);
