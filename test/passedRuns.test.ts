import { execFile, spawnSync } from 'node:child_process';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { passedRuns, treeOf } from './support/passedRuns.ts';

const hasGit = spawnSync('git', ['--version']).status === 0;

describe.skipIf(!hasGit)('runs that passed (git)', () => {
  let checkout: string;
  let file: string;
  beforeEach(async () => {
    checkout = await mkdtemp(path.join(tmpdir(), 'sqltrail-passed-'));
    file = path.join(checkout, 'out', 'passed.jsonl');
    await promisify(execFile)('git', ['init', '--quiet', checkout]);
    await writeFile(path.join(checkout, '.gitignore'), 'out\n');
    await writeFile(path.join(checkout, 'code.ts'), 'one');
  });
  afterEach(() => rm(checkout, { recursive: true }));

  const RUN = { passed: 5, failed: 0, skipped: 1, seconds: 7, failures: [], ok: true };
  const open = () => passedRuns(file, checkout);

  it('what has passed is known again, with the same files only', async () => {
    await (await open()).add('leap day', RUN);
    expect((await open()).of('leap day')).toEqual(RUN);
    expect((await open()).of('another day')).toBeUndefined();
    await writeFile(path.join(checkout, 'code.ts'), 'two');
    expect((await open()).of('leap day')).toBeUndefined();
    await writeFile(path.join(checkout, 'code.ts'), 'one');
    expect((await open()).of('leap day')).toEqual(RUN);
    // Neither what is staged nor what is ignored makes other files.
    await promisify(execFile)('git', ['add', 'code.ts'], { cwd: checkout });
    expect((await open()).of('leap day')).toEqual(RUN);
  });

  it('a run that failed is not, nor a line that was cut off', async () => {
    await (await open()).add('leap day', { ...RUN, ok: false });
    await (await open()).add('new year', RUN);
    await appendFile(file, '["1f2e", "leap da');
    expect((await open()).of('leap day')).toBeUndefined();
    expect((await open()).of('new year')).toEqual(RUN);
  });

  it('without a checkout nothing is known', async () => {
    const elsewhere = await mkdtemp(path.join(tmpdir(), 'sqltrail-no-checkout-'));
    try {
      expect(await treeOf(elsewhere)).toBeUndefined();
      const runs = await passedRuns(path.join(elsewhere, 'passed.jsonl'), elsewhere);
      await runs.add('leap day', RUN);
      expect(runs.of('leap day')).toBeUndefined();
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });
});
