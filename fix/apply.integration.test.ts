import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isTransient } from '../lib/pg/errors.ts';
import { waitFor } from '../lib/waitFor.ts';
import { testAction } from '../test/support/action.ts';
import { createTestDatabase, databaseFor } from '../test/support/database.ts';
import { indexState } from '../test/support/indexState.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { alwaysSlower, asItIs, measuredAs } from '../test/support/slower.ts';
import type { Action } from './action.ts';
import { type ApplyEvent, applyActions } from './apply.ts';
import { readJournal } from './journal.ts';
import { undoActions } from './undo.ts';

const database = databaseFor('each');

beforeEach(async () => {
  await database.client.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE "or'ders" (id int, "e""mail" text);
    INSERT INTO "or'ders" SELECT i, 'm' || i FROM generate_series(1, 20000) i; ANALYZE`);
});
afterEach(async () => {
  vi.restoreAllMocks();
});

const action = (more: Partial<Action> = {}): Action =>
  testAction({
    id: 'index:public.i',
    kind: 'index',
    title: 'index i',
    sql: [`CREATE INDEX CONCURRENTLY "i" ON "public"."or'ders" ("e""mail")`],
    undo: ['DROP INDEX CONCURRENTLY IF EXISTS "public"."i"'],
    index: { schema: 'public', table: "or'ders", name: 'i' },
    temporary: true,
    ...more,
  });

const target = { schema: 'public', table: "or'ders", name: 'i' };

async function apply(actions: Action[], more: Partial<Parameters<typeof applyActions>[0]> = {}) {
  const events: ApplyEvent[] = [];
  const entries = await applyActions({
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
    expect(await indexState(database.client, target)).toBe('valid');
    const { rows } = await database.client.query("SELECT obj_description('i'::regclass) AS comment");
    expect(rows[0].comment).toContain('temporary, by sqltrail');
    const { events } = await apply([action()]);
    expect(events.map(({ type }) => type)).toEqual(['skipped']);
    await undoActions({ url: database.url, signal: new AbortController().signal, onUndone: () => {} });
    expect(await indexState(database.client, target)).toBe('absent');
    expect(await readJournal(database.url)).toMatchObject([{ state: 'reverted' }]);
  });

  it('waits for a transaction that runs, while others go on writing, and then builds', async () => {
    const other = await inTransaction();
    const applying = apply([action()]);
    await waits();
    // Nobody queues behind it.
    await database.client.query('SET statement_timeout = 2000');
    await database.client.query(`INSERT INTO "or'ders" VALUES (0, 'x')`);
    await other.query('COMMIT');
    await other.end();
    expect((await applying).entries).toMatchObject([{ state: 'kept' }]);
    expect(await indexState(database.client, target)).toBe('valid');
  });

  it("an invalid index that somebody else's broken build left is not touched", async () => {
    await database.client.query(`INSERT INTO "or'ders" VALUES (1, 'twice'), (2, 'twice')`);
    await database.client
      .query(`CREATE UNIQUE INDEX CONCURRENTLY i ON "or'ders" ("e""mail")`)
      .catch(() => {});
    expect(await indexState(database.client, target)).toBe('invalid');
    await apply([action()]);
    expect(await indexState(database.client, target)).toBe('invalid');
    expect(await indexState(database.client, { ...target, name: 'i_1' })).toBe('valid');
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
    const blocker = await inTransaction();
    const child = start({ TEST_URL: database.url, TEST_ACTIONS: JSON.stringify([action()]) });
    await waits();
    child.kill('SIGKILL');
    await once(child, 'exit');
    await blocker.query('ROLLBACK');
    await blocker.end();
    expect((await readJournal(database.url))[0]?.state).toBe('applying');
    // The server ends the orphaned build when it next talks to the client, or completes it; both are taken up.
    await sessionsEnd(database.client);
    const { entries } = await apply([]);
    expect(entries).toMatchObject([{ state: 'kept' }]);
    expect(await indexState(database.client, target)).toBe('valid');
  });
});

/** Another session's transaction on the table, which a concurrent build waits for. */
async function inTransaction() {
  const other = new pg.Client(database.url);
  await other.connect();
  await other.query(`BEGIN; UPDATE "or'ders" SET id = id WHERE id = 1`);
  return other;
}
const waits = () =>
  waitFor(
    'the build waits',
    async () => {
      const { rows } = await database.client.query(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND wait_event_type = 'Lock' AND datname = current_database()",
      );
      return rows.length > 0;
    },
    { deadlineMs: PATIENCE_MS },
  );
/** What a broken build leaves, whatever its name. */
const broken = async () =>
  (await database.client.query('SELECT FROM pg_index WHERE NOT indisvalid')).rowCount;

describe('faults', () => {
  const setting = action({
    id: 'settings:fillfactor',
    kind: 'settings',
    index: null,
    temporary: false,
    sql: [`ALTER TABLE "or'ders" SET (fillfactor = 80)`],
    undo: [`ALTER TABLE "or'ders" RESET (fillfactor)`],
  });

  it('a lock that is never given is told; the next action and the next run go on', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const other = await inTransaction();
    await other.query(`LOCK "or'ders"`);
    const { entries } = await apply([
      setting,
      action({ id: 'settings:other', index: null, sql: [], undo: [] }),
    ]);
    expect(entries.map(({ state, note }) => [state, note])).toEqual([
      ['failed', expect.stringMatching(/another session holds the lock: given up after 8 attempts/)],
      ['kept', 'not measured: no windows were asked for'],
    ]);
    await other.query('ROLLBACK');
    await other.end();
    expect((await apply([setting])).entries[0]?.state).toBe('kept');
  });

  it('a connection that is cut in a build is told, and the next run goes on', async () => {
    const other = await inTransaction();
    const applying = apply([action()]);
    const told = expect(applying).rejects.toThrow(/connection was lost.*run this again/);
    await waits();
    await database.client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND datname = current_database()",
    );
    await told;
    await other.query('ROLLBACK');
    await other.end();
    expect(await broken()).toBe(1);
    expect((await apply([])).entries).toMatchObject([{ state: 'kept' }]);
    expect(await broken()).toBe(0);
    expect(await indexState(database.client, target)).toBe('valid');
  });

  it('a build that somebody cancels is not begun again, and nothing is left of it', async () => {
    const other = await inTransaction();
    const applying = apply([action()]);
    await waits();
    await database.client.query(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND wait_event_type = 'Lock' AND datname = current_database()",
    );
    // What is left waits for the other transaction too, before it can be dropped.
    await waits();
    await other.query('ROLLBACK');
    await other.end();
    expect((await applying).entries).toMatchObject([
      { state: 'failed', note: expect.stringContaining('user request') },
    ]);
    expect(await indexState(database.client, target)).toBe('absent');
    expect(await broken()).toBe(0);
  });

  it('a column dropped since the plan, and a table dropped in the build, are told; nothing is left behind', async () => {
    await database.client.query(`ALTER TABLE "or'ders" DROP COLUMN "e""mail"`);
    expect((await apply([action()])).entries[0]).toMatchObject({
      state: 'failed',
      note: expect.stringContaining('does not exist'),
    });
    await database.client.query(`ALTER TABLE "or'ders" ADD COLUMN "e""mail" text`);
    const other = await inTransaction();
    const applying = apply([action()]);
    await waits();
    // The build waits for others too, and both change the catalogue, so Postgres may end either; both try again.
    const drop = (): Promise<unknown> =>
      database.client.query(`DROP TABLE "or'ders"`).catch((error) => {
        if (!isTransient(error)) throw error;
        return drop();
      });
    const dropping = drop();
    await other.query('COMMIT');
    await other.end();
    const [{ entries }] = await Promise.all([applying, dropping]);
    expect(['kept', 'failed']).toContain(entries[0]?.state);
    expect(await indexState(database.client, target)).toBe('absent');
    await undoActions({ url: database.url, signal, onUndone: () => {} });
    expect(await readJournal(database.url)).toMatchObject([{ state: 'reverted' }]);
  });

  it('a disk that is too small is told before anything is done', async () => {
    const { entries } = await apply([action({ bytes: 1e15 })]);
    expect(entries[0]).toMatchObject({
      state: 'failed',
      note: expect.stringMatching(/MB free; building i needs/),
    });
    expect(await indexState(database.client, target)).toBe('absent');
  });

  // Only root may mount; elsewhere the fault cannot be made.
  it.skipIf(process.getuid?.() !== 0)('a disk that fills in the build leaves nothing behind', async () => {
    const small = await mkdtemp(path.join(tmpdir(), 'small-'));
    const data = (await database.client.query('SHOW data_directory')).rows[0].data_directory;
    const { uid } = await stat(data);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=256k,uid=${uid}`, 'tmpfs', small]).status !== 0)
      return;
    const space = `small_${database.name}`;
    try {
      await database.client.query(`CREATE TABLESPACE ${space} LOCATION '${small}'`);
      const [sql] = action().sql;
      const { entries } = await apply([action({ sql: [`${sql} TABLESPACE ${space}`] }), setting]);
      expect(entries.map(({ state, note }) => [state, note])).toEqual([
        ['failed', expect.stringContaining('No space left')],
        ['kept', 'not measured: no windows were asked for'],
      ]);
      expect(await indexState(database.client, target)).toBe('absent');
    } finally {
      await database.client.query(`DROP TABLESPACE IF EXISTS ${space}`);
      spawnSync('umount', [small]);
      await rm(small, { recursive: true });
    }
  });
});

