import { quote as id } from '../../../lib/pg/quote.ts';
import { LEDGER_COMPLETE, SHORT_LOCK } from '../../migration.ts';
import type { TableDescription } from '../description.ts';
import { createTable } from '../newTable.ts';
import { noTableGrants } from '../objects.ts';
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
import { notedPhases } from './notedPhases.ts';

/** All that is done, phase by phase, with its locks and ways back. */
export function phasesOf(
  d: TableDescription,
  e: Extract,
  { index, foreignKey }: { index: string | undefined; foreignKey: string },
  definition: Record<string, string>,
): MovedMigration['phases'] {
  const { schema, into, queue, fn } = e;
  const table = id(schema, e.table);
  const fresh = id(schema, into);
  const key = id(e.key.name);
  const sees = `EXISTS (SELECT FROM ${table} AS t WHERE t.${key} = ${fresh}.${key})`;
  return notedPhases({
    d,
    definition,
    into,
    queue,
    newTable: {
      sql: [
        newTablesSql(e, createTable(d)),
        ...noTableGrants(d, fresh),
        ...noTableGrants(d, id(schema, e.ledger)),
      ],
      undo: noNewTablesSql(e),
      empty: emptySql(e),
    },
    index: index
      ? { name: index, sql: `CREATE INDEX CONCURRENTLY ${id(index)} ON ${table} (${key})` }
      : undefined,
    note: { fn: fn.note, sql: noteSql(e), undo: noNoteSql(e) },
    forward: { fn: fn.forward, sql: forwardSql(e), undo: noForwardSql(e) },
    reverse: { fn: fn.reverse, sql: reverseSql(e), undo: noReverseSql(e) },
    access: {
      there: [...policies(d, fresh, sees), ...givesAccess(d, fresh)],
      back: [keepUnreferred(e), ...noTableGrants(d, fresh), ...noPolicies(d, fresh)],
    },
    sides: 'copies and new table',
    contract: {
      beforeCompared: {
        name: LEDGER_COMPLETE,
        lock: 'none: reads the table, and writes to the ledger only',
        sql: restOfLedger(e),
      },
      name: 'no old columns',
      lock: `ACCESS EXCLUSIVE on ${table} and on the new table, ${SHORT_LOCK}; no row is rewritten`,
      sql: [
        `ALTER TABLE ${table} ${namesOf(e)
          .map((name) => `DROP COLUMN ${id(name)}`)
          .join(', ')};`,
        `ALTER TABLE ${table} ADD CONSTRAINT ${id(foreignKey)} FOREIGN KEY (${key}) REFERENCES ${fresh} (${key}) NOT VALID;`,
      ],
      after: [
        {
          name: 'foreign key, for all rows',
          lock: `SHARE UPDATE EXCLUSIVE on ${table}: reads and writes continue`,
          sql: `ALTER TABLE ${table} VALIDATE CONSTRAINT ${id(foreignKey)};`,
        },
      ],
    },
  });
}
