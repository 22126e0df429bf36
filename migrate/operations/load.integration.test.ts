import pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../../lib/waitFor.ts';
import { databaseFor } from '../../test/support/database.ts';
import { goOnAfterKills } from '../../test/support/killedRuns.ts';
import { type Operated, onHostile, retyped } from '../../test/support/operated.ts';
import { differing, HOSTILE, hostileTables } from '../../test/support/operationCase.ts';
import { PATIENCE_MS } from '../../test/support/patience.ts';
import { writersOn } from '../../test/support/writers.ts';
import { runMigration } from '../engine.ts';
import type { Phase, Reached } from '../mapping.ts';

const database = databaseFor('each');
beforeEach(async () => {
  await database.client.query(hostileTables);
});

const WRITERS = 3;
const writers = writersOn(database, WRITERS);

/** Each session has rows of its own, so that none has a reason to fail without the migration. */
const statementOf =
  (isolation: string) =>
  (mine: number): string => {
    const some = (n: number) => Math.floor(Math.random() * n);
    const one = `id = (SELECT id FROM ${HOSTILE} WHERE id / 2 % ${WRITERS} = ${mine} AND isfinite("when") ORDER BY id OFFSET ${some(400)} LIMIT 1)`;
    const person = `(SELECT min(id) FROM "Лавка".people) + ${some(10)}`;
    const sql = [
      `INSERT INTO ${HOSTILE} (name, person, "when") VALUES ('new', ${person}, now() - interval '${some(9000)} hours')`,
      `INSERT INTO ${HOSTILE} (name, doc, day) VALUES ('doc', '{"a":  [1, 2]}', '20${10 + some(90)}-02-2${some(9)}')`,
      `INSERT INTO ${HOSTILE} ("o$$id", name, tags) SELECT CASE i % 3 WHEN 0 THEN 'again' ELSE 'z' END, 'bulk', ARRAY['t'] FROM generate_series(1, 20) AS i`,
      `UPDATE ${HOSTILE} SET name = 'u${some(1000)}', price = ${some(1000)} WHERE ${one}`,
      `UPDATE ${HOSTILE} SET "when" = "when" + interval '${some(70) - 35} days' WHERE ${one}`,
      `UPDATE ${HOSTILE} SET mood = 'happy', day = '1999-12-31', "when" = "when" + interval '1 day' WHERE id / 2 % ${WRITERS} = ${mine} AND id % 14 = 2 AND isfinite("when")`,
      `DELETE FROM ${HOSTILE} WHERE ${one}`,
      `UPDATE "Лавка".happy SET "Имя" = 'by view' WHERE ${one}`,
      `INSERT INTO ${HOSTILE} AS o (id, "when", name) OVERRIDING SYSTEM VALUE SELECT id, "when", 'merged' FROM ${HOSTILE} WHERE ${one} ON CONFLICT (id, "when") DO UPDATE SET name = EXCLUDED.name`,
    ][some(9)];
    return `BEGIN ISOLATION LEVEL ${isolation}; ${sql}; SET LOCAL lock_timeout = '60s'; UPDATE ${HOSTILE} SET name = 'second' WHERE ${one}; COMMIT`;
  };

const other = async ({ declared: { rows } }: Operated) =>
  (await database.client.query('SELECT to_regclass($1) IS NOT NULL AS it', [`"Лавка"."${rows.oldName}"`]))
    .rows[0].it
    ? rows.oldName
    : rows.newName;
const expectEqual = async (it: Operated, when: string) =>
  expect(
    await differing(database.client, HOSTILE, `"Лавка"."${await other(it)}"`, {
      asText: it.declared.operation === 'retype',
    }),
    when,
  ).toBe(0);

/**
 * Waits until the migration waits for a lock on a relation. What whoever holds that does next would wait for one of the
 * locks that the migration has by then, and the migration for that.
 *
 * @returns the relations that it has locked against others; null where there are none
 */
