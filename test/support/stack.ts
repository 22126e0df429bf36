import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { StoryTargets } from '../../demo/clients.ts';
import { type NativeOptions, type NativeStack, startNative } from '../../stack/native.ts';
import { freePorts } from './ports.ts';

export interface TestStack {
  /** Beside the stack's own directory, taken away with it. */
  dir: string;
  stack: NativeStack;
  targets: StoryTargets;
  close(): Promise<void>;
}

/** All native parts with the tiny shop, on free ports. */
export async function startTestStack(
  options: Pick<NativeOptions, 'profile' | 'environment'>,
): Promise<TestStack> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-e2e-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    // Postgres may run as another user and must pass through.
    await chmod(dir, 0o755);
    const stack = await startNative({
      dir: path.join(dir, 'run'),
      scale: 'tiny',
      seed: 1,
      ports: await freePorts(),
      ...options,
    });
    return {
      dir,
      stack,
      targets: { ...stack.urls, token: stack.secrets.token },
      async close() {
        await stack.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
