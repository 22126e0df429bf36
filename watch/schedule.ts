/** One thing that is done again and again. */
export interface Scheduled {
  /** When it last began, milliseconds since 1970; undefined before the first time. */
  lastAt(): number | undefined;
  /** Resolves when it is done, well or not. */
  run(): Promise<void>;
}

/** After a start everything else comes first. */
const FIRST_MS = 5_000;
/** The interval may be longer than a timer can hold: above 2^31-1 ms it would end after one. */
const MAX_WAIT_MS = 3_600_000;

/**
 * Runs each of them every so often, one at a time; one that takes longer than that is not begun twice. A restart does
 * not begin anew: what ran a short while before it waits for its time.
 *
 * @param signal ends it
 */
export async function runOnSchedule(
  scheduled: readonly Scheduled[],
  everyMs: number,
  signal: AbortSignal,
  firstMs = FIRST_MS,
): Promise<void> {
  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      timer.unref();
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  await wait(firstMs);
  const begun = new Map<Scheduled, number>();
  while (!signal.aborted) {
    const dueAt = (one: Scheduled) => {
      const last = begun.get(one) ?? one.lastAt() ?? Number.NEGATIVE_INFINITY;
      // One of the future was noted while the clock was wrong.
      return last > Date.now() ? Number.NEGATIVE_INFINITY : last + everyMs;
    };
    const [next] = [...scheduled].sort((a, b) => dueAt(a) - dueAt(b));
    if (!next) return;
    // A clock that was set back must not make it wait for a day.
    const waitMs = Math.min(everyMs, MAX_WAIT_MS, Math.max(0, dueAt(next) - Date.now()));
    if (waitMs > 0) {
      await wait(waitMs);
      continue;
    }
    begun.set(next, Date.now());
    await next.run();
  }
}
