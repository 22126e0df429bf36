import { neverSeen } from '../lib/stats/neverSeen.ts';
import type { AtLevel } from './assumptions.ts';

/**
 * The money in the report, as arithmetic alone: the same for the figures and for the page whose sliders change the
 * assumptions. Times in milliseconds, money in the currency of the assumptions.
 */

export const DAYS = 365;
const MONTHS = 12;
const DAYS_A_MONTH = DAYS / MONTHS;

/** What was recorded of a peak, and of the database under it. */
export interface Peak {
  /** Visits for each second. */
  visits: number;
  /** Of those who came to buy. */
  lostShare: number;
  /** Mean value of a lost basket, or of the peak before where none was lost. */
  basket: number;
  /** Additional waiting that the short-term fixes took away, milliseconds, capped; null when it was not measured. */
  waitedMs: number | null;
  /** Seconds of statements for each second; null when it was not measured. */
  busy: number | null;
  bytes: number | null;
}

/**
 * Costs of some time in the currency. The tiers are never added up: `measured` and `scenario` may both count one visit.
 */
export interface Costs {
  /** Baskets of failed and abandoned checkouts, as counted; less those who come back. */
  measured: number;
  /** Sales that waiting costs among those who got through, by a study's elasticity. */
  scenario: number | null;
  churn: number;
  onCall: number;
  database: number | null;
  storage: number | null;
}

/** One month in which the data is `size` times as large as it was recorded. */
export function monthOf(peak: Peak, assumed: AtLevel, size: number): Costs {
  const hours = assumed.peakHoursPerDay * DAYS_A_MONTH * (1 + assumed.peakHoursGrowth * (size - 1));
  const buyers = peak.visits * 3600 * hours * assumed.trafficFactor * assumed.buyingShare;
  const lost = buyers * peak.lostShare * (1 - assumed.retryShare);
  return {
    measured: lost * peak.basket,
    scenario:
      peak.waitedMs === null
        ? null
        : buyers * (1 - peak.lostShare) * peak.basket * assumed.conversionPer100Ms * (peak.waitedMs / 100),
    churn: lost * assumed.churnShare * assumed.customerValue,
    onCall: assumed.incidentsPerMonth * assumed.hoursPerIncident * assumed.onCallHour,
    database: peak.busy === null ? null : peak.busy * size * hours * assumed.databaseCoreHour,
    storage: peak.bytes === null ? null : (peak.bytes / 1e9) * size * assumed.storageGbMonth,
  };
}

export const COSTS = ['measured', 'scenario', 'churn', 'onCall', 'database', 'storage'] as const;
/** What it costs beside the lost sales. */
export const RUNNING = ['churn', 'onCall', 'database', 'storage'] as const;

/** The twelve months from now, with the data growing by `bytesPerDay`; the size of a month is that of its middle. */
export function monthsOf(peak: Peak, assumed: AtLevel, bytesPerDay: number): Costs[] {
  return Array.from({ length: MONTHS }, (_, month) =>
    monthOf(peak, assumed, peak.bytes ? 1 + (bytesPerDay * DAYS_A_MONTH * (month + 0.5)) / peak.bytes : 1),
  );
}

export const sumOf = (months: readonly Costs[], cost: keyof Costs): number | null =>
  months.some((month) => month[cost] === null)
    ? null
    : months.reduce((sum, month) => sum + (month[cost] ?? 0), 0);

/** A peak after a step of the plan. */
export interface AfterStep {
  phase: string;
  peak: Peak;
  /** Checkouts of that peak, where none of them was lost: what is left is then an upper bound. */
  noneLostOf?: number;
}

/** What the recording gives, whatever is assumed. */
export interface ImpactBasis {
  peak: Peak;
  after: AfterStep[];
}

/**
 * The peak after a step; none lost in the recorded minutes is not none lost in a year, so then with the highest lost
 * share that bears none seen.
 */
export const leftAfter = ({ peak, noneLostOf }: AfterStep): Peak =>
  noneLostOf === undefined ? peak : { ...peak, lostShare: neverSeen(noneLostOf) };

const STEPS = ['daysShortTerm', 'daysArchival', 'daysMediumTerm'] as const;

/** Price of each step, and of all. */
export function priceOf({
  engineerDay,
  ...assumed
}: AtLevel): Record<(typeof STEPS)[number] | 'plan', number> {
  const [short, archival, medium] = STEPS.map((step) => assumed[step] * engineerDay) as [
    number,
    number,
    number,
  ];
  return {
    daysShortTerm: short,
    daysArchival: archival,
    daysMediumTerm: medium,
    plan: short + archival + medium,
  };
}

export interface Earning {
  /** Lost baskets of twelve months, less those on the last step that was measured. */
  saved: number;
  paybackDays: number;
  /** Share of visits that buy at which a year's saving is worth the price. */
  breakEvenBuyers: number;
}

/** @returns undefined without a peak after a step, or where nothing is saved */
export function earningOf(basis: ImpactBasis, assumed: AtLevel, bytesPerDay: number): Earning | undefined {
  const last = basis.after.at(-1);
  if (!last) return undefined;
  const lost = (peak: Peak) => sumOf(monthsOf(peak, assumed, bytesPerDay), 'measured') ?? 0;
  const saved = lost(basis.peak) - lost(leftAfter(last));
  if (saved <= 0) return undefined;
  const { plan } = priceOf(assumed);
  return { saved, paybackDays: plan / (saved / DAYS), breakEvenBuyers: assumed.buyingShare * (plan / saved) };
}