describe('killed with -9 at each write to the journal', () => {
  const actions = [
    action(),
    action({
      id: 'settings:fillfactor',
      kind: 'settings',
      index: null,
      temporary: false,
      sql: [`ALTER TABLE "or'ders" SET (fillfactor = 80)`],
      undo: [`ALTER TABLE "or'ders" RESET (fillfactor)`],
    }),
    action({
      id: 'query:helps',
      kind: 'query',
      index: null,
      temporary: false,
      sql: ['CREATE TABLE IF NOT EXISTS helps ()'],
      undo: ['DROP TABLE IF EXISTS helps'],
    }),
    action({
      id: 'maintenance:slower',
      kind: 'maintenance',
      index: null,
      temporary: false,
      sql: ['CREATE TABLE IF NOT EXISTS slower ()'],
      undo: ['DROP TABLE IF EXISTS slower'],
    }),
  ];
  const TABLE = `CREATE TABLE "or'ders" (id int, "e""mail" text);
    INSERT INTO "or'ders" SELECT i, 'm' || i FROM generate_series(1, 500) i`;

  const state = async (client: pg.Client) => ({
    index: await indexState(client, target),
    ...(
      await client.query(
        `SELECT reloptions, to_regclass('slower') AS slower, to_regclass('helps') AS helps,
                (SELECT json_agg(json_build_array(id, state) ORDER BY id) FROM sqltrail.action) AS journal,
                (SELECT json_agg(o ORDER BY id) FROM "or'ders" AS o)::text AS rows
           FROM pg_class WHERE oid = '"or''ders"'::regclass`,
      )
    ).rows[0],
  });

  /** The state after a run that was killed at a moment, if at all, and a second one; and the writes of the first. */
  async function outcome(undo: boolean, kill?: string) {
    const own = await createTestDatabase();
    const client = new pg.Client(own.url);
    await client.connect();
    try {
      await client.query(TABLE);
      const handlers = asItIs(own.url);
      const applying = () => apply(actions, { url: own.url, handlers, windows: 1, windowMs: 10 });
      const undoing = () => undoActions({ url: own.url, handlers, signal, onUndone: () => {} });
      if (undo) await applying();
      const child = start({
        TEST_URL: own.url,
        TEST_ACTIONS: JSON.stringify(actions),
        ...(undo ? { TEST_UNDO: 'yes' } : {}),
        ...(kill ? { TEST_KILL: kill } : {}),
      });
      let writes: string[] = [];
      child.on('message', (said) => {
        writes = said as string[];
      });
      expect(await once(child, 'exit')).toEqual(kill ? [null, 'SIGKILL'] : [0, null]);
      await sessionsEnd(client);
      if (kill) await (undo ? undoing() : applying());
      return { writes, state: await state(client) };
    } finally {
      await client.end();
      await own.drop();
    }
  }

  it.each([
    ['apply', false],
    ['undo', true],
  ])('%s: the next run comes to the same end', async (_, undo) => {
    const whole = await outcome(undo);
    expect(whole.state).toMatchObject(
      undo
        ? { index: 'absent', reloptions: null, slower: null, helps: null }
        : { index: 'valid', reloptions: ['fillfactor=80'], slower: null, helps: 'helps' },
    );
    const states = whole.writes.filter((written) => written !== 'changes');
    const done = ['planned', 'applying', 'applied', 'kept'];
    const slower = ['planned', 'applying', 'applied', 'applied', 'undoing', 'reverted'];
    expect(states).toEqual(
      undo
        ? Array.from({ length: 3 }, () => ['undoing', 'reverted']).flat()
        : [...done, ...done, ...done, ...slower],
    );
    // What is done to the database is done just before these are written; before the others nothing is.
    const moments = whole.writes.flatMap((written, at) => [
      ...(['applied', 'reverted', 'changes'].includes(written) ? [`before:${at + 1}`] : []),
      `after:${at + 1}`,
    ]);
    for (let at = 0; at < moments.length; at += PARALLEL)
      for (const [i, { state: reached }] of (
        await Promise.all(moments.slice(at, at + PARALLEL).map((moment) => outcome(undo, moment)))
      ).entries())
        expect(reached, moments[at + i]).toEqual(whole.state);
  });
});

