import type pg from 'pg';
import type { PartitionOptions } from './choices.ts';
import type { TableDescription } from './description.ts';
import { commonNotes } from './notes.ts';
import type { Partition } from './partitionedTable.ts';
import { brokenForeignKeys, uniqueWithout } from './partitionRefusals.ts';

/** What the reader of a plan should know before it is started: what was chosen, and what will be different. */
export async function partitionNotes(
  client: pg.ClientBase,
  d: TableDescription,
  partitions: readonly Partition[],
  options: PartitionOptions,
): Promise<string[]> {
  const { table } = d;
  const name = `${table.schema}.${table.name}`;
  const first = partitions[0]?.range;
  const last = partitions.at(-2)?.range;
  const notes = [
    first && last
      ? `${partitions.length - 1} partitions, one for each ${options.interval} from ${first.lower} to ${last.upper}; rows outside of them go to ${partitions.at(-1)?.name}.`
      : `One partition, ${partitions.at(-1)?.name}, for all rows.`,
    `After complete, run sqltrail migrate ahead as a weekly job: from ${last?.upper ?? 'now'} on, rows without a partition go to the default one, and would have to be moved from there.`,
    `Statements that name a partition bypass the synchronisation: until sqltrail migrate complete, they must name ${name}.`,
  ];
  for (const index of uniqueWithout(d, options.by))
    notes.push(
      `${index.name} was unique over (${index.columns.join(', ')}) and will be over (${[...index.columns, options.by].join(', ')}): ON CONFLICT has to name all of them.`,
    );
  const broken = brokenForeignKeys(d, options.by);
  if (broken.length > 0)
    notes.push(
      `These foreign keys are dropped at the cutover and created again by a rollback, which stops while there are orphans: ${broken.join('; ')}.`,
    );
  for (const { name: index, clustered } of d.indexes) {
    if (clustered)
      notes.push(`CLUSTER no longer knows the table by ${index}; each partition can be clustered.`);
  }
  for (const trigger of d.triggers)
    if (trigger.row && trigger.before)
      notes.push(
        `The trigger ${trigger.name} must not change ${options.by} so that the row belongs to another partition.`,
      );
  if (options.retain !== undefined)
    notes.push(
      `Partitions older than ${options.retain} ${options.interval}s may be archived: name the table in a policy of sqltrail archive, which detaches whole partitions.`,
    );
  return [...notes, ...(await commonNotes(client, d))];
}
