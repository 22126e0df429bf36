import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { SuiteRun } from './suite.ts';

/** The git tree that the files of a checkout make, committed or not; undefined where there is no git or no checkout. */
export async function treeOf(checkout: string): Promise<string | undefined> {
  const directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-tree-'));
  try {
    // An index of its own: that of the checkout has what somebody is about to commit.
    const env = { ...process.env, GIT_INDEX_FILE: path.join(directory, 'index') };
    const git = async (...args: string[]) =>
      (await promisify(execFile)('git', args, { cwd: checkout, env })).stdout.trim();
    await git('add', '--all');
    return await git('write-tree');
  } catch {
    return undefined;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Runs that passed on the same files, so that a row of runs, which takes hours, goes on where it was ended. */
export interface PassedRuns {
  /** @param what tells a run from the others */
  of(what: string): SuiteRun | undefined;
  add(what: string, run: SuiteRun): Promise<void>;
}

/** @param file a line of JSON for each run */
export async function passedRuns(file: string, checkout: string): Promise<PassedRuns> {
  const tree = await treeOf(checkout);
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  const passed = new Map<string, SuiteRun>();
  for (const line of lines) {
    // The last line of a run that was killed may be half there.
    const [ofTree, what, run] = /^\[.*\]$/.test(line) ? (JSON.parse(line) as [string, string, SuiteRun]) : [];
    if (tree !== undefined && ofTree === tree && what !== undefined && run) passed.set(what, run);
  }
  return {
    of: (what) => passed.get(what),
    async add(what, run) {
      if (tree === undefined || !run.ok) return;
      await mkdir(path.dirname(file), { recursive: true });
      await appendFile(file, `${JSON.stringify([tree, what, run])}\n`);
    },
  };
}
