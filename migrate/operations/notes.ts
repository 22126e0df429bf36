import type pg from 'pg';
import type { PartitionOptions } from './choices.ts';
import type { TableDescription } from './description.ts';
import type { Layout } from './layout.ts';
import { brokenForeignKeys, uniqueWithout } from './refusals.ts';

/** What the reader of a plan should know before it is started: what was chosen, and what will be different. */
export async function notesFor(
  client: pg.ClientBase,
  d: TableDescription,
  layout: Layout,
  options: PartitionOptions,
): Promise<string[]> {
  const { table } = d;
  const name = `${table.schema}.${table.name}`;
  const first = layout.partitions[0]?.range;
  const last = layout.partitions.at(-2)?.range;
  const notes = [
    first && last
      ? `${layout.partitions.length - 1} partitions, one for each ${options.interval} from ${first.lower} to ${last.upper}; rows outside of them go to ${layout.partitions.at(-1)?.name}.`
      : `One partition, ${layout.partitions.at(-1)?.name}, for all rows.`,
    `The new table takes about as much disk as the old one, ${(d.size.totalBytes / 1e9).toFixed(2)} GB, until sqltrail migrate complete drops the old one.`,
    `After complete, let a weekly job run sqltrail migrate ahead: from ${last?.upper ?? 'now'} on, rows without a partition go to the default one, from where they would have to be moved.`,
    `Statements that name a partition itself write past the synchronisation: until sqltrail migrate complete they must name ${name}.`,
  ];
  for (const index of uniqueWithout(d, options.by))
    notes.push(
      `${index.name} was unique over (${index.columns.join(', ')}) and will be over (${[...index.columns, options.by].join(', ')}): ON CONFLICT has to name all of them.`,
    );
  const broken = brokenForeignKeys(d, options.by);
  if (broken.length > 0)
    notes.push(
      `These foreign keys are dropped at the cutover, and made again by a rollback, which stops until rows that refer to nothing are gone: ${broken.join('; ')}.`,
    );
  for (const { name: index, valid, clustered } of d.indexes) {
    if (!valid) notes.push(`The index ${index} is invalid and is left behind.`);
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
      `Partitions older than ${options.retain} ${options.interval}s may leave: name the table in a policy of sqltrail archive, which detaches whole partitions.`,
    );
  const { rows: open } = await client.query<{ pid: number; name: string; minutes: number }>(
    `SELECT pid, application_name AS name, (extract(epoch FROM now() - xact_start) / 60)::int AS minutes FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - interval '5 minutes' ORDER BY xact_start LIMIT 3`,
  );
  for (const { pid, name: who, minutes } of open)
    notes.push(
      `Process ${pid} (${who || 'no name'}) has had a transaction open for ${minutes} minutes: the indexes and the cutover wait for such ones.`,
    );
  return notes;
}
