import type pg from 'pg';
import { describeTarget, openReadOnly } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';
import type { Action } from './action.ts';
import type { Change } from './change.ts';
import { withLockRetries } from './indexes.ts';
import { type ActionState, type JournalEntry, journalEntrySchema, type Outcome } from './journalEntry.ts';
import { migrations } from './journalMigrations.ts';
import type { Effect } from './measure.ts';
import { inTransaction } from './signature.ts';

/** What is left out stays as it is. */
interface JournalChange {
  before?: Effect | null;
  after?: Effect | null;
  outcome?: Outcome | undefined;
  note?: string | undefined;
  /** To be reviewed after these days, unless a day is set. */
  reviewDays?: number;
}

const MIGRATIONS_TABLE = `CREATE SCHEMA IF NOT EXISTS sqltrail;
CREATE TABLE IF NOT EXISTS sqltrail.journal_migration (
  number     integer PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
)`;

/**
 * What was changed, by whom and when, how far it is, and its undo; kept in the database that was changed (schema
 * `sqltrail`), so that a second run, or another person, knows it. Each change is committed at once.
 */
export class Journal {
  readonly #client: pg.ClientBase;

  constructor(client: pg.ClientBase) {
    this.#client = client;
  }

  /**
   * Creates the journal where there is none, and migrates one of an earlier version. One that is up to date is only
   * read: ALTER TABLE would wait for whoever reads it, and everybody else behind that, even where there is nothing to
   * add.
   *
   * @throws OperationError when it is to be migrated and somebody else does not let go of the table
   */
  async open(signal = new AbortController().signal): Promise<void> {
    const done = await this.#version();
    if (done >= migrations.length) return;
    await withLockRetries(
      this.#client,
      () =>
        inTransaction(this.#client, async () => {
          await this.#client.query(MIGRATIONS_TABLE);
          for (const [at, sql] of migrations.entries()) {
            if (at < done) continue;
            await this.#client.query(sql);
            await this.#client.query('INSERT INTO sqltrail.journal_migration (number) VALUES ($1)', [at + 1]);
          }
        }),
      { signal },
    );
  }

  /** Number of its last migration; 0 where there is no journal, or one of before they had numbers. */
  async #version(): Promise<number> {
    const { rows: tables } = await this.#client.query<{ there: boolean }>(
      "SELECT to_regclass('sqltrail.journal_migration') IS NOT NULL AS there",
    );
    if (!tables[0]?.there) return 0;
    const { rows } = await this.#client.query<{ number: number | null }>(
      'SELECT max(number) AS number FROM sqltrail.journal_migration',
    );
    return rows[0]?.number ?? 0;
  }

  /** @returns empty where no journal exists; does not create one. */
  async list(): Promise<JournalEntry[]> {
    const { rows: exists } = await this.#client.query<{ there: boolean }>(
      "SELECT to_regclass('sqltrail.action') IS NOT NULL AS there",
    );
    if (!exists[0]?.there) return [];
    const { rows } = await this.#client.query<
      Omit<JournalEntry, 'startedAt' | 'endedAt'> & {
        startedAt: Date;
        endedAt: Date | null;
      }
    >(
      // As JSON, because a journal of an earlier version has no column for it.
      `SELECT action, state, owner, review_on::text AS "reviewOn", started_at AS "startedAt", ended_at AS "endedAt", before, after, note,
              to_jsonb(a) -> 'changes' AS changes, to_jsonb(a) ->> 'outcome' AS outcome,
              extract(epoch FROM (to_jsonb(a) ->> 'applied_at')::timestamptz - (to_jsonb(a) ->> 'applying_at')::timestamptz)::float8 AS "applySeconds"
         FROM sqltrail.action AS a ORDER BY started_at, id`,
    );
    return rows.map((row) =>
      journalEntrySchema.parse({
        ...row,
        startedAt: row.startedAt.toISOString(),
        endedAt: row.endedAt?.toISOString() ?? null,
      }),
    );
  }

  /** The entry of an action; undefined where it has none. */
  async entry(id: string): Promise<JournalEntry | undefined> {
    return (await this.list()).find(({ action }) => action.id === id);
  }

  /** Notes the intention. An action that was reverted or failed begins anew; any other stays as it is. */
  async plan(action: Action, reviewDays: number | null): Promise<ActionState> {
    const { rows } = await this.#client.query<{ state: ActionState }>(
      `INSERT INTO sqltrail.action AS a (id, action, state, review_on, changes)
       VALUES ($1, $2, 'planned', (now() AT TIME ZONE 'UTC')::date + $3::int, '[]')
       ON CONFLICT (id) DO UPDATE SET action = excluded.action, state = 'planned', review_on = excluded.review_on,
         started_at = now(), ended_at = NULL, applying_at = NULL, applied_at = NULL, before = NULL, after = NULL,
         outcome = NULL, note = NULL,
         -- What could not be undone then is to be undone with this one.
         changes = coalesce((SELECT jsonb_agg(change ORDER BY at)
           FROM jsonb_array_elements(a.changes) WITH ORDINALITY AS c(change, at) WHERE NOT change ? 'undone'), '[]')
       WHERE a.state IN ('reverted', 'failed')
       RETURNING state`,
      [action.id, JSON.stringify(action), reviewDays],
    );
    if (rows[0]) return rows[0].state;
    const { rows: known } = await this.#client.query<{ state: ActionState }>(
      'SELECT state FROM sqltrail.action WHERE id = $1',
      [action.id],
    );
    return known[0]?.state ?? 'planned';
  }

  async set(
    id: string,
    state: ActionState,
    { before, after, outcome, note, reviewDays }: JournalChange = {},
  ): Promise<void> {
    await this.#client.query(
      `UPDATE sqltrail.action SET state = $2, before = coalesce($3, before), after = coalesce($4, after),
         note = coalesce($5, note), review_on = coalesce(review_on, (now() AT TIME ZONE 'UTC')::date + $6::int), ended_at = CASE WHEN $2 IN ('kept', 'reverted', 'failed') THEN now() END,
         applying_at = CASE WHEN $2 = 'applying' THEN clock_timestamp() ELSE applying_at END,
         applied_at = CASE $2 WHEN 'applying' THEN NULL WHEN 'applied' THEN coalesce(applied_at, clock_timestamp()) ELSE applied_at END,
         outcome = coalesce($7, outcome)
       WHERE id = $1`,
      [
        id,
        state,
        before ? JSON.stringify(before) : null,
        after ? JSON.stringify(after) : null,
        note ?? null,
        reviewDays ?? null,
        outcome ?? null,
      ],
    );
  }

  /** Notes what an action has changed, in whatever transaction is open. */
  async record(id: string, changes: readonly Change[]): Promise<void> {
    await this.#client.query('UPDATE sqltrail.action SET changes = $2 WHERE id = $1', [
      id,
      JSON.stringify(changes),
    ]);
  }
}

/** Reads the journal of a database. @throws OperationError when the database cannot be reached */
export async function readJournal(url: string): Promise<JournalEntry[]> {
  const client = await openReadOnly({ url, applicationName: 'sqltrail-fix' }).catch((error: Error) => {
    throw new OperationError(`${describeTarget(url)}: ${error.message}`, { cause: error });
  });
  try {
    return await new Journal(client).list();
  } finally {
    await client.end();
  }
}
