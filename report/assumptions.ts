import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

export const DEFAULT_ASSUMPTIONS = path.join(import.meta.dirname, 'assumptions.yaml');

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

const day = z
  .string()
  .regex(/^\d{2}-\d{2}$/, 'is a month and a day, such as 11-16')
  // A leap year, which has every day.
  .refine((text) => {
    const date = new Date(`2024-${text}T00:00:00Z`);
    return !Number.isNaN(date.getTime()) && date.toISOString().slice(5, 10) === text;
  }, 'is no day of the year');

/** Days of each year, both included, on which nothing is changed that can wait; `to` before `from` is next year's. */
const freeze = z.strictObject({ from: day, to: day, reason: z.string().min(3) });
export type Freeze = z.infer<typeof freeze>;

const schema = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, 'is a code of three letters, such as EUR'),
  peakHoursPerDay: range(0, 24),
  peakHoursGrowth: range(0, 10),
  trafficFactor: range(0.001, 1e9),
  buyingShare: range(0.0001, 1),
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
  engineerDay: range(0, 1e6),
  daysShortTerm: range(0, 1e4),
  daysArchival: range(0, 1e4),
  daysMediumTerm: range(0, 1e4),
  freezePeriods: z.array(freeze),
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
export type Level = (typeof LEVELS)[number];

export type AssumptionName = keyof Omit<Assumptions, 'currency' | 'freezePeriods'>;
export type AtLevel = Record<AssumptionName, number>;

/** All assumptions at one of their levels. */
export const atLevel = (assumptions: Assumptions, level: Level): AtLevel =>
  Object.fromEntries(
    Object.entries(assumptions).flatMap(([name, value]) =>
      typeof value === 'string' || Array.isArray(value) ? [] : [[name, value[level]]],
    ),
  ) as AtLevel;

/** As readers are told; the names are those of the file. */
export const assumptionTitles: Record<AssumptionName, string> = {
  peakHoursPerDay: 'peak hours a day',
  peakHoursGrowth: 'peak hours by growth of data',
  trafficFactor: 'visits by those recorded',
  buyingShare: 'share of visits that buy',
  retryShare: 'share that comes back and buys',
  churnShare: 'share that never comes back',
  customerValue: 'value of a customer',
  conversionPer100Ms: 'sales lost for each 100 ms',
  databaseCoreHour: 'price of a core-hour',
  storageGbMonth: 'price of a GB for a month',
  onCallHour: 'price of an hour on call',
  incidentsPerMonth: 'incidents a month',
  hoursPerIncident: 'hours for an incident',
  productionTimesData: 'data by that recorded',
  engineerDay: 'price of an engineer’s day',
  daysShortTerm: 'days for the short-term fixes',
  daysArchival: 'days for the archival',
  daysMediumTerm: 'days for the new data model',
};
