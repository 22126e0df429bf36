import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { fitName } from '../../proposals/names.ts';
import type { Column } from '../../relations.ts';
import { retypeOf } from '../operations.ts';
import { snakeCase, whileSwapped } from '../shared.ts';
import { isText, MIN_VALUES, readSamples, valuesOf } from './sample.ts';

type TrueType = 'date' | 'timestamp' | 'money' | 'number';

/** A number that names something is not reckoned with: its digits are a code, whatever their form. */
const NAMES_SOMETHING =
  /(^|_)(external|remote|foreign|provider|account|phone|mobile|fax|zip|post(al)?(code)?|isbn|ean|gtin|sku|barcode|imei|iban|vat|ref|reference|serial|version|release|revision|hash|token|uid|build)(_?(id|no|nr|number|code|key|ref))?$/;
/** So many digits, all different, are an identifier of another system. */
const DIGITS_OF_AN_ID = 10;
const DECIMAL_COMMA = /^-?\d{1,3}(\.?\d{3})*,\d{1,2}$/;

/** What is written where there is no value; so few of them hide no type. */
const PLACEHOLDER = /^(n\/?a|null|none|nil|nan|unknown|undefined|tbd|-+|\?+)$/i;
const LARGEST_PLACEHOLDER_SHARE = 0.05;

/** The values without placeholders, where these are few. */
function withoutPlaceholders(values: readonly string[]): readonly string[] {
  const kept = values.filter((value) => !PLACEHOLDER.test(value.trim()));
  return kept.length >= values.length * (1 - LARGEST_PLACEHOLDER_SHARE) ? kept : values;
}

/** 31.12.2026, 12/31/2026 and 31/12/2026. */
const EUROPEAN_DATE = /^(0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[0-2])\.(19|20)\d\d$/;
const SLASHED_DATE =
  /^((0?[1-9]|1[0-2])\/(0?[1-9]|[12]\d|3[01])|(0?[1-9]|[12]\d|3[01])\/(0?[1-9]|1[0-2]))\/(19|20)\d\d$/;

/**
 * `1.9` and `1.10` in one column: versions. As numbers, values would be the same that are not (`1.1` and `1.10`), or the
 * decimals have no fixed number although none is rounded.
 */
function isVersions(values: readonly string[]): boolean {
  const decimals = new Set(values.map((value) => value.length - value.indexOf('.') - 1));
  return (
    decimals.size > 1 &&
    (values.some((value) => value.endsWith('0') && values.includes(value.replace(/0+$/, ''))) ||
      (values.every((value) => /^\d{1,3}\.\d{1,3}$/.test(value) && !/^0\./.test(value)) &&
        values.some((value) => /\.\d*0$/.test(value))))
  );
}

/**
 * The type that all values of a text column have, judged by their form and, for numbers, by the column's name; undefined
 * when it is text indeed.
 */
export function trueTypeOf(values: readonly string[], column = ''): TrueType | undefined {
  if (values.length < MIN_VALUES) return undefined;
  const all = (form: RegExp) => values.every((value) => form.test(value));
  if ([/^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$/, EUROPEAN_DATE, SLASHED_DATE].some(all)) return 'date';
  if (
    all(
      /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?$/,
    )
  )
    return 'timestamp';
  if (NAMES_SOMETHING.test(snakeCase(column))) return undefined;
  if (all(DECIMAL_COMMA)) return 'money';
  if (all(/^-?\d{1,15}\.\d{1,6}$/)) return isVersions(values) ? undefined : 'money';
  if (!all(/^-?\d{1,15}(\.\d+)?$/)) return undefined;
  // A leading zero, or one length for all of several digits, is a code: a postcode, an account, a part number.
  if (values.some((value) => /^-?0\d/.test(value))) return undefined;
  const distinct = new Set(values).size;
  if (distinct === values.length && values.every((value) => value.length >= DIGITS_OF_AN_ID))
    return undefined;
  const lengths = new Set(values.map(({ length }) => length));
  return lengths.size === 1 && !lengths.has(1) ? undefined : 'number';
}

/**
 * The pattern of dates that `sqltrail migrate` has to be told; undefined for ISO 8601, and where day and month cannot be
 * told apart by any of the values.
 */
export function dateFormatOf(values: readonly string[]): string | undefined {
  if (values.every((value) => EUROPEAN_DATE.test(value))) return 'DD.MM.YYYY';
  if (!values.every((value) => SLASHED_DATE.test(value))) return undefined;
  const parts = values.map((value) => value.split('/').map(Number));
  if (parts.some(([first = 0]) => first > 12)) return 'DD/MM/YYYY';
  return parts.some(([, second = 0]) => second > 12) ? 'MM/DD/YYYY' : undefined;
}

