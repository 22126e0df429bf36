/** A reading that costs its source something, for all who ask for it. */
export interface Shared<T> {
  (): Promise<T>;
  /** What was read is old; the next who asks has it read anew. */
  forget(): void;
}

/**
 * Reads once for all who ask while it is being read, and for `keptMs` after; a failure as well, so that a source in
 * trouble is not asked more often than a healthy one.
 */
export function shared<T>(read: () => Promise<T>, keptMs = 1_000): Shared<T> {
  let reading: Promise<T> | undefined;
  const forget = () => {
    reading = undefined;
  };
  const ask = () => {
    if (reading) return reading;
    const begun = read();
    reading = begun;
    const done = () => {
      setTimeout(() => {
        if (reading === begun) forget();
      }, keptMs).unref();
    };
    begun.then(done, done);
    return begun;
  };
  return Object.assign(ask, { forget });
}
