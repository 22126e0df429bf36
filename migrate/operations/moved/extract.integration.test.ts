import pg from 'pg';
import { expect, it } from 'vitest';
import { waitFor } from '../../../lib/waitFor.ts';
import { BOOKINGS, bookings, GUESTS, LEDGER, wrongCopies } from '../../../test/support/copiesCase.ts';
import { databaseFor } from '../../../test/support/database.ts';
import { dumpBinDir } from '../../../test/support/dump.ts';
import { kept } from '../../../test/support/kept.ts';
import { goOnAfterKills } from '../../../test/support/killedRuns.ts';
import { extracted } from '../../../test/support/moved.ts';
import { PATIENCE_MS } from '../../../test/support/patience.ts';
import { expectDumpAfterRollbacks } from '../../../test/support/rollbackDump.ts';
import { writersOn } from '../../../test/support/writers.ts';
import { verifyMigration } from '../../engine.ts';
import type { Phase, Reached } from '../../mapping.ts';
import { differences } from '../../verify.ts';
import type { Rule } from './extractSql.ts';

const database = databaseFor('each');
const query = async (sql: string) => (await database.client.query(sql)).rows;

const LATEST: Rule = { kind: 'latest-by', column: 'at' };
const extractGuests = (resolve: Rule = LATEST, url = database.url) =>
  extracted(url, {
    table: BOOKINGS,
    columns: ['Имя', 'city', 'image'],
    key: 'guest',
    into: 'Гости',
    resolve,
  });
const wrong = (cutover: boolean, rule: Rule = LATEST) =>
  wrongCopies(database.client, {
    table: BOOKINGS,
    into: GUESTS,
    ledger: LEDGER,
    queue: '"Дом"."Гости_sqltrail_changed"',
    key: 'guest',
    columns: { Имя: '"Имя"', city: 'city', image: 'image' },
    latest: rule.kind === 'latest-by' ? rule.column : undefined,
    cutover,
  });

const WRITERS = 3;
const writers = writersOn(database, WRITERS);
const some = (n: number) => Math.floor(Math.random() * n);
const mine = (writer: number) => `guest % ${WRITERS} = ${writer}`;
/** Each session has guests of its own, so that none has a reason to fail without the migration. */
const statementOf = (writer: number): string => {
  const guest = 3 * some(25) + writer;
  const one = `id = (SELECT id FROM ${BOOKINGS} WHERE ${mine(writer)} ORDER BY id OFFSET ${some(400)} LIMIT 1)`;
  return [
    `INSERT INTO ${BOOKINGS} (guest, "Имя", city, image) VALUES (${guest}, 'имя ${guest}', 'city ${some(3)}', '{"g": 1}')`,
    `INSERT INTO ${BOOKINGS} (guest, "Имя", city) SELECT ${guest}, 'same', 'c' FROM generate_series(1, 15) AS i`,
    `INSERT INTO ${BOOKINGS} (guest) VALUES (NULL)`,
    `UPDATE ${BOOKINGS} SET city = 'moved ${some(9)}', at = clock_timestamp() WHERE guest = ${guest}`,
    `UPDATE ${BOOKINGS} SET city = 'one ${some(9)}' WHERE ${one}`,
    `UPDATE ${BOOKINGS} SET note = 'n${some(9)}' WHERE guest = ${guest}`,
    `UPDATE ${BOOKINGS} SET guest = ${guest} WHERE ${one}`,
    `DELETE FROM ${BOOKINGS} WHERE ${one}`,
    `DELETE FROM ${BOOKINGS} WHERE guest = ${guest} AND id % 3 > 0`,
    `BEGIN; UPDATE ${BOOKINGS} SET city = 'first' WHERE ${one}; UPDATE ${BOOKINGS} SET city = 'second' WHERE ${one}; COMMIT`,
  ][some(10)] as string;
};
/** The same, and what an application does that uses the new table. */
const newStatementOf = (writer: number): string => {
  const guest = 3 * some(25) + writer;
  return [
    statementOf(writer),
    `INSERT INTO ${GUESTS} (guest, "Имя") VALUES (${guest}, 'new') ON CONFLICT (guest) DO UPDATE SET "Имя" = 'renamed ${some(9)}'`,
    `UPDATE ${GUESTS} SET city = 'set ${some(9)}' WHERE guest = ${guest}`,
    `INSERT INTO ${BOOKINGS} (guest) SELECT guest FROM ${GUESTS} WHERE guest = ${guest}`,
    `DELETE FROM ${GUESTS} AS g WHERE guest = ${guest} AND NOT EXISTS (SELECT FROM ${BOOKINGS} AS b WHERE b.guest = g.guest)`,
  ][some(5)] as string;
};