const heldWhileItWaitsFor = async (relation: string): Promise<string[] | null> => {
  const { held } = await waitFor(
    `the migration to wait for ${relation}`,
    async () =>
      (
        await database.client.query<{ held: string[] | null }>(
          `SELECT array_agg(held.relation::regclass::text) FILTER (WHERE held.granted AND held.mode ~ 'Exclusive') AS held
             FROM pg_locks AS waits JOIN pg_stat_activity AS a ON a.pid = waits.pid AND a.application_name = 'sqltrail-migrate'
             JOIN pg_locks AS held ON held.pid = waits.pid AND held.locktype = 'relation' AND held.database = waits.database
            WHERE NOT waits.granted AND waits.relation = $1::regclass GROUP BY waits.pid`,
          [relation],
        )
      ).rows[0],
    { deadlineMs: PATIENCE_MS, everyMs: 20 },
  );
  return held;
};

describe.each(Object.entries(onHostile))('%s', (_, { plan }) => {
  it('no write fails and none is lost, there, back and to the end', async () => {
    const it = await plan(database.url);
    await writers.start(statementOf('READ COMMITTED'));
    for (const until of ['dual-write', 'backfill', 'verify', 'cutover-writes'] satisfies Phase[]) {
      await it.run(until);
      await writers.written();
      if (until !== 'dual-write') await expectEqual(it, until);
    }
    for (const to of ['verify', 'none'] satisfies Reached[]) {
      await it.back(to);
      await writers.written();
      if (to === 'verify') await expectEqual(it, to);
    }
    await it.run('contract');
    await writers.written();
    await writers.stop();
  });

  it('a transaction with a snapshot of its own is ended rather than lost', async () => {
    const it = await plan(database.url);
    await it.run('dual-write');
    const reader = new pg.Client(database.url);
    reader.on('error', () => {});
    await reader.connect();
    await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ${HOSTILE}`);
    // The indexes after it wait for such a transaction.
    for await (const { step, event } of runMigration({ ...it.options, until: 'backfill' }))
      if (step === 'rows' && event === 'done') break;
    // It cannot see what was copied since, and deleting nothing there would leave a row behind.
    await expect(reader.query(`DELETE FROM ${HOSTILE} WHERE id = 110`)).rejects.toMatchObject({
      code: '40001',
    });
    await reader.query('ROLLBACK');
    await reader.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM ${HOSTILE} WHERE id = 110; COMMIT`,
    );
    await reader.end();
    await expectEqual(it, 'after a delete');
    // Ended, not lost: also by a deadlock with a batch, whose own wait ends too late where processors are scarce.
    await writers.start(statementOf('REPEATABLE READ'), /^(could not serialize access|deadlock detected)/);
    await it.back('none');
    await it.run('cutover-writes');
    await writers.written();
    await writers.stop();
    await expectEqual(it, 'under load');
  });

  it('a step that locks several tables holds none while it waits for who writes', async () => {
    const it = await plan(database.url);
    await it.run('dual-write');
    const writer = new pg.Client(database.url);
    await writer.connect();
    const seen: string[] = [];
    const letGo: Promise<unknown>[] = [];
    for await (const { step = '', event } of runMigration({ ...it.options, until: 'backfill' }))
      if (
        event === 'begun' &&
        /^(indexes of the table|foreign keys, for new rows|foreign keys of the table)$/.test(step)
      ) {
        await writer.query(`BEGIN; LOCK TABLE ONLY ${HOSTILE} IN ROW EXCLUSIVE MODE`);
        seen.push(step);
        letGo.push(
          heldWhileItWaitsFor(HOSTILE).then(async (held) => {
            await writer.query('COMMIT');
            return held;
          }),
        );
      }
    await writer.end();
    expect(seen).toContain('foreign keys, for new rows');
    expect(await Promise.all(letGo)).toEqual(seen.map(() => null));
  });

  it('the cutover holds no lock on the table while it waits for who uses a view', async () => {
    const it = await plan(database.url);
    const reader = new pg.Client(database.url);
    await reader.connect();
    const heldMeanwhile = async (cutover: () => Promise<void>) => {
      // Locks the view alone, as whoever reads it has before the table is locked.
      await reader.query(`BEGIN; COMMENT ON VIEW "Лавка".happy IS NULL`);
      const done = cutover();
      const held = await heldWhileItWaitsFor('"Лавка".happy');
      await reader.query('ROLLBACK');
      await done;
      return held ?? [];
    };
    await it.run('verify');
    expect(await heldMeanwhile(() => it.run('cutover-writes'))).not.toContain(HOSTILE);
    expect(await heldMeanwhile(() => it.back('verify'))).not.toContain(HOSTILE);
    await reader.end();
  });

  it('a number that is taken during the cutover is not given again', async () => {
    const it = await plan(database.url);
    const writer = new pg.Client(database.url);
    await writer.connect();
    const SEQUENCE = '"Лавка"."Заказы_id_seq"';
    const next = async (client: pg.ClientBase) =>
      Number((await client.query<{ n: string }>(`SELECT nextval('${SEQUENCE}') AS n`)).rows[0]?.n);
    const takenMeanwhile = async (cutover: () => Promise<void>) => {
      await writer.query('BEGIN');
      await next(writer);
      const done = cutover();
      await heldWhileItWaitsFor(SEQUENCE);
      let last = 0;
      // More than a session keeps in advance.
      for (let at = 0; at < 12; at += 1) last = await next(writer);
      await writer.query('COMMIT');
      await done;
      return last;
    };
    await it.run('verify');
    // Of a session that has none in advance.
    const nextOfAll = async () => {
      const client = new pg.Client(database.url);
      await client.connect();
      const given = await next(client);
      await client.end();
      return given;
    };
    const before = await takenMeanwhile(() => it.run('cutover-writes'));
    expect(await nextOfAll()).toBeGreaterThan(before);
    const after = await takenMeanwhile(() => it.back('verify'));
    expect(await nextOfAll()).toBeGreaterThan(after);
    await writer.end();
  });

  it('a column that came since the cutover does not go with a rollback', async () => {
    const it = await plan(database.url);
    await it.run('cutover-writes');
    await database.client.query(`ALTER TABLE ${HOSTILE} ADD COLUMN "since then" int DEFAULT 7`);
    await expect(it.back('none')).rejects.toThrow(/does not have "since then"/);
    expect(
      (await database.client.query(`SELECT FROM ${HOSTILE} WHERE "since then" = 7 LIMIT 1`)).rowCount,
    ).toBe(1);
    await database.client.query(`ALTER TABLE ${HOSTILE} DROP COLUMN "since then"`);
    await it.back('none');
  });

  it.each<Reached>(['dual-write', 'expand'])('goes on after a rollback to %s', async (to) => {
    const it = await plan(database.url);
    await it.run('verify');
    await it.back(to);
    await database.client.query(`DELETE FROM ${HOSTILE} WHERE id % 20 = 0`);
    await it.run('cutover-writes');
    await expectEqual(it, 'after the second time');
  });

  it('a copy that was stopped and rolled back begins anew', async () => {
    const it = await plan(database.url);
    await it.run('dual-write');
    for await (const { step, event } of runMigration({ ...it.options, until: 'backfill' }))
      if (step === 'rows' && event === 'batch') break;
    await it.back('none');
    await it.run('verify');
    await expectEqual(it, 'after the second copy');
  });

  it('a row that is being changed is not copied as it was', async () => {
    const it = await plan(database.url);
    await it.run('dual-write');
    const other = new pg.Client(database.url);
    await other.connect();
    await other.query(
      `BEGIN; DELETE FROM ${HOSTILE} WHERE id = 110; UPDATE ${HOSTILE} SET "when" = "when" + interval '1 year' WHERE id = 112`,
    );
    let waited = false;
    for await (const { step, event } of runMigration({ ...it.options, until: 'backfill' })) {
      // It has met the rows, and gave way; or it has passed them.
      if (step === 'rows' && (event === 'retry' || event === 'done') && !waited) await other.query('COMMIT');
      waited ||= step === 'rows' && event === 'retry';
    }
    await other.end();
    expect(waited).toBe(true);
    await expectEqual(it, 'after the copy');
  });

  it('goes on after kill -9 at any moment, there and back', async () => {
    const it = await plan(database.url);
    await writers.start(statementOf('READ COMMITTED'));
    await goOnAfterKills(database.url, it, writers, (when) => expectEqual(it, when), {
      throughContract: true,
    });
    expect(
      (await database.client.query("SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'")).rows,
    ).toEqual([]);
  });
});

