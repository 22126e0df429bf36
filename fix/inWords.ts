import { type Comparison, isBetter, isWorse, type Verdict } from './measure.ts';

/** A rate of nearly nothing divides into any number. */
const times = (ratio: number, digits: number) => (ratio > 10_000 ? 'over 10,000' : ratio.toFixed(digits));
const ratioText = ({ speedup, low, high }: Comparison, digits: number, unit = '') =>
  `${times(speedup, digits)}${unit} (95 % interval ${times(low, digits)} to ${times(high, digits)})`;

/** What was measured, in words. */
export function inWords(what: string, { is, time, work }: Verdict): string {
  if (!time) return '';
  const fewer = work && `${work.what}: ${ratioText(work.ratio, 1, ' times fewer')}`;
  if (is === 'better')
    return isBetter(time)
      ? `${what} ${ratioText(time, 1, ' times as fast')}${work && isBetter(work.ratio) ? `; ${fewer}` : ''}`
      : `${fewer}; ${what} ${ratioText(time, 1, ' times as fast')}, ${isWorse(time) ? 'but not slower in every sample' : 'no certain change'}`;
  const parts = [`${what} ${is === 'worse' ? 'became slower: ' : ''}${ratioText(time, 2, ' times as fast')}`];
  if (work) parts.push(`${work.what}: ${ratioText(work.ratio, 2, ' times fewer')}`);
  return parts.join('; ');
}
