import { count } from '../lib/units/format.ts';
import type { Kept, KeptKind } from '../migrate/kept.ts';

const words: Record<KeptKind, [one: string, more: string]> = {
  contradiction: ['contradiction, resolved by a rule', 'contradictions, resolved by a rule'],
  orphan: ['row that refers to nothing', 'rows that refer to nothing'],
  normalised: ['value normalised', 'values normalised'],
  'set aside': ['unit that the new model cannot hold', 'units that the new model cannot hold'],
  'not converted': [
    'row that does not convert, which stops the cutover',
    'rows that do not convert, which stop the cutover',
  ],
  'not convertible back': [
    'row that the old type cannot hold, which stops a rollback',
    'rows that the old type cannot hold, which stop a rollback',
  ],
  'written later': ['value replaced after the cutover', 'values replaced after the cutover'],
  'left at complete': [
    'value that the old columns said when they were dropped',
    'values that the old columns said when they were dropped',
  ],
  'rolled back': [
    'value of a row that the old columns cannot hold, from a rollback',
    'values of rows that the old columns cannot hold, from a rollback',
  ],
};

/** What was kept apart, how much of it, and the SQL that shows it. */
export const keptText = ({ kind, table, entries, query }: Kept): string =>
  `  ${count(entries)} ${words[kind][entries === 1 ? 0 : 1]} (${table}):\n    ${query.replaceAll(/\s*\n\s*/g, ' ')};`;
