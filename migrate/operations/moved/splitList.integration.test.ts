import pg from 'pg';
import { expect, it } from 'vitest';
import { waitFor } from '../../../lib/waitFor.ts';
import { databaseFor, forgetStatements } from '../../../test/support/database.ts';
import { dumpBinDir } from '../../../test/support/dump.ts';
import { goOnAfterKills } from '../../../test/support/killedRuns.ts';
import { ARTICLES, articles, wrongLists } from '../../../test/support/listCase.ts';
import { split } from '../../../test/support/moved.ts';
import { PATIENCE_MS } from '../../../test/support/patience.ts';
import { expectDumpAfterRollbacks } from '../../../test/support/rollbackDump.ts';
import { writersOn } from '../../../test/support/writers.ts';
import { runMigration, verifyMigration } from '../../engine.ts';
import type { Phase, Reached } from '../../mapping.ts';
import { differences } from '../../verify.ts';

const database = databaseFor('each');
const query = async (sql: string) => (await database.client.query(sql)).rows;

const splitArticles = (url = database.url) => split(url, { table: ARTICLES, column: 'Метки', into: 'метки' });
const INTO = '"Дом"."метки"';
const wrong = () =>
  wrongLists(database.client, {
    table: ARTICLES,
    column: '"Метки"',
    keys: 'id, "where"',
    into: INTO,
    newKeys: '"Статьи_id", "where"',
  });

const WRITERS = 3;
const writers = writersOn(database, WRITERS);
const some = (n: number) => Math.floor(Math.random() * n);
const list = () => ['NULL', "'again'", "'a'", "'x,y'", `'n${some(9)},n,,n'`, "'🙂,ж'"][some(6)];
const mine = (writer: number) => `id / 2 % ${WRITERS} = ${writer}`;
/** Each session has rows of its own, so that none has a reason to fail without the migration. */
const statementOf = (writer: number): string => {
  const one = `(id, "where") = (SELECT id, "where" FROM ${ARTICLES} WHERE ${mine(writer)} ORDER BY id OFFSET ${some(400)} LIMIT 1)`;
  return [
    `INSERT INTO ${ARTICLES} ("Метки") VALUES (${list()})`,
    `INSERT INTO ${ARTICLES} ("Метки") SELECT CASE i % 3 WHEN 0 THEN 'again' ELSE 'z,' || i END FROM generate_series(1, 15) AS i`,
    `UPDATE ${ARTICLES} SET "Метки" = ${list()} WHERE ${one}`,
    `UPDATE ${ARTICLES} SET "Метки" = "Метки" || ',more' WHERE ${mine(writer)} AND id % 14 = 2 AND length("Метки") < 60`,
    `UPDATE ${ARTICLES} SET "where" = "where" || 'x', "Метки" = ${list()} WHERE ${one}`,
    `UPDATE ${ARTICLES} SET position = 1 WHERE ${mine(writer)} AND id % 10 = 0`,
    `DELETE FROM ${ARTICLES} WHERE ${one}`,
    `BEGIN; UPDATE ${ARTICLES} SET "Метки" = 'first' WHERE ${one}; UPDATE ${ARTICLES} SET "Метки" = ${list()} WHERE ${one}; COMMIT`,
  ][some(8)] as string;
};
/** The same, and what an application does that uses the new table. */
const newStatementOf = (writer: number): string => {
  const row = `SELECT id, "where" FROM ${ARTICLES} WHERE ${mine(writer)} ORDER BY id OFFSET ${some(400)} LIMIT 1`;
  return [
    statementOf(writer),
    `INSERT INTO ${INTO} SELECT id, "where", coalesce((SELECT max(position) FROM ${INTO} AS n WHERE n."Статьи_id" = r.id AND n."where" = r."where"), 0) + 1, 'added' FROM (${row}) AS r
       WHERE (SELECT coalesce(length("Метки"), 0) FROM ${ARTICLES} AS a WHERE a.id = r.id AND a."where" = r."where") < 60`,
    `UPDATE ${INTO} SET value = 'v${some(9)}' WHERE ("Статьи_id", "where") = (${row})`,
    `DELETE FROM ${INTO} WHERE ("Статьи_id", "where") = (${row}) AND position = 1`,
  ][some(4)] as string;
};

