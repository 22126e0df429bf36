import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Filling } from './corpusDatabase.ts';
import { fill } from './fill.ts';
import { uuidOf } from './random.ts';
import { runWorkload } from './runWorkload.ts';

const schema = `
  CREATE TYPE state AS ENUM ('new', 'done');
  CREATE TABLE authors (id uuid PRIMARY KEY, email varchar(40) NOT NULL UNIQUE, code char(5), parent_id uuid REFERENCES authors);
  CREATE TABLE books (id serial PRIMARY KEY, author_id uuid NOT NULL REFERENCES authors, state state NOT NULL,
    price numeric(6, 2) NOT NULL CHECK (price >= 0), created_at timestamptz NOT NULL);
  CREATE TABLE editions (book_id int REFERENCES books, number int, title text, PRIMARY KEY (book_id, number));
  CREATE TABLE loans (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, book_id int NOT NULL, number int NOT NULL,
    FOREIGN KEY (book_id, number) REFERENCES editions (book_id, number));`;
const filling: Filling = {
  rows: { authors: 50, books: 400, editions: 400, loans: 600 },
  columns: {
    'editions.book_id': '{i}',
    'editions.number': '1',
    'authors.code': "'A' || lpad({i}::text, 4, '0')",
  },
  plant: 'DROP INDEX IF EXISTS none_such',
};

let made: TestDatabase[];
beforeEach(async () => {
  made = [await createTestDatabase(), await createTestDatabase()];
});
afterEach(() => Promise.all(made.map((database) => database.drop())));

async function filled({ url }: TestDatabase, how: Filling): Promise<pg.Client> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(schema);
  try {
    await fill(url, how, () => {});
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

it('keeps every constraint, also of keys of several columns, and continues sequences after the last row', async () => {
  const [database] = made as [TestDatabase];
  const client = await filled(database, filling);
  const { rows } = await client.query(`
    SELECT (SELECT count(*)::int FROM authors) AS authors, (SELECT count(*)::int FROM books) AS books,
      (SELECT count(*)::int FROM loans) AS loans, (SELECT min(length(code)) FROM authors) AS code,
      (SELECT count(DISTINCT state)::int FROM books) AS states,
      (SELECT max(n)::int FROM (SELECT count(*) AS n FROM books GROUP BY author_id) g) AS most`);
  expect(rows[0]).toMatchObject({ authors: 50, books: 400, loans: 600, code: 5, states: 2 });
  // 8 each if nobody were preferred.
  expect(rows[0].most).toBeGreaterThan(16);
  await expect(client.query(`INSERT INTO loans (book_id, number) VALUES (1, 1)`)).resolves.toBeDefined();
  await expect(
    client.query(
      `INSERT INTO books (author_id, state, price, created_at) SELECT id, 'new', 1, now() FROM authors LIMIT 1`,
    ),
  ).resolves.toBeDefined();
  await client.end();
});

it('gives the same rows for the same filling, with keys that the workload can name', async () => {
  const clients = await Promise.all(made.map((database) => filled(database, filling)));
  const contents = await Promise.all(
    clients.map(async (client) => {
      const { rows } = await client.query(
        `SELECT (SELECT md5(string_agg(a::text, ';' ORDER BY id)) FROM authors a) AS authors, (SELECT md5(string_agg(l::text, ';' ORDER BY id)) FROM loans l) AS loans`,
      );
      return rows[0];
    }),
  );
  expect(contents[0]).toEqual(contents[1]);
  const { rowCount } = await (clients[0] as pg.Client).query('SELECT FROM authors WHERE id = $1', [
    uuidOf('authors', 7),
  ]);
  expect(rowCount).toBe(1);
  await Promise.all(clients.map((client) => client.end()));
});

it('stops where a reference leads nowhere', async () => {
  const [database] = made as [TestDatabase];
  await expect(
    filled(database, { ...filling, columns: { ...filling.columns, 'books.author_id': "md5('x')::uuid" } }),
  ).rejects.toThrow('books(author_id) has a row without its row of authors.');
});

it('sends each statement as often as it says, and tells which failed and which found nothing', async () => {
  const [database] = made as [TestDatabase];
  const client = await filled(database, filling);
  const ran = await runWorkload(
    database.url,
    [
      {
        from: 'a',
        text: 'INSERT INTO loans (book_id, number) VALUES ($1, 1)',
        calls: 7,
        values: (r) => [r.any(400)],
      },
      {
        from: 'b',
        text: 'SELECT id FROM books ORDER BY id LIMIT 3',
        calls: 2,
        forEach: { text: 'SELECT FROM editions WHERE book_id = $1', values: (row) => [row['id']] },
      },
      { from: 'c', text: 'SELECT FROM none_such', calls: 1 },
      { from: 'd', text: 'SELECT FROM books WHERE id < 0', calls: 1 },
    ],
    () => {},
  );
  expect(ran.calls).toBe(11);
  expect([...ran.failed.keys()]).toEqual(['SELECT FROM none_such']);
  expect(ran.empty).toEqual(['SELECT FROM books WHERE id < 0']);
  const { rows } = await client.query('SELECT count(*)::int AS loans FROM loans');
  expect(rows[0].loans).toBe(607);
  await client.end();
});
