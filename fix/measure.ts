import { z } from 'zod';
import { readCapabilities, readStatements } from '../diagnosis/catalogue.ts';
import { observe, workloadBetween } from '../diagnosis/observe.ts';
import { openSession } from '../diagnosis/session.ts';
import { mean, ratioOf } from '../lib/stats/interval.ts';

/** What was seen of one statement, one value a window in which it was called. */
const statementEffect = z.object({
  meanMs: z.array(z.number()),
  /** Pages touched by a call, in the buffer pool or not; of calls that came to their end. */
  pages: z.array(z.number()),
  calls: z.number(),
});

/** Time of the calls in each of several windows of the same length; windows without a call are left out. */
export const effectSchema = z.object({
  /** Milliseconds, one a window: the mean of the calls, or what a handler measures. */
  meanMs: z.array(z.number()),
  /** Calls in all windows. */
  calls: z.number(),
  windowSeconds: z.number(),
  /** By queryid, so that only statements that were seen on both sides are compared. */
  statements: z.record(z.string(), statementEffect).optional(),
  /** What a handler counts beside the time, by its name: fewer is better. One value a window. */
  work: z.record(z.string(), z.array(z.number())).optional(),
  /** Why nothing better can be seen at the load of now, whatever the action does. */
  nothingToGain: z.string().optional(),
  /** Why it could not be measured; then there is no window. */
  failed: z.string().optional(),
});

export type StatementEffect = z.infer<typeof statementEffect>;
export type Effect = z.infer<typeof effectSchema>;

export interface Comparison {
  /** Time before to time after of the means: above 1 is faster. */
  speedup: number;
  /** 95 % interval of `speedup` by the percentile bootstrap (Efron 1979). */
  low: number;
  high: number;
}

function comparisonOf(before: readonly number[], after: readonly number[]): Comparison | undefined {
  const ratio = ratioOf(before, after);
  return ratio && { speedup: ratio.mean, low: ratio.low, high: ratio.high };
}

/** @returns undefined when one side has no window with a call. */
export const compare = (before: Effect, after: Effect): Comparison | undefined =>
  comparisonOf(before.meanMs, after.meanMs);

/** What was seen of statements in windows, by queryid. */
export interface Windows {
  seconds: number;
  statements: Map<string, StatementEffect>;
}

/**
 * Looks at the running workload for `windows` windows. Statements that are cut off by a timeout count with the time
 * that they were seen to run.
 */
export async function measureWindows(options: {
  url: string;
  windows: number;
  windowMs: number;
  signal: AbortSignal;
}): Promise<Windows> {
  const session = await openSession({
    url: options.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: Number.POSITIVE_INFINITY,
    dutyCycle: 1,
    signal: options.signal,
  });
  try {
    const capabilities = await readCapabilities(session);
    const found = new Map<string, StatementEffect>();
    let { statements } = await readStatements(session, capabilities);
    for (let window = 0; window < options.windows; window += 1) {
      const seen = await observe(session, capabilities, statements, options.windowMs, options.signal);
      const { statements: now } = await readStatements(session, capabilities);
      const ended = new Map(workloadBetween(statements, now).map((each) => [each.queryid, each]));
      statements = now;
      for (const { queryid, meanMs, calls } of seen.statements) {
        const effect = found.get(queryid) ?? { meanMs: [], pages: [], calls: 0 };
        const counted = ended.get(queryid);
        effect.meanMs.push(meanMs);
        if (counted) effect.pages.push((counted.sharedBlocksHit + counted.sharedBlocksRead) / counted.calls);
        effect.calls += calls;
        found.set(queryid, effect);
      }
    }
    return { seconds: options.windowMs / 1000, statements: found };
  } finally {
    await session.close();
  }
}

/** Later windows after earlier ones. */
const joined = (
  first: StatementEffect | undefined,
  second: StatementEffect | undefined,
): StatementEffect => ({
  meanMs: [...(first?.meanMs ?? []), ...(second?.meanMs ?? [])],
  pages: [...(first?.pages ?? []), ...(second?.pages ?? [])],
  calls: (first?.calls ?? 0) + (second?.calls ?? 0),
});

export const joinWindows = (first: Windows, second: Windows): Windows => ({
  seconds: first.seconds,
  statements: new Map(
    [...new Set([...first.statements.keys(), ...second.statements.keys()])].map((queryid) => [
      queryid,
      joined(first.statements.get(queryid), second.statements.get(queryid)),
    ]),
  ),
});

/** One figure for several statements: the geometric mean of their times would hide a slow one, so times are added. */
function summed(statements: Record<string, StatementEffect>, windowSeconds: number): Effect {
  const effects = Object.values(statements);
  const most = Math.max(0, ...effects.map(({ meanMs }) => meanMs.length));
  return {
    meanMs: Array.from({ length: most }, (_, at) =>
      effects.reduce((sum, { meanMs }) => sum + (meanMs[at] ?? mean(meanMs)), 0),
    ),
    calls: effects.reduce((sum, { calls }) => sum + calls, 0),
    windowSeconds,
    statements,
  };
}

