import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { testAction } from '../test/support/action.ts';
import { databaseFor } from '../test/support/database.ts';
import type { Action } from './action.ts';
import { Journal, readJournal } from './journal.ts';
import { isDueForReview, isInForce, type JournalEntry } from './journalEntry.ts';
import { undoActions } from './undo.ts';

const database = databaseFor('each');

const action = (id: string): Action =>
  testAction({
    id,
    sql: [`ALTER DATABASE "${database.name}" SET work_mem = '5MB'`],
    undo: [`ALTER DATABASE "${database.name}" RESET work_mem`],
  });

/** The schema of the version before the one that noted what it changed, and of the last one without numbers. */
const columns = `id text PRIMARY KEY, action jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('planned', 'applying', 'applied', 'kept', 'undoing', 'taken-back', 'failed')),
  owner text NOT NULL DEFAULT current_user, review_on date, started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz, before jsonb, after jsonb, note text`;
const schemas: Record<string, string> = {
  'the first version': columns,
  'the last version without numbers': `${columns}, applying_at timestamptz, applied_at timestamptz, changes jsonb`,
};
const rows: [id: string, state: string, note: string | null][] = [
  ['a', 'kept', 'its statements 2.0 times as fast (95 % interval 1.8 to 2.1)'],
  ['b', 'kept', 'not measured: no windows were asked for'],
  ['c', 'taken-back', 'no gain in two looks one after the other, in 6 windows: its statements x1.00'],
  ['d', 'taken-back', 'undone by hand'],
  ['e', 'taken-back', 'undone by hand; work_mem left as the owner set it since (6MB)'],
  ['f', 'taken-back', 'only “a” needed it, which was taken back'],
  ['g', 'taken-back', 'nothing to do: the index x does the same'],
  ['h', 'failed', 'it does not exist'],
  ['i', 'applying', null],
];

async function old(version: string): Promise<void> {
  await database.client.query(`CREATE SCHEMA sqltrail; CREATE TABLE sqltrail.action (${schemas[version]})`);
  for (const [at, [id, state, note]] of rows.entries())
    await database.client.query(
      'INSERT INTO sqltrail.action (id, action, state, note, started_at) VALUES ($1, $2, $3, $4, $5)',
      [id, JSON.stringify(action(id)), state, note, new Date(Date.UTC(2026, 0, 1, 0, at))],
    );
}

const upgraded = [
  ['a', 'kept', 'better'],
  ['b', 'kept', 'unmeasured'],
  ['c', 'reverted', 'no gain'],
  ['d', 'reverted', 'by hand'],
  ['e', 'reverted', 'by hand'],
  ['f', 'reverted', 'not needed'],
  ['g', 'reverted', 'nothing to do'],
  ['h', 'failed', null],
  ['i', 'applying', null],
];
const read = (entries: readonly JournalEntry[]) =>
  entries.map(({ action: { id }, state, outcome }) => [id, state, outcome]);

describe.each(Object.keys(schemas))('a journal of %s', (version) => {
  it('is read as it is, and migrated when it is opened, once', async () => {
    await old(version);
    const before = await readJournal(database.url);
    expect(read(before)).toEqual(upgraded);
    expect(
      (await database.client.query("SELECT to_regclass('sqltrail.journal_migration') AS numbers")).rows[0]
        .numbers,
    ).toBeNull();
    for (let time = 0; time < 2; time += 1) {
      await new Journal(database.client).open();
      expect(await readJournal(database.url)).toEqual(before);
    }
    expect(
      (await database.client.query('SELECT number FROM sqltrail.journal_migration ORDER BY 1')).rows,
    ).toEqual([{ number: 1 }, { number: 2 }]);
    // It has the columns and the words of now.
    await new Journal(database.client).set('i', 'reverted', { outcome: 'by hand', note: 'x' });
    expect((await readJournal(database.url)).at(-1)).toMatchObject({ state: 'reverted', outcome: 'by hand' });
  });

  it('is undone, what it does not tell by its SQL', async () => {
    await old(version);
    await database.client.query("DELETE FROM sqltrail.action WHERE id NOT IN ('a', 'd')");
    await database.client.query(action('a').sql[0] ?? '');
    const undone: string[] = [];
    await undoActions({
      url: database.url,
      signal: new AbortController().signal,
      onUndone: ({ id }) => undone.push(id),
    });
    expect(undone).toEqual(['a']);
    expect(
      (
        await database.client.query(
          'SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())',
        )
      ).rows,
    ).toEqual([]);
    expect(read(await readJournal(database.url))).toEqual([
      ['a', 'reverted', 'by hand'],
      ['d', 'reverted', 'by hand'],
    ]);
  });
});

it('a journal that is up to date is opened while others read it', async () => {
  const journal = new Journal(database.client);
  await journal.open();
  const reader = new pg.Client(database.url);
  await reader.connect();
  await reader.query('BEGIN; SELECT FROM sqltrail.action');
  await database.client.query('SET statement_timeout = 2000');
  await journal.open();
  await reader.query('ROLLBACK');
  await reader.end();
});

it('the journal lists nothing, and creates nothing, where nothing was changed', async () => {
  expect(await readJournal(database.url)).toEqual([]);
  expect(
    (await database.client.query("SELECT to_regnamespace('sqltrail') AS schema")).rows[0].schema,
  ).toBeNull();
  await new Journal(database.client).open();
  expect(await readJournal(database.url)).toEqual([]);
});

it('what is in force is due on the day of its review, in UTC, and not what is not', () => {
  const now = new Date('2026-03-01T00:30:00Z');
  const due = (state: JournalEntry['state'], reviewOn: string | null) =>
    isDueForReview({ state, reviewOn }, now);
  expect([due('kept', '2026-03-01'), due('kept', '2026-03-02'), due('kept', null)]).toEqual([
    true,
    false,
    false,
  ]);
  for (const state of ['planned', 'applying', 'undoing', 'reverted', 'failed'] as const)
    expect([isInForce({ state }), due(state, '2026-01-01')]).toEqual([false, false]);
});
