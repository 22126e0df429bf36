import { type CapacityStep, kneeOf } from '../report/capacity.ts';

export interface Stairs {
  /** Visits a second of the first step. */
  first: number;
  /** Beyond it nothing is tried. */
  highest: number;
  /** Steps between the highest rate that was met and the lowest that was missed. */
  between: number;
}

/** Visits a second below which a model that still misses its objective has no capacity worth naming. */
const LOWEST = 0.1;

/** Up by doubling until a step misses, or down by halves until one meets; then the geometric means between. */
export async function staircase(
  { first, highest, between }: Stairs,
  step: (rate: number) => Promise<CapacityStep>,
): Promise<CapacityStep[]> {
  const steps: CapacityStep[] = [];
  const met = async (rate: number) => {
    const done = await step(Number(rate.toPrecision(3)));
    steps.push(done);
    return done.met;
  };
  if (await met(first)) for (let rate = first * 2; rate <= highest && (await met(rate)); ) rate *= 2;
  else for (let rate = first / 2; rate >= LOWEST && !(await met(rate)); ) rate /= 2;
  for (let at = 0; at < between; at += 1) {
    const knee = kneeOf({ steps });
    if (knee.met === null || knee.missed === null) break;
    await met(Math.sqrt(knee.met * knee.missed));
  }
  return steps;
}
