import {
  type AssumptionName,
  type Assumptions,
  type AtLevel,
  assumptionTitles,
  atLevel,
  LEVELS,
  type Level,
} from './assumptions.ts';
import { AFTER } from './comparison.ts';
import { type Figures, formats } from './figures.ts';
import {
  COSTS,
  type Costs,
  DAYS,
  earningOf,
  type ImpactBasis,
  leftAfter,
  monthOf,
  monthsOf,
  type Peak,
  priceOf,
  RUNNING,
  sumOf,
} from './impactModel.ts';
import type { Recording } from './recording.ts';

/** Latency costs no more beyond this: the studies saw none that was worse. */
const LATENCY_CAP_MS = 400;
const LATENCY = 'customer-latency-p95';

/** @returns undefined for a phase of which checkouts or load were not recorded */
function peakOf(recording: Recording, figures: Figures, name: string, basket?: number): Peak | undefined {
  const phase = recording.phases.find((each) => each.name === name);
  if (!phase?.checkouts || phase.lostBasketValue === null || phase.offeredRate === null) return undefined;
  const { completed, failed, abandoned } = phase.checkouts;
  const lost = failed + abandoned;
  if (lost + completed === 0) return undefined;
  const mean = lost > 0 ? phase.lostBasketValue / lost : basket;
  if (mean === undefined) return undefined;
  const waits = (of: string) => figures.value(`${LATENCY}:${of}`);
  const [before, after] = [waits('peak'), waits('peak-after-short-term')];
  const waitedMs =
    before === undefined || after === undefined
      ? null
      : name === 'peak'
        ? Math.min(LATENCY_CAP_MS, Math.max(0, (before - after) * 1000))
        : 0;
  const sizes = recording.sizes;
  return {
    visits: phase.offeredRate,
    lostShare: lost / (lost + completed),
    basket: basket ?? mean,
    waitedMs,
    busy: phase.databaseTime,
    bytes:
      (name === 'peak-after-medium-term' ? sizes.at(-1)?.bytes : undefined) ??
      recording.diagnosis?.bytes ??
      null,
  };
}

/** Bytes a day as the diagnosis measured them over three windows, in order; `source` leads to them. */
function growthOf({ diagnosis }: Recording) {
  const at = diagnosis?.findings.findIndex(({ check }) => check === 'growth') ?? -1;
  const [low, likely, high] = (diagnosis?.findings[at]?.metrics?.growth ?? [])
    .map(({ bytesPerDay }) => bytesPerDay)
    .sort((a, b) => a - b);
  if (low === undefined || likely === undefined || high === undefined) return undefined;
  return { perDay: { low, likely, high }, source: `/diagnosis/findings/${at}/metrics/growth` };
}

export interface Sensitivity {
  name: string;
  title: string;
  /** The assumption's own values, and what comes of them. */
  at: { low: number; high: number };
  low: number;
  high: number;
}

export interface Impact {
  /** What the recording gives to it; null where the peak's checkouts were not counted. */
  basis: ImpactBasis | null;
  /** Bytes a day; zero where growth was not found. */
  bytesPerDay: Record<Level, number>;
  /** How each assumption moves the sales at risk, and the other costs; the largest first. */
  sales: Sensitivity[];
  running: Sensitivity[];
  /** Sales at risk, added up month by month: as it is at each level, and after each step where it was measured. */
  cumulated: {
    title: string;
    level: Level;
    values: number[] /** None was lost: the upper bound. */;
    atMost: boolean;
  }[];
}

const how: Record<keyof Costs, string> = {
  measured:
    'visits an hour x hours of peak x share of visits that buy x lost share (counted) x mean lost basket (counted) x (1 - retry share)',
  scenario:
    'visits an hour x hours of peak x share of visits that buy x (1 - lost share) x mean basket x elasticity x waiting (at most 400 ms) / 100 ms',
  churn:
    'visits an hour x hours of peak x share of visits that buy x lost share (counted) x (1 - retry share) x churn share x value of a customer',
  onCall: 'incidents a month x hours x price of an hour',
  database:
    'statement seconds a second at the peak x growth of the data x hours of peak x price of a core-hour',
  storage: 'size x growth of the data x price of a GB for a month',
};

