import type { Check } from '../../check.ts';
import { kept } from '../kept.ts';
import { retypeOf } from '../operations.ts';
import { whileSwapped } from '../shared.ts';
import { modelTables } from './sample.ts';

interface Weak {
  id: string;
  matches: RegExp;
  called: string;
  why: string;
  instead: string;
  /** The type that replaces it, where nobody has to be asked which. */
  to?: string;
}

/** As PostgreSQL's wiki has them under "Don't Do This", and the manual for each type. */
const WEAK: readonly Weak[] = [
  {
    id: 'money',
    matches: /^money$/,
    called: 'money',
    why: 'It has the currency and the decimals of lc_monetary: with another setting the same bytes are another amount.',
    instead: 'numeric, with the currency in a column of its own',
    to: 'numeric(19,2)',
  },
  {
    id: 'char',
    matches: /^character\(\d+\)$/,
    called: 'character(n)',
    why: 'Values are filled up with blanks that some comparisons see and others do not, and it is not faster.',
    instead: 'text, with a CHECK on the length',
    to: 'text',
  },
  {
    id: 'timestamp',
    matches: /^timestamp(\(\d\))? without time zone$/,
    called: 'timestamp without time zone',
    why: 'It is the reading of a clock, not a moment: what it means depends on the zone that whoever wrote it had in mind.',
    instead: 'timestamp with time zone, where the column holds moments',
  },
  {
    id: 'timetz',
    matches: /^time(\(\d\))? with time zone$/,
    called: 'time with time zone',
    why: 'Without a date the offset of a zone is not known.',
    instead: 'time, or timestamp with time zone',
  },
  {
    id: 'json',
    matches: /^json$/,
    called: 'json',
    why: 'It is kept as text: it is parsed at each use, has no equality and no index of its own.',
    instead: 'jsonb, unless the order of keys or doubled keys have to stay',
    to: 'jsonb',
  },
];

const MAX_NAMED = 5;

export const check: Check = {
  id: 'weak-type',
  group: 'model',
  title: 'Types that hold less than they seem to',
  description: 'Columns of money, character(n), timestamp without time zone, time with time zone and json.',
  whileObserving: true,
  async *run(context) {
    for (const { id, matches, called, why, instead, to } of WEAK) {
      const found = modelTables(context).flatMap((table) => {
        const columns = table.columns
          .filter(({ type: own, base = own }) => matches.test(base))
          .map(({ name }) => name);
        return columns.length > 0 ? [{ table, columns }] : [];
      });
      if (found.length === 0) continue;
      const names = found.flatMap(({ table, columns }) => columns.map((column) => `${table.name}.${column}`));
      const operations =
        to === undefined
          ? []
          : found.flatMap(({ table, columns }) =>
              retypeOf(
                table,
                columns.map((column) => ({ column, type: to })),
              ),
            );
      yield kept({
        id: `weak-type:${id}`,
        check: 'weak-type',
        severity: 'info',
        title: `${names.length} ${names.length === 1 ? 'column is' : 'columns are'} of the type ${called}: ${names.slice(0, MAX_NAMED).join(', ')}${names.length > MAX_NAMED ? ' …' : ''}`,
        explanation: `${why} Better is ${instead}.`,
        cause: 'poor-normalisation',
        objects: found.map(({ table, columns }) => ({ schema: table.schema, table: table.name, columns })),
        evidence: [
          {
            label: 'columns',
            value: names.length,
            unit: '1',
            how: 'SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0',
          },
        ],
        ...(operations.length === 0
          ? {}
          : {
              fix: {
                kind: 'migration',
                summary: `give them the type ${to}, online`,
                changes: [],
                operations,
                ...whileSwapped,
                risk: 'The application reads another type from then on.',
                expectedEffect: 'values that mean the same everywhere',
              },
            }),
      });
    }
  },
};