it('moves copies to a table of their own, and back', async () => {
  await database.client.query(`CREATE TABLE stays (id int PRIMARY KEY, guest_id text, guest_name text, city text DEFAULT 'unknown', at date);
    INSERT INTO stays VALUES (1, 'a', 'Ann', 'Basel', '2026-01-01'), (2, 'a', 'Ann', 'Bern', '2026-01-02'), (3, 'b', 'Bob', NULL, '2026-01-01'), (4, NULL, NULL, 'unknown', NULL)`);
  const options = { table: 'stays', columns: ['guest_name', 'city'], key: 'guest_id', into: 'guests' };
  await expect(extracted(database.url, options)).rejects.toThrow(
    /The copies of 1 of 2 guest_ids contradict.*for example a.*--resolve latest-by COLUMN/,
  );
  const it = await extracted(database.url, { ...options, resolve: LATEST });
  const guests = () => query('SELECT * FROM guests ORDER BY guest_id');
  const ledger = () =>
    query('SELECT key, column_name, copies, chosen, rule FROM guests_contradictions ORDER BY id');
  const apart = () => kept(database.client, it.options);
  await it.run('dual-write');
  expect(await apart()).toEqual([]);
  await it.run('verify');
  expect(await apart()).toEqual([{ kind: 'contradiction', table: 'stays', entries: 1 }]);
  expect(await guests()).toEqual([
    { guest_id: 'a', guest_name: 'Ann', city: 'Bern' },
    { guest_id: 'b', guest_name: 'Bob', city: null },
  ]);
  const contradiction = {
    key: 'a',
    column_name: 'city',
    chosen: 'Bern',
    rule: 'latest-by at',
    copies: [
      { value: 'Basel', rows: 1 },
      { value: 'Bern', rows: 1 },
    ],
  };
  expect(await ledger()).toEqual([contradiction]);
  await it.run('cutover-writes');
  // An application that no longer knows the columns, one that does, and one that uses the new table.
  await database.client.query("INSERT INTO stays (id, guest_id, at) VALUES (5, 'a', '2026-01-03')");
  expect(await query('SELECT guest_name, city FROM stays WHERE id = 5')).toEqual([
    { guest_name: 'Ann', city: 'Bern' },
  ]);
  await database.client.query(
    "INSERT INTO stays VALUES (6, 'c', 'Cid', 'Chur', '2026-01-03'); UPDATE stays SET city = 'Biel' WHERE id = 3",
  );
  expect((await guests()).slice(1)).toEqual([
    { guest_id: 'b', guest_name: 'Bob', city: 'Biel' },
    { guest_id: 'c', guest_name: 'Cid', city: 'Chur' },
  ]);
  expect((await ledger())[1]).toMatchObject({
    key: 'b',
    column_name: 'city',
    chosen: 'Biel',
    rule: 'written later',
  });
  await database.client.query(
    "UPDATE guests SET guest_name = 'Anna' WHERE guest_id = 'a'; INSERT INTO guests VALUES ('d', 'Dan', 'Davos'); UPDATE stays SET guest_id = 'd' WHERE id = 5",
  );
  expect(await query('SELECT id, guest_name, city FROM stays ORDER BY id')).toEqual([
    { id: 1, guest_name: 'Anna', city: 'Bern' },
    { id: 2, guest_name: 'Anna', city: 'Bern' },
    { id: 3, guest_name: 'Bob', city: 'Biel' },
    { id: 4, guest_name: null, city: 'unknown' },
    { id: 5, guest_name: 'Dan', city: 'Davos' },
    { id: 6, guest_name: 'Cid', city: 'Chur' },
  ]);
  await expect(database.client.query("DELETE FROM guests WHERE guest_id = 'a'")).rejects.toMatchObject({
    code: '23503',
  });
  await expect(
    database.client.query("UPDATE guests SET guest_id = 'z' WHERE guest_id = 'a'"),
  ).rejects.toMatchObject({
    code: '23503',
  });
  await expect(database.client.query('TRUNCATE guests')).rejects.toMatchObject({ code: '23503' });
  expect(differences(await verifyMigration(it.options))).toEqual([]);
  expect((await apart()).map(({ kind }) => kind)).toEqual(['contradiction', 'written later']);
  const before = await query('SELECT * FROM stays ORDER BY id');
  // What no row of the old table can hold is in the ledger.
  await database.client.query("INSERT INTO guests VALUES ('e', 'Eve', NULL)");
  await it.back('none');
  expect(await query('SELECT * FROM stays ORDER BY id')).toEqual(before);
  expect(await apart()).toEqual([{ kind: 'rolled back', table: 'stays', entries: 2 }]);
  expect(
    (await ledger()).map(({ key, column_name, chosen, rule }) => [key, column_name, chosen, rule]),
  ).toEqual([
    ['e', 'guest_name', 'Eve', 'rolled back'],
    ['e', 'city', null, 'rolled back'],
  ]);
  await it.run('cutover-writes');
  await database.client.query("INSERT INTO stays VALUES (7, 'a', 'Anna', 'Aarau', '2026-02-01')");
  await it.run('contract');
  expect(Object.keys((await query('SELECT * FROM stays'))[0])).toEqual(['id', 'guest_id', 'at']);
  expect((await guests())[0]).toEqual({ guest_id: 'a', guest_name: 'Anna', city: 'Aarau' });
  await expect(database.client.query("INSERT INTO stays VALUES (8, 'nobody', NULL)")).rejects.toMatchObject({
    code: '23503',
  });
  expect(
    await query(
      "SELECT proname AS name FROM pg_proc WHERE proname LIKE '%sqltrail%' UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%sqltrail%' UNION ALL SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'",
    ),
  ).toEqual([]);
});

