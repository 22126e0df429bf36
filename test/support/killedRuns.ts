import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../lib/waitFor.ts';
import type { Phase, Reached } from '../../migrate/mapping.ts';
import { PATIENCE_MS } from './patience.ts';
import { startNode } from './process.ts';

/** Runs of an operation that are killed (kill -9) at some moment after they began. */
export interface KilledRuns extends AsyncDisposable {
  kill(direction: 'to', phase: Phase): Promise<void>;
  kill(direction: 'back', phase: Reached): Promise<void>;
}

/** @param file the plan's text */
export async function killedRuns(url: string, file: string): Promise<KilledRuns> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-operate-'));
  const plan = path.join(dir, 'plan.yaml');
  await writeFile(plan, file);
  return {
    async kill(direction, phase) {
      const child = startNode(['test/support/operate.ts', direction, phase], {
        TEST_URL: url,
        TEST_PLAN: plan,
      });
      let ended = false;
      void child.exited.then(() => {
        ended = true;
      });
      await waitFor('the run to begin', () => ended || child.output() !== '', {
        deadlineMs: PATIENCE_MS,
        everyMs: 5,
      });
      await sleep(Math.random() * 600);
      await child.stop('SIGKILL');
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
