import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { Figures, formats } from './figures.ts';
import type { RecordedPhase, Recording } from './recording.ts';

/** The file cannot be used; the message names it and the field. */
export class AssumptionsError extends Error {}

const range = (least: number, most: number) =>
  z
    .strictObject({
      low: z.number().min(least).max(most),
      likely: z.number().min(least).max(most),
      high: z.number().min(least).max(most),
      source: z.string().min(3, 'says where the numbers come from'),
    })
    .refine(
      ({ low, likely, high }) => (low <= likely && likely <= high) || (low >= likely && likely >= high),
      'likely is not between low and high',
    );

const schema = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, 'is a code of three letters, such as EUR'),
  peakHoursPerDay: range(0, 24),
  trafficFactor: range(0.001, 1e9),
  retryShare: range(0, 1),
  churnShare: range(0, 1),
  customerValue: range(0, 1e9),
  conversionPer100Ms: range(0, 1),
  databaseCoreHour: range(0, 1e6),
  storageGbMonth: range(0, 1e6),
  onCallHour: range(0, 1e6),
  incidentsPerMonth: range(0, 1e4),
  hoursPerIncident: range(0, 1e4),
  productionTimesData: range(0.001, 1e6),
});

export type Assumptions = z.infer<typeof schema>;

/** @throws AssumptionsError naming the file and the first field at fault */
export async function readAssumptions(file: string): Promise<Assumptions> {
  let document: unknown;
  try {
    document = parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new AssumptionsError(`${file}: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AssumptionsError(`${file}: ${issue?.path.join('.') || 'the whole file'}: ${issue?.message}`);
}

export const LEVELS = ['low', 'likely', 'high'] as const;
type Level = (typeof LEVELS)[number];

const hoursOf = ({ startedAt, endedAt }: RecordedPhase) =>
  endedAt === null ? null : (Date.parse(endedAt) - Date.parse(startedAt)) / 3_600_000;

/** Latency costs no more beyond this: the studies saw none that was worse. */
const LATENCY_CAP_MS = 400;
const DAYS = 365;

/** Losses a year under one set of assumptions; in the currency. Tiers are never added up: both may count one visit. */
export interface Losses {
  /** Baskets of failed and abandoned checkouts, as counted; less those who come back. */
  measured: number;
  /** Sales that waiting costs among those who got through, by a study's elasticity. */
  scenario: number | null;
  churn: number;
  onCall: number;
}

export function lossesOf(
  recording: Recording,
  phaseName: string,
  assumed: Record<keyof Omit<Assumptions, 'currency'>, number>,
  waits: { before: number | null; after: number | null },
): Losses | undefined {
  const at = recording.phases.findIndex(({ name }) => name === phaseName);
  const phase = recording.phases[at];
  const hours = phase && hoursOf(phase);
  if (!phase?.checkouts || !hours || phase.lostBasketValue === null) return undefined;
  const { completed, failed, abandoned } = phase.checkouts;
  const peakHours = assumed.peakHoursPerDay * DAYS * assumed.trafficFactor;
  const lost = failed + abandoned;
  const waitedMs =
    waits.before === null || waits.after === null
      ? null
      : Math.min(LATENCY_CAP_MS, Math.max(0, (waits.before - waits.after) * 1000));
  const mean = lost > 0 ? phase.lostBasketValue / lost : null;
  return {
    measured: (phase.lostBasketValue / hours) * peakHours * (1 - assumed.retryShare),
    scenario:
      waitedMs === null || mean === null
        ? null
        : (completed / hours) * mean * peakHours * assumed.conversionPer100Ms * (waitedMs / 100),
    churn: (lost / hours) * peakHours * (1 - assumed.retryShare) * assumed.churnShare * assumed.customerValue,
    onCall: assumed.incidentsPerMonth * 12 * assumed.hoursPerIncident * assumed.onCallHour,
  };
}

const atLevel = (assumptions: Assumptions, level: Level) =>
  Object.fromEntries(
    Object.entries(assumptions).flatMap(([name, value]) =>
      typeof value === 'string' ? [] : [[name, value[level]]],
    ),
  ) as Record<keyof Omit<Assumptions, 'currency'>, number>;

export interface Sensitivity {
  name: string;
  low: number;
  high: number;
}

const LATENCY = 'customer-latency-p95';

const YEAR_DAYS = 365;

/**
 * What running the database costs in twelve months as it is, at the growth that the diagnosis measured. Database time
 * grows with the tables as long as statements read them whole; the year's mean is half way.
 */
function operatingFigures(figures: Figures, recording: Recording, assumptions: Assumptions): void {
  const money = formats.money(assumptions.currency);
  const { diagnosis } = recording;
  const at = diagnosis?.findings.findIndex(({ check }) => check === 'growth') ?? -1;
  const rates = (diagnosis?.findings[at]?.evidence ?? [])
    .flatMap(({ unit, value }) => (unit === 'By/d' && typeof value === 'number' ? [value] : []))
    .sort((a, b) => a - b);
  const [least, , most] = rates;
  const middle = rates[Math.floor(rates.length / 2)];
  if (!diagnosis || least === undefined || middle === undefined) return;
  const source = [`/diagnosis/findings/${at}/evidence`];
  const growth = { low: least, likely: middle, high: most ?? middle };
  const peakAt = recording.phases.findIndex(({ name }) => name === 'peak');
  for (const [name, index] of [
    ['peak', peakAt],
    ['peak-after-short-term', recording.phases.findIndex((phase) => phase.name === 'peak-after-short-term')],
    [
      'peak-after-medium-term',
      recording.phases.findIndex((phase) => phase.name === 'peak-after-medium-term'),
    ],
  ] as const)
    figures.define(
      `database-time:${name}`,
      recording.phases[index]?.databaseTime,
      (value) => `${formats.seconds(value)} a second`,
      [`/phases/${index}/databaseTime`],
      'sum(rate(db_client_operation_duration_seconds_sum)) over the phase',
    );
  const busy = recording.phases[peakAt]?.databaseTime ?? null;
  for (const level of LEVELS) {
    const perDay = growth[level];
    const factor = 1 + (perDay * YEAR_DAYS) / diagnosis.bytes;
    figures.define(
      `growth:day:${level}`,
      perDay,
      (value) => `${formats.bytes(value)} a day`,
      source,
      'rows a day by their own dates, over 365, 90 and 30 days',
    );
    figures.define(
      `growth:year:${level}`,
      factor,
      formats.times,
      [...source, '/diagnosis/bytes'],
      '1 + 365 x growth a day / size',
    );
    const gigabytes = (diagnosis.bytes + (perDay * YEAR_DAYS) / 2) / 1e9;
    figures.define(
      `impact:storage:${level}`,
      gigabytes * 12 * assumptions.storageGbMonth[level],
      (value) => `${assumptions.currency} ${value < 100 ? value.toFixed(2) : formats.count(value)}`,
      [...source, '/diagnosis/bytes', `assumptions.storageGbMonth.${level}`],
      'mean size of the year x 12 x price of a GB for a month',
    );
    if (busy !== null)
      figures.define(
        `impact:database:${level}`,
        busy *
          ((1 + factor) / 2) *
          assumptions.peakHoursPerDay[level] *
          YEAR_DAYS *
          assumptions.databaseCoreHour[level],
        money,
        [`/phases/${peakAt}/databaseTime`, ...source, `assumptions.*.${level}`],
        'statement seconds a second at the peak x mean growth of the year x peak hours x 365 x price of a core-hour',
      );
  }
}

/** Defines the figures of the impact, and says how each assumption moves the measured loss. */
export function impactFigures(
  figures: Figures,
  recording: Recording,
  assumptions: Assumptions,
): { sensitivity: Sensitivity[] } {
  const money = formats.money(assumptions.currency);
  const index = recording.phases.findIndex(({ name }) => name === 'peak');
  const sources = [`/phases/${index}/checkouts`, `/phases/${index}/lostBasketValue`];
  const waits = {
    before: figures.value(`${LATENCY}:peak`) ?? null,
    after: figures.value(`${LATENCY}:peak-after-short-term`) ?? null,
  };
  for (const level of LEVELS) {
    const losses = lossesOf(recording, 'peak', atLevel(assumptions, level), waits);
    if (!losses) return { sensitivity: [] };
    const used = LEVELS.includes(level) ? [`assumptions.*.${level}`] : [];
    figures.define(
      `impact:measured:${level}`,
      losses.measured,
      money,
      [...sources, ...used],
      'lost basket value an hour of peak x peak hours x 365 x traffic factor x (1 - retry share)',
    );
    figures.define(
      `impact:scenario:${level}`,
      losses.scenario,
      money,
      [...sources, ...used],
      'completed checkouts an hour x mean basket x peak hours x 365 x elasticity x waiting (at most 400 ms) / 100 ms',
    );
    figures.define(
      `impact:churn:${level}`,
      losses.churn,
      money,
      [...sources, ...used],
      'customers lost an hour x peak hours x 365 x (1 - retry share) x churn share x value of a customer',
    );
    figures.define(
      `impact:on-call:${level}`,
      losses.onCall,
      money,
      used,
      'incidents a month x 12 x hours x price of an hour',
    );
  }
  for (const percent of [0, 25, 50, 75, 100]) {
    const losses = lossesOf(
      recording,
      'peak',
      { ...atLevel(assumptions, 'likely'), retryShare: percent / 100 },
      waits,
    );
    figures.define(
      `impact:retry:${percent}`,
      losses?.measured,
      money,
      sources,
      `as the measured loss, with a retry share of ${percent} %`,
    );
  }
  operatingFigures(figures, recording, assumptions);
  const likely = atLevel(assumptions, 'likely');
  const sensitivity = (Object.keys(likely) as (keyof typeof likely)[])
    .flatMap((name): Sensitivity[] => {
      const values = (['low', 'high'] as const).map(
        (level) =>
          lossesOf(recording, 'peak', { ...likely, [name]: assumptions[name][level] }, waits) as Losses,
      );
      const [low, high] = values.map(({ measured, churn }) => measured + churn);
      return low === undefined || high === undefined || low === high ? [] : [{ name, low, high }];
    })
    .sort((a, b) => Math.abs(b.high - b.low) - Math.abs(a.high - a.low));
  return { sensitivity };
}
