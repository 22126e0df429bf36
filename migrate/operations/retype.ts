import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { quote as id, literal } from '../../lib/pg/quote.ts';
import type { ReadOnlyClient } from '../../lib/pg/transaction.ts';
import { withReader } from '../session.ts';
import {
  type Conversion,
  type ConversionWanted,
  conversionsFor,
  isWidening,
  wrongOptions,
} from './conversion.ts';
import type { DeclaredMigration } from './declared.ts';
import { describeTable, fingerprintOf, READING } from './description.ts';
import { layoutOf } from './layout.ts';
import { FreeNames } from './names.ts';
import { formsText, prove } from './proof.ts';
import { declare, refuse } from './rebuild.ts';
import { keysOf, refusalOf } from './refusals.ts';
import type { Retyped } from './retyped.ts';
import {
  type Converters,
  conversion,
  type Defaults,
  indexesAndKeys,
  retypedTable,
  retypeTrial,
  sequenceTypes,
} from './retypedTable.ts';
import { retypeNotes } from './retypeNotes.ts';
import { typeRefusals, useRefusals } from './retypeRefusals.ts';
import { misfitsOf, usesOf } from './retypeUses.ts';
import { retypedViews } from './retypeViews.ts';

export interface RetypeOptions
  extends Pick<ConversionWanted, 'format' | 'timeZone' | 'minorUnits' | 'using' | 'back'> {
  /** `TABLE.COLUMN`, as SQL writes it. */
  target: string;
  /** As SQL writes it, such as `numeric(12, 2)`. */
  type: string;
  /** Further columns of the table and their types, `COLUMN=TYPE`. */
  also: readonly string[];
  /** SQL of the column's default in the new type, where it cannot be converted. */
  default?: string;
  /** Values that are others after the way back are converted all the same. */
  acceptChanges: boolean;
  /** Triggers that name the column are kept. */
  acceptTriggers: boolean;
}

/** Of every session and function that converts: what text means must not depend on who writes. */
const SETTINGS = {
  datestyle: 'ISO, YMD',
  timezone: 'UTC',
  intervalstyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
};

/**
 * What has to be done so that a column gets another type, while its table is written to. Every value is converted there
 * and back first. Reads only.
 *
 * @throws OperationError with every reason why it cannot be done as asked, and what to do
 */
export const planRetype = (url: string, options: RetypeOptions): Promise<DeclaredMigration> =>
  withReader(url, { ...READING, ...SETTINGS }, (client) => planIn(client, options));

async function monetaryOf(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ it: string }>("SELECT current_setting('lc_monetary') AS it");
  return rows[0]?.it ?? 'C';
}

/** @throws OperationError for what is no name of a column */
async function parse(client: pg.ClientBase, target: string): Promise<{ table: string; column: string }> {
  const { rows } = await client
    .query<{ parts: string[] }>('SELECT parse_ident($1) AS parts', [target])
    .catch(() => ({ rows: [] }));
  const parts = rows[0]?.parts ?? [];
  const column = parts.at(-1);
  if (column === undefined || parts.length < 2 || parts.length > 3)
    throw new OperationError(
      `${target} is not a column of a table: give TABLE.COLUMN as in SQL, such as app.orders.placed_at.`,
    );
  return { table: id(...parts.slice(0, -1)), column };
}

/** @returns the type as format_type() prints it @throws OperationError when there is no such type */
async function typeOf(client: pg.ClientBase, type: string): Promise<string> {
  const { fields } = await client.query({ text: `SELECT NULL::${type} AS t`, values: [] }).catch((error) => {
    throw new OperationError(
      `There is no type ${type} (${(error as Error).message}). Give a user-defined type with its schema.`,
    );
  });
  const [field] = fields;
  const { rows } = await client.query<{ type: string }>('SELECT format_type($1::oid, $2) AS type', [
    field?.dataTypeID,
    field?.dataTypeModifier,
  ]);
  return rows[0]?.type ?? type;
}

/** Of a domain the type that it is made from. */
async function baseOf(client: pg.ClientBase, oid: string, column: string): Promise<string> {
  const { rows } = await client.query<{ type: string }>(
    `SELECT CASE WHEN y.typtype = 'd' THEN format_type(y.typbasetype, y.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END AS type
       FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid WHERE a.attrelid = $1::oid AND a.attname = $2`,
    [oid, column],
  );
  return rows[0]?.type ?? 'text';
}

