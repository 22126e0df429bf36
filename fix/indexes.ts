import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isTransient, OperationError } from '../lib/pg/errors.ts';
import { isConcurrent } from './statement.ts';

/** As the careful online-change tools do: give up soon, so that nobody queues behind the waiting DDL. */
const LOCK_TIMEOUT_MS = 500;
/**
 * A concurrent build waits for the transactions that run, not for a lock that others queue behind (SHARE UPDATE
 * EXCLUSIVE conflicts with no read or write), so it may wait as long as the longest ordinary transaction.
 */
export const CONCURRENT_LOCK_TIMEOUT_MS = 30_000;
const ATTEMPTS = 8;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 8_000;

/** How long a statement may wait for a lock, milliseconds: briefly where others would queue behind it. */
const lockTimeoutFor = (sql: string) => (isConcurrent(sql) ? CONCURRENT_LOCK_TIMEOUT_MS : LOCK_TIMEOUT_MS);

/** Pause before the attempt after the `attempt`th, with full jitter, milliseconds. */
export const pauseAfter = (attempt: number, random = Math.random) =>
  Math.round(random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));

/** Runs a statement with a short lock timeout, again after a pause that grows, a bounded number of times. */
export async function withLockRetries(
  client: pg.ClientBase,
  run: () => Promise<unknown>,
  {
    signal,
    onRetry,
    lockTimeoutMs = LOCK_TIMEOUT_MS,
    alsoRetry = () => false,
  }: {
    signal: AbortSignal;
    onRetry?: (attempt: number) => Promise<void> | void;
    lockTimeoutMs?: number;
    alsoRetry?: (error: unknown) => boolean;
  },
): Promise<void> {
  await client.query("SELECT set_config('lock_timeout', $1, false)", [`${lockTimeoutMs}ms`]);
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      await run();
      return;
    } catch (error) {
      if (!isTransient(error) && !alsoRetry(error)) throw error;
      if (attempt + 1 >= ATTEMPTS)
        throw new OperationError(
          `another session holds the lock: given up after ${ATTEMPTS} attempts of ${lockTimeoutMs} ms. Look for long transactions in pg_stat_activity, then run this again.`,
          { cause: error },
        );
      await onRetry?.(attempt + 1);
      await sleep(pauseAfter(attempt), undefined, { signal });
    }
  }
}

/** Runs statements one after the other, each in a transaction of its own and as {@link withLockRetries} does. */
export async function runStatements(
  client: pg.ClientBase,
  statements: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const statement of statements)
    await withLockRetries(client, () => client.query(statement), {
      signal,
      lockTimeoutMs: lockTimeoutFor(statement),
    });
}

/**
 * Free bytes where the server keeps its data, when that is on this machine and may be asked; otherwise undefined.
 */
export async function freeBytes(client: pg.ClientBase): Promise<number | undefined> {
  try {
    const { rows } = await client.query<{ directory: string; local: boolean }>(
      `SELECT current_setting('data_directory') AS directory,
              coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true) AS local`,
    );
    if (!rows[0]?.local) return undefined;
    const { bavail, bsize } = await statfs(rows[0].directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Beyond the index itself: sorting, WAL, and what the shop writes meanwhile. */
const SPARE_BYTES = 200_000_000;

/** @throws OperationError when the disk, where it can be seen, has no room for an index of that many bytes */
export async function enoughRoom(client: pg.ClientBase, name: string, bytes: number | null): Promise<void> {
  const free = await freeBytes(client);
  const needed = (bytes ?? 0) * 2 + SPARE_BYTES;
  if (free !== undefined && free < needed)
    throw new OperationError(
      `the disk has ${Math.round(free / 1e6)} MB free; building ${name} needs up to ${Math.round(needed / 1e6)} MB. Free some first (sqltrail archive), then run this again.`,
    );
}

const LOOK_EVERY_MS = 500;

/** Reports how far the build of a session is, until it is stopped. */
export function watchProgress(
  {
    connect,
    onProgress,
  }: {
    connect: () => Promise<pg.Client>;
    onProgress?: ((progress: { phase: string; done: number | null }) => void) | undefined;
  },
  pid: number,
) {
  const ended = new AbortController();
  const work = async () => {
    if (!onProgress) return;
    const client = await connect();
    try {
      while (!ended.signal.aborted) {
        await sleep(LOOK_EVERY_MS, undefined, { signal: ended.signal });
        const { rows } = await client.query<{ phase: string; done: number | null }>(
          `SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done::float8 / blocks_total
                              WHEN tuples_total > 0 THEN tuples_done::float8 / tuples_total END AS done
             FROM pg_stat_progress_create_index WHERE pid = $1`,
          [pid],
        );
        if (rows[0]) onProgress(rows[0]);
      }
    } finally {
      await client.end().catch(() => {});
    }
  };
  // Progress is for the eye only; the build goes on without it.
  const watching = work().catch(() => {});
  return {
    async stop() {
      ended.abort();
      await watching;
    },
  };
}
