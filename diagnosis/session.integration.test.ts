import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../test/support/database.ts';
import { readCapabilities, readStatements } from './catalogue.ts';
import { NoTimeLeft, openSession } from './session.ts';

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
  expect(await session.query(timeout, [], { withinMs: 800 })).toEqual([{ timeout: '400ms' }]);
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
    texts.filter((text) => /diagnosed|EXPLAIN|set_config|pg_extension/.test(text) && !/CREATE/.test(text)),
  ).toEqual([]);
  await session.close();
  await owner.end();
  await database.drop();
});
