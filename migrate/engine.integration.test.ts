import { beforeEach, expect, it } from 'vitest';
import { databaseFor } from '../test/support/database.ts';
import { type MigrationOptions, rollbackMigration, runMigration, verifyMigration } from './engine.ts';
import type { Mapping, Phase } from './mapping.ts';
import { differences } from './verify.ts';

/** Another schema altogether: a library that writes the borrower into each loan, and dates as text. */
const mapping: Mapping = {
  name: 'library',
  legacySchema: 'public',
  targetSchema: 'library',
  syncSchema: 'library_sync',
  writers: [],
  stores: { reads: 'new for reading', writes: 'new' },
  model: `
    CREATE SCHEMA library;
    CREATE TABLE library.members (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name text);
    CREATE SEQUENCE library.loans_id_seq AS integer;
    CREATE TABLE library.loans (
      id         integer PRIMARY KEY DEFAULT nextval('library.loans_id_seq'),
      member_id  integer NOT NULL REFERENCES library.members,
      title      text NOT NULL,
      due        date NOT NULL,
      fine       numeric(6, 2) NOT NULL
    )`,
  extensions: [],
  helpers: '',
  ids: [
    {
      table: 'library.loans',
      column: 'id',
      sequence: 'library.loans_id_seq',
      legacyTable: 'public.loans',
      legacyColumn: 'id',
    },
  ],
  registry: [],
  dualWrite: [],
  obsolete: [],
  money: [
    {
      name: 'fines',
      legacy: "SELECT sum(fine)::text FROM public.loans WHERE due LIKE '____-__-__'",
      target: 'SELECT sum(fine)::text FROM library.loans',
    },
  ],
  tables: [
    {
      table: 'loans',
      key: 'id',
      unit: 'row',
      present: { table: 'library.loans', column: 'id' },
      put: `
      IF NOT fresh THEN
        DELETE FROM library.loans AS t WHERE t.id = ANY (keys) AND NOT EXISTS (SELECT FROM public.loans WHERE id = t.id);
      END IF;
      INSERT INTO library.members (email, name)
      SELECT DISTINCT ON (l.email) l.email, l.name FROM public.loans AS l WHERE l.id = ANY (keys) ORDER BY l.email, l.id
      ON CONFLICT (email) DO NOTHING;
      INSERT INTO library.loans AS t (id, member_id, title, due, fine)
      SELECT l.id, m.id, l.title, l.due::date, l.fine
        FROM public.loans AS l JOIN library.members AS m ON m.email = l.email WHERE l.id = ANY (keys)
      ON CONFLICT (id) DO UPDATE SET member_id = EXCLUDED.member_id, title = EXCLUDED.title, due = EXCLUDED.due, fine = EXCLUDED.fine;`,
      rebuilt: `SELECT t.id, m.name, m.email, t.title, t.due::text AS due, t.fine
        FROM library.loans AS t JOIN library.members AS m ON m.id = t.member_id`,
      normalisedRule: 'a member has the name of the loan that was carried over first',
      setAsideRule: 'a loan needs a date that can be read',
      reverse: [
        { table: 'loans', on: ['INSERT', 'UPDATE', 'DELETE'], keys: 'SELECT id FROM {changed}' },
        {
          table: 'members',
          on: ['UPDATE'],
          keys: 'SELECT l.id FROM library.loans AS l JOIN {changed} AS m ON m.id = l.member_id',
        },
      ],
    },
  ],
};

const database = databaseFor('each');
let options: MigrationOptions;
let store: string;

beforeEach(async () => {
  await database.client.query(`
    CREATE TABLE loans (id serial PRIMARY KEY, name text, email text, title text, due text, fine numeric(6, 2));
    INSERT INTO loans (name, email, title, due, fine)
    SELECT 'Member ' || i % 40, 'm' || i % 40 || '@example.org', 'Book ' || i, (date '2026-01-01' + i)::text, i % 3 FROM generate_series(1, 300) AS i;
    UPDATE loans SET name = 'Mem. 7' WHERE id = 207;
    UPDATE loans SET due = 'soon' WHERE id = 5`);
  store = 'old';
  options = {
    url: database.url,
    mapping,
    previousStore: 'old',
    switchStore: async (name) => {
      store = name;
    },
    dutyCycle: 1,
    maxBatch: 50,
    drainMs: 0,
    observeMs: 0,
    acceptSetAside: true,
  };
});

const run = async (until: Phase) => {
  for await (const _ of runMigration({ ...options, until, yes: true }));
};
const legacy = async () => (await database.client.query('SELECT * FROM loans ORDER BY id')).rows;

it('carries any declared mapping through all phases, there and back', async () => {
  const before = await legacy();
  await run('reverse-sync');
  expect(differences(await verifyMigration(options))).toEqual([]);
  const { rows: ledger } = await database.client.query(
    'SELECT key::int, kind, rule FROM sqltrail.migration_resolution ORDER BY key',
  );
  expect(ledger).toEqual([
    { key: 5, kind: 'set aside', rule: 'a loan needs a date that can be read' },
    { key: 207, kind: 'normalised', rule: 'a member has the name of the loan that was carried over first' },
  ]);
  expect(await legacy()).toEqual(before);

  await run('cutover-writes');
  expect(store).toBe('new');
  await database.client.query("UPDATE library.members SET name = 'Renamed' WHERE email = 'm3@example.org'");
  await database.client.query(
    "INSERT INTO library.loans (member_id, title, due, fine) SELECT id, 'Later', '2027-01-01', 0 FROM library.members WHERE email = 'm3@example.org'",
  );
  const after = await legacy();
  expect(after).toHaveLength(before.length + 1);
  expect(after.filter(({ email, name }) => email === 'm3@example.org' && name !== 'Renamed')).toEqual([]);
  for await (const _ of rollbackMigration({ ...options, to: 'none' }));
  expect(store).toBe('old');
  expect(await legacy()).toEqual(after);
  expect((await database.client.query("SELECT to_regnamespace('library') AS it")).rows[0].it).toBeNull();

  await run('contract');
  expect((await database.client.query("SELECT to_regclass('public.loans') AS it")).rows[0].it).toBeNull();
  const { rows } = await database.client.query(
    "INSERT INTO library.loans (member_id, title, due, fine) SELECT min(id), 'Last', '2027-01-01', 0 FROM library.members RETURNING id",
  );
  expect(rows[0].id).toBeGreaterThan(Math.max(...after.map(({ id }) => id)));
});

it('nobody but the owner may call what runs with the rights of the owner', async () => {
  await run('reverse-sync');
  const { rows } = await database.client.query<{ name: string; open: boolean }>(
    `SELECT proname AS name, has_function_privilege('public', oid, 'EXECUTE') AS open
       FROM pg_proc WHERE pronamespace = 'library_sync'::regnamespace`,
  );
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.filter(({ open }) => open)).toEqual([]);
});

it('refuses a server that is too old for its SQL, and names what it needs', async () => {
  options = {
    ...options,
    mapping: { ...mapping, leastServer: { version: 990_000, because: 'time travel' } },
  };
  await expect(run('contract')).rejects.toThrow(
    /^This server is Postgres 1\d\.\d+.*; the migration needs 99 or newer \(time travel\)/,
  );
  expect((await database.client.query("SELECT to_regnamespace('library') AS it")).rows[0].it).toBeNull();
});
