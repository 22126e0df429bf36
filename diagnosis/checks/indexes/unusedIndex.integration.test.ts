import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, forgetStatements } from '../../../test/support/database.ts';
import { readCapabilities, readSettings, readTables } from '../../catalogue.ts';
import type { CheckContext } from '../../check.ts';
import type { Session } from '../../readSession.ts';
import { openSession } from '../../session.ts';
import { check } from './unusedIndex.ts';

it('an index that was built today is not unused for ten days, and one of then is', async () => {
  const database = await createTestDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(`CREATE EXTENSION pg_stat_statements; CREATE TABLE sale (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL);
    INSERT INTO sale SELECT i, i, i FROM generate_series(1, 60000) i; CREATE INDEX of_then ON sale (a)`);
  await owner.query(forgetStatements);
  await owner.query('CREATE INDEX of_today ON sale (b)');
  const session = await openSession({
    url: database.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: 30_000,
    dutyCycle: 1,
  });
  const found = async (days: number) => {
    const blind: string[] = [];
    const context = {
      session: {
        ...session,
        // No statistics can be made to be ten days old: this answer alone is invented.
        query: async (text: string, values?: unknown[]) =>
          text.includes('stats_reset, pg_postmaster_start_time')
            ? [{ age: days * 86_400 }]
            : session.query(text, values),
      } as Session,
      capabilities: await readCapabilities(session),
      tables: await readTables(session),
      settings: await readSettings(session),
      blind: ({ what }: { what: string }) => blind.push(what),
    } as unknown as CheckContext;
    const ids: string[] = [];
    for await (const { id } of check.run(context)) ids.push(id);
    return { ids, blind };
  };
  expect(await found(10)).toEqual({ ids: ['unused-index:public.of_then'], blind: [] });
  expect(await found(2)).toEqual({ ids: [], blind: ['unused indexes'] });
  await session.close();
  await owner.end();
  await database.drop();
});
