import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkout, RunDirectory } from './runDirectory.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-run-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('makes secrets once, for its owner only', async () => {
  const run = new RunDirectory(dir);
  await run.open();
  const first = await run.secrets();
  expect(await run.secrets()).toEqual(first);
  expect((await stat(run.file('secrets', 'secrets.json'))).mode & 0o777).toBe(0o600);
});

it('says what to do when the passwords of data that is there are damaged or gone', async () => {
  const run = new RunDirectory(dir);
  await run.open();
  const file = run.file('secrets', 'secrets.json');
  await writeFile(file, '{');
  await expect(run.secrets()).rejects.toThrow(/secrets\.json cannot be read.*Put .*secrets\.json back/);
  await rm(file);
  await mkdir(run.file('data', 'postgres'), { recursive: true });
  await writeFile(run.file('data', 'postgres', 'PG_VERSION'), '18');
  await expect(run.secrets()).rejects.toThrow(/are gone.*start with new data/);
});

it('the story says before it starts anything that it could not keep its recording', () => {
  const story = spawnSync(process.execPath, ['cli/main.ts', 'demo', '--out', '/dev/null/out'], {
    cwd: checkout,
    encoding: 'utf8',
  });
  expect(story.status).toBe(2);
  expect(story.stderr).toBe(
    'Cannot write to the directory of the recording /dev/null/out (ENOTDIR): name another one with --out.\n',
  );
});

it('names the directory that cannot be written', async () => {
  await expect(new RunDirectory('/dev/null/run').open()).rejects.toThrow(
    /\/dev\/null\/run \(ENOTDIR\).*SQLTRAIL_DIR/,
  );
});
