import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../test/support/database.ts';
import { readCapabilities, readStatements } from './catalogue.ts';
import { READS_MUCH } from './readSession.ts';
import { ConnectionFailed, NoTimeLeft, openSession } from './session.ts';

const options = { statementTimeoutMs: 5_000, lockTimeoutMs: 500, budgetMs: 60_000, dutyCycle: 1 };

it('a statement and the rest after it keep within their time, and the next one has all of it again', async () => {
  const database = await createTestDatabase();
  const session = await openSession({
    url: database.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: 60_000,
    dutyCycle: 0.5,
  });
  const timeout = "SELECT current_setting('statement_timeout') AS timeout";
  expect(await session.query(timeout, [], { withinMs: 8_000 })).toEqual([{ timeout: '4s' }]);
  await expect(session.query('SELECT pg_sleep(60)', [], { withinMs: 400 })).rejects.toMatchObject({
    code: '57014',
  });
  expect(await session.query(timeout)).toEqual([{ timeout: '5s' }]);
  const { statements } = session.ownLoad();
  await expect(session.query('SELECT 1', [], { withinMs: 100 })).rejects.toThrow(NoTimeLeft);
  expect(session.ownLoad().statements).toBe(statements);
  await session.close();
  await database.drop();
});

it('beside many running statements it rests less, and beside few as long as before', async () => {
  const database = await createTestDatabase();
  const session = await openSession({ ...options, url: database.url, dutyCycle: 0.5 });
  const timeout = async () =>
    (await session.query("SELECT current_setting('statement_timeout') AS timeout", [], { withinMs: 800 }))[0];
  // The part of the time that is not for the rest.
  expect(await timeout()).toEqual({ timeout: '400ms' });
  for (const [running, left] of [
    [0, '400ms'],
    [5, '400ms'],
    [14, '589ms'],
    [19, '800ms'],
    [200, '800ms'],
  ] as const) {
    session.besides(running);
    expect(await timeout()).toEqual({ timeout: left });
  }
  await session.close();
  await database.drop();
});

it('its own statements are no workload, whatever role it runs as', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query('CREATE EXTENSION pg_stat_statements; CREATE TABLE t AS SELECT 1 AS a');
  const session = await openSession({
    url: database.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: 60_000,
    dutyCycle: 1,
  });
  await session.query('SELECT a AS diagnosed FROM public.t', [], { withinMs: 1_000 });
  await session.plan('SELECT a FROM public.t', '');
  await owner.query('SELECT a + a AS served FROM t');
  const { statements } = await readStatements(session, await readCapabilities(session));
  const texts = statements.map(({ text }) => text);
  expect(texts).toContain('SELECT a + a AS served FROM t');
  expect(
    texts.filter(
      (text) =>
        /diagnosed|EXPLAIN|set_config|pg_extension|transaction_timestamp/.test(text) && !/CREATE/.test(text),
    ),
  ).toEqual([]);
  await session.close();
  await owner.end();
  await database.drop();
});

it('what a statement sets, prepares or fails at is over with it', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query('CREATE TABLE t AS SELECT 1 AS a');
  const session = await openSession({ ...options, url: database.url });
  const state = `SELECT current_setting('search_path') AS path, current_setting('transaction_read_only') AS read_only,
    current_setting('plan_cache_mode') AS cache, (SELECT count(*)::int FROM pg_prepared_statements) AS prepared`;
  const clean = [{ path: 'pg_catalog', read_only: 'on', cache: 'auto', prepared: 0 }];
  expect(await session.query(state)).toEqual(clean);
  await session.query("SELECT set_config('search_path', 'public', false)");
  await session.query("SET plan_cache_mode = 'force_custom_plan'");
  expect(await session.query(state)).toEqual(clean);
  // As before Postgres 16: a prepared statement, which ROLLBACK does not take away.
  expect(await session.plan('SELECT a FROM public.t WHERE a = $1', '')).toHaveLength(1);
  for (const wrong of ['SELECT b FROM public.t WHERE a = $1', 'SELECT a FROM public.gone WHERE a = $1'])
    await expect(session.plan(wrong, '')).rejects.toThrow(/does not exist/);
  expect(await session.query(state)).toEqual(clean);
  const inPublic = session.withSettings({ search_path: 'public' });
  expect(await inPublic.query('SELECT a FROM t')).toEqual([{ a: 1 }]);
  await expect(session.query('SELECT a FROM t')).rejects.toMatchObject({ code: '42P01' });
  for (const leave of ['COMMIT', 'ROLLBACK', 'SET TRANSACTION READ WRITE'])
    await session.query(leave).catch(() => {});
  await expect(session.query('INSERT INTO public.t VALUES (2)')).rejects.toMatchObject({ code: '25006' });
  expect(await session.query(state)).toEqual(clean);
  await session.close();
  await owner.end();
  await database.drop();
});

