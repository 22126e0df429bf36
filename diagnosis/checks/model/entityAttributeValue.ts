import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { freeName } from '../../proposals/names.ts';
import { eavToJsonbOf } from '../operations.ts';
import { isText, readSamples, type Sample } from './sample.ts';

interface AttributeRows {
  entity: string;
  attribute: string;
  /** One column of text for all, or one column a type. */
  values: string[];
  /** Attributes with values of numbers throughout, or the types that there are columns for. */
  mixed: string;
}

const distinctIn = ({ columns }: Sample, name: string) => new Set(columns.get(name)).size;

/** A row says one attribute of one entity: the pair hardly repeats, each of the two alone does. */
function namesOneFact(sample: Sample, entity: string, attribute: string): boolean {
  const { columns, rows } = sample;
  const pairs = new Set(
    Array.from({ length: rows }, (_, at) =>
      JSON.stringify([columns.get(entity)?.[at], columns.get(attribute)?.[at]]),
    ),
  );
  return pairs.size >= rows * 0.98;
}

/** All values in one text column, some attributes numbers throughout and others not. */
function textValues(sample: Sample): AttributeRows | undefined {
  const { table, columns, rows } = sample;
  if (table.columns.length > 6) return undefined;
  const distinct = (name: string) => distinctIn(sample, name);
  const texts = table.columns.filter(isText).map(({ name }) => name);
  const names = texts.filter((name) => distinct(name) >= 2 && distinct(name) <= Math.min(500, rows / 20));
  for (const attribute of names) {
    const entity = table.columns.find(
      ({ name }) =>
        !texts.includes(name) && distinct(name) > distinct(attribute) && distinct(name) < rows * 0.9,
    )?.name;
    const value = texts.find((name) => name !== attribute && distinct(name) > distinct(attribute));
    if (!entity || !value || !namesOneFact(sample, entity, attribute)) continue;
    const numeric = new Map<string, boolean>();
    for (let at = 0; at < rows; at += 1) {
      const name = columns.get(attribute)?.[at] ?? '';
      const number = /^-?\d+(\.\d+)?$/.test(columns.get(value)?.[at] ?? '');
      numeric.set(name, (numeric.get(name) ?? true) && number);
    }
    const numbers = [...numeric.values()].filter(Boolean).length;
    if (numbers === 0 || numbers === numeric.size) continue;
    return { entity, attribute, values: [value], mixed: `${numbers} are numbers throughout` };
  }
  return undefined;
}

/** A column a type, of which each row fills one, always the same one for an attribute. */
function typedValues(sample: Sample): AttributeRows | undefined {
  const { table, columns, rows } = sample;
  const filled = (name: string, at: number) => (columns.get(name)?.[at] ?? null) !== null;
  const rowNumbers = Array.from({ length: rows }, (_, at) => at);
  const values: string[] = [];
  for (const { name, notNull } of table.columns) {
    if (notNull || !columns.has(name)) continue;
    const uses = rowNumbers.filter((at) => filled(name, at));
    if (uses.length === 0 || uses.length === rows) continue;
    if (uses.some((at) => values.some((other) => filled(other, at)))) continue;
    values.push(name);
  }
  const types = new Set(table.columns.flatMap(({ name, type }) => (values.includes(name) ? [type] : [])));
  const used = (at: number) => values.findIndex((name) => filled(name, at));
  if (values.length < 3 || types.size < 3 || rowNumbers.filter((at) => used(at) >= 0).length < rows * 0.95)
    return undefined;
  const others = table.columns.map(({ name }) => name).filter((name) => !values.includes(name));
  for (const attribute of others) {
    const distinct = distinctIn(sample, attribute);
    if (distinct < 2 || distinct > Math.min(500, rows / 20)) continue;
    const kind = new Map<string | null | undefined, number>();
    const decides = rowNumbers.every((at) => {
      const name = columns.get(attribute)?.[at];
      if (!kind.has(name)) kind.set(name, used(at));
      return kind.get(name) === used(at);
    });
    const entity = others.find(
      (name) =>
        name !== attribute && distinctIn(sample, name) > distinct && distinctIn(sample, name) < rows * 0.9,
    );
    if (decides && entity && namesOneFact(sample, entity, attribute))
      return { entity, attribute, values, mixed: `of the types ${[...types].join(', ')}` };
  }
  return undefined;
}

/** How the table keeps attributes as rows; undefined when it does not, or the sample is too small to tell. */
export const attributeRowsOf = (sample: Sample): AttributeRows | undefined =>
  sample.rows < 100 ? undefined : (textValues(sample) ?? typedValues(sample));

export const check: Check = {
  id: 'entity-attribute-value',
  group: 'model',
  title: 'Entity, attribute, value',
  description:
    'Tables in which a column of few values names what another column of mixed content, or one of several columns of different types, means for an entity.',
  whileObserving: true,
  async *run(context) {
    for (const sample of await readSamples(context)) {
      const found = attributeRowsOf(sample);
      if (!found) continue;
      const { entity, attribute, values, mixed } = found;
      const { table, rows } = sample;
      const attributes = distinctIn(sample, attribute);
      yield {
        id: `entity-attribute-value:${table.schema}.${table.name}`,
        check: 'entity-attribute-value',
        severity: 'warning',
        title: `${table.name} keeps attributes as rows (${[entity, attribute, ...values].join(', ')})`,
        explanation: `${attributes} attributes share ${values.length === 1 ? 'one text column, numbers and words alike: no type, no constraint' : `${values.length} columns, of which each row leaves all but one empty: no constraint for an attribute`} and no useful statistics; an entity with all its attributes takes ${Math.round(rows / Math.max(1, distinctIn(sample, entity)))} rows and an index look-up or a scan for each.`,
        cause: 'poor-normalisation',
        objects: [{ schema: table.schema, table: table.name, columns: [entity, attribute, ...values] }],
        statements: [],
        evidence: [
          {
            label: 'attributes',
            value: attributes,
            unit: '1',
            how: `SELECT count(DISTINCT ${context.session.quote(attribute)}) FROM ${context.session.quote(table.schema, table.name)}`,
          },
          { label: 'their values', value: mixed, how: 'the values of each attribute in the sample' },
        ],
        cost: {},
        confidence: {
          level: 0.85,
          basis: sample.whole ? 'exact' : 'sample',
          note: `${count(rows)} rows looked at`,
        },
        explains: { kpis: ['rows-read-per-request', 'queries-per-request'], traces: [] },
        fix: {
          kind: 'migration',
          summary: 'columns for the attributes that all have, jsonb with a GIN index for the others',
          operations: eavToJsonbOf(table, {
            entity: [entity],
            attribute,
            values,
            into: await freeName(context, {
              schema: table.schema,
              name: `${table.name}_documents`,
              definition: `documents of ${table.name}`,
            }),
          }),
          changes: [],
          lock: 'none until the switch',
          risk: 'Values that do not have the form of their type have to be looked at one by one.',
          expectedEffect: 'one row an entity, typed and checked',
        },
      };
    }
  },
};
