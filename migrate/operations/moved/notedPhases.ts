import { quote as id } from '../../../lib/pg/quote.ts';
import { MODELS_EQUAL, SHORT_LOCK, UNUSED } from '../../migration.ts';
import { unchanged } from '../cutover.ts';
import type { DeclaredStep } from '../declared.ts';
import type { TableDescription } from '../description.ts';
import { lines } from '../phases.ts';
import { noSyncTriggers, syncTriggers } from '../sync.ts';
import type { MovedMigration } from './declared.ts';

/** Functions of one kind of triggers: the name of the one that is called, and the statements for all of them. */
interface Functions {
  fn: string;
  sql: string;
  undo: string;
}

/** What an operation makes of rows of which many belong to one row of the new table; the rest is the same for all. */
export interface Noted {
  d: TableDescription;
  /** Of the table's definition; see `fingerprintOf`. */
  definition: Record<string, string>;
  into: string;
  queue: string;
  newTable: { sql: string[]; undo: string; empty: string };
  /** An index without which a key would be found by reading the table. */
  index?: { name: string; sql: string } | undefined;
  /** Before the cutover: triggers that note keys, and what carries those over. */
  note: Functions;
  /** From the cutover on: triggers that carry over at once, there and back. */
  forward: Functions;
  reverse: Functions;
  /** Who may use the new table from the cutover on; and what is done before that is undone. */
  access: { there: string[]; back: string[] };
  /** Both sides, for the names of steps. */
  sides: string;
  contract: {
    beforeCompared?: DeclaredStep;
    name: string;
    lock: string;
    /** Where nothing of the migration is left. */
    sql: (string | string[])[];
    after: DeclaredStep[];
  };
}

/**
 * Up to the cutover a write only notes its keys, which are carried over in batches: many rows belong to one row of the
 * new table, and whoever writes them must not wait for one another while nobody reads it.
 */
export function notedPhases(n: Noted): MovedMigration['phases'] {
  const { d, into, definition, note, forward, reverse } = n;
  const { schema, name } = d.table;
  const table = id(schema, name);
  const fresh = id(schema, into);
  const triggers = {
    note: { direction: 'forward', schema, from: name, fn: note.fn },
    forward: { direction: 'forward', schema, from: name, fn: forward.fn },
    reverse: { direction: 'reverse', schema, from: into, fn: reverse.fn },
  } as const;
  const { indexes: _, ...withoutIndexes } = definition;
  const batch = `the rows of a batch of the new table, for about 200 ms; nothing on ${table}`;
  const drain = { lock: batch, work: 'drain' } as const;
  return [
    {
      phase: 'expand',
      steps: [
        {
          name: 'new table',
          lock: `ACCESS SHARE on ${table}`,
          sql: lines(n.newTable.sql),
          undo: n.newTable.undo,
        },
        ...(n.index
          ? [
              {
                name: 'index of the key',
                lock: 'SHARE UPDATE EXCLUSIVE: reads and writes continue (CONCURRENTLY)',
                indexes: [n.index],
                undo: `DROP INDEX IF EXISTS ${id(schema, n.index.name)};`,
              },
            ]
          : []),
        { name: 'synchronisation', lock: 'none: functions only', sql: note.sql, undo: note.undo },
      ],
    },
    {
      phase: 'dual-write',
      steps: [
        // Undone last: without the triggers the new table is out of date.
        { name: 'keys that change are noted', lock: 'none', undo: n.newTable.empty },
        {
          name: `triggers on ${name}`,
          lock: `SHARE ROW EXCLUSIVE on ${table}, ${SHORT_LOCK}`,
          sql: syncTriggers(triggers.note),
          undo: noSyncTriggers(triggers.note),
        },
      ],
    },
    {
      phase: 'backfill',
      steps: [
        { name: 'keys', lock: batch, work: 'copy' },
        { name: 'keys that changed since', ...drain },
        {
          name: 'statistics',
          lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes continue',
          sql: `ANALYZE ${fresh};`,
        },
      ],
    },
    {
      phase: 'verify',
      steps: [
        { name: 'keys that changed until now', ...drain },
        { name: `${n.sides} are equal`, lock: 'none: reads only', work: 'compare' },
      ],
    },
    {
      phase: 'cutover-writes',
      steps: [
        { name: 'keys that changed up to the cutover', ...drain },
        {
          name: 'what is written counts at once',
          lock: `SHARE ROW EXCLUSIVE on ${table}, ${SHORT_LOCK}`,
          sql: lines(
            `LOCK TABLE ONLY ${table} IN SHARE ROW EXCLUSIVE MODE;`,
            unchanged(d, n.index ? withoutIndexes : definition),
            forward.sql,
            // Replaced, because DROP TRIGGER would wait for whoever reads.
            syncTriggers(triggers.forward),
          ),
          undo: lines(
            `LOCK TABLE ONLY ${table} IN SHARE ROW EXCLUSIVE MODE;`,
            syncTriggers(triggers.note),
            forward.undo,
          ),
        },
        { name: 'keys that changed at the cutover', ...drain },
        {
          name: 'the new table may be written to',
          lock: `SHARE ROW EXCLUSIVE on ${table} and on the new table, ${SHORT_LOCK}`,
          sql: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN SHARE ROW EXCLUSIVE MODE;`,
            reverse.sql,
            syncTriggers(triggers.reverse),
            n.access.there,
          ),
          undo: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN SHARE ROW EXCLUSIVE MODE;`,
            n.access.back,
            noSyncTriggers(triggers.reverse),
            reverse.undo,
          ),
        },
        { name: `${n.sides} are still equal`, lock: 'none: reads only', work: 'compare' },
      ],
    },
    {
      phase: 'contract',
      steps: [
        { name: UNUSED, lock: 'none: reads only', work: 'unused' },
        ...(n.contract.beforeCompared ? [n.contract.beforeCompared] : []),
        { name: MODELS_EQUAL, lock: 'none: reads only', work: 'compare' },
        {
          name: n.contract.name,
          lock: n.contract.lock,
          sql: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN ACCESS EXCLUSIVE MODE;`,
            noSyncTriggers(triggers.forward),
            noSyncTriggers(triggers.reverse),
            reverse.undo,
            forward.undo,
            note.undo,
            `DROP TABLE ${id(schema, n.queue)};`,
            ...n.contract.sql,
          ),
        },
        ...n.contract.after,
      ],
    },
  ];
}
