import pg from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { PATIENCE_MS } from '../../test/support/patience.ts';
import { waitFor } from '../waitFor.ts';
import { briefly, type Delay } from './briefly.ts';
import { processIdOf } from './pooler.ts';

const database = databaseFor('each');
/** Half of it is time to see who holds the lock. */
const LOCK_TIMEOUT_MS = 2_000;

beforeEach(async () => {
  await database.client.query(
    `CREATE TABLE orders WITH (autovacuum_enabled = off) AS SELECT i AS id, repeat('x', 500) AS note FROM generate_series(1, 5000) AS i; DELETE FROM orders WHERE id % 2 = 0`,
  );
});

async function connected(applicationName: string, url = database.url): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** A VACUUM that goes on until it is ended. */
async function vacuum(): Promise<{ pid: number; end(): Promise<void> }> {
  const client = await connected('upkeep');
  await client.query("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1");
  const pid = processIdOf(client);
  const running = client.query('VACUUM orders').catch(() => {});
  await waitFor(
    'the vacuum',
    async () =>
      (await database.client.query('SELECT FROM pg_stat_progress_vacuum WHERE pid = $1', [pid])).rowCount ===
      1,
    { deadlineMs: PATIENCE_MS },
  );
  return {
    pid,
    async end() {
      await database.client.query('SELECT pg_cancel_backend($1)', [pid]);
      await running;
    },
  };
}

interface Locking {
  url?: string;
  attempts?: number;
  maxUpkeepMs?: number;
  onDelay?: (delay: Delay) => Promise<void> | void;
}

/** Adds a column, as a step of a migration does. @returns what came in between */
async function addColumn({ url = database.url, attempts = 3, onDelay, ...rest }: Locking): Promise<Delay[]> {
  const client = await connected('migration', url);
  const delays: Delay[] = [];
  const options = {
    ...{ client, url, what: 'the column', lockTimeoutMs: LOCK_TIMEOUT_MS, attempts },
    ...{ pauseMs: () => 10, ...rest },
  };
  const work = () =>
    client.query(
      `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; ALTER TABLE orders ADD COLUMN extra int; COMMIT`,
    );
  for await (const delay of briefly(options, work)) {
    delays.push(delay);
    await onDelay?.(delay);
  }
  return delays;
}

const column = async () =>
  (
    await database.client.query(
      "SELECT FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'extra'",
    )
  ).rowCount;

describe('the upkeep of a table', () => {
  it('is waited for without a lock, by which nobody is held up, and counts for no attempt', async () => {
    const upkeep = await vacuum();
    const other = await connected('application');
    const delays = await addColumn({
      attempts: 2,
      async onDelay({ event }) {
        if (event !== 'paused') return;
        await other.query("SET lock_timeout = '1s'; INSERT INTO orders VALUES (0, 'meanwhile')");
        await upkeep.end();
      },
    });
    expect(delays.map(({ event }) => event)).toEqual(['retry', 'paused', 'resumed']);
    expect(delays[1]).toMatchObject({
      detail: {
        reason: expect.stringMatching(
          new RegExp(`^waits for the end of VACUUM of orders \\(pid ${upkeep.pid}, for `),
        ),
      },
    });
    expect(await column()).toBe(1);
  });

  it('is over when the same session is at another table', async () => {
    const { client } = database;
    await client.query(
      `CREATE FUNCTION waits(n int, "for" bigint) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_advisory_xact_lock_shared("for"); RETURN n; END $$;
       CREATE TABLE larger WITH (autovacuum_enabled = off) AS TABLE orders;
       CREATE INDEX ON orders (waits(id, 1)); CREATE INDEX ON larger (waits(id, 2));
       SELECT pg_advisory_lock(1), pg_advisory_lock(2)`,
    );
    const upkeep = await connected('upkeep');
    const analysing = upkeep.query('ANALYZE orders, larger');
    const analysed = async () =>
      (
        await client.query<{ table: string }>(
          'SELECT relid::regclass::text AS "table" FROM pg_stat_progress_analyze WHERE pid = $1',
          [processIdOf(upkeep)],
        )
      ).rows[0]?.table;
    await waitFor('the first table', async () => (await analysed()) === 'orders', {
      deadlineMs: PATIENCE_MS,
    });
    const delays = await addColumn({
      onDelay: async ({ event }) => {
        if (event === 'paused') await client.query('SELECT pg_advisory_unlock(1)');
      },
    });
    expect(delays.map(({ event }) => event)).toEqual(['retry', 'paused', 'resumed']);
    expect(await analysed()).toBe('larger');
    await client.query('SELECT pg_advisory_unlock(2)');
    await analysing;
  });

  it('that takes too long is named, with what ends it', async () => {
    const upkeep = await vacuum();
    await expect(addColumn({ maxUpkeepMs: 60 })).rejects.toThrow(`SELECT pg_cancel_backend(${upkeep.pid})`);
    expect(await column()).toBe(0);
    await upkeep.end();
  });

  it('is known to a role that may see nothing of other sessions', async () => {
    const role = `owner_${crypto.randomUUID().slice(0, 8)}`;
    await database.client.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'test-only'; ALTER TABLE orders OWNER TO ${role}`,
    );
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'test-only'];
    const upkeep = await vacuum();
    const delays = await addColumn({
      url: url.href,
      onDelay: ({ event }) => (event === 'paused' ? upkeep.end() : undefined),
    });
    expect(delays.map(({ event }) => event)).toEqual(['retry', 'paused', 'resumed']);
    expect(delays[1]).toMatchObject({
      detail: { reason: expect.stringContaining('VACUUM of the table (pid ') },
    });
    await database.client.query(`REASSIGN OWNED BY ${role} TO current_user; DROP ROLE ${role}`);
  });
});

describe('a transaction that holds the table', () => {
  it('is named in every retry but the first, and when all attempts are over', async () => {
    const reader = await connected('report generator');
    await reader.query('BEGIN; SELECT count(*) FROM orders');
    const delays: Delay[] = [];
    await expect(
      addColumn({
        onDelay: (delay) => {
          delays.push(delay);
        },
      }),
    ).rejects.toThrow(
      /^the column: the lock was not free within 3 attempts of 2000 ms\. It was held by a transaction of report generator \(pid \d+, for .+\)\. Let that end, then run it again\.$/,
    );
    expect(delays).toMatchObject([
      { event: 'retry', detail: { attempt: 1, code: '55P03' } },
      { event: 'retry', detail: { attempt: 2, heldBy: expect.stringContaining('report generator') } },
    ]);
  });

  it('that ends is waited for', async () => {
    const reader = await connected('report generator');
    await reader.query('BEGIN; SELECT count(*) FROM orders');
    const delays = await addColumn({ onDelay: async () => void (await reader.query('ROLLBACK')) });
    expect(delays).toHaveLength(1);
    expect(await column()).toBe(1);
  });
});

it('a failure that no waiting helps with is told at once', async () => {
  await database.client.query('ALTER TABLE orders ADD COLUMN extra int');
  await expect(addColumn({})).rejects.toThrow('already exists');
});