it('splits lists that are written to, and back', async () => {
  await database.client.query(`CREATE TABLE posts (id int PRIMARY KEY, tags text, more text[] NOT NULL DEFAULT '{}');
    INSERT INTO posts VALUES (1, 'a,b,a', '{x,NULL}'), (2, '', '{}'), (3, 'one', '{"a,b"}'), (4, ',', '{}')`);
  const it = await split(database.url, { table: 'posts', column: 'tags' });
  const entries = () => query('SELECT posts_id AS id, position, value FROM posts_tags ORDER BY 1, 2');
  await it.run('verify');
  expect(await entries()).toEqual([
    { id: 1, position: 1, value: 'a' },
    { id: 1, position: 2, value: 'b' },
    { id: 1, position: 3, value: 'a' },
    { id: 3, position: 1, value: 'one' },
    { id: 4, position: 1, value: '' },
    { id: 4, position: 2, value: '' },
  ]);
  await database.client.query(
    "UPDATE posts SET tags = 'c' WHERE id = 1; DELETE FROM posts WHERE id = 4; INSERT INTO posts VALUES (5, 'm,n')",
  );
  expect((await entries()).map(({ value }) => value)).toEqual(['c', 'one', 'm', 'n']);
  await it.run('cutover-writes');
  await database.client.query(
    "DELETE FROM posts_tags WHERE value = 'm'; INSERT INTO posts_tags VALUES (2, 7, 'late'), (2, 3, 'early'); UPDATE posts SET tags = 'c,d' WHERE id = 1",
  );
  expect(await query('SELECT id, tags FROM posts ORDER BY id')).toEqual([
    { id: 1, tags: 'c,d' },
    { id: 2, tags: 'early,late' },
    { id: 3, tags: 'one' },
    { id: 5, tags: 'n' },
  ]);
  // Entries that say the same keep their positions.
  await database.client.query("UPDATE posts SET tags = 'early,late', more = '{z}' WHERE id = 2");
  expect((await entries()).filter(({ id }) => id === 2).map(({ position }) => position)).toEqual([3, 7]);
  expect(differences(await verifyMigration(it.options))).toEqual([]);
  await expect(database.client.query("INSERT INTO posts_tags VALUES (2, 8, 'a,b')")).rejects.toThrow(
    /sqltrail_separator/,
  );
  await expect(database.client.query("INSERT INTO posts_tags VALUES (99, 1, 'a')")).rejects.toMatchObject({
    code: '23503',
  });
  await database.client.query('DELETE FROM posts_tags WHERE posts_id = 2');
  expect(await query('SELECT tags FROM posts WHERE id = 2')).toEqual([{ tags: '' }]);
  const kept = await query('SELECT * FROM posts ORDER BY id');
  await it.back('none');
  expect(await query('SELECT * FROM posts ORDER BY id')).toEqual(kept);
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE '%posts_tags%'")).toEqual([]);
  await it.run('contract');
  await database.client.query(
    "INSERT INTO posts_tags VALUES (3, 2, 'with, comma'); DELETE FROM posts WHERE id = 1",
  );
  expect((await entries()).map(({ value }) => value)).toEqual(['one', 'with, comma', 'n']);
  expect(
    await query(
      "SELECT proname FROM pg_proc WHERE proname LIKE '%sqltrail%' UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%sqltrail%'",
    ),
  ).toEqual([]);
  expect(Object.keys((await query('SELECT * FROM posts LIMIT 1'))[0])).toEqual(['id', 'more']);
});

it('no write fails and none is lost, there, back and to the end', async () => {
  await database.client.query(articles);
  const it = await splitArticles();
  await writers.start(statementOf);
  for (const until of ['dual-write', 'backfill', 'verify', 'cutover-writes'] satisfies Phase[]) {
    await it.run(until);
    await writers.written();
    if (until !== 'dual-write') expect(await wrong(), until).toEqual([]);
  }
  await writers.stop();
  await writers.start(newStatementOf);
  await writers.written();
  expect(await wrong(), 'both ways').toEqual([]);
  await writers.stop();
  await writers.start(statementOf);
  for (const to of ['verify', 'none'] satisfies Reached[]) {
    await it.back(to);
    await writers.written();
    if (to === 'verify') expect(await wrong(), to).toEqual([]);
  }
  await it.run('cutover-writes');
  await writers.stop();
  await it.run('contract');
});

