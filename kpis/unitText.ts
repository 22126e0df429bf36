import type { Objective, Unit } from './kpi.ts';

const texts: Record<Unit, (value: number) => string> = {
  s: (value) => (value < 1 ? `${value * 1000} ms` : `${value} s`),
  By: (value) => `${value} bytes`,
  '1': (value) => `${Math.round(value * 1000) / 10} %`,
  '{count}': (value) => value.toLocaleString('en'),
  '/s': (value) => `${value} a second`,
  'By/s': (value) => `${value} bytes a second`,
  d: (value) => `${value} days`,
  EUR: (value) => `€ ${value}`,
  'EUR/h': (value) => `€ ${value} an hour`,
};

/** A figure that somebody set, such as an objective, in words; not rounded, as a measured one would be. */
export const unitText = (value: number, unit: Unit): string => texts[unit](value);

export const objectiveText = ({ comparison, value }: Pick<Objective, 'comparison' | 'value'>, unit: Unit) =>
  `${comparison === '<=' ? 'at most' : 'at least'} ${unitText(value, unit)}`;
