import { setTimeout as sleep } from 'node:timers/promises';
import { isTransient } from '../lib/pg/errors.ts';
import type { Phase } from './mapping.ts';
import type { Progress, Running } from './migration.ts';
import { ATTEMPTS, BATCH_LOCK_TIMEOUT_MS, GATE_EVERY_MS } from './run.ts';

interface Batches {
  /** Of the first batch. */
  size: number;
  maxSize: number;
  /** Does one batch within a transaction that is open. @returns what is reported of it; undefined when nothing is left */
  next: (size: number) => Promise<Record<string, unknown> | undefined>;
}

/**
 * Short transactions one after the other, each sized to take `batchMs`. One that has to wait for a lock backs off, and
 * is tried again smaller; the throttle decides how long to rest after each.
 */
export async function* inBatches(
  run: Running,
  at: { phase: Phase; step: string },
  { size: first, maxSize, next }: Batches,
): AsyncGenerator<Progress> {
  const { client, throttle, options } = run;
  let size = Math.min(maxSize, first);
  for (let retries = 0; ; ) {
    yield* run.gate(at.phase, at.step, GATE_EVERY_MS);
    const started = performance.now();
    let detail: Record<string, unknown> | undefined;
    try {
      // A crash may lose the last batches together with their cursor, never one without the other.
      await client.query(
        `BEGIN; SET LOCAL lock_timeout = ${BATCH_LOCK_TIMEOUT_MS}; SET LOCAL synchronous_commit = off`,
      );
      detail = await next(size);
      await client.query('COMMIT');
      retries = 0;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      retries += 1;
      if (!isTransient(error) || retries > ATTEMPTS) throw error;
      size = Math.max(1, Math.floor(size / 2));
      yield { ...at, event: 'retry', detail: { code: (error as { code?: string }).code } };
      await sleep(50 + Math.random() * 100 * retries);
      continue;
    }
    if (!detail) return;
    const tookMs = performance.now() - started;
    yield { ...at, event: 'batch', detail: { ...detail, tookMs, duty: throttle.duty } };
    const change = Math.min(2, Math.max(0.5, options.batchMs / tookMs));
    size = Math.max(1, Math.min(maxSize, Math.round(size * change)));
    const restMs = throttle.restMs(tookMs);
    if (restMs >= 1) await sleep(restMs);
  }
}
