import type pg from 'pg';
import { withReader } from '../session.ts';
import type { PartitionOptions } from './choices.ts';
import type { DeclaredMigration } from './declared.ts';
import { describeTable, fingerprintOf, isOwn, READING } from './description.ts';
import { rangesFor } from './intervals.ts';
import { layoutOf } from './layout.ts';
import { FreeNames } from './names.ts';
import { trial } from './newTable.ts';
import { afterRows, type Partition, partitionedTable } from './partitionedTable.ts';
import { partitionNotes } from './partitionNotes.ts';
import { partitionRefusals } from './partitionRefusals.ts';
import { declare, refuse } from './rebuild.ts';
import { keysOf } from './refusals.ts';

/**
 * What has to be done so that a table becomes one that is partitioned by ranges of time, while it is written to. Reads
 * only.
 *
 * @throws OperationError with every reason why it cannot be done as asked, and what to do
 */
export const planPartition = (url: string, options: PartitionOptions): Promise<DeclaredMigration> =>
  withReader(url, READING, (client) => planIn(client, options));

async function planIn(client: pg.ClientBase, options: PartitionOptions): Promise<DeclaredMigration> {
  const d = await describeTable(client, options.table);
  const { schema, name } = d.table;
  await refuse(client, d, `cannot be partitioned by ${options.by} as asked`, partitionRefusals(d, options));
  const { by, interval, timeZone, ahead, from, retain } = options;
  const ranges = await rangesFor(client, {
    schema,
    table: name,
    column: by,
    type: d.columns.find((each) => each.name === by)?.type ?? '',
    interval,
    timeZone,
    ahead,
    ...(from === undefined ? {} : { from }),
  });
  const free = await FreeNames.of(client, schema);
  const [key = []] = keysOf(d);
  const layout = layoutOf(d, { key, newKey: key.includes(by) ? key : [...key, by] }, free);
  const partitions: Partition[] = [
    ...ranges.map((range) => ({ name: free.take(name, `_${range.label}`), range })),
    { name: free.take(name, '_default'), range: undefined },
  ];
  return declare({
    operation: 'partition',
    choices: {
      by,
      interval,
      timeZone,
      ahead,
      ...(from === undefined ? {} : { from }),
      ...(retain === undefined ? {} : { retain }),
      extendKeys: options.extendKeys,
      dropForeignKeys: options.dropForeignKeys,
      acceptTriggers: options.acceptTriggers,
    },
    notes: await partitionNotes(client, d, partitions, options),
    d,
    layout,
    definition: await fingerprintOf(client, d.table.oid),
    newTable: partitionedTable(d, layout, partitions, by),
    trial: trial(layout),
    afterRows: afterRows(d, layout, partitions, free),
    kept: d.incoming.filter((key) => key.columns.includes(by) && !isOwn(d, key)),
  });
}
