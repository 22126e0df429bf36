import { quote as id } from '../../../lib/pg/quote.ts';
import { LEDGER_COMPLETE, MODELS_EQUAL, SHORT_LOCK, UNUSED } from '../../migration.ts';
import { unchanged } from '../cutover.ts';
import type { TableDescription } from '../description.ts';
import { createTable } from '../newTable.ts';
import { noTableGrants } from '../objects.ts';
import { lines } from '../phases.ts';
import { noSyncTriggers, syncTriggers } from '../sync.ts';
import { givesAccess, noPolicies, policies } from './access.ts';
import type { MovedMigration } from './declared.ts';
import {
  forwardSql,
  keepUnreferred,
  noForwardSql,
  noReverseSql,
  restOfLedger,
  reverseSql,
} from './extractLater.ts';
import {
  type Extract,
  emptySql,
  namesOf,
  newTablesSql,
  noNewTablesSql,
  noNoteSql,
  noteSql,
} from './extractSql.ts';

/** All that is done, phase by phase, with its locks and ways back. */
export function phasesOf(
  d: TableDescription,
  e: Extract,
  { index, foreignKey }: { index: string | undefined; foreignKey: string },
  definition: Record<string, string>,
): MovedMigration['phases'] {
  const { schema } = e;
  const table = id(schema, e.table);
  const fresh = id(schema, e.into);
  const ledger = id(schema, e.ledger);
  const key = id(e.key.name);
  const note = { direction: 'forward', schema, from: e.table, fn: e.fn.note } as const;
  const forward = { ...note, fn: e.fn.forward };
  const reverse = { direction: 'reverse', schema, from: e.into, fn: e.fn.reverse } as const;
  const sees = `EXISTS (SELECT FROM ${table} AS t WHERE t.${key} = ${fresh}.${key})`;
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
          sql: lines(newTablesSql(e, createTable(d)), noTableGrants(d, fresh), noTableGrants(d, ledger)),
          undo: noNewTablesSql(e),
        },
        ...(index
          ? [
              {
                name: 'index of the key',
                lock: 'SHARE UPDATE EXCLUSIVE: reads and writes continue (CONCURRENTLY)',
                indexes: [
                  { name: index, sql: `CREATE INDEX CONCURRENTLY ${id(index)} ON ${table} (${key})` },
                ],
                undo: `DROP INDEX IF EXISTS ${id(schema, index)};`,
              },
            ]
          : []),
        {
          name: 'synchronisation',
          lock: 'none: functions only',
          sql: noteSql(e),
          undo: noNoteSql(e),
        },
      ],
    },
    {
      phase: 'dual-write',
      steps: [
        // Undone last: without the triggers the new table is out of date.
        { name: 'keys that change are noted', lock: 'none', undo: emptySql(e) },
        {
          name: `triggers on ${e.table}`,
          lock: `SHARE ROW EXCLUSIVE on ${table}, ${SHORT_LOCK}`,
          sql: syncTriggers(note),
          undo: noSyncTriggers(note),
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
        { name: 'copies and new table are equal', lock: 'none: reads only', work: 'compare' },
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
            unchanged(d, index ? withoutIndexes : definition),
            noSyncTriggers(note),
            forwardSql(e),
            syncTriggers(forward),
          ),
          undo: lines(
            `LOCK TABLE ONLY ${table} IN SHARE ROW EXCLUSIVE MODE;`,
            noSyncTriggers(forward),
            noForwardSql(e),
            syncTriggers(note),
          ),
        },
        { name: 'keys that changed at the cutover', ...drain },
        {
          name: 'the new table may be written to',
          lock: `SHARE ROW EXCLUSIVE on ${table} and on the new table, ${SHORT_LOCK}`,
          sql: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN SHARE ROW EXCLUSIVE MODE;`,
            reverseSql(e),
            syncTriggers(reverse),
            policies(d, fresh, sees),
            givesAccess(d, fresh),
          ),
          undo: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN SHARE ROW EXCLUSIVE MODE;`,
            keepUnreferred(e),
            noTableGrants(d, fresh),
            noPolicies(d, fresh),
            noSyncTriggers(reverse),
            noReverseSql(e),
          ),
        },
        { name: 'copies and new table are still equal', lock: 'none: reads only', work: 'compare' },
      ],
    },
    {
      phase: 'contract',
      steps: [
        { name: UNUSED, lock: 'none: reads only', work: 'unused' },
        {
          name: LEDGER_COMPLETE,
          lock: 'none: reads the table, and writes to the ledger only',
          sql: restOfLedger(e),
        },
        { name: MODELS_EQUAL, lock: 'none: reads only', work: 'compare' },
        {
          name: 'no old columns',
          lock: `ACCESS EXCLUSIVE on ${table} and on the new table, ${SHORT_LOCK}; no row is rewritten`,
          sql: lines(
            `LOCK TABLE ONLY ${table}, ${fresh} IN ACCESS EXCLUSIVE MODE;`,
            noSyncTriggers(forward),
            noSyncTriggers(reverse),
            noReverseSql(e),
            noForwardSql(e),
            noNoteSql(e),
            `DROP TABLE ${id(schema, e.queue)};`,
            `ALTER TABLE ${table} ${namesOf(e)
              .map((name) => `DROP COLUMN ${id(name)}`)
              .join(', ')};`,
            `ALTER TABLE ${table} ADD CONSTRAINT ${id(foreignKey)} FOREIGN KEY (${key}) REFERENCES ${fresh} (${key}) NOT VALID;`,
          ),
        },
        {
          name: 'foreign key, for all rows',
          lock: `SHARE UPDATE EXCLUSIVE on ${table}: reads and writes continue`,
          sql: `ALTER TABLE ${table} VALIDATE CONSTRAINT ${id(foreignKey)};`,
        },
      ],
    },
  ];
}
