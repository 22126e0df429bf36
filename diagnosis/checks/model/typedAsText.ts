import type { Check, Column } from '../../check.ts';
import { bytesText, count } from '../shared.ts';
import { isText, LEAST_VALUES, prepareSamples, readSamples, valuesOf } from './sample.ts';

type TrueType = 'date' | 'timestamp' | 'money' | 'number';

/** The type that all values of a text column have, judged by their form; undefined when it is text indeed. */
export function trueTypeOf(values: readonly string[]): TrueType | undefined {
  if (values.length < LEAST_VALUES) return undefined;
  const all = (form: RegExp) => values.every((value) => form.test(value));
  if (all(/^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$/)) return 'date';
  if (
    all(
      /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?$/,
    )
  )
    return 'timestamp';
  if (all(/^-?\d{1,15}\.\d{1,6}$/)) return 'money';
  if (!all(/^-?\d{1,15}(\.\d+)?$/)) return undefined;
  // A leading zero, or one length for all of several digits, is a code: a postcode, an account, a part number.
  if (values.some((value) => /^-?0\d/.test(value))) return undefined;
  const lengths = new Set(values.map(({ length }) => length));
  return lengths.size === 1 && !lengths.has(1) ? undefined : 'number';
}

const targets: Record<TrueType, { type: string; width: number; says: string }> = {
  date: { type: 'date', width: 4, says: 'dates' },
  timestamp: { type: 'timestamptz', width: 8, says: 'dates with time' },
  money: { type: 'numeric(12,2)', width: 6, says: 'decimal numbers' },
  number: { type: 'integer', width: 4, says: 'whole numbers' },
};

export const check: Check = {
  id: 'typed-as-text',
  group: 'model',
  title: 'Numbers, dates and money kept as text',
  description:
    'Text columns all of whose sampled values are dates, amounts or numbers. Codes with leading zeros or of one length are left alone.',
  prepare: prepareSamples,
  async *run(context) {
    for (const sample of await readSamples(context)) {
      const { table } = sample;
      const groups = new Map<TrueType, string[]>();
      for (const column of table.columns.filter(isText)) {
        const type = trueTypeOf(valuesOf(sample, column));
        if (type) groups.set(type, [...(groups.get(type) ?? []), column.name]);
      }
      for (const [type, columns] of groups) {
        const { type: sqlType, width, says } = targets[type];
        const saved = columns.reduce((sum, name) => {
          const stats = table.columns.find((column) => column.name === name)?.stats;
          return sum + Math.max(0, (stats?.averageWidth ?? 0) - width) * (1 - (stats?.nullFraction ?? 0));
        }, 0);
        const bytes = Math.round(saved * Math.max(0, table.estimatedRows));
        const target = context.session.quote(table.schema, table.name);
        yield {
          id: `typed-as-text:${table.schema}.${table.name}(${type}:${columns.join(',')})`,
          check: 'typed-as-text',
          severity: 'warning',
          title: `${table.name} keeps ${says} as text: ${columns.join(', ')}`,
          explanation: `Each comparison needs a cast, which no plain index serves; the planner knows nothing about ranges; and nothing keeps a wrong value out. ${bytes > 0 ? `The text takes ${bytesText(bytes)} more than the type would.` : ''}`,
          cause: 'poor-normalisation',
          objects: [{ schema: table.schema, table: table.name, columns }],
          statements: [],
          evidence: columns.map((name) => ({
            label: `values of ${name} that have the form`,
            value: `${count(valuesOf(sample, { name } as Column).length)} of ${count(valuesOf(sample, { name } as Column).length)} looked at`,
            how: `SELECT ${context.session.quote(name)} FROM ${target} TABLESAMPLE SYSTEM (1)`,
          })),
          cost: bytes > 0 ? { bytes } : {},
          confidence: {
            level: sample.whole ? 1 : 0.9,
            basis: sample.whole ? 'exact' : 'sample',
            note: `${count(sample.rows)} rows looked at`,
          },
          explains: { kpis: ['statement-latency-p95', 'database-size'], traces: [] },
          fix: {
            summary: `give ${columns.join(', ')} the type ${sqlType}`,
            sql: columns.map(
              (name) =>
                `ALTER TABLE ${target} ADD COLUMN ${context.session.quote(`${name}_typed`.slice(0, 63))} ${sqlType}`,
            ),
            undo: columns.map(
              (name) =>
                `ALTER TABLE ${target} DROP COLUMN ${context.session.quote(`${name}_typed`.slice(0, 63))}`,
            ),
            lock: 'ACCESS EXCLUSIVE for a moment (a new column without default); the values follow in batches',
            risk: 'ALTER … TYPE in place would rewrite the table under ACCESS EXCLUSIVE; a new column, backfilled and switched to, does not.',
            expectedEffect: 'ranges and sorting by index, wrong values refused',
          },
        };
      }
    }
  },
};
