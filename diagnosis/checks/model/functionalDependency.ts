import { setImmediate } from 'node:timers/promises';
import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check, CheckContext } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import { type DependencyMeasure, measureInDatabase, measureRows } from '../../model/g3.ts';
import { synthesise } from '../../model/normalForm.ts';
import { freeName } from '../../proposals/names.ts';
import type { Table } from '../../relations.ts';
import { extractOf } from '../operations.ts';
import { askWithin, awaitedLater, endIfOver, WHEN_LESS_BUSY } from '../shared.ts';
import { bySize, readSamples, type Sample } from './sample.ts';

/** Copies drift apart: up to this share of rows may contradict, and it is still meant to be a copy. */
const LARGEST_G3 = 0.1;
/** The determinant has to explain the column: what is left must be small against what the commonest value leaves. */
const LARGEST_REST = 0.35;
/** Rows in groups of two and more, as a share of the sample: without repetition nothing contradicts. */
const MIN_SUPPORT = 0.1;
const MIN_SUPPORTING_ROWS = 100;
/** Rows of whole groups that confirm a dependency. */
const CONFIRMED_ROWS = 30_000;
/** Of the time that is left, for confirming in the database what the sample shows. */
const CONFIRMING_SHARE = 0.4;
/** Rows after which a pair of columns that does not go together is given up, and the share that shows it. */
const GLANCE_ROWS = 1_000;
const HOPELESS_G3 = 0.5;
const NOTABLE_BYTES = 1_000_000;
const NOTABLE_SHARE = 0.002;

interface Coded {
  name: string;
  codes: Int32Array;
  distinct: number;
  /** Rows that do not have the commonest value, as a share. */
  restOfMode: number;
  amounts: boolean;
}

const amount = /^-?\d+\.\d+$/;

/** Columns as small numbers, so that groups can be counted quickly. Nulls are a value, as in SQL's GROUP BY. */
function encode({ columns, rows }: Sample): Coded[] {
  return [...columns].map(([name, values]) => {
    const codes = new Int32Array(rows);
    const known = new Map<string | null, number>();
    const counts: number[] = [];
    for (let at = 0; at < rows; at += 1) {
      const value = values[at] ?? null;
      let code = known.get(value);
      if (code === undefined) {
        code = known.size;
        known.set(value, code);
        counts.push(0);
      }
      codes[at] = code;
      counts[code] = (counts[code] ?? 0) + 1;
    }
    const present = [...known.keys()].filter((value) => value !== null);
    return {
      name,
      codes,
      distinct: known.size,
      restOfMode: 1 - Math.max(0, ...counts) / Math.max(1, rows),
      amounts: present.length > 1 && present.every((value) => amount.test(value)),
    };
  });
}

/** Rows of the sample in the order of their groups; a group of one can hold no contradiction and is left out. */
interface Groups {
  rows: Int32Array;
  /** Ends of the groups in `rows`. */
  ends: number[];
}

function groupsOf({ codes, distinct }: Coded): Groups {
  const sizes = new Int32Array(distinct);
  for (const code of codes) sizes[code] = (sizes[code] as number) + 1;
  const next = new Int32Array(distinct);
  const ends: number[] = [];
  let end = 0;
  for (const [code, size] of sizes.entries()) {
    next[code] = end;
    if (size <= 1) continue;
    end += size;
    ends.push(end);
  }
  const rows = new Int32Array(end);
  for (const [row, code] of codes.entries())
    if ((sizes[code] as number) > 1) {
      rows[next[code] as number] = row;
      next[code] = (next[code] as number) + 1;
    }
  return { rows, ends };
}

/** g3 of the groups against `b` on the sample; for a pair of columns that does not go together, of the first of them. */
function screen({ rows, ends }: Groups, b: Coded): number {
  const counts = new Int32Array(b.distinct);
  let [violations, start] = [0, 0];
  for (const end of ends) {
    let commonest = 0;
    for (let at = start; at < end; at += 1) {
      const code = b.codes[rows[at] as number] as number;
      const times = (counts[code] as number) + 1;
      counts[code] = times;
      if (times > commonest) commonest = times;
    }
    for (let at = start; at < end; at += 1) counts[b.codes[rows[at] as number] as number] = 0;
    violations += end - start - commonest;
    // More rows only add violations, and most pairs of columns have nothing to do with each other.
    if (end >= GLANCE_ROWS && violations > end * HOPELESS_G3) return violations / end;
    start = end;
  }
  return start === 0 ? 1 : violations / start;
}

