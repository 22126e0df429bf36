import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { readPolicy } from './policy.ts';
import { listArchive, queryArchive } from './read.ts';
import { runArchive } from './run.ts';

/** Units with rows of another table, in more than one batch, and rows that are units themselves. */
const TABLES = `CREATE TABLE "or'ders" (id int PRIMARY KEY, state text, placed text);
  CREATE TABLE items (order_id int, what text);
  CREATE INDEX ON items (order_id);
  CREATE TABLE log (at text, line text);
  INSERT INTO "or'ders" SELECT i, CASE i % 9 WHEN 0 THEN 'open' ELSE 'closed' END, '2020-01-01' FROM generate_series(1, 60) i;
  INSERT INTO items SELECT i % 60 + 1, 'item ' || i FROM generate_series(1, 90) i;
  INSERT INTO log SELECT CASE i % 4 WHEN 0 THEN '2999-01-01' ELSE '2020-01-01' END, 'line ' || i FROM generate_series(1, 12) i`;
const POLICY = `version: 1
units:
  - name: orders
    reason: a test
    table: public.or'ders
    key: id
    age: placed
    olderThanDays: 30
    where: state = 'closed'
    children: [{ table: public.items, column: order_id }]
    retention: { months: 12, rule: a test }
  - name: log
    reason: a test
    table: public.log
    age: at
    olderThanDays: 30
    retention: { months: 12, rule: a test }
`;
const NAMES = [`or'ders`, 'items', 'log'];
const PARALLEL = 4;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'archive-crash-'));
  await writeFile(path.join(home, 'policy.yaml'), POLICY);
});
afterAll(() => rm(home, { recursive: true }));

/** Every row of every table, wherever it is, sorted: one that is in two places is there twice. */
async function everywhere(
  client: pg.Client,
  url: string,
  directory: string,
): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const table of NAMES) {
    const sql = `SELECT * FROM "${table}"`;
    const archived = await queryArchive({ url, directory, sql }).catch(() => undefined);
    found[table] = [...(await client.query(sql)).rows, ...(archived?.rows ?? [])]
      .map((row: object) => Object.values(row).map(String).join('|'))
      .sort();
  }
  return found;
}

/** All that is left of an archival, but for the numbers of its segments: a run that begins anew has others. */
async function endOf(client: pg.Client, url: string, directory: string, copy: string) {
  const live: Record<string, unknown> = {};
  for (const table of NAMES)
    live[table] = (
      await client.query(
        `SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) AS hash FROM "${table}" AS t`,
      )
    ).rows[0];
  const unnumbered = (file: string) => file.replace(/-\d{6}/, '');
  const segments = await listArchive({ url });
  return {
    live,
    segments: segments.map(({ unit, state, units, removed, excluded, files }) => ({
      unit,
      state,
      units,
      removed,
      excluded,
      files: files.map(({ file, rows, content }) => [unnumbered(file), rows, content]),
    })),
    files: (await Promise.all([directory, copy].map((at) => readdir(at)))).map((files) =>
      files.map(unnumbered).sort(),
    ),
  };
}

/** A run that is killed at a moment, if at all, and then another one. */
async function outcome(kill?: string, expected?: Record<string, string[]>) {
  const database = await createTestDatabase();
  const client = new pg.Client(database.url);
  await client.connect();
  const { url } = database;
  const directory = await mkdtemp(path.join(home, 'files-'));
  const copy = await mkdtemp(path.join(home, 'copy-'));
  const policy = path.join(home, 'policy.yaml');
  try {
    await client.query(TABLES);
    const before = expected ?? (await everywhere(client, url, directory));
    const child = fork('test/support/archiveAndDie.ts', [], {
      env: {
        ...process.env,
        TEST_URL: url,
        TEST_DIRECTORY: directory,
        TEST_COPY: copy,
        TEST_POLICY: policy,
        ...(kill ? { TEST_KILL: kill } : {}),
      },
    });
    let steps: string[] = [];
    child.on('message', (said) => {
      steps = said as string[];
    });
    expect(await once(child, 'exit'), kill).toEqual(kill ? [null, 'SIGKILL'] : [0, null]);
    await waitFor(
      'the session of the run to end',
      async () => {
        const { rowCount } = await client.query(
          "SELECT FROM pg_stat_activity WHERE application_name = 'sqltrail-archive' AND datname = current_database()",
        );
        return rowCount === 0;
      },
      { deadlineMs: PATIENCE_MS },
    );
    expect(await everywhere(client, url, directory), kill).toEqual(before);
    if (kill)
      await runArchive({
        url,
        directory,
        copies: [copy],
        policy: await readPolicy(policy),
        dutyCycle: 1,
      });
    return { steps, before, end: await endOf(client, url, directory, copy) };
  } finally {
    await client.end();
    await database.drop();
  }
}

/** Tests among which the moments are dealt, so that none takes long. */
const SHARES = 8;

describe('killed with -9 before and during each step', () => {
  let whole: Awaited<ReturnType<typeof outcome>>;
  let moments: string[];

  beforeAll(async () => {
    whole = await outcome();
    // Just after a step is just before the next one. A statement is done or not; a file may be there in part.
    moments = whole.steps.flatMap((step, at) => [
      `before:${at + 1}`,
      ...(['Parquet', 'copyFile', 'writeFile'].includes(step) ? [`during:${at + 1}`] : []),
    ]);
  });

  it('has steps of every kind', () => {
    expect(whole.end.segments.map(({ unit, state, units }) => [unit, state, units])).toEqual([
      ['orders', 'archived', 54],
      ['log', 'archived', 9],
    ]);
    for (const kind of [
      'createWriteStream',
      'Parquet',
      'rename',
      'copyFile',
      'writeFile',
      'rm',
      'COMMIT',
      'VACUUM',
    ])
      expect(whole.steps).toContain(kind);
    expect(moments.length).toBeGreaterThan(SHARES);
  });

  it.each(Array.from({ length: SHARES }, (_, share) => share))(
    'every row is in one place, and the next run comes to the same end (share %i)',
    async (share) => {
      const own = moments.filter((_, at) => at % SHARES === share);
      for (let at = 0; at < own.length; at += PARALLEL) {
        const killed = own.slice(at, at + PARALLEL);
        for (const [i, { end }] of (
          await Promise.all(killed.map((moment) => outcome(moment, whole.before)))
        ).entries())
          expect(end, `${killed[i]} of ${whole.steps.join(', ')}`).toEqual(whole.end);
      }
    },
  );
});
