import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { processIdOf } from '../../../lib/pg/pooler.ts';
import { waitFor } from '../../../lib/waitFor.ts';
import { databaseFor } from '../../../test/support/database.ts';
import { PATIENCE_MS } from '../../../test/support/patience.ts';
import { unhurried } from '../../../test/support/unhurried.ts';
import { diagnose } from '../../run.ts';

const database = databaseFor('each');
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Each in a session of its own, one after the other, until the second and later ones wait. @returns their numbers */
async function sessions(...all: [application: string, sql: string][]): Promise<number[]> {
  const pids: number[] = [];
  for (const [at, [application, sql]] of all.entries()) {
    const client = new pg.Client({ connectionString: database.url, application_name: application });
    client.on('error', () => {});
    await client.connect();
    const pid = processIdOf(client);
    pids.push(pid);
    const running = client.query(`BEGIN; ${sql}`).catch(() => {});
    ends.push(async () => {
      await database.client.query('SELECT pg_terminate_backend($1)', [pid]);
      await running;
      await client.end().catch(() => {});
    });
    if (at === 0) await running;
    else
      await waitFor(
        `${application} to wait`,
        async () =>
          (
            await database.client.query(
              "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'",
              [pid],
            )
          ).rowCount,
        { deadlineMs: PATIENCE_MS },
      );
  }
  return pids;
}

const found = async () => {
  const { findings } = await diagnose(unhurried(database.url, { only: ['lock-waits'] }));
  return findings.map(({ title, objects, evidence, fix }) => ({
    title,
    objects,
    holders: evidence.slice(1).map(({ label }) => label),
    fix: fix?.summary,
  }));
};

it.each<[string, string, string, string]>([
  ['the table', 'LOCK TABLE orders', 'SELECT count(*) FROM orders', 'UPDATE orders SET paid = true'],
  [
    'a row',
    'UPDATE orders SET paid = true WHERE id = 1',
    'UPDATE orders SET paid = false WHERE id = 1',
    'DELETE FROM orders WHERE id = 1',
  ],
])(
  'who holds %s is named, and not who waits for it and is waited for',
  async (_what, held, first, second) => {
    await database.client.query('CREATE TABLE orders AS SELECT 1 AS id, false AS paid; ANALYZE orders');
    const [pid] = await sessions(['forgotten psql', held], ['shop', first], ['billing', second]);
    expect(await found()).toEqual([
      {
        title: expect.stringMatching(
          /^2\.0 sessions on average wait for a lock on orders, up to [\d.]+ s, held by forgotten psql$/,
        ),
        objects: [{ schema: 'public', table: 'orders' }],
        holders: [`age of the transaction of forgotten psql (pid ${pid}, idle in transaction)`],
        fix: `let the transaction of forgotten psql end, or end it: SELECT pg_terminate_backend(${pid})`,
      },
    ]);
  },
);

it('nobody waits: nothing is found', async () => {
  await database.client.query('CREATE TABLE orders AS SELECT 1 AS id');
  await sessions(['forgotten psql', 'LOCK TABLE orders']);
  expect(await found()).toEqual([]);
});

it('a table that somebody has for himself is left out by name, and nothing else is', async () => {
  await database.client.query(
    `CREATE TABLE orders AS SELECT i AS id, i % 7 = 0 AS paid FROM generate_series(1, 2000) AS i; CREATE INDEX ON orders ((id % 10)) WHERE paid;
     CREATE TABLE invoices AS SELECT i AS id, i % 7 = 0 AS paid FROM generate_series(1, 2000) AS i; ANALYZE`,
  );
  await sessions(['forgotten psql', 'LOCK TABLE orders'], ['shop', 'SELECT count(*) FROM orders']);
  const { blind, partial, findings, checks } = await diagnose(
    unhurried(database.url, { lockTimeoutMs: 500 }),
  );
  expect(blind.map(({ what }) => what)).toContain(
    'the table public.orders, which another session has for itself or waits for',
  );
  expect(checks.filter(({ outcome }) => outcome !== 'complete')).toEqual([]);
  expect(partial).toBe(false);
  const ids = findings.map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining(['lock-waits:orders', 'missing-primary-key:public.invoices']));
  expect(ids).not.toContain('missing-primary-key:public.orders');
});
