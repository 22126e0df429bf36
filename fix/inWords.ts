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
      : `${fewer}; the time of ${what}, x${ratioText(time, 1)}, ${isWorse(time) ? 'was not worse all the time' : 'shows nothing'}`;
  const parts = [`${what} ${is === 'worse' ? 'became slower: ' : ''}x${ratioText(time, 2)}`];
  if (work) parts.push(`${work.what} x${ratioText(work.ratio, 2)}`);
  return parts.join('; ');
}