/** A moment, a document or a measurement is no name of a thing: what shares a moment came in one batch. */
const identifies = (table: Table, name: string) =>
  !/^(time|interval|json|real|double|boolean)/.test(
    table.columns.find((column) => column.name === name)?.type ?? '',
  );

/** A name of another row: declared, or by its name. */
const isReference = (table: Table, name: string) =>
  table.foreignKeys?.some(({ columns }) => columns.includes(name)) || /_(id|uuid)$|[a-z]Id$/.test(name);

/**
 * Whether a dependency of `b` on `a` would be read the wrong way round: a display name that hardly two persons share
 * determines the person's id by chance, and does not the moment another one takes it.
 */
const isBackward = (table: Table, a: string, b: string) => isReference(table, b) && !isReference(table, a);

interface Found {
  determinant: string;
  dependents: string[];
}

/** Width decides last: an identifier is chosen before what it identifies. */
function preference(table: Table, name: string): number {
  const column = table.columns.find((other) => other.name === name);
  const number = /^(smallint|integer|bigint|uuid)/.test(column?.type ?? '');
  return (number ? 0 : 1_000) + (column?.stats?.averageWidth ?? 100);
}

/** Determinants of a table with what they determine; of columns that determine one another, one is chosen. */
export function candidatesOf(sample: Sample): Found[] {
  const { table } = sample;
  const least = Math.max(MIN_SUPPORTING_ROWS, sample.rows * MIN_SUPPORT);
  if (sample.rows < least) return [];
  const coded = encode(sample);
  const keys = new Set([table.primaryKey, ...table.uniqueKeys].filter(({ length }) => length === 1).flat());
  const holds = new Map<string, Set<string>>();
  for (const a of coded) {
    if (keys.has(a.name) || a.distinct < 3 || a.amounts || !identifies(table, a.name)) continue;
    const groups = groupsOf(a);
    if (groups.rows.length < least) continue;
    for (const b of coded) {
      // An amount in a row is a fact of its moment (a price when it was paid), not a copy.
      if (
        a === b ||
        isBackward(table, a.name, b.name) ||
        b.distinct < 2 ||
        b.amounts ||
        keys.has(b.name) ||
        b.restOfMode < 0.02
      )
        continue;
      // What has as many values as rows is determined by anything that repeats only by chance.
      if (b.distinct > a.distinct * 1.5) continue;
      const g3 = screen(groups, b);
      if (g3 > LARGEST_G3 || g3 > b.restOfMode * LARGEST_REST) continue;
      const known = holds.get(a.name) ?? new Set();
      holds.set(a.name, known.add(b.name));
    }
  }
  // Columns that determine each other are names of one thing.
  const names = [...holds.keys()].sort(
    (a, b) => preference(table, a) - preference(table, b) || a.localeCompare(b, 'en'),
  );
  const found: Found[] = [];
  const taken = new Set<string>();
  for (const name of names.sort((a, b) => {
    const twins = holds.get(a)?.has(b) && holds.get(b)?.has(a);
    if (twins) return preference(table, a) - preference(table, b);
    return (holds.get(b)?.size ?? 0) - (holds.get(a)?.size ?? 0);
  })) {
    if (taken.has(name)) continue;
    const dependents = [...(holds.get(name) ?? [])].filter((other) => !taken.has(other));
    if (dependents.length === 0) continue;
    // What hangs on a column that moves out moves with it; it is no finding of its own.
    for (const dependent of dependents) taken.add(dependent);
    found.push({ determinant: name, dependents });
  }
  return found;
}

const stem = (column: string) => column.replace(/_?(id|code|key|no|number)$/i, '') || column;

export const check: Check = {
  id: 'functional-dependency',
  group: 'model',
  title: 'Copied columns: dependencies on what is not the key',
  description:
    'Columns that another column determines although it is no key (a missing normal form), found by measuring g3, not by names; with the bytes of the copies and the copies that contradict each other.',
  async *run(context) {
    const total = context.tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    const proposed: { sample: Sample; found: Found }[] = [];
    for (const sample of (await readSamples(context)).toSorted(bySize)) {
      proposed.push(...candidatesOf(sample).map((found) => ({ sample, found })));
      // Each takes the processor for a while; checks beside this one take up their answers in between.
      await setImmediate();
    }
    // All are asked now, so that they need few round trips.
    const asked = proposed.map(({ sample, found }) => ({
      sample,
      found,
      relation: awaitedLater(relationFor(context, sample.table, found)),
    }));
    const within = askWithin(context, CONFIRMING_SHARE);
    const unconfirmed = new Map<string, string[]>();
    for (const { sample, found, relation } of asked) {
      context.signal.throwIfAborted();
      const finding = await confirm(context, sample, found, { total, within, unconfirmed, relation });
      if (finding) yield finding;
    }
    for (const [reason, dependencies] of unconfirmed)
      context.blind({
        what: `whether what a sample shows holds for the whole table: ${dependencies.join('; ')} (${reason})`,
        remedy: WHEN_LESS_BUSY,
      });
  },
};

