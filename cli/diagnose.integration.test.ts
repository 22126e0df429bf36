import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { expect, it } from 'vitest';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import { createTestDatabase } from '../test/support/database.ts';

const sqltrail = (...given: string[]) =>
  promisify(execFile)(process.execPath, ['--liftoff-only', 'cli/main.ts', ...given], {
    cwd: path.join(import.meta.dirname, '..'),
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  );

it('the program reads a database whole, ends with what --fail-on says, and names a wrong option', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query('CREATE TABLE keyless (a int)');
  await owner.end();
  const asked = [database.url, '--observe', '0', '--format', 'json', '--deadline', '600'];
  const { code, stdout } = await sqltrail('diagnose', ...asked, '--fail-on', 'warning');
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  expect({ code, partial: diagnosis.partial, notes: diagnosis.notes }).toEqual({
    code: 1,
    partial: false,
    notes: [],
  });
  expect(diagnosis.findings.map(({ id }) => id)).toContain('missing-primary-key:public.keyless');
  const wrong = await sqltrail('diagnose', ...asked, '--only', 'nothing');
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('There is no check "nothing"');
  // No command, although every object has it.
  const inherited = await sqltrail('toString');
  expect(inherited.code).toBe(1);
  expect(inherited.stderr).toMatch(/^error: too many arguments/);
  await database.drop();
});
