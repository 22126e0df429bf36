import { setTimeout as sleep } from 'node:timers/promises';
import { isTransient, OperationError } from '../lib/pg/errors.ts';
import type { Archival } from './archival.ts';
import { beyond, locksWholeTable, readEffects, refusal } from './effects.ts';
import { dropSegment } from './export.ts';
import { changedFile } from './files.ts';
import { keyTypeOf, type Prepared } from './prepare.ts';
import { describeReference } from './references.ts';
import { type ArchivedUnit, addTo, noneOf } from './result.ts';
import type { Segment } from './session.ts';
import { type Form, PINNED } from './types.ts';
import { deleteUnits, hashesOfUnits, readUnitRows, sorted, type UnitRow } from './units.ts';

const LOCK_TIMEOUT_MS = 300;
const ATTEMPTS = 30;
/** Locked units in a row, after which the whole table is taken to be locked. */
const LOCKED_UNITS = 3;

interface Batched extends UnitRow {
  /** Its number in the segment. */
  unit: number;
}

interface Excluded {
  unit: number;
  reason: 'changed' | 'gone' | 'referred' | 'refused' | 'locked';
  why: string;
}

const formsOf = ({ files }: Segment): Form[] => files.map(({ form = 'plain' }) => form);

/** Deletes, in short transactions, the rows in the files that are still equal in the database. */
export async function removeSegment(
  archival: Archival,
  prepared: Prepared,
  segment: Segment,
): Promise<ArchivedUnit> {
  const { unit } = prepared;
  const { client } = archival;
  const changed = await changedFile(archival.options.directory, segment.files);
  if (changed !== undefined) {
    if (segment.removed === 0) {
      await dropSegment(archival, segment, `${changed} is not what was written; it is exported again`);
      return noneOf(unit.name);
    }
    throw new OperationError(
      `${archival.at(changed)} has changed since it was written, and it is the only place with ${segment.removed} units. Put back an intact copy, then run it again.`,
    );
  }
  const units = await readUnitRows(archival, segment);
  const result = { ...noneOf(unit.name), kept: segment.excluded };
  let done = segment.removed;
  let size = 50;
  let locked = 0;
  for (let retries = 0; done < units.length; ) {
    archival.options.signal?.throwIfAborted();
    const started = performance.now();
    const batch = units.slice(done, done + size).map((row, at) => ({ ...row, unit: done + at }));
    const end = done + batch.length;
    let refused: Excluded | undefined;
    let excluded: Excluded[] = [];
    try {
      const attempt = await attemptBatch(archival, prepared, batch, formsOf(segment));
      if (typeof attempt === 'string') refused = { unit: done, reason: 'refused', why: attempt };
      else excluded = attempt;
      locked = 0;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      if (isTransient(error)) {
        retries += 1;
        // After one unit was given up, the next ones get less patience.
        if (retries <= (locked > 0 ? ATTEMPTS / 3 : ATTEMPTS)) {
          size = Math.max(1, Math.floor(size / 2));
          await sleep(50 + Math.random() * 100 * retries);
          continue;
        }
        locked += 1;
        if (locked === LOCKED_UNITS)
          throw new OperationError(
            `Rows of ${unit.name} have been locked by other sessions for too long. Everything removed so far is in the files. Look for long transactions in pg_stat_activity, then run it again.`,
            { cause: error },
          );
        refused = { unit: done, reason: 'locked', why: 'other sessions keep them locked' };
      } else {
        const why = refusal(error);
        if (why === undefined) throw error;
        refused = { unit: done, reason: 'refused', why };
      }
    }
    if (refused && batch.length > 1) {
      // Smaller batches find out which of them it is.
      size = Math.floor(batch.length / 2);
      continue;
    }
    if (refused) {
      await client.query('BEGIN');
      excluded = [refused];
    }
    await commitBatch(archival, segment, excluded, end);
    result.kept += excluded.length;
    // What is referred to is counted when all is done, by the reference.
    for (const { reason, why } of excluded)
      if (reason !== 'referred') addTo(result, { ...noneOf(unit.name), left: [{ reason: why, units: 1 }] });
    retries = 0;
    done = end;
    const tookMs = performance.now() - started;
    archival.say({
      event: 'removing',
      unit: unit.name,
      segment: segment.id,
      removed: done,
      units: units.length,
    });
    size = Math.max(
      1,
      Math.min(5_000, Math.round(size * Math.min(2, Math.max(0.5, archival.options.batchMs / tookMs)))),
    );
    await archival.rest(tookMs);
  }
  if (result.kept === units.length) {
    await dropSegment(archival, segment, 'all of its units stay where they are');
    return result;
  }
  await client.query(
    "UPDATE sqltrail.archive_segment SET state = 'archived', archived_at = now() WHERE id = $1",
    [segment.id],
  );
  result.units = units.length - result.kept;
  archival.say({
    event: 'archived',
    unit: unit.name,
    segment: segment.id,
    units: result.units,
    kept: result.kept,
  });
  result.rows = segment.files.reduce((sum, { rows }) => sum + rows, 0);
  result.bytes = segment.files.reduce((sum, { bytes }) => sum + bytes, 0);
  return result;
}

