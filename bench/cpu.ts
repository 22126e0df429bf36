import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Ticks of /proc a second; the same on every Linux that Node runs on (USER_HZ). */
const TICKS = 100;

interface Process {
  parent: number;
  /** Of the process, and of its children that have ended and were waited for; seconds. */
  own: number;
  ended: number;
}

async function read(pid: string | number): Promise<Process | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in brackets, may hold blanks and brackets.
  const fields = text
    ?.slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  if (!fields) return undefined;
  const [parent = 0, own = 0, system = 0, ended = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map(
    (at) => fields[at],
  );
  return { parent, own: (own + system) / TICKS, ended: (ended + endedSystem) / TICKS };
}

/** CPU of a process, seconds since its start; null where /proc is not there. */
export const cpuOf = async (pid: number): Promise<number | null> => (await read(pid))?.own ?? null;

/** CPU of a Postgres server and all its processes, those that have ended too; null where /proc is not there. */
export async function cpuOfServer(dataDir: string): Promise<number | null> {
  const file = await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(file.split('\n')[0]);
  const postmaster = await read(pid);
  if (!postmaster) return null;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map(read));
  return all.reduce(
    (sum, each) => sum + (each?.parent === pid ? each.own : 0),
    postmaster.own + postmaster.ended,
  );
}