it('a statement may change a row twice, by two foreign keys', async () => {
  await database.client.query(
    `CREATE TABLE addresses (id int PRIMARY KEY);
     INSERT INTO addresses SELECT generate_series(1, 9);
     CREATE TABLE bought (id int PRIMARY KEY, at date NOT NULL, billing int REFERENCES addresses ON DELETE SET NULL, shipping int REFERENCES addresses ON DELETE SET NULL);
     INSERT INTO bought SELECT i, '2026-01-01', 1 + i % 9, 1 + i % 9 FROM generate_series(1, 90) AS i; ANALYZE`,
  );
  const it = await retyped(database.url, 'bought.id', 'bigint');
  await it.run('verify');
  await database.client.query('DELETE FROM addresses WHERE id = 5');
  await it.run('cutover-writes');
  await database.client.query('DELETE FROM addresses WHERE id = 6');
  await it.back('verify');
  expect(
    (await database.client.query('SELECT FROM bought WHERE billing IS NULL AND shipping IS NULL')).rowCount,
  ).toBe(20);
});

it('a key that is written in another way, and equal, is so in both tables', async () => {
  await database.client.query(
    `CREATE TABLE t (k numeric PRIMARY KEY, day text NOT NULL); INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1, 50) AS i`,
  );
  const it = await retyped(database.url, 't.day', 'date');
  await it.run('backfill');
  await database.client.query('UPDATE t SET k = 5.00 WHERE k = 5');
  await it.run('cutover-writes');
  await database.client.query('UPDATE t SET k = 6.00 WHERE k = 6');
  await it.back('none');
  expect((await database.client.query('SELECT k::text FROM t WHERE k IN (5, 6) ORDER BY k')).rows).toEqual([
    { k: '5.00' },
    { k: '6.00' },
  ]);
});