/** Ends the transaction that deleted units up to `end`, but for those excluded. */
async function commitBatch(
  archival: Archival,
  segment: Segment,
  excluded: readonly Excluded[],
  end: number,
): Promise<void> {
  for (const { unit, reason } of excluded)
    await archival.client.query(
      'INSERT INTO sqltrail.archive_excluded (segment, unit, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [segment.id, unit, reason],
    );
  await archival.client.query('UPDATE sqltrail.archive_segment SET removed = $2 WHERE id = $1', [
    segment.id,
    end,
  ]);
  await archival.client.query('COMMIT');
}

/**
 * Deletes a batch in a transaction that is left open, and returns the units it had to leave; or rolls it back and
 * returns the reason, if more than these rows would have changed.
 */
async function attemptBatch(
  archival: Archival,
  prepared: Prepared,
  units: readonly Batched[],
  forms: readonly Form[],
): Promise<Excluded[] | string> {
  const { client } = archival;
  const { unit, members } = prepared;
  const excluded: Excluded[] = [];
  // The first try tells which units differ; they are left, and the rest is deleted in the second.
  for (let batch = units; ; ) {
    // Each statement has to see what was committed before it, whatever the role's own default is.
    await client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED; ${PINNED}; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL row_security = off`,
    );
    const referred = await lockAndFindReferred(
      archival,
      prepared,
      batch.map(({ key }) => key),
    );
    batch = batch.filter(({ key, unit: at }) => {
      const why = referred.get(key);
      if (why) excluded.push({ unit: at, reason: 'referred', why });
      return !why;
    });
    if (batch.length === 0) return excluded;
    const before = await readEffects(client);
    const found = await deleteUnits(
      archival,
      prepared,
      batch.map(({ key }) => key),
      forms,
    );
    await client.query('SET CONSTRAINTS ALL IMMEDIATE');
    const differing = batch.filter(({ key, hashes }) => sorted(found.get(key) ?? []) !== hashes);
    if (differing.length === 0) {
      const more =
        beyond(before, await readEffects(client), {
          oids: new Set(members.flatMap(({ oids }) => oids)),
          deleted: [...found.values()].reduce((sum, { length }) => sum + length, 0),
          allowed: unit.triggersMayWrite ?? [],
        }) ?? (prepared.triggers ? await locksWholeTable(client) : undefined);
      if (!more) return excluded;
      await client.query('ROLLBACK');
      return more;
    }
    await client.query('ROLLBACK');
    await client.query(`BEGIN; ${PINNED}`);
    const there = await hashesOfUnits(
      archival,
      prepared,
      differing.map(({ key }) => key),
      forms,
    );
    await client.query('ROLLBACK');
    for (const { key, hashes, unit: at } of differing) {
      const now = there.get(key);
      excluded.push(
        !now
          ? { unit: at, reason: 'gone', why: 'they were deleted by others' }
          : sorted(now) === hashes
            ? { unit: at, reason: 'refused', why: 'a trigger keeps or changes their rows' }
            : { unit: at, reason: 'changed', why: 'they changed while they were being moved' },
      );
    }
    batch = batch.filter((each) => !differing.includes(each));
    if (batch.length === 0) {
      await client.query('BEGIN');
      return excluded;
    }
  }
}

/**
 * Locks units against new references, and returns those that staying rows refer to. A
 * foreign key's row has to lock what it refers to, so that none comes until the transaction has ended.
 */
async function lockAndFindReferred(
  archival: Archival,
  { unit, columns, references }: Prepared,
  keys: readonly string[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const check = references.check(keyTypeOf(unit, columns));
  if (!check) return found;
  for (const lock of check.locks) await archival.client.query(lock, [keys]);
  // A row that stays also keeps the rows that it refers to.
  for (let leaving = keys; leaving.length > 0; ) {
    const { rows } = await archival.client.query<{ key: string; reference: number }>(check.referred, [
      leaving,
    ]);
    for (const { key, reference } of rows) {
      const by = references.references[reference];
      if (by) found.set(key, describeReference(by));
    }
    if (rows.length === 0) break;
    leaving = leaving.filter((key) => !found.has(key));
  }
  return found;
}