/** What the columns belong to: the table that is named after the determinant, or else a new one. */
interface Relation {
  name: string;
  parent?: Table;
}

async function relationFor(
  context: CheckContext,
  { schema, name }: Table,
  { determinant, dependents }: Found,
): Promise<Relation> {
  const of = stem(determinant);
  const parent = context.tables.find(
    (other) =>
      other.schema === schema && other.primaryKey.length === 1 && [of, `${of}s`].includes(other.name),
  );
  if (parent) return { name: parent.name, parent };
  const free = await freeName(context, {
    schema,
    name: `${of}${/s$/.test(of) ? '' : 's'}`,
    definition: `${name}: ${determinant} determines ${dependents.join(', ')}`,
  });
  return { name: free };
}

/** The same on the rows of the sample, for when the server is too busy to be asked. */
function measureSample({ columns, rows }: Sample, { determinant, dependents }: Found) {
  const rowNumbers = Array.from({ length: rows }, (_, at) => at);
  return new Map(
    dependents.map((dependent) => [
      dependent,
      measureRows(
        rowNumbers,
        (at) => [columns.get(determinant)?.[at] ?? null],
        (at) => columns.get(dependent)?.[at] ?? null,
      ),
    ]),
  );
}

async function confirm(
  context: CheckContext,
  sample: Sample,
  found: Found,
  {
    total,
    within,
    unconfirmed,
    relation: asked,
  }: {
    total: number;
    within: ReturnType<typeof askWithin>;
    unconfirmed: Map<string, string[]>;
    relation: Promise<Relation>;
  },
): Promise<Finding | undefined> {
  const { table } = sample;
  const { determinant, dependents } = found;
  let oneIn = Math.max(1, Math.floor(table.estimatedRows / CONFIRMED_ROWS));
  let measures: Map<string, DependencyMeasure>;
  let confirmed = true;
  try {
    measures = await within((limits) =>
      measureInDatabase(context.session, {
        schema: table.schema,
        table: table.name,
        determinant: [determinant],
        dependents,
        oneIn,
        limits,
      }),
    );
  } catch (error) {
    endIfOver(context, error);
    measures = measureSample(sample, found);
    oneIn = 1;
    confirmed = false;
    const { message } = error as Error;
    unconfirmed.set(message, [
      ...(unconfirmed.get(message) ?? []),
      `${table.name}.${determinant} determines ${dependents.join(', ')}`,
    ]);
  }
  const kept = [...measures].filter(([, { g3, supportingRows }]) => g3 <= LARGEST_G3 && supportingRows > 0);
  const [first] = kept;
  if (!first) return undefined;
  const columns = kept.map(([name]) => name);
  const { groups, rows } = first[1];
  // A sample holds too few of a group's rows to show how often it repeats; the statistics know.
  const distinct = table.columns.find(({ name }) => name === determinant)?.stats?.distinct;
  const onceEach =
    confirmed || !distinct ? groups / Math.max(1, rows) : distinct / Math.max(1, table.estimatedRows);
  const width = columns.reduce((sum, name) => {
    const stats = table.columns.find((column) => column.name === name)?.stats;
    return sum + (stats ? stats.averageWidth * (1 - stats.nullFraction) : 0);
  }, 0);
  const bytes = Math.round(Math.max(0, 1 - onceEach) * table.estimatedRows * width);
  const contradicting = Math.max(...kept.map(([, measure]) => measure.contradictingGroups));
  const worst = Math.max(...kept.map(([, { g3 }]) => g3));
  const examples = exampleKeys(sample, determinant, columns);
  const notable = bytes >= NOTABLE_BYTES && bytes >= total * NOTABLE_SHARE;
  const quote = (name: string) => context.session.quote(name);
  const target = context.session.quote(table.schema, table.name);
  const { name: relation, parent } = await asked;
  const relations = synthesise(
    table.columns.map(({ name }) => name),
    [
      ...(table.primaryKey.length > 0
        ? table.columns.map(({ name }) => ({ determinant: table.primaryKey, dependent: name }))
        : []),
      ...columns.map((dependent) => ({ determinant: [determinant], dependent })),
    ],
  );
  const type = (name: string) => table.columns.find((column) => column.name === name)?.type ?? 'text';
  return {
    id: `functional-dependency:${table.schema}.${table.name}(${determinant})`,
    check: 'functional-dependency',
    severity: notable ? (bytes >= total * 0.05 ? 'critical' : 'warning') : 'info',
    title: `${table.name} copies ${columns.join(', ')} of each ${determinant}`,
    explanation: `${determinant} determines ${columns.length === 1 ? 'this column' : `these ${columns.length} columns`} (g3 ${worst.toFixed(4)}), so they are not facts about a row of ${table.name}: third normal form is missing. ${bytesText(bytes)} of copies are stored, read and cached with every row${contradicting > 0 ? `, and the copies of ${oneIn > 1 ? 'about ' : ''}${count(contradicting * oneIn)} ${determinant}s contradict each other: nobody can say which is right` : ''}.`,
    cause: 'redundant-data',
    objects: [{ schema: table.schema, table: table.name, columns: [determinant, ...columns] }],
    statements: [],
    evidence: [
      ...kept.map(([name, measure]) => ({
        label: `g3 of ${determinant} → ${name}${oneIn > 1 ? ` (one in ${oneIn} groups, whole)` : ''}`,
        value: Math.round(measure.g3 * 1e6) / 1e6,
        unit: '1',
        how: `SELECT sum(size - commonest) / sum(size) FROM (SELECT sum(n) AS size, max(n) AS commonest FROM (SELECT ${quote(determinant)}, ${quote(name)}, count(*) AS n FROM ${target} GROUP BY 1, 2) AS pairs GROUP BY ${quote(determinant)}) AS groups`,
      })),
      ...(contradicting > 0
        ? [
            {
              label: `${confirmed ? '' : 'in the sample, '}${determinant}s whose copies contradict${examples.length > 0 ? `, for example ${examples.join(', ')}` : ''}`,
              value: contradicting * oneIn,
              unit: '1',
              how: `SELECT ${quote(determinant)} FROM ${target} GROUP BY 1 HAVING count(DISTINCT (${columns.map(quote).join(', ')})) > 1`,
            },
          ]
        : []),
      {
        label: 'third normal form (synthesis)',
        value: relations
          .map(({ attributes, key }) => `(${key.join(', ')}: ${attributes.length} columns)`)
          .join(' '),
        how: 'Bernstein’s synthesis over the measured dependencies',
      },
    ],
    cost: { bytes },
    confidence: confidenceOf(confirmed ? oneIn : undefined, sample.rows),
    explains: { kpis: ['database-size', 'cache-hit-ratio'], traces: [] },
    fix: {
      kind: 'migration',
      summary: parent
        ? `read ${columns.join(', ')} from ${parent.name}, and drop the copies`
        : `move ${columns.join(', ')} to a table of their own`,
      operations: parent
        ? []
        : extractOf(table, { columns, key: determinant, into: relation, contradicting: contradicting > 0 }),
      changes: parent
        ? []
        : [
            {
              change: 'create table',
              schema: table.schema,
              table: relation,
              columns: [determinant, ...columns].map((name) => ({ name, type: type(name) })),
              primaryKey: [determinant],
            },
          ],
      lock: 'none for the new table; the copies go in a migration (expand, backfill, verify, switch, contract)',
      risk: 'Where a copy was meant to keep the state of its time (an address that was delivered to), it has to stay, as a fact with its own date.',
      expectedEffect: `${bytesText(bytes)} less, and one place for each fact`,
    },
  };
}

