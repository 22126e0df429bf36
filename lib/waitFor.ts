import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Give up after this many milliseconds. */
  deadlineMs: number;
  /** Ask again after this many milliseconds. */
  everyMs?: number;
  signal?: AbortSignal;
}

/**
 * Asks `condition` until it gives something other than undefined, null or false, and returns that.
 * Errors that `condition` throws count as "not yet"; the last one is the cause of the final error.
 *
 * @throws Error `waited N s for <what>` when the deadline passes; the signal's reason when aborted.
 */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  { deadlineMs, everyMs = 100, signal }: WaitOptions,
): Promise<T> {
  let cause: unknown;
  for (
    const deadline = Date.now() + deadlineMs;
    ;
    await sleep(everyMs, undefined, signal ? { signal } : {})
  ) {
    signal?.throwIfAborted();
    try {
      const value = await condition();
      if (value !== undefined && value !== null && value !== false) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs / 1000} s for ${what}`, { cause });
  }
}