it('goes on after kill -9 at any moment, there and back', async () => {
  await database.client.query(articles);
  const it = await splitArticles();
  await writers.start(statementOf);
  await goOnAfterKills(database.url, it, writers, async (when) => expect(await wrong(), when).toEqual([]));
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%'")).toEqual([]);
});

it.skipIf(!dumpBinDir)('a rollback from any phase leaves what pg_dump saw before', () =>
  expectDumpAfterRollbacks(articles, splitArticles),
);

it('a transaction with a snapshot of its own is ended rather than lost', async () => {
  await database.client.query(articles);
  const it = await splitArticles();
  await it.run('dual-write');
  const reader = new pg.Client(database.url);
  reader.on('error', () => {});
  await reader.connect();
  await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ${ARTICLES}`);
  for await (const { step, event } of runMigration({ ...it.options, until: 'backfill' }))
    if (step === 'entries' && event === 'done') break;
  // It cannot see what was copied since, and removing nothing there would leave entries behind.
  await expect(reader.query(`UPDATE ${ARTICLES} SET "Метки" = NULL WHERE id = 14`)).rejects.toMatchObject({
    code: '40001',
  });
  await reader.query('ROLLBACK');
  await reader.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE ${ARTICLES} SET "Метки" = NULL WHERE id = 14; DELETE FROM ${ARTICLES} WHERE id = 16; COMMIT`,
  );
  await reader.end();
  expect(await wrong()).toEqual([]);
});

it('two sessions that add to one list are both in it', async () => {
  await database.client.query(
    "CREATE TABLE posts (id int PRIMARY KEY, tags text); INSERT INTO posts VALUES (1, 'a,b')",
  );
  const it = await split(database.url, { table: 'posts', column: 'tags' });
  await it.run('cutover-writes');
  const other = new pg.Client(database.url);
  await other.connect();
  await database.client.query("BEGIN; INSERT INTO posts_tags VALUES (1, 3, 'c')");
  const second = other.query("INSERT INTO posts_tags VALUES (1, 4, 'd')");
  await waitFor(
    'the second to wait',
    async () => {
      const { rows } = await database.client.query(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return rows[0].n > 0;
    },
    { deadlineMs: PATIENCE_MS, everyMs: 20 },
  );
  await database.client.query('COMMIT');
  await second;
  await other.end();
  expect(await query('SELECT tags FROM posts')).toEqual([{ tags: 'a,b,c,d' }]);
});

it('complete stops while something uses the column, and names it', async () => {
  await database.client.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE posts (id int PRIMARY KEY, tags text, CHECK (length(tags) < 100));
    INSERT INTO posts VALUES (1, 'a,b');
    CREATE INDEX by_tags ON posts (tags);
    CREATE VIEW tagged AS SELECT id FROM posts WHERE tags <> '';
    CREATE FUNCTION of_posts() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM posts WHERE tags IS NULL); END'`);
  await database.client.query(forgetStatements);
  await database.client.query('SELECT tags FROM posts WHERE id = 1');
  const it = await split(database.url, { table: 'posts', column: 'tags' });
  expect(it.declared.notes.join('\n')).toMatch(/complete stops while these use tags.*view.*tagged/);
  await it.run('cutover-writes');
  const error = await it.run('contract').catch(({ message }: Error) => message);
  for (const why of [
    /index public\.by_tags/,
    /view public\.tagged/,
    /constraint posts_tags_check/,
    /function public\.of_posts\(\)/,
    /SELECT tags FROM posts WHERE id = \$1/,
  ])
    expect(error).toMatch(why);
  await database.client.query(
    'ALTER TABLE posts DROP CONSTRAINT posts_tags_check; DROP INDEX by_tags; DROP VIEW tagged; DROP FUNCTION of_posts',
  );
  // What ran before is no use any more, and what runs again is.
  await database.client.query('SELECT tags FROM posts WHERE id = 1');
  await expect(it.run('contract')).rejects.toThrow(/SELECT tags FROM posts/);
  await it.back('cutover-writes');
  await it.run('contract');
  expect(Object.keys((await query('SELECT * FROM posts'))[0])).toEqual(['id']);
});
