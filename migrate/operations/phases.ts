import { quote as id } from '../../lib/pg/quote.ts';
import { MODELS_EQUAL, SHORT_LOCK } from '../migration.ts';
import { cutoverBack, cutoverSql, validateIncoming } from './cutover.ts';
import type { DeclaredMigration, DeclaredStep } from './declared.ts';
import type { IncomingKey, TableDescription } from './description.ts';
import type { Layout } from './layout.ts';
import { noStatistics, statisticsSql } from './newTable.ts';
import { noOtherSync, noSyncFunction, noSyncTriggers, syncFunction, syncTriggers } from './sync.ts';

/** What an operation makes of a table; everything else is the same for all of them. */
export interface Rebuild {
  d: TableDescription;
  layout: Layout;
  /** Of the table's definition; see `fingerprintOf`. */
  definition: Record<string, string>;
  newTable: string;
  trial: string;
  /** Functions that convert values, and the table of rows that have no place in the other table. */
  conversion?: { make: string; drop: string };
  /** Indexes and foreign keys. */
  afterRows: DeclaredStep[];
  /** Foreign keys that refer to the new table after the cutover; others are dropped, which was chosen. */
  kept: readonly IncomingKey[];
  /** Further statements of the cutover's transaction, and of the one that undoes it. */
  cutover?: { there: string[]; back: string[] };
}

/** Statements of one step. */
export const lines = (...all: (string | undefined | readonly string[])[]): string =>
  all
    .flat()
    .filter((line) => line)
    .join('\n');

/** Steps that are taken on a condition. */
export const when = (condition: unknown, ...steps: DeclaredStep[]): DeclaredStep[] =>
  condition ? steps : [];

/**
 * First in a step that locks several tables. Who writes locks the application's own table first: without this, a writer
 * would hold one table and wait for another, while the step holds that and waits for the one, until the step gives up.
 */
export const noWrites = ({ table }: Layout): string =>
  `LOCK TABLE ONLY ${table} IN SHARE ROW EXCLUSIVE MODE;`;

/** A table that is rebuilt in another shape under its name, while it is written to. */
export function phasesOf(rebuild: Rebuild): DeclaredMigration['phases'] {
  const { d, layout, definition, kept, conversion } = rebuild;
  const { table, fresh, old, forward, reverse } = layout;
  const cutover = { kept, definition, ...rebuild.cutover };
  const filled = forward.conflicts ? [fresh, id(layout.schema, forward.conflicts)] : [fresh];
  return [
    {
      phase: 'expand',
      steps: [
        {
          name: 'new table',
          lock: `ACCESS SHARE on ${table}`,
          sql: rebuild.newTable,
          undo: `DROP TABLE ${fresh};`,
        },
        ...when(conversion, {
          name: 'conversion of values',
          lock: 'none: functions and an empty table',
          sql: conversion?.make,
          undo: conversion?.drop,
        }),
        { name: 'trial with some rows', lock: `ACCESS SHARE on ${table}`, sql: rebuild.trial },
        {
          name: 'synchronisation',
          lock: 'none: a function only',
          sql: syncFunction(forward),
          undo: noSyncFunction(forward),
        },
      ],
    },
    {
      phase: 'dual-write',
      steps: [
        // Undone last: without the triggers the new table is out of date.
        {
          name: 'new table is kept in step',
          lock: 'none',
          undo: `TRUNCATE ${filled.join(', ')};`,
        },
        {
          name: `triggers on ${d.table.name}`,
          lock: `SHARE ROW EXCLUSIVE on ${table}, ${SHORT_LOCK}`,
          sql: lines(noOtherSync(forward), syncTriggers(forward)),
          undo: noSyncTriggers(forward),
        },
      ],
    },
    {
      phase: 'backfill',
      steps: [
        {
          name: 'rows',
          lock: 'the rows of a batch, FOR SHARE, for about 200 ms; backs off after 300 ms of waiting',
          work: 'copy',
        },
        ...rebuild.afterRows,
        {
          name: 'statistics',
          lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes continue',
          sql: [...statisticsSql(d, layout), `ANALYZE ${fresh};`].join('\n'),
          ...(d.statistics.length > 0 ? { undo: noStatistics(d, layout).join('\n') } : {}),
        },
      ],
    },
    {
      phase: 'verify',
      steps: [{ name: 'both tables are equal', lock: 'none: reads only', work: 'compare' }],
    },
    {
      phase: 'cutover-writes',
      steps: [
        ...when(d.incoming.length > 0, {
          name: 'foreign keys of other tables, when undone',
          lock: 'when undone: SHARE UPDATE EXCLUSIVE on those tables',
          undo: validateIncoming(d.incoming),
        }),
        {
          name: 'the new table has the name',
          lock: `ACCESS EXCLUSIVE on ${[...[...d.views, ...d.sequences].map(({ schema, name }) => id(schema, name)), table, ...d.incoming.map((key) => id(key.schema, key.table))].join(', ')}, ${SHORT_LOCK}`,
          sql: cutoverSql(d, layout, cutover),
          undo: cutoverBack(d, layout, cutover),
        },
        ...when(validateIncoming(kept), {
          name: 'foreign keys of other tables',
          lock: 'SHARE UPDATE EXCLUSIVE on those tables: reads and writes continue',
          sql: validateIncoming(kept),
        }),
        { name: 'both tables are still equal', lock: 'none: reads only', work: 'compare' },
      ],
    },
    {
      phase: 'contract',
      steps: [
        { name: MODELS_EQUAL, lock: 'none: reads only', work: 'compare' },
        {
          name: 'no old table',
          lock: `ACCESS EXCLUSIVE on ${table}, on ${old} and on those that it refers to, ${SHORT_LOCK}`,
          sql: lines(
            noSyncTriggers(reverse),
            noSyncFunction(reverse),
            conversion?.drop,
            `DROP TABLE ${old};`,
          ),
        },
      ],
    },
  ];
}
