import { type Ages, DAY_MS, shareOlder } from './rowAge.ts';

/** A forecast further away than this says nothing but "not soon". */
const FURTHEST_DAYS = 3_650;

/** A day that is reached sooner at the fastest of the rates, later at the slowest. */
export interface Forecast {
  what: string;
  /** Days from now: 0 when it is so already, Infinity when nothing grows towards it. */
  soonest: number;
  latest: number;
  how: string;
}

/**
 * What came in a day as a share of all rows, on average of the `days` days before the statistics were made. Rows of
 * the future (appointments, ends of validity) are not what came.
 */
export function grownADay(ages: Pick<Ages, 'bounds' | 'asOf'>, now: number, days: number): number {
  const until = Math.min(now, ages.asOf);
  return (shareOlder(ages, until) - shareOlder(ages, until - days * DAY_MS)) / days;
}

/** Days until `size` is `limit` when it grows by `perDay` a day. */
export function daysUntil(limit: number, size: number, perDay: number): number {
  if (size >= limit) return 0;
  return perDay > 0 ? (limit - size) / perDay : Infinity;
}

/** When `size` is `limit`, at each of the rates of growth a day. */
export function forecast(
  what: string,
  { limit, size, perDay, how }: { limit: number; size: number; perDay: readonly number[]; how: string },
): Forecast {
  const days = perDay.map((rate) => daysUntil(limit, size, rate));
  return { what, soonest: Math.min(...days), latest: Math.max(...days), how };
}

/** The two days of a forecast, as text. */
export function whenText(now: number, { soonest, latest }: Pick<Forecast, 'soonest' | 'latest'>): string {
  const iso = (days: number) => new Date(now + days * DAY_MS).toISOString().slice(0, 10);
  if (latest === 0) return 'now already';
  if (soonest > FURTHEST_DAYS) return 'not within ten years';
  return `${iso(soonest)} to ${latest > FURTHEST_DAYS ? 'more than ten years from now' : iso(latest)}`;
}
