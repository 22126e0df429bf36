import path from 'node:path';
import { z } from 'zod';
import { type Figures, formats } from './figures.ts';
import { modelNames } from './growth.ts';
import { readMeasured } from './measuredFile.ts';

const NAME = 'docs/measured/capacity.json';
export const CAPACITY = path.join(import.meta.dirname, '..', NAME);

const step = z.object({
  /** Visits a second that were offered. */
  rate: z.number().positive(),
  round: z.int().positive(),
  /** Requests that were due in the step, and those of them that failed, timed out or were refused. */
  requests: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  /** Seconds, from the intended start; null without requests. */
  p95: z.number().nullable(),
  /** The objective was met. */
  met: z.boolean(),
  /** Of all processes of the server, and of the shop's: seconds of CPU in the step; null where it cannot be read. */
  databaseCpuSeconds: z.number().nullable(),
  shopCpuSeconds: z.number().nullable(),
  /** Time of all statements in the step, seconds (pg_stat_statements). */
  statementSeconds: z.number(),
  visits: z.number().nonnegative(),
  /** How late the load generator itself was, seconds; far below the objective, or the step says little. */
  generatorLagSeconds: z.number(),
});
export type CapacityStep = z.infer<typeof step>;

const cell = z.object({
  model: z.enum(modelNames),
  /** Times the data of the base. */
  size: z.number().positive(),
  steps: z.array(step).min(1),
});
export type CapacityCell = z.infer<typeof cell>;

/** What `npm run bench:capacity` measured; written after each cell, so that a killed run resumes with the next one. */
export const capacitySchema = z.object({
  format: z.literal(1),
  settings: z.object({
    /** Scale of size 1. */
    base: z.string(),
    sizes: z.array(z.number().positive()),
    rounds: z.int().positive(),
    stepSeconds: z.number().positive(),
    thinkMs: z.number().nonnegative(),
    objectiveSeconds: z.number().positive(),
  }),
  machine: z.object({ cores: z.int().positive(), postgres: z.string(), node: z.string() }),
  measuredOn: z.iso.date(),
  cells: z.array(cell),
});
export type Capacity = z.infer<typeof capacitySchema>;

/** Where the objective breaks: the highest rate that was met and the lowest that was missed, visits a second. */
export interface Knee {
  /** Null where not even the lowest rate was met. */
  met: number | null;
  /** Null where the highest rate was met too: then the capacity is at least `met`. */
  missed: number | null;
}

/** Over all rounds: a rate is met when each round met it, and once missed, higher rates count as missed. */
export function kneeOf({ steps }: Pick<CapacityCell, 'steps'>): Knee {
  const rates = [...new Set(steps.map(({ rate }) => rate))].sort((a, b) => a - b);
  const missed = rates.find((rate) => steps.some((each) => each.rate === rate && !each.met)) ?? null;
  const met = rates.findLast((rate) => missed === null || rate < missed) ?? null;
  return { met, missed };
}

/** @returns null where it was not measured @throws Error naming the file and the field at fault */
export const readCapacity = (file = CAPACITY): Promise<Capacity | null> => readMeasured(file, capacitySchema);

const perSecond = (value: number) => `${formats.count(value)} /s`;

/** Capacity of each model at each size, and what a visit takes at the highest rate that was met. */
export function capacityFigures(figures: Figures, capacity: Capacity): void {
  const { settings, measuredOn, cells } = capacity;
  for (const { model, size, steps } of cells) {
    const { met, missed } = kneeOf({ steps });
    const id = `capacity:${model}:${size}`;
    const source = [`${NAME}: cells of ${model}, ${size}x`];
    const how = `npm run bench:capacity, measured on ${measuredOn}, ${settings.rounds} rounds of steps of ${settings.stepSeconds} s`;
    const define = (what: string, value: number | null, text: (value: number) => string, about: string) =>
      figures.define(`${id}${what}`, value, text, source, `${about}; ${how}`);
    const atLeast = (value: number) => (missed === null ? `at least ${perSecond(value)}` : perSecond(value));
    define('', met, atLeast, 'highest offered rate at which each round met the objective, visits a second');
    define(':missed', missed, perSecond, 'lowest offered rate at which a round missed it, visits a second');
    const best = steps.filter(({ rate }) => rate === met);
    const visits = best.reduce((sum, each) => sum + each.visits, 0);
    const each = (of: (step: CapacityStep) => number | null) => {
      const values = best.map(of);
      return visits > 0 && values.every((value) => value !== null)
        ? values.reduce((sum: number, value) => sum + (value ?? 0), 0) / visits
        : null;
    };
    define(
      ':cpu',
      each(({ databaseCpuSeconds }) => databaseCpuSeconds),
      formats.duration,
      'CPU of the database a visit',
    );
    define(
      ':shop-cpu',
      each(({ shopCpuSeconds }) => shopCpuSeconds),
      formats.duration,
      'CPU of the shop a visit',
    );
    define(
      ':statements',
      each(({ statementSeconds }) => statementSeconds),
      formats.duration,
      'time of statements a visit',
    );
  }
}
