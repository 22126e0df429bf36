import { readCapabilities, readStatements } from '../diagnosis/catalogue.ts';
import { observe } from '../diagnosis/observe.ts';
import { openSession } from '../diagnosis/session.ts';

/** Mean time of a call in each of several windows of the same length; windows without a call are left out. */
export interface Effect {
  /** Milliseconds a call, one a window. */
  meanMs: number[];
  /** Calls in all windows. */
  calls: number;
  windowSeconds: number;
}

export interface Comparison {
  /** Time before to time after of the means: above 1 is faster. */
  speedup: number;
  /** 95 % interval of `speedup` by the percentile bootstrap (Efron 1979). */
  low: number;
  high: number;
}

/** Enough for a stable 95 % interval (Efron and Tibshirani 1993 advise 1,000 or more). */
const RESAMPLES = 2_000;

/** A small generator with a fixed seed, so that the same windows give the same interval (mulberry32). */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** @returns undefined when one side has no window with a call. */
export function compare(before: Effect, after: Effect): Comparison | undefined {
  if (before.meanMs.length === 0 || after.meanMs.length === 0) return undefined;
  const random = uniform(1);
  const resample = (values: readonly number[]) =>
    mean(values.map(() => values[Math.floor(random() * values.length)] ?? 0));
  const least = 1e-6;
  const ratios = Array.from(
    { length: RESAMPLES },
    () => resample(before.meanMs) / Math.max(resample(after.meanMs), least),
  ).sort((a, b) => a - b);
  return {
    speedup: mean(before.meanMs) / Math.max(mean(after.meanMs), least),
    low: ratios[Math.floor(RESAMPLES * 0.025)] ?? 0,
    high: ratios[Math.floor(RESAMPLES * 0.975)] ?? 0,
  };
}

/** Times of statements in the next windows, by queryid. */
export type Windows = Map<string, Effect>;

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
    const found: Windows = new Map();
    let { statements } = await readStatements(session, capabilities);
    for (let window = 0; window < options.windows; window += 1) {
      const seen = await observe(session, capabilities, statements, options.windowMs, options.signal);
      ({ statements } = await readStatements(session, capabilities));
      for (const { queryid, meanMs, calls } of seen.statements) {
        const effect = found.get(queryid) ?? { meanMs: [], calls: 0, windowSeconds: options.windowMs / 1000 };
        effect.meanMs.push(meanMs);
        effect.calls += calls;
        found.set(queryid, effect);
      }
    }
    return found;
  } finally {
    await session.close();
  }
}

/** One figure for several statements: the geometric mean of their times would hide a slow one, so times are added. */
export function effectOf(windows: Windows, queryids: readonly string[]): Effect {
  const effects = queryids.flatMap((queryid) => windows.get(queryid) ?? []);
  const most = Math.max(0, ...effects.map(({ meanMs }) => meanMs.length));
  return {
    meanMs: Array.from({ length: most }, (_, at) =>
      effects.reduce((sum, { meanMs }) => sum + (meanMs[at] ?? mean(meanMs)), 0),
    ),
    calls: effects.reduce((sum, { calls }) => sum + calls, 0),
    windowSeconds: effects[0]?.windowSeconds ?? 0,
  };
}
