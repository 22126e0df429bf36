import pg from 'pg';
import { describeTarget } from '../lib/pg/connect.ts';
import { isConnectionLost, OperationError } from '../lib/pg/errors.ts';
import { type Archival, type ArchiveOptions, archivalOf, chosen } from './archival.ts';
import { dropSegment, exportSegment } from './export.ts';
import { explained, isFatal } from './failure.ts';
import { leftOut } from './leftOut.ts';
import { readyDirectories } from './ownership.ts';
import { type Prepared, placesOf, prepare, prepareFor } from './prepare.ts';
import { type Named, tableName, tableSql } from './references.ts';
import { removeSegment } from './remove.ts';
import { type ArchivedUnit, addTo, noneOf } from './result.ts';
import { openArchive, readSegments, type Segment } from './session.ts';

const literal = pg.escapeLiteral;

/** What a killed run left: incomplete files are deleted, complete ones are continued. */
export async function clearUp(archival: Archival): Promise<Segment[]> {
  const pending: Segment[] = [];
  for (const segment of await readSegments(archival.client)) {
    if (segment.state === 'exported') pending.push(segment);
    if (segment.state === 'exporting')
      await dropSegment(archival, segment, 'its run had ended before its files were complete');
  }
  return pending;
}

/** Exports and removes all units of a table that may leave. */
async function archiveTable(archival: Archival, given: Prepared, of: Named): Promise<ArchivedUnit> {
  const { unit, references } = given;
  const ordered = references.internal.length > 0;
  const total = noneOf(unit.name);
  const prepared = {
    ...given,
    named: (table: Named) => (tableName(table) === tableName(unit.table) ? of : table),
    ...(ordered ? { goes: `${given.goes} AND ${unblocked(given)}` } : {}),
  };
  let pass = noneOf(unit.name);
  // Rows mostly refer to earlier ones. Where they do not, the other direction takes what this one had to leave.
  for (let down = ordered, vain = 0; vain < 2; down = !down) {
    if (ordered) await findBlocked(archival, given);
    pass = noneOf(unit.name);
    let exported = false;
    let from: string | undefined;
    do {
      archival.options.signal?.throwIfAborted();
      const { segment, next } = await exportSegment(archival, prepared, from, down);
      if (segment) addTo(pass, await removeSegment(archival, prepared, segment));
      exported ||= segment !== undefined;
      from = next;
    } while (from !== undefined);
    addTo(total, { ...pass, kept: 0, left: [] });
    if (!ordered || !exported) break;
    vain = pass.units > 0 ? 0 : vain + 1;
  }
  // The next pass may have archived what this one left.
  addTo(total, { ...noneOf(unit.name), kept: pass.kept, left: pass.left });
  addTo(total, { ...noneOf(unit.name), left: await leftOut(archival.client, given) });
  return total;
}

/** Notes the units that staying rows refer to, so they are not exported in vain. */
async function findBlocked(archival: Archival, { unit, references, wanted }: Prepared): Promise<void> {
  await archival.client.query(referredSql);
  await archival.client.query('BEGIN');
  await archival.client.query('DELETE FROM sqltrail.archive_referred WHERE unit = $1', [unit.name]);
  await archival.client.query(
    `INSERT INTO sqltrail.archive_referred (unit, key) SELECT $1, key::text FROM (${references.blocked(wanted)}) AS b`,
    [unit.name],
  );
  await archival.client.query('COMMIT');
}

/** Units that rows refer to which stay, as of the current pass over a table with references to itself. */
const referredSql = `CREATE TABLE IF NOT EXISTS sqltrail.archive_referred (
  unit  text NOT NULL,
  key   text NOT NULL,
  PRIMARY KEY (unit, key)
)`;
const unblocked = ({ unit, members }: Prepared) =>
  `NOT EXISTS (SELECT FROM sqltrail.archive_referred AS b WHERE b.unit = ${literal(unit.name)} AND b.key = ${members[0]?.unitOf('t')}::text)`;

/** Journals of earlier versions know fewer reasons. */
const reasonsSql = `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'sqltrail.archive_excluded'::regclass AND pg_get_constraintdef(oid) LIKE '%referred%') THEN
    ALTER TABLE sqltrail.archive_excluded DROP CONSTRAINT IF EXISTS archive_excluded_reason_check,
      ADD CONSTRAINT archive_excluded_reason_check CHECK (reason IN ('changed', 'gone', 'referred', 'refused', 'locked', 'restored'));
  END IF;
END $$`;

/**
 * Moves what the policy names from the tables to Parquet files, whole units at a time. A unit's files are written from
 * one snapshot, read back and compared with the tables by count and hash, and synced to disk before a row is deleted;
 * what has changed meanwhile stays in the database. It may be killed at any moment: the next run resumes.
 *
 * @throws OperationError naming what has to be there first, the disk's fault, or the file that was changed
 */
export async function runArchive(options: ArchiveOptions): Promise<ArchivedUnit[]> {
  const client = await openArchive(options.url, 'change');
  try {
    await readyDirectories(client, options);
    await client.query(reasonsSql);
    const archival = archivalOf(client, options);
    const results = new Map<string, ArchivedUnit>();
    /** A unit that cannot be archived does not stop the others. */
    const each = async (unit: string, work: () => Promise<ArchivedUnit | undefined>) => {
      const total = results.get(unit) ?? noneOf(unit);
      results.set(unit, total);
      try {
        const done = await work();
        if (done) addTo(total, done);
      } catch (error) {
        if (options.signal?.aborted || isFatal(error)) throw error;
        await client.query('ROLLBACK');
        const { message } = explained(error, {
          url: options.url,
          directory: options.directory,
          nothing: 'It has stopped, and every row is in exactly one place',
        }) as Error;
        addTo(total, { ...noneOf(unit), problems: [message] });
      }
    };
    // A partition is resumed where it was begun (partitions.ts).
    for (const segment of await clearUp(archival))
      if (!segment.policy.partition)
        await each(segment.unit, async () =>
          removeSegment(archival, await prepare(client, segment.policy), segment),
        );
    for (const unit of chosen(options))
      await each(unit.name, async () => {
        const total = noneOf(unit.name);
        for (const place of await placesOf(client, unit))
          addTo(total, await archiveTable(archival, await prepareFor(client, place), unit.table));
        if (total.units > 0)
          for (const { table } of [unit, ...unit.children]) {
            archival.say({ event: 'vacuum', table: tableName(table) });
            // With autovacuum's default cost delay, to spare other sessions.
            await client.query('SET vacuum_cost_delay = 2');
            await client.query(`VACUUM (ANALYZE) ${tableSql(table)}`);
          }
        return total;
      });
    return [...results.values()];
  } catch (error) {
    if (!isConnectionLost(error))
      throw explained(error, {
        url: options.url,
        directory: options.directory,
        nothing: 'The run has stopped, and every row is in exactly one place',
      });
    throw new OperationError(
      `${describeTarget(options.url)}: the connection was lost. Every row is in exactly one place; run it again to continue.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}
