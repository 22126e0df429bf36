import { beforeAll, expect, it } from 'vitest';
import { databaseFor } from '../../../test/support/database.ts';
import { unhurried } from '../../../test/support/unhurried.ts';
import type { RankedFinding } from '../../finding.ts';
import { fixSql } from '../../fixSql.ts';
import { diagnose } from '../../run.ts';

/** Data as others keep it: references by any name, dates and lists in any type, and pages that are old and in use. */
const database = databaseFor('all');
let findings: RankedFinding[];

beforeAll(async () => {
  await database.client.query(`SET DateStyle = 'German'; CREATE EXTENSION citext;
    CREATE DOMAIN day AS date; CREATE DOMAIN words AS text; CREATE DOMAIN more_words AS words;
    CREATE TABLE room (id bigint PRIMARY KEY, room_id text NOT NULL UNIQUE);
    CREATE TABLE users (id int PRIMARY KEY, manager_id int);
    CREATE TABLE authors (id int PRIMARY KEY, pen text NOT NULL);
    CREATE TABLE post (id int PRIMARY KEY, author_id int NOT NULL, room_id text NOT NULL, parent_id int, owner_id int NOT NULL, owner_type text NOT NULL);
    INSERT INTO room SELECT i, '!room' || i FROM generate_series(1, 300) i;
    INSERT INTO users SELECT i, CASE WHEN i > 10 THEN 1 + i % 10 END FROM generate_series(1, 2000) i;
    INSERT INTO authors SELECT 100000 + i, 'pen' || i FROM generate_series(1, 50) i;
    INSERT INTO post SELECT i, 1 + i * 7919 % 2000, '!room' || 1 + i * 31 % 300, CASE WHEN i > 50 THEN 1 + i % 50 END, 1 + i % 2000, 'User' FROM generate_series(1, 9000) i;
    CREATE TABLE visit (id int PRIMARY KEY, spoken more_words NOT NULL, price text NOT NULL, tags more_words NOT NULL, labels citext NOT NULL);
    INSERT INTO visit SELECT i, to_char(date '2026-01-01' - i % 900, 'DD.MM.YYYY'), CASE WHEN i % 97 = 0 THEN 'n/a' ELSE (i * 37 % 900) || '.99' END,
      'a' || i % 9 || ';b' || i * 3 % 7 || ';c', 'red,blue,' || CASE WHEN i * 7 % 3 = 0 THEN 'oak' ELSE 'steel' END FROM generate_series(1, 9000) i;
    CREATE TABLE tick (id bigint PRIMARY KEY, at_ms bigint NOT NULL, closed_ms bigint NOT NULL, body text NOT NULL);
    INSERT INTO tick SELECT i, at, at + 60000, repeat('b', 100) || i FROM (SELECT i, extract(epoch FROM now() - i * interval '1 hour')::bigint * 1000 AS at FROM generate_series(1, 20000) i) s;
    CREATE TABLE stay (id int PRIMARY KEY, began day NOT NULL, ended day NOT NULL, body text NOT NULL);
    INSERT INTO stay SELECT i, (now() - i * interval '1 hour')::date, (now() - i * interval '1 hour')::date + i % 5, repeat('b', 100) || i FROM generate_series(1, 20000) i;
    CREATE TABLE page (id int PRIMARY KEY, title text NOT NULL UNIQUE, body text NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
    INSERT INTO page SELECT i, 'Page ' || i, repeat('wiki ', 60) || i, now() - i * interval '5 hours', now() - i * interval '4 hours' FROM generate_series(1, 5000) i;
    ANALYZE`);
  // Read by key all the time, which old pages of a wiki are.
  await database.client.query(
    `DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM body FROM page WHERE id = i; END LOOP; END $$`,
  );
  await database.client.query('SELECT pg_stat_force_next_flush()');
  ({ findings } = await diagnose(unhurried(database.url, { only: ['model', 'cold-data'] })));
});

const found = (check: string) =>
  findings
    .filter((finding) => finding.check === check && finding.severity !== 'info')
    .map(({ id }) => id.split('public.')[1])
    .sort();

it('a reference is found by a role, to itself, and to a unique column; not where a column names its table', async () => {
  expect(found('missing-foreign-key')).toEqual([
    'post(author_id)',
    'post(parent_id)',
    'post(room_id)',
    'users(manager_id)',
  ]);
  for (const { check, fix } of findings)
    if (check === 'missing-foreign-key' && fix)
      for (const sql of fixSql(fix).sql) await database.client.query(sql);
});

it('dates, amounts and lists are found in domains, in citext and beside placeholders', () => {
  expect(found('typed-as-text')).toEqual(['visit(date:spoken)', 'visit(money:price)']);
  expect(found('list-in-column')).toEqual(['visit(labels)', 'visit(tags)']);
});

it('old rows are found by milliseconds and by domains, and pages that are read are in use', () => {
  expect(found('cold-data')).toEqual(['stay', 'tick']);
  const fix = findings.find(({ id }) => id.endsWith('.tick'))?.fix;
  expect(fix && fixSql(fix).sql).toEqual([]);
});
