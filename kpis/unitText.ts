import { type Currency, currencies } from '../config/schema.ts';
import type { Objective, Unit } from './kpi.ts';

/** An entry for each currency, and for an amount of it an hour. */
export const forCurrencies = <T>(amount: (currency: Currency) => T, anHour: (currency: Currency) => T) =>
  Object.fromEntries(
    currencies.flatMap((currency) => [
      [currency, amount(currency)],
      [`${currency}/h`, anHour(currency)],
    ]),
  ) as Record<Currency | `${Currency}/h`, T>;

/** `€`, or the code where a currency has no sign of its own. */
const sign = (currency: Currency) =>
  new Intl.NumberFormat('en', { style: 'currency', currency })
    .formatToParts(0)
    .find(({ type }) => type === 'currency')?.value ?? currency;

const money = forCurrencies(
  (currency) => (value: number) => `${sign(currency)} ${value}`,
  (currency) => (value: number) => `${sign(currency)} ${value} an hour`,
);

const texts: Record<Unit, (value: number) => string> = {
  s: (value) => (value < 1 ? `${value * 1000} ms` : `${value} s`),
  By: (value) => `${value} bytes`,
  '1': (value) => `${Math.round(value * 1000) / 10} %`,
  '{count}': (value) => value.toLocaleString('en'),
  '/s': (value) => `${value} a second`,
  'By/s': (value) => `${value} bytes a second`,
  d: (value) => `${value} days`,
  ...money,
};

/** A figure that somebody set, such as an objective, in words; not rounded, as a measured one would be. */
export const unitText = (value: number, unit: Unit): string => texts[unit](value);

export const objectiveText = ({ comparison, value }: Pick<Objective, 'comparison' | 'value'>, unit: Unit) =>
  `${comparison === '<=' ? 'at most' : 'at least'} ${unitText(value, unit)}`;
