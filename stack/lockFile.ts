import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../lib/errors.ts';
import { identify, isRunning, type ProcessIdentity } from './processes.ts';

export interface LockOptions {
  signal?: AbortSignal;
  /** Called once when another running process holds the lock; throw here to give up instead of waiting. */
  onWait?: (holder: ProcessIdentity) => void;
}

/** Who holds a lock now; undefined when nobody does, or when the holder has ended without releasing it. */
export async function lockHolder(file: string): Promise<ProcessIdentity | undefined> {
  let holder: ProcessIdentity;
  try {
    holder = JSON.parse(await readFile(file, 'utf8')) as ProcessIdentity;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
  return (await isRunning(holder)) ? holder : undefined;
}

/**
 * Takes a lock that is a file holding the owner's pid and start time, waiting while a running process has it.
 * A lock whose owner has ended (kill -9, power cut) is taken over. The file appears with its content in one
 * step (a link of a finished file), so nobody reads it half written.
 *
 * @returns the function that releases it.
 */
export async function takeLock(
  file: string,
  { signal, onWait }: LockOptions = {},
): Promise<() => Promise<void>> {
  const self = (await identify(process.pid)) as ProcessIdentity;
  const candidate = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(candidate, JSON.stringify(self));
  try {
    for (let told = false; ; await sleep(200, undefined, signal ? { signal } : {})) {
      signal?.throwIfAborted();
      try {
        await link(candidate, file);
        return () => rm(file, { force: true });
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
      const before = await stat(file).catch(() => undefined);
      const holder = await lockHolder(file);
      if (holder) {
        if (!told) onWait?.(holder);
        told = true;
        continue;
      }
      // Two that find the same stale lock must not both remove it, the second one removing the first one's
      // new lock: only the file that was judged stale is removed.
      const now = await stat(file).catch(() => undefined);
      if (before && now && before.ino === now.ino && before.mtimeMs === now.mtimeMs)
        await rm(file, { force: true });
    }
  } finally {
    await rm(candidate, { force: true });
  }
}
