import { readCapabilities, readStatements } from '../diagnosis/catalogue.ts';
import { observe } from '../diagnosis/observe.ts';
import { openSession } from '../diagnosis/session.ts';
import { ratioOf } from './interval.ts';

/** Time of the calls in each of several windows of the same length; windows without a call are left out. */
export interface Effect {
  /** Milliseconds, one a window: the mean of the calls, or what a handler measures. */
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

/** @returns undefined when one side has no window with a call. */
export function compare(before: Effect, after: Effect): Comparison | undefined {
  const ratio = ratioOf(before.meanMs, after.meanMs);
  return ratio && { speedup: ratio.mean, low: ratio.low, high: ratio.high };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

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
