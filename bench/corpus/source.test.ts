import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Source } from './corpusDatabase.ts';
import { readSource } from './source.ts';

let scratch: string;
let commit: string;
const files = {
  'migrations/2020-01-02/up.sql': 'b;\n',
  'migrations/20200101/up.sql': 'a;\n',
  'README.md': 'no\n',
};

/** A remote as GitHub is one: it sends parts, and any commit that is asked for. */
beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'corpus-source-'));
  const remote = path.join(scratch, 'remote');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(remote, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(remote, name), text);
  }
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', remote, '-c', 'user.name=t', '-c', 'user.email=t@t.example', ...args], {
      encoding: 'utf8',
    });
  git('init', '-q');
  git('config', 'uploadpack.allowFilter', 'true');
  git('config', 'uploadpack.allowAnySHA1InWant', 'true');
  git('add', '-A');
  git('commit', '-q', '-m', 'all');
  commit = git('rev-parse', 'HEAD').trim();
  vi.stubEnv('GIT_CONFIG_COUNT', '1');
  vi.stubEnv('GIT_CONFIG_KEY_0', `url.file://${remote}.insteadOf`);
  vi.stubEnv('GIT_CONFIG_VALUE_0', 'https://github.com/owner/name.git');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true, force: true });
});

const source = (text: string, more: Partial<Source> = {}): Source => ({
  repository: 'owner/name',
  commit,
  files: ['migrations/*/up.sql'],
  sha256: createHash('sha256').update(text).digest('hex'),
  ...more,
});

it('fetches the files of the commit once, in the order of their moments', async () => {
  const downloads = path.join(scratch, 'downloads');
  expect(await readSource('name', source('a;\nb;\n'), downloads)).toEqual(['a;\n', 'b;\n']);
  rmSync(path.join(scratch, 'remote'), { recursive: true });
  const again = source('a;\nb;\n', { prelude: 'first;', replace: [[/b/g, 'c']] });
  expect(await readSource('name', again, downloads)).toEqual(['first;', 'a;\n', 'c;\n']);
});

it('refuses a text that is not the expected one', async () => {
  await expect(readSource('name', source('other'), path.join(scratch, 'downloads'))).rejects.toThrow(
    /has the SHA-256 [0-9a-f]{64}, and [0-9a-f]{64} is expected/,
  );
});

it('says that a commit has none of the files', async () => {
  await expect(
    readSource('name', source('', { files: ['db/structure.sql'] }), path.join(scratch, 'downloads')),
  ).rejects.toThrow('owner/name has none of db/structure.sql');
});
