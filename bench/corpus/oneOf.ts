import { literal } from '../../lib/pg/quote.ts';
import type { Value } from './corpusDatabase.ts';

/** One of the values; `by` is a number from 0 (inclusive) to 1, and `power({u}, 2)` prefers the first ones. */
export const oneOf = (values: readonly (string | number)[], by: Value = '{u}'): Value =>
  `(ARRAY[${values.map((value) => (typeof value === 'number' ? value : literal(value))).join()}])[1 + floor(${by} * ${values.length})::int]`;
