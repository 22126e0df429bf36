import type pg from 'pg';
import { quote as id, quoteList } from '../../../lib/pg/quote.ts';
import { MODELS_EQUAL, SHORT_LOCK, UNUSED } from '../../migration.ts';
import { withReader } from '../../session.ts';
import { unchanged } from '../cutover.ts';
import { describeTable, fingerprintOf, READING, type TableDescription, typed } from '../description.ts';
import { searchPathOf } from '../functions.ts';
import { FreeNames } from '../names.ts';
import { createTable } from '../newTable.ts';
import { noTableGrants } from '../objects.ts';
import { lines } from '../phases.ts';
import { keysOf, noKey, reasons, refusalOf } from '../refusals.ts';
import { noSyncTriggers, syncTriggers } from '../sync.ts';
import { accessNotes, givesAccess, noPolicies, policies } from './access.ts';
import type { MovedMigration } from './declared.ts';
import { commonRefusals } from './refusals.ts';
import {
  contentNotes,
  contentOf,
  contentRefusals,
  formOf,
  type SplitListOptions,
} from './splitListContent.ts';
import {
  CHECK,
  compareSql,
  copySql,
  forwardSql,
  newTableSql,
  noFunctions,
  reverseSql,
  type SplitList,
} from './splitListSql.ts';

/**
 * What has to be done so that a list in a column becomes a table with one row for each entry, while it is written to.
 * Reads only.
 *
 * @throws OperationError with every reason why it cannot be done as asked, and what to do
 */
export const planSplitList = (url: string, options: SplitListOptions): Promise<MovedMigration> =>
  withReader(url, READING, (client) => planIn(client, options));

async function planIn(client: pg.ClientBase, options: SplitListOptions): Promise<MovedMigration> {
  const d = await describeTable(client, options.table);
  const { schema, name, owner, oid } = d.table;
  const { reasons: found, later } = await commonRefusals(client, d, [options.column]);
  const { no } = reasons(found);
  const column = d.columns.find((each) => each.name === options.column);
  const key = keysOf(d)[0];
  no(!key, noKey(d, ', to which entries could belong'));
  const form = column ? await formOf(client, oid, column) : undefined;
  const separator = form?.array ? undefined : options.separator;
  no(
    column && !form?.entry,
    `${column?.name} is of type ${column?.type}; lists are split in text, varchar, citext, and arrays of types that are not composite. Change its type first.`,
  );
  no(separator === '', 'The separator is empty. Give one with --separator.');
  const free = await FreeNames.of(client, schema);
  const into = options.into ?? free.take(`${name}_${options.column}`);
  no(
    options.into !== undefined && free.take(options.into) !== options.into,
    `A relation, type or function ${options.into} already exists. Give another name with --into.`,
  );
  const what = `The lists in ${schema}.${name}.${options.column} cannot be split as asked`;
  if (found.length > 0 || !column || !form?.entry || !key) throw refusalOf(what, found);
  const content = await contentOf(client, d, column.name, separator);
  const objections = contentRefusals(content, options, form.array);
  if (objections.length > 0) throw refusalOf(what, objections);

  const taken = new Set(key);
  const unlike = (wanted: string) => {
    let made = wanted;
    for (let at = 1; taken.has(made); at += 1) made = `${wanted}_${at}`;
    taken.add(made);
    return made;
  };
  const l: SplitList = {
    schema,
    table: name,
    into,
    column: column.name,
    separator,
    type: column.type,
    entry: form.entry,
    empty:
      !column.notNull && (content.nulls > 0 || content.empty === 0)
        ? 'NULL'
        : form.array
          ? `'{}'::${column.type}`
          : "''",
    key: typed(d, key).map((each) => ({
      ...each,
      newName: each.name === 'id' ? unlike(`${name}_id`) : each.name,
    })),
    position: unlike('position'),
    value: unlike('value'),
    searchPath: searchPathOf(d),
    fn: {
      forward: free.take(into, '_sqltrail_forward'),
      reverse: free.take(into, '_sqltrail_reverse'),
      there: free.take(into, '_sqltrail_there'),
      back: free.take(into, '_sqltrail_back'),
    },
  };
  const definition = await fingerprintOf(client, oid);
  return {
    sqltrail: 'migration',
    version: 1,
    operation: 'split-list',
    name: `split ${schema}.${name}.${column.name} (OID ${oid})`,
    table: { oid, schema, name, owner },
    choices: {
      column: column.name,
      into,
      ...(separator === undefined ? {} : { separator }),
      acceptQuotes: options.acceptQuotes,
      mergeEmpty: options.mergeEmpty,
    },
    notes: notesFor(d, l, later, [...contentNotes(content, options), ...accessNotes(d, into)]),
    size: d.size,
    definition,
    moved: {
      searchPath: l.searchPath,
      into,
      columns: [column.name],
      functions: Object.values(l.fn),
      copy: copySql(l),
      compare: compareSql(l),
    },
    phases: phasesOf(d, l, free.take(into, '_fkey'), definition),
  };
}

