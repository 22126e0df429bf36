/** Mean of repeated windows with its 95 % interval. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
  windows: number;
}

export const RESAMPLES = 2_000;

/** With fewer windows the bootstrap's interval is far too narrow: none is shown. */
export const MIN_WINDOWS = 6;

/** Enough windows, and ends that differ: equal ones come from the buckets of a histogram. */
export const isInterval = ({ low, high, windows }: Interval): boolean => windows >= MIN_WINDOWS && low < high;

/** ` (LOW to HIGH)` for a text after the mean, `lead` in front of LOW; empty where there is no interval to tell. */
export function rangeText(found: Interval, text: (value: number) => string, lead = ''): string {
  const [low, high] = [text(found.low), text(found.high)];
  return isInterval(found) && low !== high ? ` (${lead}${low} to ${high})` : '';
}

/** mulberry32, 0 <= u < 1: the same windows give the same interval in every run. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function resampled(values: readonly number[], random: () => number): number {
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) sum += values[Math.floor(random() * values.length)] ?? 0;
  return sum / values.length;
}

const percentiles = (sorted: readonly number[]) => ({
  low: sorted[Math.floor(sorted.length * 0.025)] ?? 0,
  high: sorted[Math.floor(sorted.length * 0.975)] ?? 0,
});

/**
 * Percentile bootstrap (Efron 1979) over windows that do not overlap. With one window there is no interval: low and
 * high are the value itself, and `windows` says so. @returns undefined without a window
 */
export function intervalOf(values: readonly number[]): Interval | undefined {
  if (values.length === 0) return undefined;
  const random = uniform(1);
  const sorted = Array.from({ length: RESAMPLES }, () => resampled(values, random)).sort((a, b) => a - b);
  return { mean: mean(values), ...percentiles(sorted), windows: values.length };
}

/** Mean before divided by mean after, with its interval by the same method. */
export function ratioOf(before: readonly number[], after: readonly number[]): Interval | undefined {
  if (before.length === 0 || after.length === 0) return undefined;
  const least = Math.max(1e-9, mean(before) * 1e-6);
  const random = uniform(1);
  const sorted = Array.from(
    { length: RESAMPLES },
    () => resampled(before, random) / Math.max(least, resampled(after, random)),
  ).sort((a, b) => a - b);
  return {
    mean: mean(before) / Math.max(least, mean(after)),
    ...percentiles(sorted),
    windows: Math.min(before.length, after.length),
  };
}
