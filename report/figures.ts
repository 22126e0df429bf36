import { type Interval, isInterval } from '../lib/stats/interval.ts';
import { bytesText, durationText, moneyText, numberText, percentText } from '../lib/units/format.ts';

/** What a figure rests on, beyond its sources. */
export interface Basis {
  /** What it is a value of, where several ids stand for one quantity: they have to be equal. The id without it. */
  quantity?: string;
  /** It is an end of an interval over so many windows. */
  windows?: number;
  /** It is a share of this whole, and disjoint from the other shares of it. */
  shareOf?: string;
}

/** A figure that is shown somewhere, and where it comes from. */
export interface Figure extends Basis {
  id: string;
  value: number;
  /** As it is shown. */
  text: string;
  /** JSON pointers into recording.json, or fields of the assumptions. */
  source: string[];
  /** The query or the formula. */
  how: string;
}

/** Shown where there is no figure; a missing one never becomes a zero. */
export const NO_FIGURE = 'not measured';

/**
 * Every figure of report, deck and messages. Writers take a figure's text from here only, so that each number that a
 * reader sees leads back to what was recorded.
 */
export class Figures {
  readonly #figures = new Map<string, Figure>();

  /** @throws Error for an id that has another value already */
  define(
    id: string,
    value: number | null | undefined,
    text: (value: number) => string,
    source: string[],
    how: string,
    basis: Basis = {},
  ): void {
    if (value === null || value === undefined || !Number.isFinite(value)) return;
    const known = this.#figures.get(id);
    if (known && known.value !== value) throw new Error(`figure ${id} is defined twice`);
    this.#figures.set(id, { id, value, text: text(value), source, how, ...basis });
  }

  /** `id`, and `id:low` and `id:high` where the windows are enough for an interval that can be told from its mean. */
  defineInterval(
    id: string,
    found: Interval | undefined,
    text: (value: number) => string,
    source: string[],
    how: string,
  ): void {
    if (!found) return;
    const { mean, low, high, windows } = found;
    this.define(id, mean, text, source, how);
    if (!isInterval(found) || text(low) === text(high)) return;
    for (const [end, value, percentile] of [
      ['low', low, '2.5 %'],
      ['high', high, '97.5 %'],
    ] as const)
      this.define(`${id}:${end}`, value, text, source, `${percentile} of the bootstrap of the ${how}`, {
        windows,
      });
  }

  get(id: string): Figure | undefined {
    return this.#figures.get(id);
  }

  text(id: string): string {
    return this.#figures.get(id)?.text ?? NO_FIGURE;
  }

  value(id: string): number | undefined {
    return this.#figures.get(id)?.value;
  }

  all(): Figure[] {
    return [...this.#figures.values()].sort((a, b) => a.id.localeCompare(b.id, 'en'));
  }
}

const compact = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

export const formats = {
  count: numberText,
  duration: durationText,
  percent: percentText,
  /** Beyond ten thousand a factor says that hardly anything is left, and its digits come from what little that is. */
  factor: (value: number) => (value > 10_000 ? 'over 10,000×' : `${compact.format(value)}×`),
  times: (value: number) => `${compact.format(value)} times`,
  bytes: bytesText,
  money: moneyText,
  seconds: (value: number) => `${numberText(value)} s`,
  clock: (value: number) => `${new Date(value).toISOString().slice(11, 16)} UTC`,
  /** Whole days, rounded up: nobody is told less than it takes. */
  days: (value: number) => (Math.ceil(value) === 1 ? '1 day' : `${numberText(Math.ceil(value))} days`),
  payback: (days: number): string => (days < 1 ? 'less than a day' : formats.days(days)),
  day: (value: number) =>
    new Date(value).toLocaleDateString('en-GB', {
      day: 'numeric',
      month: 'long',
      year: 'numeric',
      timeZone: 'UTC',
    }),
};