const PARALLEL = 4;
const signal = new AbortController().signal;
const start = (env: Record<string, string>) =>
  fork(new URL('../test/support/applyChild.ts', import.meta.url), [], { env: { ...process.env, ...env } });

const sessionsEnd = (client: pg.Client) =>
  waitFor(
    'the killed run’s session ends',
    async () => {
      const { rows } = await client.query(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND datname = current_database()",
      );
      return rows.length === 0;
    },
    { deadlineMs: PATIENCE_MS },
  );

describe('measured', () => {
  it('an action that makes its statements slower is reverted by itself', async () => {
    await database.client.query(
      'CREATE FUNCTION slow() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(0.001) $$',
    );
    const load = new pg.Client(database.url);
    await load.connect();
    let ended = false;
    const again = (async () => {
      while (!ended) await load.query('SELECT slow()');
    })();
    const slower = action({
      id: 'settings:slow',
      kind: 'settings',
      index: null,
      temporary: false,
      statements: [await queryidOf('SELECT slow()')],
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
    expect(events.at(-1)).toMatchObject({ type: 'reverted' });
    expect(entries).toMatchObject([{ state: 'reverted', note: expect.stringContaining('slower') }]);
    const source = await database.client.query("SELECT prosrc FROM pg_proc WHERE proname = 'slow'");
    expect(source.rows[0].prosrc).toContain('0.001');
  });

  const step = (more: Partial<Action> = {}) =>
    action({
      id: 'maintenance:step',
      kind: 'maintenance',
      index: null,
      temporary: false,
      sql: ['CREATE TABLE IF NOT EXISTS step ()'],
      undo: ['DROP TABLE IF EXISTS step'],
      ...more,
    });
  const there = async () =>
    (await database.client.query("SELECT to_regclass('step') AS there")).rows[0].there === 'step';
  const windows = { windows: 2, windowMs: 10 };
  const types = (events: ApplyEvent[]) =>
    events.map((event) => (event.type === 'measuring' ? event.what : event.type));

  it('what shows no gain is observed longer, is reverted, and says what was measured', async () => {
    const { events, entries } = await apply([step()], {
      handlers: measuredAs({ work: { pages: [50, 50] } }),
      ...windows,
    });
    expect(types(events)).toEqual(['before', 'applying', 'after', 'again', 'again', 'again', 'reverted']);
    expect(entries).toMatchObject([
      {
        state: 'reverted',
        note: 'no gain in two observations in a row, in 8 windows: a test 1.00 times as fast (95 % interval 1.00 to 1.00); pages: 1.00 times fewer (95 % interval 1.00 to 1.00)',
        before: { meanMs: [1, 1] },
        after: { meanMs: [1, 1, 1, 1, 1, 1, 1, 1] },
      },
    ]);
    expect(await there()).toBe(false);
  });

  it('a gain that the longer look shows is kept, in time or in pages', async () => {
    const late = await apply([step()], {
      handlers: measuredAs({ meanMs: [9, 8] }, { meanMs: [9, 2] }, { meanMs: [2, 2] }),
      ...windows,
    });
    expect(types(late.events).slice(2)).toEqual(['after', 'again', 'again', 'kept']);
    const work = (...pages: number[]) => ({ meanMs: [5, 2], work: { 'pages a request': pages } });
    const { entries } = await apply([step({ id: 'maintenance:pages' })], {
      handlers: measuredAs(work(400, 400), work(4, 4)),
      ...windows,
    });
    expect(entries[1]).toMatchObject({
      state: 'kept',
      note: expect.stringMatching(
        /^pages a request: 100.0 times fewer \(.*\); a test 1.0 times as fast \(.*\), no certain change$/,
      ),
      reviewOn: null,
    });
  });

  it('a burst of something else is no harm; harm that stays is, whatever is saved', async () => {
    const work = (meanMs: number[], statements: number) => ({
      meanMs,
      work: { 'statements a request': [statements, statements] },
    });
    const burst = await apply([step()], {
      handlers: measuredAs(work([5, 5], 10), work([30, 40], 4), work([5, 5], 4)),
      ...windows,
    });
    expect(types(burst.events).at(-1)).toBe('kept');
    expect(burst.entries[0]?.note).toMatch(/^statements a request: 2.5 times fewer/);
    const worse = await apply([step({ id: 'maintenance:worse' })], {
      handlers: measuredAs(work([5, 5], 10), work([30, 40], 4)),
      ...windows,
    });
    expect(types(worse.events).slice(2)).toEqual(['after', 'again', 'again', 'again', 'reverted']);
    const slower = await apply([step({ id: 'maintenance:slower' })], { handlers: alwaysSlower, ...windows });
    expect(types(slower.events).slice(2)).toEqual(['after', 'again', 'reverted']);
  });

  it('what cannot be measured is kept, says why, and is to be reviewed; what cannot be undone is kept too', async () => {
    const { entries } = await apply(
      [
        action({ id: 'settings:later', kind: 'settings', index: null, temporary: false, sql: [], undo: [] }),
        action(),
        step({ sql: [], undo: [] }),
      ],
      {
        handlers: measuredAs({ nothingToGain: 'nobody waits' }),
        ...windows,
      },
    );
    expect(entries).toMatchObject([
      { state: 'kept', note: expect.stringMatching(/^not measured: it acts on the next vacuum or session/) },
      { state: 'kept', note: expect.stringMatching(/^not measured: no statement that was seen needs it/) },
      { state: 'kept', note: 'not measured: nobody waits' },
    ]);
    for (const { reviewOn } of entries) expect(reviewOn).toMatch(/^\d{4}-/);
  });

  it('an index that only an action needed which is reverted goes with it, also after kill -9', async () => {
    const needed = action({ neededBy: 'maintenance:step' });
    const taken = { handlers: measuredAs({}), ...windows };
    const { events, entries } = await apply([needed, step()], taken);
    expect(types(events).slice(-2)).toEqual(['reverted', 'reverted']);
    expect(entries.map(({ state }) => state)).toEqual(['reverted', 'reverted']);
    expect(entries[0]?.note).toBe('only “index i” needed it, which was reverted');
    expect(await indexState(database.client, target)).toBe('absent');
    // Between the two, and before.
    for (const state of ['reverted', 'undoing']) {
      await apply([needed], taken);
      expect(await indexState(database.client, target)).toBe('valid');
      await database.client.query('UPDATE sqltrail.action SET state = $1 WHERE id = $2', [
        state,
        'maintenance:step',
      ]);
      await apply([], taken);
      expect(await indexState(database.client, target), state).toBe('absent');
    }
    // What has shown a use of its own stays.
    await apply([needed], taken);
    await database.client.query("UPDATE sqltrail.action SET outcome = 'better' WHERE id = $1", [needed.id]);
    await apply([], taken);
    expect(await indexState(database.client, target)).toBe('valid');
  });

  it('what a run left applied and not judged is judged by the next one, asked for or not', async () => {
    const stopped = new AbortController();
    const handlers = measuredAs({});
    const { measure } = handlers.maintenance ?? {};
    if (!measure) throw new Error('nothing is measured');
    const { run } = measure;
    measure.run = async (what, signal) => {
      if (what === 'after') stopped.abort(new Error('Ctrl-C'));
      signal.throwIfAborted();
      return run(what, signal);
    };
    await expect(apply([step()], { handlers, ...windows, signal: stopped.signal })).rejects.toThrow('Ctrl-C');
    expect(await readJournal(database.url)).toMatchObject([{ state: 'applied' }]);
    const { entries } = await apply([], { handlers: alwaysSlower, ...windows });
    expect(entries).toMatchObject([{ state: 'reverted' }]);
    expect(await there()).toBe(false);
  });

  it('a measure that fails ends nothing: the action is kept as not measured, and says why', async () => {
    const handlers = measuredAs({});
    const { measure } = handlers.maintenance ?? {};
    if (!measure) throw new Error('nothing is measured');
    measure.run = () => Promise.reject(new Error('no answer'));
    const { entries } = await apply([step()], { handlers, ...windows });
    expect(entries).toMatchObject([
      { state: 'kept', note: 'not measured: no answer', reviewOn: expect.stringMatching(/^\d{4}-/) },
    ]);
  });

  it('what becomes faster beside an index that no statement uses is no gain of the index', async () => {
    const slow = (seconds: number) =>
      `CREATE OR REPLACE FUNCTION slow() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(${seconds}) $$`;
    await database.client.query(slow(0.1));
    const load = new pg.Client(database.url);
    await load.connect();
    let ended = false;
    const again = (async () => {
      while (!ended) await load.query('SELECT slow()');
    })();
    const { entries } = await apply(
      [
        action({
          id: 'index:public.useless',
          sql: [`CREATE INDEX CONCURRENTLY "useless" ON "public"."or'ders" (("id" + 1))`, slow(0.01)],
          undo: ['DROP INDEX CONCURRENTLY IF EXISTS "public"."useless"'],
          index: { ...target, name: 'useless' },
          statements: [await queryidOf('SELECT slow()')],
        }),
      ],
      { windows: 2, windowMs: 1_000 },
    );
    ended = true;
    await again;
    await load.end();
    expect(entries).toMatchObject([
      {
        state: 'reverted',
        outcome: 'no gain',
        note: expect.stringMatching(
          /^no gain: no statement has used it\. Something else made the difference: its statements [\d.]+ times as fast/,
        ),
      },
    ]);
    expect(await indexState(database.client, { ...target, name: 'useless' })).toBe('absent');
  });

  it('an index of statements that go on is kept for the pages it saves, and one that they do not use is reverted', async () => {
    let ended = false;
    const load = Array.from({ length: 6 }, async () => {
      const client = new pg.Client(database.url);
      await client.connect();
      while (!ended)
        // Nearly all of the time is not the database's work, so that only the pages can show a gain.
        await client.query(`SELECT count(*), (SELECT pg_sleep(1)) FROM "or'ders" WHERE "e""mail" = $1`, [
          `m${Math.ceil(Math.random() * 20_000)}`,
        ]);
      await client.end();
    });
    const statements = [await queryidOf(`%"e""mail" = $1`)];
    const useless = action({
      id: 'index:public.useless',
      sql: [`CREATE INDEX CONCURRENTLY "useless" ON "public"."or'ders" (("id" + 1))`],
      undo: ['DROP INDEX CONCURRENTLY IF EXISTS "public"."useless"'],
      index: { ...target, name: 'useless' },
      statements,
    });
    const { entries } = await apply([useless, action({ statements })], { windows: 2, windowMs: 2_000 });
    ended = true;
    await Promise.all(load);
    expect(entries).toMatchObject([
      {
        state: 'reverted',
        outcome: 'no gain',
        note: expect.stringMatching(/^no gain: no statement has used it/),
      },
      { state: 'kept', note: expect.stringContaining('pages touched by a call') },
    ]);
    expect(await indexState(database.client, { ...target, name: 'useless' })).toBe('absent');
    expect(await indexState(database.client, target)).toBe('valid');
  });

  async function queryidOf(like: string): Promise<string> {
    let queryid = '';
    await waitFor(
      'the statement is seen',
      async () => {
        const { rows } = await database.client.query(
          'SELECT queryid::text FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE query LIKE $1 AND datname = current_database()',
          [like],
        );
        queryid = rows[0]?.queryid ?? '';
        return queryid !== '';
      },
      { deadlineMs: PATIENCE_MS },
    );
    return queryid;
  }
});

it('a second run at the same time is refused', async () => {
  await database.client.query('SELECT pg_advisory_lock(7236544101)');
  await expect(apply([action()])).rejects.toThrow(/another run/);
  await expect(
    undoActions({ url: database.url, signal: new AbortController().signal, onUndone: () => {} }),
  ).rejects.toThrow(/another run/);
});
