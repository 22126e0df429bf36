import { bytesText, durationText, moneyText, numberText, percentText } from '../lib/units/format.ts';

/** A figure that is shown somewhere, and where it comes from. */
export interface Figure {
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
  ): void {
    if (value === null || value === undefined || !Number.isFinite(value)) return;
    const known = this.#figures.get(id);
    if (known && known.value !== value) throw new Error(`figure ${id} is defined twice`);
    this.#figures.set(id, { id, value, text: text(value), source, how });
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
};
