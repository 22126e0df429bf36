import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeMeasured } from '../report/measuredFile.ts';

export const models = ['legacy', 'tuned', 'refactored'] as const;
export type Model = (typeof models)[number];

/** What a visit does, in this order; the report at every fourth one. */
export const operations = ['search', 'product', 'cart', 'checkout', 'history', 'order', 'report'] as const;
export type Operation = (typeof operations)[number];

/** Milliseconds, nearest rank. */
const reading = z.object({
  requests: z.int().positive(),
  p50: z.number().positive(),
  p95: z.number().positive(),
});
const window = z.record(z.enum(operations), reading);

const cell = z.object({
  model: z.enum(models),
  /** Times the rows of the base. */
  size: z.int().positive(),
  /** Rounds go over all cells, so that what the machine does for a while meets all of them. */
  round: z.int().positive(),
  windows: z.array(window).min(1),
});

/**
 * What `node bench/growth.ts` measured; docs/measured/growth.json is one. Written after each cell, so that a run that
 * was killed goes on with the next one.
 */
const recording = z.object({
  format: z.literal(1),
  settings: z.object({
    /** Scale of size 1. */
    base: z.string(),
    seed: z.int(),
    sizes: z.array(z.int().positive()).min(2),
    rounds: z.int().positive(),
    /** A window. */
    visits: z.int().positive(),
    windows: z.int().positive(),
    /** Closed loop: each customer goes on as soon as the shop has answered. */
    customers: z.int().positive(),
    postgres: z.record(z.string(), z.string()),
  }),
  machine: z.object({
    cores: z.int().positive(),
    memoryBytes: z.number(),
    postgres: z.string(),
    node: z.string(),
  }),
  measuredOn: z.iso.date(),
  /** Orders and bytes of each size; bytes are those of the whole database. */
  sizes: z.array(
    z.object({ size: z.int(), orders: z.int(), bytes: z.partialRecord(z.enum(models), z.number()) }),
  ),
  /** Bytes a day over the last so many days, by the dates of the rows (diagnosis, check `growth`), as a share of all. */
  growth: z.array(z.object({ days: z.int(), sharePerDay: z.number().positive() })),
  /** What the simulated gateway takes of each checkout, milliseconds; no data model changes it. */
  gatewayMs: z.number(),
  /** Orders of the scale `default`: the shop at its critical size, which is "today" in the forecast. */
  ordersToday: z.int().positive(),
  cells: z.array(cell),
  /** What whoever reads the figures has to know. */
  notes: z.array(z.string()).default([]),
});
export type GrowthRecording = z.infer<typeof recording>;
export type Cell = z.infer<typeof cell>;
export type Window = z.infer<typeof window>;

/** @throws Error naming the file and what is wrong in it */
export async function readGrowth(file: string): Promise<GrowthRecording> {
  const text = await readFile(file, 'utf8');
  const parsed = recording.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${file} is no growth recording: ${issue?.path.join('.')}: ${issue?.message}`);
}

export const writeGrowth = (file: string, growth: GrowthRecording): Promise<void> =>
  writeMeasured(file, recording, growth);

/** Every size has been measured on every model, in one round at least. */
export const isComplete = ({ settings, cells }: GrowthRecording): boolean =>
  settings.sizes.every((size) =>
    models.every((model) => cells.some((cell) => cell.size === size && cell.model === model)),
  );
