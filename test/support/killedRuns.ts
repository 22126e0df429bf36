import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../lib/waitFor.ts';
import type { Phase, Reached } from '../../migrate/mapping.ts';
import type { Plan } from '../../migrate/operations/plan.ts';
import type { Operated } from './operated.ts';
import { PATIENCE_MS } from './patience.ts';
import { startNode } from './process.ts';
import type { Writers } from './writers.ts';

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

/**
 * Kills runs of an operation under way there, back and there again, while others write, and lets each next run go on to
 * its end.
 *
 * @param expectEqual compares both sides
 * @param throughContract whether what they write is possible after it too, so that they go on
 */
export async function goOnAfterKills(
  url: string,
  it: Operated<Plan>,
  writers: Writers,
  expectEqual: (when: 'verify' | 'cutover' | 'again') => Promise<unknown>,
  { throughContract = false } = {},
): Promise<void> {
  await using runs = await killedRuns(url, it.file);
  for (const phase of ['backfill', 'backfill', 'verify', 'cutover-writes'] satisfies Phase[])
    await runs.kill('to', phase);
  await it.run('verify');
  await expectEqual('verify');
  await it.run('cutover-writes');
  await writers.written();
  await expectEqual('cutover');
  await runs.kill('back', 'none');
  await runs.kill('back', 'none');
  await it.back('none');
  await writers.written();
  await runs.kill('to', 'cutover-writes');
  await it.run('cutover-writes');
  if (!throughContract) await writers.stop();
  await expectEqual('again');
  await runs.kill('to', 'contract');
  await it.run('contract');
  if (throughContract) await writers.written();
  await writers.stop();
}
