import { fork } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../stack/waitFor.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import type { Action } from './action.ts';
import { indexState } from './indexes.ts';
import { Journal } from './journal.ts';
import { applyShortTerm, readJournal, type ShortTermEvent, undoActions } from './shortTerm.ts';

let database: TestDatabase;
let owner: pg.Client;

beforeEach(async () => {
  database = await createTestDatabase();
  owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE "or'ders" (id int, "e""mail" text);
    INSERT INTO "or'ders" SELECT i, 'm' || i FROM generate_series(1, 20000) i; ANALYZE`);
});
afterEach(async () => {
  await owner.end();
  await database.drop();
});

const action = (more: Partial<Action> = {}): Action => ({
  id: 'index:public.i',
  kind: 'index',
  title: 'index i',
  findings: [],
  reason: 'a test',
  sql: [`CREATE INDEX CONCURRENTLY "i" ON "public"."or'ders" ("e""mail")`],
  undo: ['DROP INDEX CONCURRENTLY IF EXISTS "public"."i"'],
  lock: '',
  risk: '',
  bytes: null,
  predictedSpeedup: null,
  statements: [],
  index: { schema: 'public', table: "or'ders", name: 'i' },
  temporary: true,
  ...more,
});

const target = { schema: 'public', table: "or'ders", name: 'i' };

async function apply(actions: Action[], more: Partial<Parameters<typeof applyShortTerm>[0]> = {}) {
  const events: ShortTermEvent[] = [];
  const entries = await applyShortTerm({
    url: database.url,
    actions,
    windows: 0,
    windowMs: 500,
    reviewDays: 30,
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
    ...more,
  });
  return { events, entries };
}

describe('indexes', () => {
  it('builds, marks as temporary with a review date, does nothing the second time, and undoes', async () => {
    const { entries } = await apply([action()]);
    expect(entries).toMatchObject([{ state: 'kept', owner: 'postgres' }]);
    expect(entries[0]?.reviewOn).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(await indexState(owner, target)).toBe('valid');
    const { rows } = await owner.query("SELECT obj_description('i'::regclass) AS comment");
    expect(rows[0].comment).toContain('temporary, by sqltrail');
    const { events } = await apply([action()]);
    expect(events.map(({ type }) => type)).toEqual(['skipped']);
    await undoActions({ url: database.url, signal: new AbortController().signal, onUndone: () => {} });
    expect(await indexState(owner, target)).toBe('absent');
    expect(await readJournal(database.url)).toMatchObject([{ state: 'taken-back' }]);
  });

  it('waits for a transaction that runs, while others go on writing, and then builds', async () => {
    const other = new pg.Client(database.url);
    await other.connect();
    await other.query('BEGIN');
    await other.query(`UPDATE "or'ders" SET id = id WHERE id = 1`);
    const applying = apply([action()]);
    await waitFor(
      'the build waits',
      async () => {
        const { rows } = await owner.query(
          "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND wait_event_type = 'Lock'",
        );
        return rows.length > 0;
      },
      { deadlineMs: 10_000 },
    );
    // Nobody queues behind it.
    await owner.query('SET statement_timeout = 2000');
    await owner.query(`INSERT INTO "or'ders" VALUES (0, 'x')`);
    await other.query('COMMIT');
    await other.end();
    expect((await applying).entries).toMatchObject([{ state: 'kept' }]);
    expect(await indexState(owner, target)).toBe('valid');
  });

  it('an invalid index that a broken build left is replaced', async () => {
    await owner.query(`INSERT INTO "or'ders" VALUES (1, 'twice'), (2, 'twice')`);
    await owner.query(`CREATE UNIQUE INDEX CONCURRENTLY i ON "or'ders" ("e""mail")`).catch(() => {});
    expect(await indexState(owner, target)).toBe('invalid');
    await apply([action()]);
    expect(await indexState(owner, target)).toBe('valid');
  });

  it('a statement that fails is reported, leaves nothing behind, and the next action goes on', async () => {
    const wrong = action({
      id: 'index:public.wrong',
      sql: [`CREATE INDEX CONCURRENTLY "wrong" ON "public"."or'ders" ("none")`],
      index: { ...target, name: 'wrong' },
    });
    const { events, entries } = await apply([wrong, action()]);
    expect(events.map(({ type }) => type)).toEqual(['applying', 'failed', 'applying', 'kept']);
    expect(entries.find(({ action: { id } }) => id === 'index:public.wrong')).toMatchObject({
      state: 'failed',
      note: expect.stringContaining('does not exist'),
    });
  });

  it('killed with -9 in the middle of a build: the next run brings it to its end', async () => {
    const blocker = new pg.Client(database.url);
    await blocker.connect();
    await blocker.query('BEGIN');
    await blocker.query(`UPDATE "or'ders" SET id = id WHERE id = 1`);
    const child = fork(new URL('../test/support/applyChild.ts', import.meta.url), [], {
      env: { ...process.env, TEST_URL: database.url, TEST_ACTION: JSON.stringify(action()) },
    });
    await waitFor('the build is on its way', async () => (await indexState(owner, target)) === 'invalid', {
      deadlineMs: 20_000,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await blocker.query('ROLLBACK');
    await blocker.end();
    expect((await readJournal(database.url))[0]?.state).toBe('applying');
    // The server ends the orphaned build when it next talks to the client, or completes it; both are taken up.
    await waitFor(
      'the killed run’s session ends',
      async () => {
        const { rows } = await owner.query(
          "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sqltrail-fix'",
        );
        return rows.length === 0;
      },
      { deadlineMs: 20_000 },
    );
    const { entries } = await apply([]);
    expect(entries).toMatchObject([{ state: 'kept' }]);
    expect(await indexState(owner, target)).toBe('valid');
  });
});

describe('measured', () => {
  it('an action that makes its statements slower is taken back by itself', async () => {
    await owner.query(
      'CREATE FUNCTION slow() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(0.001) $$',
    );
    const load = new pg.Client(database.url);
    await load.connect();
    let ended = false;
    const again = (async () => {
      while (!ended) await load.query('SELECT slow()');
    })();
    const { rows } = await waitForRow();
    const slower = action({
      id: 'settings:slow',
      kind: 'settings',
      index: null,
      temporary: false,
      statements: [rows[0].queryid],
      sql: [
        'CREATE OR REPLACE FUNCTION slow() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(0.05) $$',
      ],
      undo: [
        'CREATE OR REPLACE FUNCTION slow() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(0.001) $$',
      ],
    });
    const { events, entries } = await apply([slower], { windows: 3, windowMs: 600 });
    ended = true;
    await again;
    await load.end();
    expect(events.at(-1)).toMatchObject({ type: 'taken-back' });
    expect(entries).toMatchObject([{ state: 'taken-back', note: expect.stringContaining('slower') }]);
    const source = await owner.query("SELECT prosrc FROM pg_proc WHERE proname = 'slow'");
    expect(source.rows[0].prosrc).toContain('0.001');
  });

  async function waitForRow() {
    let found: pg.QueryResult | undefined;
    await waitFor(
      'the statement is seen',
      async () => {
        found = await owner.query(
          "SELECT queryid::text FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE query = 'SELECT slow()' AND datname = current_database()",
        );
        return found.rows.length > 0;
      },
      { deadlineMs: 10_000 },
    );
    return found as pg.QueryResult;
  }
});

it('a second run at the same time is refused', async () => {
  await owner.query('SELECT pg_advisory_lock(7236544101)');
  await expect(apply([action()])).rejects.toThrow(/another run/);
});

it('the journal lists nothing, and creates nothing, where nothing was changed', async () => {
  expect(await readJournal(database.url)).toEqual([]);
  expect((await owner.query("SELECT to_regnamespace('sqltrail') AS schema")).rows[0].schema).toBeNull();
  await new Journal(owner).open();
  expect(await readJournal(database.url)).toEqual([]);
});
