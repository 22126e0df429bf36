import type pg from 'pg';
import type { TableDescription } from './description.ts';

/** What holds for whatever is made of a table. */
export async function commonNotes(client: pg.ClientBase, d: TableDescription): Promise<string[]> {
  const notes = [
    `The new table takes about as much disk as the old one, ${(d.size.totalBytes / 1e9).toFixed(2)} GB, until sqltrail migrate complete drops the old one.`,
  ];
  for (const { name, valid } of d.indexes)
    if (!valid) notes.push(`The index ${name} is invalid and will not be on the new table.`);
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