/** @throws OperationError when a default cannot be converted */
async function defaultsOf(
  client: pg.ClientBase,
  columns: readonly Retyped[],
  given: string | undefined,
): Promise<Defaults> {
  const found = new Map<string, string | null>();
  for (const { column, described, to, from, widening, conversion: way } of columns) {
    const { default: expression, identity } = described;
    if (identity || (expression === null && given === undefined)) {
      found.set(column, null);
      continue;
    }
    const asked = given !== undefined && column === columns[0]?.column;
    const isConstant = /^\(?-?[\d.]+\)?(::[^(]+)?$|^'(?:[^']|'')*'::.+$/.test(expression ?? '');
    const sql = asked
      ? `(${given})::${to}`
      : isConstant && !widening
        ? way.there(`(${expression})::${from}`)
        : expression;
    if (!asked && !isConstant && !widening)
      throw new OperationError(
        `The default of ${column}, ${expression}, is not a constant. Give the default in the new type with --default, such as --default 'now()'.`,
      );
    const { rows } = await client
      .query<{ value: string | null }>(
        asked || widening
          ? `SELECT (${sql})::${to} AS value LIMIT 0`
          : `SELECT ((${sql})::${to})::text AS value`,
      )
      .catch((error) => {
        throw new OperationError(
          `The default of ${column}, ${asked ? given : expression}, is not valid as ${to} (${(error as Error).message}). Give the default in the new type with --default.`,
        );
      });
    const value = rows[0]?.value;
    found.set(
      column,
      asked || widening ? sql : value === null || value === undefined ? 'NULL' : `${literal(value)}::${to}`,
    );
  }
  return found;
}