/** What was measured, and measured again. */
export function joinEffects(first: Effect, second: Effect): Effect {
  if (first.statements && second.statements)
    return effectOf(
      joinWindows(windowsOf(first), windowsOf(second)),
      Object.keys({ ...first.statements, ...second.statements }),
    );
  if (first.failed) return second;
  return {
    ...first,
    meanMs: [...first.meanMs, ...second.meanMs],
    calls: first.calls + second.calls,
    work: Object.fromEntries(
      Object.entries(first.work ?? {}).map(([what, values]) => [
        what,
        [...values, ...(second.work?.[what] ?? [])],
      ]),
    ),
  };
}

const windowsOf = ({ statements, windowSeconds }: Effect): Windows => ({
  seconds: windowSeconds,
  statements: new Map(Object.entries(statements ?? {})),
});

export const effectOf = ({ statements, seconds }: Windows, queryids: readonly string[]): Effect =>
  summed(
    Object.fromEntries(
      queryids.flatMap((queryid) => {
        const effect = statements.get(queryid);
        return effect ? [[queryid, effect] as const] : [];
      }),
    ),
    seconds,
  );

/** Both sides with the statements that each of them has: one that was seen on one side only tells nothing. */
export function comparable(before: Effect, after: Effect): { before: Effect; after: Effect } {
  const [first, second] = [before.statements, after.statements];
  if (!first || !second) return { before, after };
  const common = Object.keys(first).filter((queryid) => second[queryid]);
  const of = (all: Record<string, StatementEffect>) =>
    Object.fromEntries(common.map((queryid) => [queryid, all[queryid] as StatementEffect]));
  return {
    before: summed(of(first), before.windowSeconds),
    after: summed(of(second), after.windowSeconds),
  };
}

/** Windows of some seconds differ by a tenth by chance; neither gain nor harm is read from that. */
const CHANCE = 0.1;

/**
 * Shown to be better: the whole interval is above 1, and the mean by more than chance. Shown to be worse: the same
 * the other way round.
 */
export const isBetter = ({ speedup, low }: Comparison) => low > 1 && speedup >= 1 + CHANCE;
export const isWorse = ({ speedup, high }: Comparison) => high < 1 && speedup < 1 - CHANCE;

/** Twice, over the whole interval: windows of seconds of one load do not come that far apart. */
const PLAIN = 2;

/** A gain beyond doubt, in time or in what is asked of the database; one window alone has no interval. */
export const isPlain = (before: Effect, after: Effect, { time, work }: Verdict): boolean =>
  Math.min(before.meanMs.length, after.meanMs.length) > 1 &&
  [time, work?.ratio].some((ratio) => ratio !== undefined && ratio.low >= PLAIN);

export interface Verdict {
  /** `mixed`: the time is worse, although less is asked of the database. */
  is: 'better' | 'worse' | 'mixed' | 'unshown' | 'unmeasured';
  time: Comparison | undefined;
  /** Of what was counted, the one that gained most: how many times fewer. */
  work: { what: string; ratio: Comparison } | undefined;
}

/** Fewer pages than one a call, or as few of anything else, leave nothing to be saved. */
const MIN_WORK = 1;

/**
 * What was measured before and after, judged. Time is noisy on a machine that is overloaded; what a call asks of the
 * database is not, so either of them shows a gain. An index may help one of several statements, so the pages of each
 * are held against its own. More work alone is no harm: an index scan may touch more pages in less time.
 */
export function judge(before: Effect, after: Effect): Verdict {
  const time = compare(before, after);
  if (!time) return { is: 'unmeasured', time, work: undefined };
  const legs = [
    ...Object.entries(before.work ?? {}).map(
      ([what, values]) => [what, values, after.work?.[what] ?? []] as const,
    ),
    ...Object.entries(before.statements ?? {}).map(
      ([queryid, { pages }]) =>
        ['pages touched by a call', pages, after.statements?.[queryid]?.pages ?? []] as const,
    ),
  ];
  // What is shown comes before what only seems so.
  const [work] = legs
    .flatMap(([what, first, second]) => {
      const ratio = first.length > 0 && mean(first) >= MIN_WORK ? comparisonOf(first, second) : undefined;
      return ratio ? [{ what, ratio }] : [];
    })
    .sort(
      (a, b) => Number(isBetter(b.ratio)) - Number(isBetter(a.ratio)) || b.ratio.speedup - a.ratio.speedup,
    );
  const less = work !== undefined && isBetter(work.ratio);
  const is = isBetter(time)
    ? 'better'
    : isWorse(time)
      ? less
        ? 'mixed'
        : 'worse'
      : less
        ? 'better'
        : 'unshown';
  return { is, time, work };
}