/** @returns null where the peak's checkouts were not counted */
function basisOf(recording: Recording, figures: Figures): ImpactBasis | null {
  const peak = peakOf(recording, figures, 'peak');
  if (!peak) return null;
  const after = AFTER.flatMap((phase) => {
    const left = peakOf(recording, figures, phase, peak.basket);
    const checkouts = recording.phases.find(({ name }) => name === phase)?.checkouts;
    if (!left || !checkouts) return [];
    const { completed, failed, abandoned } = checkouts;
    const none = failed + abandoned === 0 && completed > 0;
    return [{ phase, peak: left, ...(none ? { noneLostOf: completed } : {}) }];
  });
  return { peak, after };
}

/** Defines the figures of the impact. Where the peak's checkouts were not counted there is none. */
export function impactFigures(figures: Figures, recording: Recording, assumptions: Assumptions): Impact {
  const money = formats.money(assumptions.currency);
  const growth = growthOf(recording);
  growthFigures(figures, recording, growth);
  const basis = basisOf(recording, figures);
  const perDay = growth?.perDay ?? { low: 0, likely: 0, high: 0 };
  if (!basis) return { basis, bytesPerDay: perDay, sales: [], running: [], cumulated: [] };
  const { peak } = basis;
  const sourceOf = (phase: string, level: Level) => [
    ...['checkouts', 'lostBasketValue', 'offeredRate', 'databaseTime'].map(
      (part) => `/phases/${recording.phases.findIndex(({ name }) => name === phase)}/${part}`,
    ),
    ...(growth ? [growth.source, '/diagnosis/bytes'] : []),
    `assumptions.*.${level}`,
  ];
  const define = (id: string, costs: readonly Costs[], span: string, phase: string, level: Level) => {
    for (const cost of COSTS)
      figures.define(
        `impact:${cost}:${id}`,
        sumOf(costs, cost),
        money,
        sourceOf(phase, level),
        `${span}: ${how[cost]}`,
      );
  };
  const cumulated: Impact['cumulated'] = [];
  const note = (title: string, level: Level, months: readonly Costs[], atMost = false) => {
    let sum = 0;
    cumulated.push({ title, level, atMost, values: months.map(({ measured }) => (sum += measured)) });
  };
  for (const level of LEVELS) {
    const months = monthsOf(peak, atLevel(assumptions, level), perDay[level]);
    define(level, months, 'twelve months at the measured growth', 'peak', level);
    note('as it is', level, months);
  }
  const likely = atLevel(assumptions, 'likely');
  define('today', [monthOf(peak, likely, 1)], 'a month at today’s size', 'peak', 'likely');
  for (const step of basis.after) {
    const { phase } = step;
    const months = monthsOf(step.peak, likely, perDay.likely);
    // Nobody has counted the nights on call after it; and waiting is reckoned from the page time that is left.
    for (const cost of COSTS.filter((each) => each !== 'onCall' && each !== 'scenario'))
      figures.define(
        `impact:${cost}:${phase}`,
        sumOf(months, cost),
        money,
        sourceOf(phase, 'likely'),
        `twelve months at the measured growth, as at the ${phase}: ${how[cost]}`,
      );
    const none = step.noneLostOf !== undefined;
    const left = monthsOf(leftAfter(step), likely, perDay.likely);
    for (const cost of ['measured', 'churn'] as const)
      figures.define(
        `impact:${cost}:${phase}:at-most`,
        none ? sumOf(left, cost) : null,
        money,
        sourceOf(phase, 'likely'),
        `twelve months, with a lost share of 1 - 0.05^(1/n), because none of n was lost: ${how[cost]}`,
      );
    note(phase, 'likely', left, none);
  }
  priceFigures(figures, assumptions, basis, perDay.likely);
  for (const percent of [0, 25, 50, 75, 100]) {
    figures.define(
      `retry:${percent}`,
      percent / 100,
      formats.percent,
      ['assumptions.retryShare'],
      'a step of the table',
    );
    figures.define(
      `impact:retry:${percent}`,
      sumOf(monthsOf(peak, { ...likely, retryShare: percent / 100 }, perDay.likely), 'measured'),
      money,
      sourceOf('peak', 'likely'),
      `as the lost baskets of twelve months, with a retry share of ${percent} %`,
    );
  }
  const spread = (costs: readonly (keyof Costs)[]): Sensitivity[] => {
    const total = (assumed: AtLevel, bytes: number) => {
      const months = monthsOf(peak, assumed, bytes);
      return costs.reduce((sum, cost) => sum + (sumOf(months, cost) ?? 0), 0);
    };
    const bars = (Object.keys(likely) as AssumptionName[]).map((name) => ({
      name,
      title: assumptionTitles[name],
      at: assumptions[name],
      low: total({ ...likely, [name]: assumptions[name].low }, perDay.likely),
      high: total({ ...likely, [name]: assumptions[name].high }, perDay.likely),
    }));
    return [
      ...bars,
      {
        name: 'growth',
        title: 'growth a day (measured)',
        at: { low: perDay.low, high: perDay.high },
        low: total(likely, perDay.low),
        high: total(likely, perDay.high),
      },
    ]
      .filter(({ low, high }) => low !== high)
      .sort((a, b) => Math.abs(b.high - b.low) - Math.abs(a.high - a.low));
  };
  figures.define(
    'impact:running:likely',
    RUNNING.reduce((sum, cost) => sum + (figures.value(`impact:${cost}:likely`) ?? 0), 0),
    money,
    sourceOf('peak', 'likely'),
    'churn + on-call + database time + storage, twelve months',
  );
  return {
    basis,
    bytesPerDay: perDay,
    sales: spread(['measured']),
    running: spread(RUNNING),
    cumulated,
  };
}

