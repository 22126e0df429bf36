import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { freeName } from '../../proposals/names.ts';
import { splitListOf } from '../operations.ts';
import { isText, MIN_VALUES, readSamples, valuesOf } from './sample.ts';

/** More would not change what a value is. */
const MAX_VALUES = 2_000;
/** Share of the values that are lists, where these show themselves by their form. */
const MIN_LISTS = 0.5;
/** Lists among values that hold one entry each: fewer, or a smaller share, may be typing errors. */
const FEWEST_LISTS = 10;
const SMALLEST_SHARE = 0.02;
const SEPARATORS = [',', ';', '|'];

interface List {
  separator: string;
  /** Entries a value. */
  mean: number;
}

/** Values joined into one column. Free text has words between its commas; a list has single tokens. */
export function looksLikeList(all: readonly string[]): List | undefined {
  const values = all.slice(0, MAX_VALUES);
  if (values.length < MIN_VALUES || values.some((value) => /^[[{<]/.test(value))) return undefined;
  if (values.filter((value) => DECIMAL_COMMA.test(value)).length >= values.length * MOSTLY) return undefined;
  const fewest = Math.max(FEWEST_LISTS, values.length * SMALLEST_SHARE);
  for (const separator of SEPARATORS) {
    if (values.filter((value) => value.includes(separator)).length < fewest) continue;
    const split = values.map((value) => value.split(separator).map((part) => part.trim()));
    const lists = split.filter((parts) => parts.length > 1 && parts.every((part) => part.length > 0));
    const tokens = split.flat();
    if (isRecord(lists, tokens)) continue;
    const bare = tokens.filter((token) => !/\s/.test(token)).length;
    if (bare < tokens.length * 0.9) continue;
    const mean = tokens.length / values.length;
    // "Doe, Jane" has two tokens that hardly repeat; tags repeat, and file names come in longer rows.
    const repeats =
      new Set(tokens).size < tokens.length * 0.5 || mean >= 2.5 || /^https?:/.test(values[0] ?? '');
    if (lists.length >= values.length * MIN_LISTS && mean >= 1.7 && repeats) return { separator, mean };
    if (lists.length >= fewest && joinsWholeValues(values, lists)) return { separator, mean };
  }
  return undefined;
}

/** `12,50`: one number as much of Europe writes it. */
const DECIMAL_COMMA = /^-?\d{1,3}(\.?\d{3})*,\d{1,2}$/;
const MOSTLY = 0.9;
/** A name, alone or with a hyphen or an apostrophe. */
const PROPER = /^\p{Lu}[\p{L}\p{M}'’.-]*$/u;

/**
 * The parts of a value mean different things by their place or name, so the value is one: the parameters of a calendar
 * rule (`FREQ=WEEKLY;BYDAY=MO`), a surname and a forename, a provider and its id of a user.
 */
function isRecord(lists: readonly (readonly string[])[], tokens: readonly string[]): boolean {
  const parameters = tokens.filter((token) => /^[A-Za-z][\w-]*=/.test(token)).length;
  if (parameters >= tokens.length * 0.5) return true;
  if (lists.length === 0 || !lists.every((parts) => parts.length === 2)) return false;
  const [first, second] = [0, 1].map((place) => new Set(lists.map((parts) => parts[place] ?? '')));
  if (!first || !second) return false;
  const apart = [...second].filter((part) => first.has(part)).length <= second.size * 0.1;
  if (!apart) return false;
  const names = lists.filter((parts) => parts.every((part) => PROPER.test(part))).length;
  const identifiers = second.size >= lists.length * 0.9 && first.size <= lists.length * 0.1;
  return names >= lists.length * MOSTLY || (identifiers && !/^https?:/.test(lists[0]?.[0] ?? ''));
}

/**
 * Most values hold one entry, and the others are made of the same: a half of the lists' entries stand alone in other
 * rows too, and nearly all come in more than one list or row. Numbers may be amounts with a decimal comma.
 */
function joinsWholeValues(values: readonly string[], lists: readonly (readonly string[])[]): boolean {
  const whole = new Set(values);
  const within = new Map<string, Set<string>>();
  for (const parts of lists)
    for (const part of parts) within.set(part, (within.get(part) ?? new Set()).add(parts.join()));
  const entries = [...within.keys()];
  if (entries.every((entry) => /^[\d.]+$/.test(entry))) return false;
  const alone = entries.filter((entry) => whole.has(entry)).length;
  const shared = entries.filter((entry) => whole.has(entry) || (within.get(entry)?.size ?? 0) > 1).length;
  return alone >= entries.length * 0.5 && shared >= entries.length * 0.9;
}

export const check: Check = {
  id: 'list-in-column',
  group: 'model',
  title: 'Lists in a column',
  description: 'Text columns whose values are lists with a separator: first normal form is missing.',
  whileObserving: true,
  async *run(context) {
    for (const sample of await readSamples(context))
      for (const column of sample.table.columns.filter(isText)) {
        const { table } = sample;
        const list = looksLikeList(valuesOf(sample, column));
        if (!list) continue;
        const child = await freeName(context, {
          schema: table.schema,
          name: `${table.name}_${column.name}`,
          definition: `list in ${table.name}.${column.name}`,
        });
        const key = table.primaryKey[0] ?? 'id';
        const entry = key === 'entry' ? 'item' : 'entry';
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
            kind: 'migration',
            summary: `a table with one row for each entry, or an array with a GIN index`,
            operations: splitListOf(table, { column: column.name, separator: list.separator, into: child }),
            changes: [
              {
                change: 'create table',
                schema: table.schema,
                table: child,
                columns: [
                  { name: key, type: keyType, notNull: true },
                  { name: entry, type: 'text', notNull: true },
                ],
                primaryKey: [entry, key],
              },
            ],
            lock: 'none on the existing table',
            risk: 'Writers have to keep both in step until the column goes.',
            expectedEffect: 'an entry is found by an index',
          },
        };
      }
  },
};