it('of two migrations of one table the second is refused, also where it was planned first', async () => {
  const days = await onHostile.retype.plan(database.url);
  await days.run('verify');
  await expect(onHostile.partition.plan(database.url)).rejects.toThrow(/has triggers of another migration/);
  await days.back('none');
  const months = await onHostile.partition.plan(database.url);
  await months.run('expand');
  // As the other one makes them.
  await database.client.query(
    `CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
     CREATE TRIGGER sqltrail_forward_insert AFTER INSERT ON ${HOSTILE} EXECUTE FUNCTION other()`,
  );
  await expect(months.run('dual-write')).rejects.toThrow(/has triggers of another migration/);
});

it('a batch holds all of its rows before it does anything with one', async () => {
  await database.client.query(
    `CREATE TABLE days (id int PRIMARY KEY, day text NOT NULL);
     INSERT INTO days SELECT i, '2026-01-01' FROM generate_series(1, 200) AS i;
     CREATE TABLE slowness AS SELECT 0 AS seconds;
     CREATE FUNCTION slowly(text) RETURNS date IMMUTABLE LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_sleep(seconds) FROM public.slowness; RETURN $1::date; END $$`,
  );
  const it = await retyped(database.url, 'days.day', 'date', {
    using: 'public.slowly(day)',
    back: 'day::text',
  });
  await it.run('dual-write');
  await database.client.query('UPDATE slowness SET seconds = 600');
  const copying = it.run('backfill').catch((error: Error) => error);
  const pid = await waitFor(
    'the first row to be copied',
    async () =>
      (
        await database.client.query<{ pid: number }>(
          "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        )
      ).rows[0]?.pid,
    { deadlineMs: PATIENCE_MS, everyMs: 20 },
  );
  await expect(
    database.client.query('SELECT FROM days WHERE id = 200 FOR UPDATE NOWAIT'),
  ).rejects.toMatchObject({ code: '55P03' });
  await database.client.query('SELECT pg_terminate_backend($1)', [pid]);
  expect(await copying).toBeInstanceOf(Error);
});
