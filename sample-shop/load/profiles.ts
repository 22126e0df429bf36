/** Names of the load profiles, as `LOAD_PROFILE` and `POST /profile` take them. */
export const PROFILE_NAMES = ['idle', 'ordinary', 'peak', 'day'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** Journeys a second that each profile offers, and how long its day is. */
export interface ProfileRates {
  idle: number;
  ordinary: number;
  peak: number;
  /** Minutes of wall time that the 24 hours of `day` take. */
  dayMinutes: number;
}

/**
 * The offered rate over time. Times are seconds since the profile came into force; rates are journeys a second.
 */
export interface RateProfile {
  readonly name: ProfileName;
  rate(atS: number): number;
  /** Journeys expected between two times: the integral of {@link rate}. */
  expected(fromS: number, toS: number): number;
  /** The time at which `journeys` more than at `fromS` are expected; Infinity when that never happens. */
  timeOf(fromS: number, journeys: number): number;
}

/**
 * The shape of `day`: hour of the day and the share of the peak rate at that hour, joined by straight lines.
 * A morning rise to a plateau, a lunch peak, a quieter afternoon, the evening peak at 20:00, a night at 4 %.
 * The profile starts at {@link DAY_STARTS_AT_HOUR} and repeats.
 */
export const DAY_SHAPE: readonly (readonly [hour: number, share: number])[] = [
  [0, 0.1],
  [4, 0.04],
  [6, 0.06],
  [9, 0.35],
  [11, 0.3],
  [12.5, 0.6],
  [14.5, 0.32],
  [17, 0.5],
  [20, 1],
  [21.5, 0.8],
  [23, 0.25],
  [24, 0.1],
];

/** The hour at which `day` starts, so that the first minutes show a rising morning and not an empty night. */
export const DAY_STARTS_AT_HOUR = 6;

function constant(name: ProfileName, perSecond: number): RateProfile {
  return {
    name,
    rate: () => perSecond,
    expected: (fromS, toS) => perSecond * (toS - fromS),
    timeOf: (fromS, journeys) => (perSecond > 0 ? fromS + journeys / perSecond : Number.POSITIVE_INFINITY),
  };
}

interface Segment {
  fromS: number;
  toS: number;
  rateFrom: number;
  slope: number;
  /** Journeys expected from the start of the period to the start of this segment. */
  before: number;
}

/** A rate of straight lines between points, repeating with the period of the last point. */
function piecewiseLinear(
  name: ProfileName,
  points: readonly (readonly [atS: number, rate: number])[],
): RateProfile {
  let total = 0;
  const segments = points.slice(1).map(([toS, rateTo], i): Segment => {
    const [fromS, rateFrom] = points[i] as readonly [number, number];
    const before = total;
    total += ((rateFrom + rateTo) / 2) * (toS - fromS);
    return { fromS, toS, rateFrom, slope: (rateTo - rateFrom) / (toS - fromS), before };
  });
  const period = (points.at(-1) as readonly [number, number])[0];
  const lastSegment = segments.at(-1) as Segment;
  const segmentAt = (s: number) => segments.find(({ toS }) => s < toS) ?? lastSegment;
  const sinceStart = (atS: number) => {
    const periods = Math.floor(atS / period);
    const segment = segmentAt(atS - periods * period);
    const into = atS - periods * period - segment.fromS;
    return periods * total + segment.before + segment.rateFrom * into + (segment.slope / 2) * into ** 2;
  };
  return {
    name,
    rate(atS) {
      const s = atS - Math.floor(atS / period) * period;
      const segment = segmentAt(s);
      return segment.rateFrom + segment.slope * (s - segment.fromS);
    },
    expected: (fromS, toS) => sinceStart(toS) - sinceStart(fromS),
    timeOf(fromS, journeys) {
      if (!(total > 0)) return Number.POSITIVE_INFINITY;
      const target = sinceStart(fromS) + journeys;
      const periods = Math.floor(target / total);
      const rest = target - periods * total;
      const segment = segments.findLast(({ before }) => before <= rest) ?? (segments[0] as Segment);
      // slope/2 x^2 + rateFrom x = left, in the form that stays exact as the slope goes to zero
      const left = rest - segment.before;
      const root = Math.sqrt(Math.max(0, segment.rateFrom ** 2 + 2 * segment.slope * left));
      const into = left === 0 ? 0 : (2 * left) / (segment.rateFrom + root);
      return Math.max(fromS, periods * period + segment.fromS + into);
    },
  };
}

/** Makes a profile from the configured rates. */
export function rateProfile(name: ProfileName, rates: ProfileRates): RateProfile {
  if (name !== 'day') return constant(name, rates[name]);
  const secondsPerHour = (rates.dayMinutes * 60) / 24;
  const points = DAY_SHAPE.map(([hour, share]) => [hour, share * rates.peak] as const);
  // Rotate the day so that second 0 is the starting hour, which has to be one of the shape's points.
  const start = points.findIndex(([hour]) => hour === DAY_STARTS_AT_HOUR);
  const rotated = [
    ...points.slice(start).map(([hour, rate]) => [hour - DAY_STARTS_AT_HOUR, rate] as const),
    ...points.slice(1, start + 1).map(([hour, rate]) => [hour + 24 - DAY_STARTS_AT_HOUR, rate] as const),
  ];
  return piecewiseLinear(
    name,
    rotated.map(([hour, rate]) => [hour * secondsPerHour, rate] as const),
  );
}
