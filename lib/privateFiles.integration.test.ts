import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecordingFile } from '../report/recording.ts';
import { writeReport } from '../report/write.ts';
import { RunDirectory } from '../stack/runDirectory.ts';
import { startProcess } from '../stack/supervisor.ts';
import { makePrivateDirectory, openPrivateLog, replacePrivate, writePrivate } from './privateFiles.ts';

let dir: string;
let before: number;
beforeAll(async () => {
  // As on most machines; a strict one would hide what is wrong.
  before = process.umask(0o022);
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-modes-'));
});
afterAll(async () => {
  process.umask(before);
  await rm(dir, { recursive: true, force: true });
});
const modeOf = async (...segments: string[]) => (await stat(path.join(dir, ...segments))).mode & 0o777;

/** All files and directories below, with what others may do with them. */
async function openToOthers(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true });
  const modes = await Promise.all(
    entries.map(async (name) => [name, (await stat(path.join(root, name))).mode & 0o077] as const),
  );
  return modes.filter(([, mode]) => mode !== 0).map(([name]) => name);
}

describe('files for this user alone', () => {
  it('new, and in the place of one that others could read', async () => {
    await makePrivateDirectory(path.join(dir, 'a', 'b'));
    expect([await modeOf('a'), await modeOf('a', 'b')]).toEqual([0o700, 0o700]);
    for (const name of ['new', 'old']) {
      const file = path.join(dir, 'a', name);
      if (name === 'old') {
        await writeFile(file, 'x');
        await chmod(file, 0o644);
      }
      await writePrivate(file, 'y');
      expect(await modeOf('a', name)).toBe(0o600);
      await chmod(file, 0o644);
      await replacePrivate(file, 'z');
      expect(await modeOf('a', name)).toBe(0o600);
      await chmod(file, 0o644);
      await (await openPrivateLog(file)).close();
      expect(await modeOf('a', name)).toBe(0o600);
    }
  });

  it('recording and report', async () => {
    const out = path.join(dir, 'out');
    const recorder = new RecordingFile(path.join(out, 'recording.json'), {
      mode: 'native',
      scale: 'tiny',
      seed: 1,
      until: 'breakdown',
    });
    await recorder.save();
    await writeReport(
      path.join(import.meta.dirname, '../report/fixtures/recording.json'),
      path.join(out, 'report'),
    );
    expect(await openToOthers(out)).toEqual([]);
    expect(await modeOf('out')).toBe(0o700);
  });

  it('run directory and logs, also those of an earlier version', async () => {
    const run = new RunDirectory(path.join(dir, 'run'));
    await run.open();
    await chmod(run.file('log'), 0o755);
    await run.open();
    await run.secrets();
    await run.writeState({
      version: 1,
      startedAt: '',
      supervisor: { pid: 1, startTime: '' },
      ports: {},
      parts: [],
    });
    const started = await startProcess({
      name: 'echo',
      command: process.execPath,
      args: ['-e', 'console.log(1); setInterval(() => {}, 1000)'],
      env: {},
      cwd: dir,
      logFile: run.file('log', 'echo.log'),
      healthy: async () => true,
      readyDeadlineMs: 30_000,
    });
    await started.stop();
    // Postgres passes through as another user, where this one is root, and can list neither.
    const passed = process.getuid?.() === 0 ? 0o711 : 0o700;
    expect([await modeOf('run'), await modeOf('run', 'data')]).toEqual([passed, passed]);
    expect(await openToOthers(run.path)).toEqual(passed === 0o711 ? ['data'] : []);
  });
});
