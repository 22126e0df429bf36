import type { AssumptionName, AtLevel } from '../assumptions.ts';
import { formats } from '../figures.ts';
import {
  type AfterStep,
  COSTS,
  earningOf,
  type ImpactBasis,
  leftAfter,
  monthsOf,
  priceOf,
  sumOf,
} from '../impactModel.ts';

/** What the page carries with it. */
export interface WhatIf {
  basis: ImpactBasis;
  currency: string;
  likely: AtLevel;
  /** Growth of the data, at the likely level. */
  bytesPerDay: number;
  /** Of the fields, for what is said of them. */
  titles: Partial<Record<AssumptionName | 'bytesPerDay', string>>;
}

/** How the figures name what is left after a step. */
export const leftId = ({ phase, noneLostOf }: AfterStep): string =>
  noneLostOf === undefined ? phase : `${phase}:at-most`;

/**
 * Every answer of the page for some assumptions: texts by their place, and the bars as shares (0..1) of the longest one.
 * The places of what is a figure of the report too have the figure's id.
 *
 * @param bytesPerDay growth of the data
 */
export function answers(
  { basis, currency }: Pick<WhatIf, 'basis' | 'currency'>,
  assumed: AtLevel,
  bytesPerDay: number,
): { texts: Record<string, string>; bars: Record<string, number> } {
  const money = formats.money(currency);
  const asIs = monthsOf(basis.peak, assumed, bytesPerDay);
  const costs = COSTS.map((cost) => [cost, sumOf(asIs, cost)] as const);
  const left = basis.after.map((step) => {
    const lost = sumOf(monthsOf(leftAfter(step), assumed, bytesPerDay), 'measured') ?? 0;
    return [leftId(step), lost] as const;
  });
  const price = priceOf(assumed).plan;
  const earning = earningOf(basis, assumed, bytesPerDay);
  const lengths = Object.fromEntries([
    ['likely', sumOf(asIs, 'measured') ?? 0],
    ...left,
    ['plan', price],
  ]) as Record<string, number>;
  const longest = Math.max(...Object.values(lengths), Number.MIN_VALUE);
  return {
    texts: {
      ...Object.fromEntries(
        costs.map(([cost, value]) => [
          `impact:${cost}:likely`,
          value === null ? 'not measured' : money(value),
        ]),
      ),
      ...Object.fromEntries(left.map(([id, value]) => [`impact:measured:${id}`, money(value)])),
      'price:plan:likely': money(price),
      'saved:year': earning ? money(earning.saved) : 'nothing',
      'payback:days': earning ? formats.payback(earning.paybackDays) : 'never',
      'break-even:buyers':
        earning && earning.breakEvenBuyers <= 1 ? formats.percent(earning.breakEvenBuyers) : 'no share',
    },
    bars: Object.fromEntries(Object.entries(lengths).map(([id, value]) => [id, value / longest])),
  };
}
