import type { Unit } from '../kpis/kpi.ts';

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
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export const formats = {
  count: (value: number) => (Math.abs(value) >= 100 ? whole.format(value) : compact.format(value)),
  seconds: (value: number) =>
    value < 1 ? `${compact.format(value * 1000)} ms` : `${compact.format(value)} s`,
  /** Of work that may take hours. */
  duration: (seconds: number) =>
    seconds < 0.1
      ? `${compact.format(seconds * 1000)} ms`
      : seconds < 90
        ? `${compact.format(seconds)} s`
        : seconds < 5_400
          ? `${compact.format(seconds / 60)} min`
          : `${compact.format(seconds / 3_600)} h`,
  percent: (value: number) => `${compact.format(value * 100)} %`,
  /** Beyond ten thousand a factor says that hardly anything is left, and its digits come from what little that is. */
  factor: (value: number) => (value > 10_000 ? 'over 10,000×' : `${compact.format(value)}×`),
  times: (value: number) => `${compact.format(value)} times`,
  bytes: (value: number) =>
    value >= 1e9
      ? `${compact.format(value / 1e9)} GB`
      : value >= 1e6
        ? `${compact.format(value / 1e6)} MB`
        : `${compact.format(value / 1e3)} kB`,
  money: (currency: string) => (value: number) => {
    if (value !== 0 && Math.abs(value) < 10) return `${currency} ${value.toFixed(2)}`;
    const rounded = Math.abs(value) >= 1000 ? Number(value.toPrecision(3)) : Math.round(value);
    return `${currency} ${whole.format(rounded)}`;
  },
  perSecond: (value: number) => `${compact.format(value)} /s`,
};

/** A measured value with its unit. */
export const unitFormats: Record<Unit, (value: number) => string> = {
  s: formats.seconds,
  By: formats.bytes,
  '1': formats.percent,
  '{count}': formats.count,
  '/s': formats.perSecond,
  'By/s': (value) => `${formats.bytes(value)}/s`,
  d: (value) => `${formats.count(value)} days`,
  EUR: formats.money('EUR'),
  'EUR/h': (value) => `${formats.money('EUR')(value)} /h`,
};
