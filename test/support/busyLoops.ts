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
