import { mean, RESAMPLES, uniform } from './interval.ts';

/** `value = factor * size ** exponent`: a straight line through the logarithms. */
export interface PowerLaw {
  factor: number;
  exponent: number;
}

/** Readings of one size, one from each window; all above zero. */
export interface SizeReadings {
  size: number;
  values: readonly number[];
}

export interface Fit extends PowerLaw {
  /** 95 % interval of the exponent. */
  exponentLow: number;
  exponentHigh: number;
  /** The farthest that the curve is from the geometric mean of a size, as a share of that mean: how well a power law holds. */
  worstMiss: number;
  /** The laws of the resampled windows, for the intervals of whatever is computed from the fit. */
  resampled: readonly PowerLaw[];
}

/**
 * Least squares of log(value) on log(size), each size with the same weight.
 *
 * @throws RangeError with fewer than two sizes, or a size or value that is not above zero
 */
export function fitPowerLaw(readings: readonly SizeReadings[]): PowerLaw {
  const points = readings.map(({ size, values }) => ({ x: Math.log(size), y: mean(values.map(Math.log)) }));
  if (new Set(points.map(({ x }) => x)).size < 2)
    throw new RangeError('a power law needs readings of two sizes or more');
  if (!points.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)))
    throw new RangeError('a power law needs sizes and values above zero');
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const exponent =
    points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) /
    points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  return { factor: Math.exp(y - exponent * x), exponent };
}

export const valueAt = ({ factor, exponent }: PowerLaw, size: number): number => factor * size ** exponent;

/** The size at which the law reaches the value; infinite when it never does, because it does not grow. */
export function sizeAt({ factor, exponent }: PowerLaw, value: number): number {
  if (exponent <= 0) return factor >= value ? 0 : Number.POSITIVE_INFINITY;
  return (value / factor) ** (1 / exponent);
}

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;

/** The fit with its interval by resampling the windows of each size (percentile bootstrap, as in interval.ts). */
export function fitCurve(readings: readonly SizeReadings[]): Fit {
  const law = fitPowerLaw(readings);
  const random = uniform(1);
  const resampled = Array.from({ length: RESAMPLES }, () =>
    fitPowerLaw(
      readings.map(({ size, values }) => ({
        size,
        values: values.map(() => values[Math.floor(random() * values.length)] as number),
      })),
    ),
  );
  const exponents = resampled.map(({ exponent }) => exponent).sort((a, b) => a - b);
  const misses = readings.map(({ size, values }) =>
    Math.abs(valueAt(law, size) / Math.exp(mean(values.map(Math.log))) - 1),
  );
  return {
    ...law,
    exponentLow: percentile(exponents, 0.025),
    exponentHigh: percentile(exponents, 0.975),
    worstMiss: Math.max(...misses),
    resampled,
  };
}

/** Size added in a day, in the unit of the sizes. */
export interface Growth {
  slowest: number;
  likely: number;
  fastest: number;
}

/** Days from today; negative when that size is already passed, infinite when it is never reached. */
export interface Reach {
  /** The size at which the limit is reached, by the curve itself. */
  size: number;
  earliest: number;
  likely: number;
  latest: number;
}

/**
 * When something that grows with the size reaches its limit. Earliest and latest join both uncertainties: the 95 %
 * interval of the curve, and the fastest and slowest growth. The growth is taken to stay as it is (linear).
 */
export function reach(curve: Fit, limit: number, today: number, growth: Growth): Reach {
  const sizes = curve.resampled.map((law) => sizeAt(law, limit)).sort((a, b) => a - b);
  const days = (size: number, ahead: number, passed: number) =>
    size === Number.POSITIVE_INFINITY ? size : (size - today) / (size >= today ? ahead : passed);
  const size = sizeAt(curve, limit);
  return {
    size,
    earliest: days(percentile(sizes, 0.025), growth.fastest, growth.slowest),
    likely: days(size, growth.likely, growth.likely),
    latest: days(percentile(sizes, 0.975), growth.slowest, growth.fastest),
  };
}
