import os from 'node:os';
import { Worker } from 'node:worker_threads';

/**
 * Busy loops beside the tests. They are threads of this process: whatever ends it, also kill -9, ends them.
 *
 * @param perCore loops for each core that this process may use
 * @returns ends them
 */
export function busyLoops(perCore: number): () => Promise<void> {
  const loops = Array.from(
    { length: perCore * os.availableParallelism() },
    () => new Worker('for (;;);', { eval: true }),
  );
  return async () => {
    await Promise.all(loops.map((loop) => loop.terminate()));
  };
}

/** The number that an option names. @throws on anything but a whole number of at least `least` */
export function whole(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} ${text}: is no whole number above ${least - 1}`);
  return value;
}