async function planIn(client: ReadOnlyClient, options: RetypeOptions): Promise<DeclaredMigration> {
  const { table, column } = await parse(client, options.target);
  const d = await describeTable(client, table);
  const { schema, name, oid } = d.table;
  const what = `cannot be rebuilt with another type of ${column} as asked`;
  const asked = [
    { column, type: options.type },
    ...options.also.map((each) => {
      const at = each.indexOf('=');
      if (at < 1) throw new OperationError(`--also takes COLUMN=TYPE, not ${each}.`);
      return { column: each.slice(0, at).trim(), type: each.slice(at + 1).trim() };
    }),
  ];
  const columns: (Retyped & { conversions: Conversion[] })[] = [];
  const types: string[] = [];
  for (const each of asked) {
    const to = await typeOf(client, each.type);
    types.push(...typeRefusals(d, each.column, to));
    const described = d.columns.find((one) => one.name === each.column);
    if (!described) continue;
    const from = await baseOf(client, oid, each.column);
    const { format, timeZone, minorUnits, using, back } = options;
    const wanted: ConversionWanted = {
      column: each.column,
      from,
      to,
      timeZone,
      ...(format === undefined ? {} : { format }),
      ...(minorUnits === undefined ? {} : { minorUnits }),
      ...(using === undefined ? {} : { using }),
      ...(back === undefined ? {} : { back }),
    };
    const wrong = wrongOptions(wanted);
    if (wrong) types.push(wrong);
    const conversions = conversionsFor(wanted);
    const [first] = conversions;
    if (!first) continue;
    const widening =
      isWidening(from, to) && described.type === from && using === undefined && minorUnits === undefined;
    columns.push({ column: each.column, described, from, to, widening, conversion: first, conversions });
  }
  const keys = keysOf(d).filter((each) =>
    each.every((one) => columns.every((of) => of.column !== one || of.widening)),
  );
  if (keysOf(d).length > 0 && keys.length === 0)
    types.push(
      `${column} is part of each key of the table. Rows are told apart by a key that is the same in both tables, so that only integers are widened there. Give the table another unique key of columns that are never null.`,
    );
  await refuse(client, d, what, types);

  const uses = await usesOf(client, d, columns);
  const found = useRefusals(d, columns, uses, options);
  for (const each of columns) {
    if (each.widening) continue;
    const proven = await prove(
      client,
      {
        table: id(schema, name),
        column: each.column,
        from: each.from,
        to: each.to,
        notNull: each.described.notNull,
      },
      each.conversions,
      d.size.heapBytes,
    ).catch((error) => {
      throw new OperationError(
        `${each.column} cannot be converted from ${each.from} to ${each.to}: ${(error as Error).message}. Give the conversion with --using and --back.`,
      );
    });
    Object.assign(each, proven);
    const { unconvertible, changed } = proven.proof;
    if (unconvertible.values > 0)
      found.push(
        `${formsText(unconvertible)}, of ${each.column} cannot be converted to ${each.to}. Correct them, or say how they are read with --format, or --using and --back.`,
      );
    if (changed.values > 0 && !options.acceptChanges)
      found.push(
        `${formsText(changed)}, of ${each.column} would come back changed after a rollback, as 1.5 comes back as 1.50. Choose --accept-changes where that does not matter.`,
      );
    const unique = uses.indexKeys.find(
      ({ index, column: of }) => of === each.column && d.indexes.find((one) => one.name === index)?.unique,
    );
    if (changed.values > 0 && unique)
      found.push(
        `${unique.index} is unique, and values of ${each.column} that differ today could be the same then. Correct them first.`,
      );
  }
  // Expressions are asked about with real rows, which all have to convert.
  const convertible = columns.every(({ proof }) => (proof?.unconvertible.values ?? 0) === 0);
  const misfits = convertible ? await misfitsOf(client, d, columns, uses) : { reasons: [], views: [] };
  const views = await retypedViews(client, d, misfits.views);
  found.push(...misfits.reasons, ...views.reasons);
  if (found.length > 0) throw refusalOf(`${schema}.${name} ${what}`, found);
  const defaults = await defaultsOf(client, columns, options.default);

  const free = await FreeNames.of(client, schema);
  const narrow = columns.filter(({ widening }) => !widening);
  const named = (suffix: string) =>
    Object.fromEntries(narrow.map((each) => [each.column, id(schema, free.take(name, suffix))]));
  const converters: Converters = {
    there: named('_sqltrail_to_new'),
    back: named('_sqltrail_to_old'),
    copy: narrow.length > 0 ? free.take(name, '_sqltrail_copy') : undefined,
    conflicts: free.take(name, '_sqltrail_conflicts'),
  };
  const [key = []] = keys;
  const layout = layoutOf(
    d,
    {
      key,
      newKey: key,
      converting: {
        ...converters,
        // As the session has it, in which the values were proven.
        settings: { ...SETTINGS, lc_monetary: await monetaryOf(client) },
        mayFail: narrow.length > 0,
      },
    },
    free,
  );
  const sequences = sequenceTypes(d, columns);
  return declare({
    operation: 'retype',
    choices: {
      column,
      type: columns[0]?.to ?? options.type,
      ...(options.also.length > 0 ? { also: options.also.join(', ') } : {}),
      ...(options.format === undefined ? {} : { format: options.format }),
      ...(options.minorUnits === undefined ? {} : { minorUnits: options.minorUnits }),
      ...(options.using === undefined ? {} : { using: options.using }),
      ...(options.back === undefined ? {} : { back: options.back }),
      ...(options.default === undefined ? {} : { default: options.default }),
      timeZone: options.timeZone,
      acceptChanges: options.acceptChanges,
      acceptTriggers: options.acceptTriggers,
    },
    notes: await retypeNotes(client, d, columns, misfits.views, id(schema, converters.conflicts)),
    d,
    layout,
    definition: await fingerprintOf(client, oid),
    newTable: retypedTable(d, layout, columns, defaults),
    trial: retypeTrial(d, layout),
    conversion: conversion(d, layout, columns, converters, options.acceptChanges),
    afterRows: indexesAndKeys(d, layout),
    kept: d.incoming,
    cutover: {
      there: [...sequences.there, ...views.sql],
      back: [...sequences.back, ...views.sql],
    },
    converted: columns.map((each) => ({
      column: each.column,
      type: each.to,
      ...(converters.there[each.column] ? { by: converters.there[each.column] } : {}),
    })),
    ...(converters.copy === undefined ? {} : { copy: converters.copy }),
  });
}