it('statements that go to the server together do not see each other', async () => {
  const database = await createTestDatabase();
  const session = await openSession({ ...options, url: database.url });
  const state = `SELECT current_setting('search_path') AS path, current_setting('transaction_read_only') AS read_only,
    current_setting('statement_timeout') AS timeout`;
  const answers = await Promise.allSettled(
    [
      state,
      "SELECT set_config('search_path', 'public', true)",
      state,
      'SELECT 1 / 0',
      state,
      'CREATE TABLE made (a int)',
      'SELECT FROM gone',
      state,
      "SET default_transaction_read_only = 'off'",
      'SET statement_timeout = 0',
      state,
      'CREATE TABLE made (a int)',
    ].map((text) => session.query(text)),
  );
  const clean = [{ path: 'pg_catalog', read_only: 'on', timeout: '5s' }];
  expect(answers.map((each) => (each.status === 'fulfilled' ? each.value : each.reason.code))).toEqual([
    clean,
    [{ set_config: 'public' }],
    clean,
    '22012',
    clean,
    '25006',
    '42P01',
    clean,
    [],
    [],
    clean,
    '25006',
  ]);
  expect(session.ownLoad().statements).toBe(12);
  await session.close();
  await database.drop();
});

it('of statements that go together a slow one costs the others nothing, and a cut connection ends all', async () => {
  const database = await createTestDatabase();
  const session = await openSession({ ...options, url: database.url, statementTimeoutMs: 2_000 });
  const [slow, quick] = await Promise.allSettled([
    session.query('SELECT pg_sleep(60)'),
    session.query('SELECT 1 AS one'),
  ]);
  expect(slow).toMatchObject({ status: 'rejected', reason: { code: '57014' } });
  expect(quick).toMatchObject({ status: 'fulfilled', value: [{ one: 1 }] });
  const cut = await Promise.allSettled([
    session.query('SELECT 1'),
    session.query('SELECT pg_terminate_backend(pg_backend_pid())'),
    session.query('SELECT 2'),
  ]);
  expect(cut[1]).toMatchObject({ status: 'rejected', reason: expect.any(ConnectionFailed) });
  expect(cut[2]).toMatchObject({ status: 'rejected', reason: expect.any(ConnectionFailed) });
  expect(session.lost).toBe(true);
  await expect(session.query('SELECT 3')).rejects.toThrow(ConnectionFailed);
  await session.close();
  await database.drop();
});

it('statements of callers that do not wait for each other do not mix', async () => {
  const database = await createTestDatabase();
  const session = await openSession({ ...options, url: database.url });
  const asked = Array.from({ length: 20 }, async (_, i) => {
    const own = session.withSettings({ search_path: `s${i}` });
    if (i % 3 === 0) await expect(own.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
    else
      expect(
        await own.query(
          "SELECT current_setting('search_path') AS path, current_setting('transaction_read_only') AS read_only",
        ),
      ).toEqual([{ path: `s${i}`, read_only: 'on' }]);
  });
  await Promise.all(asked);
  await session.close();
  await database.drop();
});

it('what reads many rows lets a few others go first, and then has its turn', async () => {
  const database = await createTestDatabase();
  const session = await openSession({ ...options, url: database.url });
  const ended: string[] = [];
  const ask = async (name: string, limits?: typeof READS_MUCH) => {
    // Settings of their own: none of them can go together.
    await session.withSettings({ search_path: name }).query('SELECT 1', [], limits);
    ended.push(name);
  };
  await Promise.all([
    ask('first'),
    ask('long', READS_MUCH),
    ...Array.from({ length: 6 }, (_, i) => ask(`short_${i}`)),
  ]);
  expect(ended).toEqual(['first', 'short_0', 'short_1', 'short_2', 'long', 'short_3', 'short_4', 'short_5']);
  await session.close();
  await database.drop();
});

it('counts the time of the server, not that of a client that does not take its answer', async () => {
  const database = await createTestDatabase();
  const session = await openSession({ ...options, url: database.url });
  const asked = session.query('SELECT 1');
  const heldUpMs = 2_000;
  // The statement is on its way when this process is held up.
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, heldUpMs));
  await asked;
  expect(session.ownLoad().busyMs).toBeLessThan(heldUpMs);
  await session.query('SELECT pg_sleep(0.5)');
  expect(session.ownLoad().busyMs).toBeGreaterThanOrEqual(500);
  await session.close();
  await database.drop();
});