it.each<[string, Rule]>([
  ['latest-by', LATEST],
  ['most-frequent', { kind: 'most-frequent' }],
])('no write fails and none is lost, there, back and to the end: %s', async (_, rule) => {
  await database.client.query(bookings);
  const it = await extractGuests(rule);
  await writers.start(statementOf);
  for (const until of ['dual-write', 'backfill', 'verify', 'cutover-writes'] satisfies Phase[]) {
    await it.run(until);
    await writers.written();
    if (until !== 'dual-write') expect(await wrong(until === 'cutover-writes', rule), until).toEqual([]);
  }
  await writers.stop();
  await writers.start(newStatementOf);
  await writers.written();
  await writers.stop();
  expect(await wrong(true, rule), 'both ways').toEqual([]);
  await writers.start(statementOf);
  for (const to of ['verify', 'none'] satisfies Reached[]) {
    await it.back(to);
    await writers.written();
    if (to === 'verify') expect(await wrong(false, rule), to).toEqual([]);
  }
  await it.run('cutover-writes');
  await writers.written();
  await writers.stop();
  await it.run('contract');
});

it.each<[string, Rule]>([
  ['latest-by', LATEST],
  ['most-frequent', { kind: 'most-frequent' }],
])(
  'what somebody writes while its key is carried over at the cutover counts, or is in the ledger: %s',
  async (_, rule) => {
    await database.client.query(bookings);
    await database.client.query(
      `INSERT INTO ${BOOKINGS} (guest, "Имя") SELECT 1000, 'many' FROM generate_series(1, 5)`,
    );
    const it = await extractGuests(rule);
    await it.run('cutover-writes');
    // As it is while keys that changed at the cutover are carried over: the new table is not written to yet.
    await database.client.query(`ALTER TABLE ${GUESTS} DISABLE TRIGGER USER`);
    const [put] = await query(
      "SELECT oid::regproc::text AS name FROM pg_proc WHERE pronamespace = '\"Дом\"'::regnamespace AND proname LIKE '%put%'",
    );
    const other = new pg.Client(database.url);
    await other.connect();
    try {
      for (const there of [true, false]) {
        if (!there) await database.client.query(`DELETE FROM ${GUESTS} WHERE guest = 1000`);
        await database.client.query('BEGIN');
        await database.client.query(
          `UPDATE ${BOOKINGS} SET city = 'written meanwhile ${there}', at = '2025-01-01' WHERE id = (SELECT min(id) FROM ${BOOKINGS} WHERE guest = 1000)`,
        );
        const carried = other.query(`SELECT ${put.name}(ARRAY[1000])`);
        await waitFor(
          'the key is waited for',
          async () =>
            (
              await query(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
              )
            ).length > 0,
          { deadlineMs: PATIENCE_MS, everyMs: 20 },
        );
        await database.client.query('COMMIT');
        await carried;
        expect(await wrong(true, rule), String(there)).toEqual([]);
      }
    } finally {
      await other.end();
    }
  },
);

it('a key whose rows all went before it was carried over at the cutover is right after a rollback', async () => {
  await database.client.query(bookings);
  const it = await extractGuests();
  await it.run('cutover-writes');
  // As a run does that is at the keys that changed at the cutover.
  await database.client.query(`DELETE FROM ${BOOKINGS} WHERE guest = 1`);
  const { last, batch } = it.declared.moved.drain as { last: string; batch: string };
  await database.client.query(batch, [10, (await query(last))[0].last]);
  expect(await query(`SELECT guest FROM ${GUESTS} WHERE guest = 1`)).toHaveLength(1);
  await it.back('verify');
  expect(await wrong(false)).toEqual([]);
  expect(differences(await verifyMigration(it.options))).toEqual([]);
  await it.run('cutover-writes');
  expect(await query(`SELECT guest FROM ${GUESTS} WHERE guest = 1`)).toEqual([]);
});

it('goes on after kill -9 at any moment, there and back', async () => {
  await database.client.query(bookings);
  const it = await extractGuests();
  await writers.start(statementOf);
  await goOnAfterKills(database.url, it, writers, async (when) =>
    expect(await wrong(when !== 'verify'), when).toEqual([]),
  );
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'")).toEqual([]);
});

it.skipIf(!dumpBinDir)('a rollback from any phase leaves what pg_dump saw before', () =>
  expectDumpAfterRollbacks(bookings, (url) => extractGuests(LATEST, url)),
);