/** @param oneIn undefined where only the sample was measured */
function confidenceOf(oneIn: number | undefined, sampled: number): Finding['confidence'] {
  if (oneIn === undefined)
    return {
      level: 0.7,
      basis: 'sample',
      note: `${count(sampled)} rows looked at; not confirmed on whole groups`,
    };
  return oneIn > 1
    ? { level: 0.9, basis: 'sample', note: `measured on one in ${oneIn} groups, each whole` }
    : { level: 1, basis: 'exact', note: 'measured on all rows' };
}

const MAX_EXAMPLES = 3;

/** Keys of groups that contradict; only where they are numbers, which say nothing about a person. */
function exampleKeys(
  { columns, rows }: Sample,
  determinant: string,
  dependents: readonly string[],
): string[] {
  const keys = columns.get(determinant) ?? [];
  const seen = new Map<string, string>();
  const found = new Set<string>();
  for (let at = 0; at < rows && found.size < MAX_EXAMPLES; at += 1) {
    const key = keys[at];
    if (!key || !/^\d+$/.test(key)) continue;
    const values = JSON.stringify(dependents.map((name) => columns.get(name)?.[at] ?? null));
    const known = seen.get(key);
    if (known === undefined) seen.set(key, values);
    else if (known !== values) found.add(key);
  }
  return [...found];
}
