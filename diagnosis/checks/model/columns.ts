import type { Check, Column } from '../../check.ts';
import { bytesText, count } from '../shared.ts';
import { isText, readSamples, type Sample } from './sample.ts';

const LEAST_VALUES = 30;

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

const valuesOf = (sample: Sample, column: Column) =>
  (sample.columns.get(column.name) ?? []).filter((value) => value !== null && value !== '') as string[];

export const typedAsText: Check = {
  id: 'typed-as-text',
  group: 'model',
  title: 'Numbers, dates and money kept as text',
  description:
    'Text columns all of whose sampled values are dates, amounts or numbers. Codes with leading zeros or of one length are left alone.',
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

/** Values joined into one column. Free text has words between its commas; a list has single tokens. */
export function looksLikeList(values: readonly string[]): { separator: string; mean: number } | undefined {
  if (values.length < LEAST_VALUES || values.some((value) => /^[[{<]/.test(value))) return undefined;
  for (const separator of [',', ';', '|']) {
    let [lists, tokens, bare] = [0, 0, 0];
    const vocabulary = new Set<string>();
    for (const value of values) {
      const parts = value.split(separator).map((part) => part.trim());
      if (parts.length > 1 && parts.every((part) => part.length > 0)) lists += 1;
      tokens += parts.length;
      for (const part of parts) {
        if (!/\s/.test(part)) bare += 1;
        vocabulary.add(part);
      }
    }
    const mean = tokens / values.length;
    // "Doe, Jane" has two tokens that hardly repeat; tags repeat, and file names come in longer rows.
    const repeats = vocabulary.size < tokens * 0.5 || mean >= 2.5 || /^https?:/.test(values[0] ?? '');
    if (lists >= values.length * 0.5 && mean >= 1.7 && bare >= tokens * 0.9 && repeats)
      return { separator, mean };
  }
  return undefined;
}

export const listInColumn: Check = {
  id: 'list-in-column',
  group: 'model',
  title: 'Lists in a column',
  description: 'Text columns whose values are lists with a separator: first normal form is missing.',
  async *run(context) {
    for (const sample of await readSamples(context))
      for (const column of sample.table.columns.filter(isText)) {
        const { table } = sample;
        const list = looksLikeList(valuesOf(sample, column));
        if (!list) continue;
        const child = `${table.name}_${column.name}`.slice(0, 63);
        const key = table.primaryKey[0] ?? 'id';
        const keyType = table.columns.find(({ name }) => name === key)?.type ?? 'bigint';
        yield {
          id: `list-in-column:${table.schema}.${table.name}(${column.name})`,
          check: 'list-in-column',
          severity: 'warning',
          title: `${table.name}.${column.name} holds lists`,
          explanation: `A value has ${list.mean.toFixed(1)} entries on average, separated by “${list.separator}”. To find one entry every row is searched by pattern; nothing keeps an entry right or unique.`,
          cause: 'poor-normalisation',
          objects: [{ schema: table.schema, table: table.name, columns: [column.name] }],
          statements: [],
          evidence: [
            {
              label: 'entries a value, mean',
              value: Math.round(list.mean * 10) / 10,
              unit: '1',
              how: `SELECT avg(cardinality(string_to_array(${context.session.quote(column.name)}, '${list.separator}'))) FROM ${context.session.quote(table.schema, table.name)}`,
            },
          ],
          cost: {},
          confidence: {
            level: 0.9,
            basis: sample.whole ? 'exact' : 'sample',
            note: `${count(sample.rows)} rows looked at`,
          },
          explains: { kpis: ['rows-read-per-request'], traces: [] },
          fix: {
            summary: `a table with one row for each entry, or an array with a GIN index`,
            sql: [
              `CREATE TABLE ${context.session.quote(table.schema, child)} (${context.session.quote(key)} ${keyType} NOT NULL, entry text NOT NULL, PRIMARY KEY (entry, ${context.session.quote(key)}))`,
            ],
            undo: [`DROP TABLE ${context.session.quote(table.schema, child)}`],
            lock: 'none on the existing table',
            risk: 'Writers have to keep both in step until the column goes.',
            expectedEffect: 'an entry is found by an index',
          },
        };
      }
  },
};

export const entityAttributeValue: Check = {
  id: 'entity-attribute-value',
  group: 'model',
  title: 'Entity, attribute, value',
  description:
    'Narrow tables in which a column of few values names what another column, of mixed content, means for an entity.',
  async *run(context) {
    for (const sample of await readSamples(context)) {
      const { table, columns, rows } = sample;
      if (table.columns.length > 6 || rows < 100) continue;
      const distinct = (name: string) => new Set(columns.get(name)).size;
      const texts = table.columns.filter(isText).map(({ name }) => name);
      const names = texts.filter((name) => distinct(name) >= 2 && distinct(name) <= Math.min(500, rows / 20));
      for (const attribute of names) {
        const entity = table.columns.find(
          ({ name }) =>
            !texts.includes(name) && distinct(name) > distinct(attribute) && distinct(name) < rows * 0.9,
        )?.name;
        const value = texts.find((name) => name !== attribute && distinct(name) > distinct(attribute));
        if (!entity || !value) continue;
        const pairs = new Set(
          Array.from({ length: rows }, (_, at) =>
            JSON.stringify([columns.get(entity)?.[at], columns.get(attribute)?.[at]]),
          ),
        );
        if (pairs.size < rows * 0.98) continue;
        // Mixed content: some attributes are numbers throughout, others are not.
        const numeric = new Map<string, boolean>();
        for (let at = 0; at < rows; at += 1) {
          const name = columns.get(attribute)?.[at] ?? '';
          const number = /^-?\d+(\.\d+)?$/.test(columns.get(value)?.[at] ?? '');
          numeric.set(name, (numeric.get(name) ?? true) && number);
        }
        const kinds = new Set(numeric.values());
        if (kinds.size < 2) continue;
        yield {
          id: `entity-attribute-value:${table.schema}.${table.name}`,
          check: 'entity-attribute-value',
          severity: 'warning',
          title: `${table.name} keeps attributes as rows (${entity}, ${attribute}, ${value})`,
          explanation: `${distinct(attribute)} attributes share one text column, numbers and words alike. No type, no constraint and no useful statistics; an entity with all its attributes takes ${Math.round(rows / Math.max(1, distinct(entity)))} rows and a scan or an index look-up for each.`,
          cause: 'poor-normalisation',
          objects: [{ schema: table.schema, table: table.name, columns: [entity, attribute, value] }],
          statements: [],
          evidence: [
            {
              label: 'attributes',
              value: distinct(attribute),
              unit: '1',
              how: `SELECT count(DISTINCT ${context.session.quote(attribute)}) FROM ${context.session.quote(table.schema, table.name)}`,
            },
            {
              label: 'attributes that are numbers throughout',
              value: [...numeric.values()].filter(Boolean).length,
              unit: '1',
              how: 'the form of the values of each attribute',
            },
          ],
          cost: {},
          confidence: {
            level: 0.85,
            basis: sample.whole ? 'exact' : 'sample',
            note: `${count(rows)} rows looked at`,
          },
          explains: { kpis: ['rows-read-per-request', 'queries-per-request'], traces: [] },
          fix: {
            summary: 'columns for the attributes that all have, jsonb with a GIN index for the others',
            sql: [],
            undo: [],
            lock: 'none until the switch',
            risk: 'Values that do not have the form of their type have to be looked at one by one.',
            expectedEffect: 'one row an entity, typed and checked',
          },
        };
        break;
      }
    }
  },
};