const targets: Record<TrueType, { type: string; width: number; says: string }> = {
  date: { type: 'date', width: 4, says: 'dates' },
  timestamp: { type: 'timestamptz', width: 8, says: 'dates with time' },
  money: { type: 'numeric(12,2)', width: 6, says: 'decimal numbers' },
  number: { type: 'integer', width: 4, says: 'whole numbers' },
};

/** A type that takes all the values that were looked at, and some more. */
function sqlTypeOf(type: TrueType, values: readonly string[]): string {
  if (type === 'date' || type === 'timestamp') return targets[type].type;
  const parts = values.map((value) =>
    value.replace(/^-/, '').split(type === 'money' && /,\d{1,2}$/.test(value) ? ',' : '.'),
  );
  const whole = Math.max(...parts.map(([digits = '']) => digits.replaceAll('.', '').length));
  const decimals = Math.max(...parts.map(([, digits = '']) => digits.length));
  if (decimals > 0) return `numeric(${Math.max(12, whole + decimals + 2)},${Math.max(2, decimals)})`;
  return whole > 9 ? 'bigint' : 'integer';
}

export const check: Check = {
  id: 'typed-as-text',
  group: 'model',
  title: 'Numbers, dates and money kept as text',
  description:
    'Text columns all of whose sampled values are dates, amounts or numbers. Codes with leading zeros or of one length are left alone.',
  whileObserving: true,
  async *run(context) {
    for (const sample of await readSamples(context)) {
      const { table } = sample;
      const groups = new Map<TrueType, string[]>();
      const sqlTypes = new Map<string, string>();
      const formats = new Map<string, string>();
      for (const column of table.columns.filter(isText)) {
        const values = withoutPlaceholders(valuesOf(sample, column));
        const type = trueTypeOf(values, column.name);
        if (!type) continue;
        groups.set(type, [...(groups.get(type) ?? []), column.name]);
        sqlTypes.set(column.name, sqlTypeOf(type, values));
        const format = type === 'date' ? dateFormatOf(values) : undefined;
        if (format !== undefined) formats.set(column.name, format);
      }
      for (const [type, columns] of groups) {
        const { width, says } = targets[type];
        const typed = columns.map((name) => {
          const taken = (candidate: string) => table.columns.some((column) => column.name === candidate);
          const candidates = ['_typed', '_typed2', '_typed3'].map((suffix) => fitName(name, suffix));
          return candidates.find((candidate) => !taken(candidate)) ?? fitName(name, '_typed');
        });
        const saved = columns.reduce((sum, name) => {
          const stats = table.columns.find((column) => column.name === name)?.stats;
          return sum + Math.max(0, (stats?.averageWidth ?? 0) - width) * (1 - (stats?.nullFraction ?? 0));
        }, 0);
        const bytes = Math.round(saved * Math.max(0, table.estimatedRows));
        const target = context.session.quote(table.schema, table.name);
        // Columns of one form go together.
        const forms = Map.groupBy(columns, (name) => formats.get(name));
        const operations = [...forms].flatMap(([format, names]) =>
          retypeOf(
            table,
            names.map((column) => ({ column, type: sqlTypes.get(column) ?? 'text' })),
            format,
          ),
        );
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
            value: `${count(withoutPlaceholders(valuesOf(sample, { name } as Column)).length)} of ${count(valuesOf(sample, { name } as Column).length)} looked at`,
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
            kind: 'migration',
            summary: `give ${columns.map((name) => `${name} the type ${sqlTypes.get(name)}`).join(', ')}`,
            ...(operations.length > 0
              ? {
                  changes: [],
                  operations,
                  ...whileSwapped,
                  risk: 'The application reads another type from then on. ALTER … TYPE in place would rewrite the table under ACCESS EXCLUSIVE; this does not.',
                }
              : {
                  changes: columns.map((name, at) => ({
                    change: 'add column' as const,
                    schema: table.schema,
                    table: table.name,
                    column: typed[at] ?? name,
                    type: sqlTypes.get(name) ?? 'text',
                  })),
                  lock: 'ACCESS EXCLUSIVE for a moment (a new column without default); the values follow in batches',
                  risk: 'ALTER … TYPE in place would rewrite the table under ACCESS EXCLUSIVE; a new column, backfilled and switched to, does not.',
                }),
            expectedEffect: 'ranges and sorting by index, wrong values refused',
          },
        };
      }
    }
  },
};
