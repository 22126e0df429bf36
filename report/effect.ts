import { type Interval, ratioOf } from '../lib/stats/interval.ts';

/** Names of the sizes of |delta|, with the thresholds of Romano et al. 2006 (0.147, 0.33, 0.474). */
export type Magnitude = 'negligible' | 'small' | 'medium' | 'large';

/** What a change did to a KPI of which less is better, from windows before and after. */
export interface Effect {
  /** Mean before by mean after; undefined where one of the sides is nothing but zeros. */
  ratio: Interval | undefined;
  /** Before there was nothing of it, and now there is; or the other way round; or it never was there. */
  turned: 'gone' | 'appeared' | 'never there' | undefined;
  /** Cliff's delta, -1..1: 1 when each window after is better than each before. */
  delta: number;
  magnitude: Magnitude;
  /** For certain: the whole interval of the ratio is below one, or the trouble appeared. */
  worse: boolean;
}

/**
 * Cliff's delta: the share of pairs in which the first is larger, less the share in which it is smaller (Cliff 1993,
 * Dominance statistics, Psychological Bulletin 114). It asks nothing of the distribution, which few windows of a skewed
 * KPI need. @returns NaN without a pair
 */
export function cliffsDelta(first: readonly number[], second: readonly number[]): number {
  let sum = 0;
  for (const a of first) for (const b of second) sum += Math.sign(a - b);
  return sum / (first.length * second.length);
}

export function magnitudeOf(delta: number): Magnitude {
  const size = Math.abs(delta);
  return size < 0.147 ? 'negligible' : size < 0.33 ? 'small' : size < 0.474 ? 'medium' : 'large';
}

const nothing = (values: readonly number[]) => values.every((value) => value === 0);

/** @returns undefined where one side has no window */
export function effectOf(before: readonly number[], after: readonly number[]): Effect | undefined {
  if (before.length === 0 || after.length === 0) return undefined;
  const turned = nothing(before)
    ? nothing(after)
      ? 'never there'
      : 'appeared'
    : nothing(after)
      ? 'gone'
      : undefined;
  const ratio = turned ? undefined : ratioOf(before, after);
  const delta = cliffsDelta(before, after);
  return {
    ratio,
    turned,
    delta,
    magnitude: magnitudeOf(delta),
    worse: turned === 'appeared' || (ratio !== undefined && ratio.high < 1),
  };
}
