import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { quote as id } from '../../lib/pg/quote.ts';
import { MODELS_EQUAL, SHORT_LOCK } from '../migration.ts';
import { openReader } from '../session.ts';
import type { Choices, PartitionOptions } from './choices.ts';
import { cutoverBack, cutoverSql, validateIncoming } from './cutover.ts';
import type { DeclaredMigration, DeclaredStep } from './declared.ts';
import { describeTable, fingerprintOf, READING, type TableDescription } from './description.ts';
import { rangesFor } from './intervals.ts';
import { type Layout, layoutOf } from './layout.ts';
import { FreeNames } from './names.ts';
import { attachIndexes, foreignKeys, laterIndexes, newTable, statisticsSql, trial } from './newTable.ts';
import { notesFor } from './notes.ts';
import { refusals } from './refusals.ts';
import { noSyncFunction, noSyncTriggers, syncFunction, syncTriggers } from './sync.ts';

/**
 * What has to be done so that a table becomes one that is partitioned by ranges of time, while it is written to. Reads
 * only.
 *
 * @throws OperationError with every reason why it cannot be done as asked, and what to do
 */
export async function planPartition(url: string, options: PartitionOptions): Promise<DeclaredMigration> {
  const client = await openReader(url, READING);
  try {
    return await planIn(client, options);
  } finally {
    await client.end().catch(() => {});
  }
}

async function planIn(client: pg.ClientBase, options: PartitionOptions): Promise<DeclaredMigration> {
  const d = await describeTable(client, options.table);
  const { schema, name, owner, oid } = d.table;
  const { rows: server } = await client.query<{ number: number }>(
    "SELECT current_setting('server_version_num')::int AS number",
  );
  const reasons = refusals(d, options, server[0]?.number ?? 0);
  if (reasons.length > 0)
    throw new OperationError(
      `${schema}.${name} cannot be partitioned by ${options.by} as asked:\n${reasons.map((reason) => `- ${reason}`).join('\n')}`,
    );
  const column = d.columns.find((each) => each.name === options.by);
  const ranges = await rangesFor(client, {
    schema,
    table: name,
    column: options.by,
    type: column?.type ?? '',
    interval: options.interval,
    timeZone: options.timeZone,
    ahead: options.ahead,
    ...(options.from === undefined ? {} : { from: options.from }),
  });
  const free = await FreeNames.of(client, schema);
  const layout = layoutOf(d, options, ranges, free);
  const definition = await fingerprintOf(client, oid);
  return {
    sqltrail: 'migration',
    version: 1,
    operation: 'partition',
    // A table of the same name may be partitioned again, when this one is done.
    name: `partition ${schema}.${name} (OID ${oid})`,
    table: { oid, schema, name, owner },
    choices: {
      by: options.by,
      interval: options.interval,
      timeZone: options.timeZone,
      ahead: options.ahead,
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(options.retain === undefined ? {} : { retain: options.retain }),
      extendKeys: options.extendKeys,
      dropForeignKeys: options.dropForeignKeys,
      acceptTriggers: options.acceptTriggers,
    },
    notes: await notesFor(client, d, layout, options),
    size: d.size,
    definition,
    rows: {
      searchPath: layout.searchPath,
      newName: layout.names.newName,
      oldName: layout.names.oldName,
      copied: layout.copied,
      compared: d.columns.map((each) => each.name),
      key: layout.key.map((each) => ({
        name: each,
        type: d.columns.find(({ name: of }) => of === each)?.type ?? 'text',
      })),
      newKey: layout.newKey,
    },
    phases: phasesOf(d, layout, free, options, definition),
  };
}

function phasesOf(
  d: TableDescription,
  layout: Layout,
  free: FreeNames,
  choices: Choices,
  definition: Record<string, string>,
): DeclaredMigration['phases'] {
  const { table, fresh, old } = layout;
  const later = laterIndexes(layout, free);
  const keys = foreignKeys(d, layout);
  const referenced = `SHARE ROW EXCLUSIVE on the new table and those that it refers to, ${SHORT_LOCK}`;
  // Others are dropped, which was chosen.
  const kept = d.incoming.filter(({ columns }) => columns.includes(choices.by));
  const cutover = { kept, definition };
  const when = (condition: unknown, ...steps: DeclaredStep[]) => (condition ? steps : []);
  return [
    {
      phase: 'expand',
      steps: [
        {
          name: 'new table',
          lock: `ACCESS SHARE on ${table}`,
          sql: newTable(d, layout, choices.by),
          undo: `DROP TABLE ${fresh};`,
        },
        { name: 'trial with some rows', lock: `ACCESS SHARE on ${table}`, sql: trial(layout) },
        {
          name: 'synchronisation',
          lock: 'none: a function only',
          sql: syncFunction(layout.forward),
          undo: noSyncFunction(layout.forward),
        },
      ],
    },
    {
      phase: 'dual-write',
      steps: [
        // Undone last: without the triggers the new table is out of date.
        { name: 'new table is kept in step', lock: 'none', undo: `TRUNCATE ${fresh};` },
        {
          name: `triggers on ${d.table.name}`,
          lock: `SHARE ROW EXCLUSIVE on ${table}, ${SHORT_LOCK}`,
          sql: syncTriggers(layout.forward),
          undo: noSyncTriggers(layout.forward),
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
        ...when(
          later.length > 0,
          {
            name: 'indexes of the partitions',
            lock: 'SHARE UPDATE EXCLUSIVE: reads and writes go on (CONCURRENTLY)',
            indexes: later.flatMap(({ indexes }) => indexes),
          },
          {
            name: 'indexes of the table',
            lock: `SHARE UPDATE EXCLUSIVE on the new table, ${SHORT_LOCK}`,
            sql: attachIndexes(layout, later),
          },
        ),
        ...when(
          keys.own.length > 0,
          { name: 'foreign keys, for new rows', lock: referenced, sql: keys.add },
          {
            name: 'foreign keys, for all rows',
            lock: 'SHARE UPDATE EXCLUSIVE on the partitions: reads and writes go on',
            sql: keys.validate,
          },
          { name: 'foreign keys of the table', lock: referenced, sql: keys.attach },
        ),
        {
          name: 'statistics',
          lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes go on',
          sql: [...statisticsSql(d, layout), `ANALYZE ${fresh};`].join('\n'),
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
          lock: `ACCESS EXCLUSIVE on ${[table, ...d.incoming.map((key) => id(key.schema, key.table))].join(', ')}, ${SHORT_LOCK}`,
          sql: cutoverSql(d, layout, cutover),
          undo: cutoverBack(d, layout, cutover),
        },
        ...when(validateIncoming(kept), {
          name: 'foreign keys of other tables',
          lock: 'SHARE UPDATE EXCLUSIVE on those tables: reads and writes go on',
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
          sql: [noSyncTriggers(layout.reverse), noSyncFunction(layout.reverse), `DROP TABLE ${old};`].join(
            '\n',
          ),
        },
      ],
    },
  ];
}