/** Price of each step and of the plan, when it is earned back, and how few buyers would still earn it back. */
function priceFigures(
  figures: Figures,
  assumptions: Assumptions,
  basis: ImpactBasis,
  bytesPerDay: number,
): void {
  const money = formats.money(assumptions.currency);
  for (const level of LEVELS) {
    const { plan, ...steps } = priceOf(atLevel(assumptions, level));
    for (const [id, price, of] of [
      ...Object.entries(steps).map(([step, each]) => [step, each, [step]] as const),
      ['plan', plan, Object.keys(steps)] as const,
    ])
      figures.define(
        `price:${id}:${level}`,
        price,
        money,
        ['engineerDay', ...of].map((name) => `assumptions.${name}.${level}`),
        'working days x price of a day',
      );
  }
  const earning = earningOf(basis, atLevel(assumptions, 'likely'), bytesPerDay);
  if (!earning) return;
  const source = ['assumptions.*.likely', '/phases/*/checkouts', '/phases/*/lostBasketValue'];
  figures.define(
    'saved:year',
    earning.saved,
    money,
    source,
    'lost baskets of twelve months as it is, less those on the last step that was measured (its upper bound)',
  );
  figures.define(
    'payback:days',
    earning.paybackDays,
    formats.payback,
    source,
    'price of the plan / lost baskets saved a day, likely; the plan’s own length comes before it',
  );
  figures.define(
    'break-even:buyers',
    earning.breakEvenBuyers,
    formats.percent,
    source,
    'share of visits that buy at which the saved baskets of twelve months are worth the price of the plan',
  );
}

/** Growth of the data, and the database time of each compared peak. */
function growthFigures(figures: Figures, recording: Recording, growth: ReturnType<typeof growthOf>): void {
  for (const name of ['peak', ...AFTER]) {
    const at = recording.phases.findIndex((phase) => phase.name === name);
    figures.define(
      `database-time:${name}`,
      recording.phases[at]?.databaseTime,
      (value) => `${formats.duration(value)} a second`,
      [`/phases/${at}/databaseTime`],
      'sum(rate(db_client_operation_duration_seconds_sum)) over the phase',
    );
  }
  const bytes = recording.diagnosis?.bytes;
  if (!growth || !bytes) return;
  for (const level of LEVELS) {
    figures.define(
      `growth:day:${level}`,
      growth.perDay[level],
      (value) => `${formats.bytes(value)} a day`,
      [growth.source],
      'rows a day by their own dates, over 365, 90 and 30 days',
    );
    figures.define(
      `growth:year:${level}`,
      1 + (growth.perDay[level] * DAYS) / bytes,
      formats.times,
      [growth.source, '/diagnosis/bytes'],
      '1 + 365 x growth a day / size',
    );
  }
}
