import path from 'node:path';
import { z } from 'zod';
import { intervalOf } from '../lib/stats/interval.ts';
import { fitCurve } from '../lib/stats/powerLaw.ts';
import { type Figures, formats } from './figures.ts';
import { readMeasured } from './measuredFile.ts';

/** The data models of the benches, in this order. */
export const modelNames = ['legacy', 'tuned', 'refactored'] as const;
export type GrowthModel = (typeof modelNames)[number];
export const growthModels: Record<GrowthModel, string> = {
  legacy: 'as it is',
  tuned: 'after the short term',
  refactored: 'new data model',
};
export const growthOperations = {
  checkout: 'Checkout',
  history: 'Order history',
  search: 'Search',
} as const;
export type GrowthOperation = keyof typeof growthOperations;

const NAME = 'docs/measured/growth.json';
export const GROWTH = path.join(import.meta.dirname, '..', NAME);

const reading = z.object({ p95: z.number().positive() });

/** What the report needs of that file; bench/growthRecording.ts has the whole of it. Milliseconds. */
const schema = z.object({
  format: z.literal(1),
  settings: z.object({ sizes: z.array(z.number().positive()).min(2), visits: z.number() }),
  measuredOn: z.iso.date(),
  /** What the simulated payment gateway takes of each checkout; no data model changes it. */
  gatewayMs: z.number(),
  cells: z.array(
    z.object({
      model: z.enum(modelNames),
      size: z.number(),
      windows: z.array(z.object({ checkout: reading, history: reading, search: reading })),
    }),
  ),
});
export type Growth = z.infer<typeof schema>;

/** @returns null where growth has not been measured @throws Error naming the file and the field at fault */
export const readGrowth = (file = GROWTH): Promise<Growth | null> => readMeasured(file, schema);

/** p95 of each window, milliseconds. */
export const growthWindows = (
  { cells }: Growth,
  model: GrowthModel,
  operation: GrowthOperation,
  size: number,
): number[] =>
  cells
    .filter((cell) => cell.model === model && cell.size === size)
    .flatMap(({ windows }) => windows.map((window) => window[operation].p95));

/** p95 at each size, and how it grows, for the operations that customers came for. */
export function scalingFigures(figures: Figures, growth: Growth): void {
  const { settings, measuredOn, gatewayMs } = growth;
  for (const operation of Object.keys(growthOperations) as GrowthOperation[])
    for (const model of modelNames) {
      const readings = settings.sizes.map((size) => ({
        size,
        values: growthWindows(growth, model, operation, size),
      }));
      if (readings.some(({ values }) => values.length === 0)) continue;
      const source = [`${NAME}: cells of ${model}, ${operation}`];
      const how = `node bench/growth.ts, measured on ${measuredOn}, windows of ${settings.visits} visits`;
      for (const { size, values } of readings) {
        figures.defineInterval(
          `scaling:${operation}:${model}:${size}`,
          intervalOf(values),
          (ms) => formats.duration(ms / 1000),
          source,
          `mean p95 of the windows; ${how}`,
        );
      }
      const constant = operation === 'checkout' ? gatewayMs : 0;
      const law = fitCurve(
        readings.map(({ size, values }) => ({
          size,
          values: values.map((value) => Math.max(0.01, value - constant)),
        })),
      );
      figures.defineInterval(
        `scaling:${operation}:${model}:exponent`,
        {
          mean: law.exponent,
          low: law.exponentLow,
          high: law.exponentHigh,
          windows: Math.min(...readings.map(({ values }) => values.length)),
        },
        (exponent) => exponent.toFixed(2).replace('-', '−'),
        source,
        `exponent of p95 by size, least squares of the logarithms, without the gateway’s time; ${how}`,
      );
    }
}