function notesFor(
  d: TableDescription,
  l: SplitList,
  later: readonly string[],
  more: readonly string[],
): string[] {
  const full = `${l.schema}.${l.into}`;
  return [
    `Each entry becomes a row of ${full} (${[...l.key.map(({ newName }) => newName), l.position, l.value].join(', ')}), with its position from 1 on; a duplicate entry is kept.`,
    `Up to the cutover, ${l.column} is authoritative, and ${full} follows it. From the cutover on, the application may use either, and each follows the other, until complete drops ${l.column}.`,
    ...more,
    ...(l.separator === undefined
      ? []
      : [
          `Until complete, no entry may contain “${l.separator}”, because ${l.column} could not represent it.`,
        ]),
    ...(/\(\d+\)$/.test(l.type) && l.separator !== undefined
      ? [`Until complete, the entries of a row together have to fit into ${l.type}.`]
      : []),
    `complete adds a foreign key to ${d.table.name}: TRUNCATE ${d.table.name} needs CASCADE from then on.`,
    `If entries are looked up by value, create an index: CREATE INDEX CONCURRENTLY ON ${id(l.schema, l.into)} (${id(l.value)}).`,
    ...(later.length > 0
      ? [`complete stops while these use ${l.column}; change or drop them before: ${later.join('; ')}.`]
      : []),
  ];
}

function phasesOf(
  d: TableDescription,
  l: SplitList,
  foreignKey: string,
  definition: Record<string, string>,
): MovedMigration['phases'] {
  const { schema } = l;
  const table = id(schema, l.table);
  const fresh = id(schema, l.into);
  const forward = { direction: 'forward', schema, from: l.table, fn: l.fn.forward } as const;
  const reverse = { direction: 'reverse', schema, from: l.into, fn: l.fn.reverse } as const;
  const sees = `EXISTS (SELECT FROM ${table} AS t WHERE ${l.key.map(({ name, newName }) => `t.${id(name)} = ${fresh}.${id(newName)}`).join(' AND ')})`;
  return [
    {
      phase: 'expand',
      steps: [
        {
          name: 'new table',
          lock: `ACCESS SHARE on ${table}`,
          sql: lines(newTableSql(l, createTable(d)), noTableGrants(d, fresh)),
          undo: `DROP TABLE ${fresh};`,
        },
        {
          name: 'synchronisation',
          lock: 'none: functions only',
          sql: forwardSql(l),
          undo: noFunctions(l, 'forward'),
        },
      ],
    },
    {
      phase: 'dual-write',
      steps: [
        // Undone last: without the triggers the new table is out of date.
        { name: 'new table is kept in step', lock: 'none', undo: `TRUNCATE ${fresh};` },
        {
          name: `triggers on ${l.table}`,
          lock: `SHARE ROW EXCLUSIVE on ${table}, ${SHORT_LOCK}`,
          sql: syncTriggers(forward),
          undo: noSyncTriggers(forward),
        },
      ],
    },
    {
      phase: 'backfill',
      steps: [
        {
          name: 'entries',
          lock: 'the rows of a batch, FOR SHARE, for about 200 ms; backs off after 300 ms of waiting',
          work: 'copy',
        },
        {
          name: 'statistics',
          lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes continue',
          sql: `ANALYZE ${fresh};`,
        },
      ],
    },
    {
      phase: 'verify',
      steps: [{ name: 'lists and entries are equal', lock: 'none: reads only', work: 'compare' }],
    },
    {
      phase: 'cutover-writes',
      steps: [
        {
          name: 'the new table may be written to',
          lock: `ACCESS SHARE on ${table} and SHARE ROW EXCLUSIVE on the new table, ${SHORT_LOCK}`,
          sql: lines(
            `LOCK TABLE ONLY ${table} IN ACCESS SHARE MODE;`,
            unchanged(d, definition),
            reverseSql(l),
            syncTriggers(reverse),
            policies(d, fresh, sees),
            givesAccess(d, fresh),
          ),
          undo: lines(
            `LOCK TABLE ${fresh} IN SHARE ROW EXCLUSIVE MODE;`,
            noTableGrants(d, fresh),
            noPolicies(d, fresh),
            noSyncTriggers(reverse),
            noFunctions(l, 'reverse'),
          ),
        },
        { name: 'lists and entries are still equal', lock: 'none: reads only', work: 'compare' },
      ],
    },
    {
      phase: 'contract',
      steps: [
        { name: UNUSED, lock: 'none: reads only', work: 'unused' },
        { name: MODELS_EQUAL, lock: 'none: reads only', work: 'compare' },
        {
          name: 'no old column',
          lock: `ACCESS EXCLUSIVE on ${table} and on the new table, ${SHORT_LOCK}; no row is rewritten`,
          sql: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN ACCESS EXCLUSIVE MODE;`,
            noSyncTriggers(forward),
            noSyncTriggers(reverse),
            noFunctions(l, 'forward'),
            noFunctions(l, 'reverse'),
            l.separator === undefined ? undefined : `ALTER TABLE ${fresh} DROP CONSTRAINT ${CHECK};`,
            `ALTER TABLE ${table} DROP COLUMN ${id(l.column)};`,
            `ALTER TABLE ${fresh} ADD CONSTRAINT ${id(foreignKey)} FOREIGN KEY (${quoteList(l.key.map(({ newName }) => newName))})
  REFERENCES ${table} (${quoteList(l.key.map(({ name }) => name))}) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;`,
          ),
        },
        {
          name: 'foreign key, for all rows',
          lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes continue',
          sql: `ALTER TABLE ${fresh} VALIDATE CONSTRAINT ${id(foreignKey)};`,
        },
      ],
    },
  ];
}
