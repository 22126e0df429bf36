import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isTransient, OperationError } from './errors.ts';
import { type LockHolder, LockHolders } from './lockHolders.ts';
import { processIdOf } from './pooler.ts';

export interface BrieflyOptions {
  /** The session that works, and where it is connected to. */
  client: pg.Client;
  url: string;
  /** What is done, as the subject of an error. */
  what: string;
  /** What `work` sets `lock_timeout` to, milliseconds. */
  lockTimeoutMs: number;
  attempts: number;
  /** Milliseconds after the attempt of that number, from 1. */
  pauseMs(attempt: number): number;
  /** How long the upkeep of a table is waited for, milliseconds. */
  maxUpkeepMs?: number;
  signal?: AbortSignal | undefined;
}

export type Delay =
  | { event: 'retry'; detail: { attempt: number; code: string; heldBy?: string } }
  | { event: 'paused'; detail: { reason: string } }
  | { event: 'resumed'; detail: { afterMs: number } };

const MAX_UPKEEP_MS = 1_800_000;
const UPKEEP_EVERY_MS = 500;

const listed = (holders: readonly LockHolder[]) => holders.map(({ what }) => what).join(', ');

/**
 * Does `work`, a short transaction that takes locks, until it succeeds: when a lock is not free soon it lets go, because
 * whoever comes after it would wait behind it, and tries again later.
 *
 * Autovacuum ends for whoever waits for it as long as `deadlock_timeout` (1 s by default), and a lock timeout that
 * spares the application is shorter. So VACUUM and ANALYZE are waited for without a lock, for as long as they take.
 *
 * @param work the whole transaction, anew each time; what a failure leaves open is rolled back
 * @throws OperationError when the lock was not free within all attempts, with whoever held it; what `work` throws besides
 */
export async function* briefly(options: BrieflyOptions, work: () => Promise<unknown>): AsyncGenerator<Delay> {
  const {
    client,
    url,
    what,
    lockTimeoutMs,
    attempts,
    pauseMs,
    maxUpkeepMs = MAX_UPKEEP_MS,
    signal,
  } = options;
  const watcher = new LockHolders(url, processIdOf(client));
  let holders: LockHolder[] = [];
  try {
    for (let attempt = 1; ; ) {
      // Mostly the first attempt does, and then nothing else has to be known.
      if (attempt > 1) await watcher.open();
      const working = work();
      // A failure is told below.
      working.catch(() => {});
      if (attempt > 1) holders = await watcher.during(working, lockTimeoutMs / 2);
      try {
        await working;
        return;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {});
        if (!isTransient(error)) throw error;
        if (holders.some(({ upkeep }) => upkeep)) {
          yield* untilUpkeepEnds(watcher, holders, { what, maxUpkeepMs, signal });
          holders = [];
          continue;
        }
        const heldBy = listed(holders);
        if (attempt === attempts)
          throw new OperationError(
            `${what}: the lock was not free within ${attempts} attempts of ${lockTimeoutMs} ms. ` +
              (heldBy
                ? `It was held by ${heldBy}. Let that end, then run it again.`
                : 'Look for long transactions in pg_stat_activity, then run it again.'),
            { cause: error },
          );
        const { code = '' } = error as { code?: string };
        yield { event: 'retry', detail: { attempt, code, ...(heldBy ? { heldBy } : {}) } };
        await sleep(pauseMs(attempt), undefined, signal ? { signal } : {});
        attempt += 1;
      }
    }
  } finally {
    await watcher.close();
  }
}

async function* untilUpkeepEnds(
  watcher: LockHolders,
  holders: readonly LockHolder[],
  { what, maxUpkeepMs, signal }: Pick<BrieflyOptions, 'what' | 'signal'> & { maxUpkeepMs: number },
): AsyncGenerator<Delay> {
  const began = Date.now();
  const reason = `waits for the end of ${listed(holders)}`;
  yield { event: 'paused', detail: { reason } };
  while (await watcher.atUpkeep(holders)) {
    if (Date.now() - began > maxUpkeepMs) {
      const [{ pid } = { pid: 0 }] = holders.filter(({ upkeep }) => upkeep);
      throw new OperationError(
        `${what}: ${reason}, and that took longer than ${maxUpkeepMs / 60_000} minutes. Let it end (pg_stat_progress_vacuum says how far it is), or end it with SELECT pg_cancel_backend(${pid}), then run it again.`,
      );
    }
    await sleep(UPKEEP_EVERY_MS, undefined, signal ? { signal } : {});
  }
  yield { event: 'resumed', detail: { afterMs: Date.now() - began } };
}
