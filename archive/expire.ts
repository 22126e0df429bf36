import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { directoriesOf } from './archival.ts';
import { stem } from './names.ts';
import { ownDirectories } from './ownership.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';
import { openArchive, readSegments, type Segment } from './session.ts';

export interface ExpireOptions {
  url: string;
  /** A longer retention than that of the files' own day counts, and so does a hold; a shorter one does not. */
  policy: ArchivePolicy;
  directory: string;
  copies?: readonly string[];
}

export interface Expiry {
  segment: Segment;
  /** ISO date: the files have to be kept until then. */
  keepUntil: string;
  over: boolean;
  /** Why the files stay although their retention is over. */
  hold: string | undefined;
}

/** The day until which files have to be kept: the months of the rule after they were written. */
export function keepUntil(createdAt: string, months: number): string {
  const day = new Date(createdAt);
  const at = day.getUTCDate();
  day.setUTCMonth(day.getUTCMonth() + months, 1);
  // The end of a shorter month, not the beginning of the one after it.
  const last = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();
  day.setUTCDate(Math.min(at, last));
  return day.toISOString().slice(0, 10);
}

async function expiries(client: pg.ClientBase, policy: ArchivePolicy): Promise<Expiry[]> {
  const { rows } = await client.query<{ today: string }>("SELECT to_char(now(), 'YYYY-MM-DD') AS today");
  const { today } = rows[0] as { today: string };
  return (await readSegments(client))
    .filter(({ state }) => state === 'archived' || state === 'restored')
    .map((segment) => {
      const now = policy.units.find(({ name }) => name === segment.unit);
      const months = Math.max(segment.policy.retention.months, now?.retention.months ?? 0);
      const until = keepUntil(segment.createdAt, months);
      // What a policy does not speak of is not for it to delete: another one may hold it.
      const hold: ArchiveUnit['retention']['hold'] = now
        ? now.retention.hold
        : { reason: `the policy given has no unit ${segment.unit}` };
      return {
        segment,
        keepUntil: until,
        over: until < today,
        hold: hold && (!hold.until || hold.until >= today) ? hold.reason : undefined,
      };
    });
}

/** Which files have to be kept until when. Reads only. */
export async function planExpiry({ url, policy }: Pick<ExpireOptions, 'url' | 'policy'>): Promise<Expiry[]> {
  const client = await openArchive(url, 'read');
  try {
    return await expiries(client, policy);
  } finally {
    await client.end();
  }
}

const isThere = (file: string) =>
  stat(file).then(
    () => true,
    () => false,
  );

/**
 * Deletes the files whose retention is over and that nothing holds. The journal says so first, so that no query reads
 * half of them; the manifest stays, with the day and the rule. A run that was killed is completed by the next one.
 *
 * @returns the segments whose files were deleted
 * @throws OperationError when a file cannot be deleted
 */
export async function expireArchive(options: ExpireOptions): Promise<number[]> {
  const { url, policy } = options;
  const client = await openArchive(url, 'change');
  try {
    await client.query(
      `ALTER TABLE sqltrail.archive_segment DROP CONSTRAINT IF EXISTS archive_segment_state_check,
         ADD CONSTRAINT archive_segment_state_check CHECK (state IN ('exporting', 'exported', 'archived', 'restored', 'expired')),
         ADD COLUMN IF NOT EXISTS expired_at timestamptz, ADD COLUMN IF NOT EXISTS expired_by text`,
    );
    await ownDirectories(client, options);
    for (const { segment, over, hold } of await expiries(client, policy))
      if (over && !hold)
        await client.query(
          "UPDATE sqltrail.archive_segment SET state = 'expired', expired_at = now(), expired_by = current_user WHERE id = $1",
          [segment.id],
        );
    const gone: number[] = [];
    const { rows } = await client.query<{ id: number; at: Date; by: string }>(
      "SELECT id::int, expired_at AS at, expired_by AS by FROM sqltrail.archive_segment WHERE state = 'expired' ORDER BY id",
    );
    const segments = await readSegments(client);
    for (const { id, at, by } of rows) {
      const segment = segments.find((each) => each.id === id) as Segment;
      let deleted = false;
      for (const place of directoriesOf(options)) {
        const files = segment.files.map(({ file }) => path.join(place, file));
        if (!(await Promise.all(files.map(isThere))).includes(true)) continue;
        const manifest = path.join(place, `${stem(segment.unit, id)}.json`);
        const said = JSON.parse(await readFile(manifest, 'utf8').catch(() => '{}'));
        const expired = { at: at.toISOString(), by, rule: segment.policy.retention.rule };
        await rm(`${manifest}.tmp`, { force: true });
        await writeFile(`${manifest}.tmp`, `${JSON.stringify({ ...said, expired }, null, 1)}\n`, {
          flush: true,
          mode: 0o400,
        });
        await rename(`${manifest}.tmp`, manifest);
        for (const file of files) await rm(file, { force: true });
        deleted = true;
      }
      if (deleted) gone.push(id);
    }
    return gone;
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).syscall) throw error;
    throw new OperationError(
      `Not all files could be deleted: ${(error as Error).message}. No query reads them any more; correct the problem and run it again.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}
