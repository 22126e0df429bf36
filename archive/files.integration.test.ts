import { execFile } from 'node:child_process';
import {
  appendFile,
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  watch,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { contentsOf, policyOf } from '../test/support/archive.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { tighten } from './files.ts';
import { readPolicy } from './policy.ts';
import { runArchive } from './run.ts';

let database: TestDatabase;
let home: string;
let directory: string;
let copy: string;

beforeAll(async () => {
  database = await createTestDatabase();
  home = await mkdtemp(path.join(tmpdir(), 'archive-files-'));
  directory = path.join(home, 'new', 'archive');
  copy = path.join(home, 'copy');
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(
    `CREATE TABLE rows (id int PRIMARY KEY, day date, body text);
     INSERT INTO rows SELECT i, '2020-01-01', CASE i WHEN 1 THEN E'red \\u001b[31m' ELSE 'x' END FROM generate_series(1, 5) AS i`,
  );
  await client.end();
  const umask = process.umask(0);
  try {
    await runArchive({
      url: database.url,
      directory,
      copies: [copy],
      policy: policyOf({ key: 'id' }),
      dutyCycle: 1,
    });
  } finally {
    process.umask(umask);
  }
});
afterAll(async () => {
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

const modes = async (place: string) =>
  Object.values(await contentsOf(place)).map((each) => each.split(' ')[0]);
const mode = async (place: string) => ((await stat(place)).mode & 0o777).toString(8);

/** `sqltrail archive …` as a user runs it. */
const sqltrail = (...args: string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(
      process.execPath,
      ['cli/main.ts', 'archive', ...args],
      { env: { ...process.env, DATABASE_URL: database.url } },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });

it('files can be read by their owner alone and written by nobody, whatever the umask is', async () => {
  for (const place of [directory, copy]) {
    expect(await mode(place)).toBe('700');
    expect(await modes(place)).toEqual(['400', '400']);
  }
});

it('an archive of before is closed to others; a directory with other things in it is not touched itself', async () => {
  const old = path.join(home, 'old');
  await cp(directory, old, { recursive: true });
  const open = async () => {
    await chmod(old, 0o755);
    for (const name of await readdir(old)) await chmod(path.join(old, name), 0o644);
  };
  await open();
  const said = await sqltrail('verify', '--dir', old);
  expect(said).toMatchObject({ code: 0, out: expect.stringContaining('all as they were written') });
  expect(said.err).toMatch(/2 files of the archive .* could be read by other users.*now they cannot/);
  expect(said.err).toMatch(/look into the archive .*now they cannot/);
  expect([await mode(old), ...(await modes(old))]).toEqual(['700', '400', '400']);
  expect(await tighten(old)).toEqual([]);
  await writeFile(path.join(old, 'notes.txt'), 'mine', { mode: 0o644 });
  await open();
  expect((await tighten(old)).join()).toMatch(/which holds other things too.*directory of its own/);
  expect(await mode(old)).toBe('755');
  expect(await mode(path.join(old, 'notes.txt'))).toBe('644');
  expect((await modes(old)).filter((each) => each === '400').length).toBe(2);
  // Not an archive at all.
  await mkdir(path.join(home, 'other'), { mode: 0o755 });
  await writeFile(path.join(home, 'other', 'a.json'), '{}');
  expect(await tighten(path.join(home, 'other'))).toEqual([]);
});

it('a restore keeps no rows in files of its own', async () => {
  const temporary = await mkdtemp(path.join(home, 'temporary-'));
  const ending = new AbortController();
  const names = new Set<string>();
  const kinds = new Set<string>();
  // Told of each, also of one that is gone by then.
  const watching = (async () => {
    for await (const { filename } of watch(temporary, { signal: ending.signal })) {
      names.add(`${filename}`.replace(/[^-]*$/, ''));
      const found = await lstat(path.join(temporary, `${filename}`)).catch(() => undefined);
      if (found)
        kinds.add(`${found.isDirectory() ? 'directory' : 'file'} ${(found.mode & 0o777).toString(8)}`);
    }
  })().catch(() => {});
  vi.stubEnv('TMPDIR', temporary);
  const said = await sqltrail('restore', '--dir', directory, '--segment', '1', '--keys', '2', '--yes');
  vi.unstubAllEnvs();
  await waitFor('its directory to be seen', () => names.size > 0, { deadlineMs: PATIENCE_MS, everyMs: 20 });
  ending.abort();
  await watching;
  expect(said).toMatchObject({ code: 0, out: '1 units are back.\n' });
  expect([...names]).toEqual(['sqltrail-archive-']);
  expect([...kinds].filter((kind) => kind !== 'directory 700')).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
});

it('whatever goes wrong is said in words with the next step, and with an exit code', async () => {
  const query = (sql: string, ...more: string[]) => sqltrail('query', sql, '--dir', directory, ...more);
  const damaged = path.join(home, 'damaged');
  await cp(directory, damaged, { recursive: true });
  const [file] = (await readdir(damaged)).filter((name) => name.endsWith('.parquet')) as [string];
  await chmod(path.join(damaged, file), 0o600);
  await appendFile(path.join(damaged, file), 'x');
  const bad = path.join(home, 'policy.yaml');
  await writeFile(
    bad,
    'version: 1\nunits:\n  - name: rows\n    colour: red\n    table: rows\n    age: day\n',
  );
  const cases: [() => ReturnType<typeof sqltrail>, number, RegExp][] = [
    [() => query(`COPY (SELECT 1) TO '${directory}/${file}'`), 2, /one SELECT.*SHOW TABLES/],
    [() => query('SELECT nonesuch FROM rows'), 2, /nonesuch/],
    [() => query('SELECT 1', '--dir', path.join(home, 'none')), 2, /is missing.*--dir/],
    [() => query('SELECT 1', '--dir', damaged), 2, /is not what was written.*verify/],
    [() => sqltrail('verify', '--dir', damaged), 1, /^$/],
    [
      () => sqltrail('restore', '--dir', damaged, '--segment', '1', '--yes'),
      2,
      /nothing was restored.*--copy-dir/,
    ],
    [
      () => sqltrail('restore', '--dir', directory, '--segment', '99', '--yes'),
      2,
      /no segment 99; sqltrail archive list/,
    ],
    [
      () => sqltrail('restore', '--dir', directory, '--segment', '1', '--keys', 'x', '--yes'),
      2,
      /whole number/,
    ],
    [() => sqltrail('list', 'postgres://nobody@127.0.0.1:1/none'), 2, /127\.0\.0\.1:1\/none/],
    [() => sqltrail('plan', '--policy', path.join(home, 'none.yaml')), 2, /cannot be read.*--policy/],
    [
      () => sqltrail('plan', '--policy', bad),
      2,
      /policy\.yaml:4: .*colour[\s\S]*policy\.yaml:5: units\.0\.table: .*schema\.table/,
    ],
  ];
  for (const [running, code, text] of cases) {
    const said = await running();
    expect(said.err).toMatch(text);
    expect(said.code).toBe(code);
    expect(said.err).not.toMatch(/^\s+at /m);
  }
  await writeFile(bad, 'version: 1\nunits:\n  - name: [\n');
  await expect(readPolicy(bad)).rejects.toThrow(/policy\.yaml:\d+: this is not YAML/);
});

it('a value cannot move the cursor of the terminal', async () => {
  const { out } = await sqltrail('query', 'SELECT body FROM rows WHERE id = 1', '--dir', directory);
  expect(out).toContain('red \\u001b[31m');
  expect(out).not.toContain('\u001b');
});
