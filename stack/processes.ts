import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errorCode } from '../lib/errors.ts';

/** A process told apart from a later one that got the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Start time as the system gives it (Linux: clock ticks since boot and the boot's id; macOS: `ps` lstart). */
  startTime: string;
}

const nullIfGone = (error: unknown) => {
  if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes(errorCode(error) ?? '')) return null;
  throw error;
};

let bootId: Promise<string> | undefined;

/** When the process started, or undefined when there is none (a zombie counts as none). */
export async function processStartTime(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(nullIfGone);
    if (stat === null) return undefined;
    // The command, field 2, is in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    bootId ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((id) => id.trim());
    return `${fields[19]}@${await bootId}`;
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.trim() || undefined;
}

/** Identity of a running process; undefined when it has ended. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const startTime = await processStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process, not a later one with the same pid, still runs. */
export async function isRunning({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  return (await processStartTime(pid)) === startTime;
}

/**
 * Ends a process: `signal`, then SIGKILL after the deadline.
 * @returns false when it had already ended.
 */
export async function endProcess(
  identity: ProcessIdentity,
  { signal = 'SIGTERM' as NodeJS.Signals, deadlineMs = 10_000 } = {},
): Promise<boolean> {
  if (!(await isRunning(identity))) return false;
  const send = (name: NodeJS.Signals) => {
    try {
      process.kill(identity.pid, name);
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error;
    }
  };
  send(signal);
  for (const deadline = Date.now() + deadlineMs; await isRunning(identity); await sleep(50))
    if (Date.now() > deadline) {
      send('SIGKILL');
      break;
    }
  for (const deadline = Date.now() + 5_000; await isRunning(identity); await sleep(50))
    if (Date.now() > deadline) throw new Error(`Process ${identity.pid} does not end, not even by SIGKILL.`);
  return true;
}

/** Who listens on a TCP port, from /proc (Linux, own processes or all as root): `name (pid 123)`. */
export async function portHolder(port: number): Promise<string | undefined> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = (await readFile(table, 'utf8').catch(nullIfGone)) ?? '';
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      // State 0A is LISTEN; field 9 is the socket's inode.
      if (fields[3] === '0A' && fields[1]?.endsWith(suffix) && fields[9]) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const descriptors = (await readdir(`/proc/${pid}/fd`).catch(nullIfGone)) ?? [];
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(nullIfGone);
      if (target && inodes.has(target)) {
        const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(nullIfGone))?.trim();
        return `${name || 'a process'} (pid ${pid})`;
      }
    }
  }
  return undefined;
}
