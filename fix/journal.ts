import type pg from 'pg';
import { z } from 'zod';
import { type Action, actionSchema } from './action.ts';
import { type Change, changeSchema } from './change.ts';
import { withLockRetries } from './indexes.ts';
import { type Effect, effectSchema } from './measure.ts';

/**
 * `planned`, `applying` and `undoing` are on the way: a run that finds them goes on from there. `applied` waits for
 * its measurement; `kept` has shown its effect or could not be measured; `taken-back` had none and is undone, or was
 * undone by hand.
 */
const states = ['planned', 'applying', 'applied', 'kept', 'undoing', 'taken-back', 'failed'] as const;
export type ActionState = (typeof states)[number];

/** What a run that ended early leaves half done. */
export const HALF_DONE: readonly ActionState[] = ['planned', 'applying', 'applied', 'undoing'];

/** Note of what a person took back. */
export const BY_HAND = 'undone by hand';

export const journalEntrySchema = z.object({
  action: actionSchema,
  state: z.enum(states),
  owner: z.string(),
  /** Temporary help, and what could not be measured, is to be looked at again on this day; ISO date. */
  reviewOn: z.string().nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  /** What it took from beginning to applied; null before, and in journals that did not note it. */
  applySeconds: z.number().nullable(),
  before: effectSchema.nullable(),
  after: effectSchema.nullable(),
  note: z.string().nullable(),
  /** What it changed, with what was there before; null in journals that did not note it: then its SQL undoes it. */
  changes: z.array(changeSchema).nullable().default(null),
});

export type JournalEntry = z.infer<typeof journalEntrySchema>;

const schemaSql = `CREATE SCHEMA IF NOT EXISTS sqltrail;
CREATE TABLE IF NOT EXISTS sqltrail.action (
  id          text PRIMARY KEY,
  action      jsonb NOT NULL,
  state       text NOT NULL CHECK (state IN ('planned', 'applying', 'applied', 'kept', 'undoing', 'taken-back', 'failed')),
  owner       text NOT NULL DEFAULT current_user,
  review_on   date,
  started_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz,
  before      jsonb,
  after       jsonb,
  note        text,
  applying_at timestamptz,
  applied_at  timestamptz,
  changes     jsonb
);
COMMENT ON SCHEMA sqltrail IS 'Journal of sqltrail: what it changed here, and how to undo it.';
-- Who may see what the server does may see what was done to it.
GRANT USAGE ON SCHEMA sqltrail TO pg_monitor;
GRANT SELECT ON sqltrail.action TO pg_monitor`;

/** Columns that a journal of an earlier version does not have. */
const LATER_COLUMNS: Readonly<Record<string, string>> = {
  applying_at: 'timestamptz',
  applied_at: 'timestamptz',
  changes: 'jsonb',
};

/** What is left out stays as it is. */
interface JournalChange {
  before?: Effect | null;
  after?: Effect | null;
  note?: string | undefined;
  /** To be looked at again after these days, unless a day is set. */
  reviewDays?: number;
}

interface Row {
  action: Action;
  state: ActionState;
  owner: string;
  review_on: string | null;
  started_at: Date;
  ended_at: Date | null;
  apply_seconds: number | null;
  before: Effect | null;
  after: Effect | null;
  note: string | null;
  changes: Change[] | null;
}

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
   * Creates the journal where it is not yet there. One that is there is only looked at: ALTER TABLE would wait for
   * whoever reads it, and everybody else behind that, even where there is nothing to add.
   *
   * @throws OperationError when a column is to be added and somebody else does not let go of the table
   */
  async open(signal = new AbortController().signal): Promise<void> {
    const { rows } = await this.#client.query<{ there: boolean; missing: string[] }>(
      `SELECT to_regclass('sqltrail.action') IS NOT NULL AS there,
              ARRAY(SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (
                      SELECT FROM pg_attribute WHERE attrelid = to_regclass('sqltrail.action') AND attname = name AND NOT attisdropped)) AS missing`,
      [Object.keys(LATER_COLUMNS)],
    );
    const { there = false, missing = [] } = rows[0] ?? {};
    if (!there) await this.#client.query(schemaSql);
    else if (missing.length > 0)
      await withLockRetries(
        this.#client,
        () =>
          this.#client.query(
            `ALTER TABLE sqltrail.action ${missing.map((name) => `ADD COLUMN IF NOT EXISTS ${name} ${LATER_COLUMNS[name]}`).join(', ')}`,
          ),
        { signal },
      );
  }

  /** @returns empty where no journal exists; does not create one. */
  async list(): Promise<JournalEntry[]> {
    const { rows: exists } = await this.#client.query(
      "SELECT to_regclass('sqltrail.action') IS NOT NULL AS there",
    );
    if (!exists[0]?.there) return [];
    const { rows } = await this.#client.query<Row>(
      // As JSON, because a journal of an earlier version has no column for it.
      `SELECT action, state, owner, review_on::text, started_at, ended_at, before, after, note, to_jsonb(a) -> 'changes' AS changes,
              extract(epoch FROM (to_jsonb(a) ->> 'applied_at')::timestamptz - (to_jsonb(a) ->> 'applying_at')::timestamptz)::float8 AS apply_seconds
         FROM sqltrail.action AS a ORDER BY started_at, id`,
    );
    return rows.map((row) => ({
      action: row.action,
      state: row.state,
      owner: row.owner,
      reviewOn: row.review_on,
      startedAt: row.started_at.toISOString(),
      endedAt: row.ended_at?.toISOString() ?? null,
      applySeconds: row.apply_seconds,
      before: row.before,
      after: row.after,
      note: row.note,
      changes: row.changes,
    }));
  }

  /** Notes the intention. An action that was taken back or failed begins anew; any other stays as it is. */
  async plan(action: Action, reviewDays: number | null): Promise<ActionState> {
    const { rows } = await this.#client.query<{ state: ActionState }>(
      `INSERT INTO sqltrail.action AS a (id, action, state, review_on, changes)
       VALUES ($1, $2, 'planned', (now() AT TIME ZONE 'UTC')::date + $3::int, '[]')
       ON CONFLICT (id) DO UPDATE SET action = excluded.action, state = 'planned', review_on = excluded.review_on,
         started_at = now(), ended_at = NULL, applying_at = NULL, applied_at = NULL, before = NULL, after = NULL, note = NULL,
         -- What could not be undone then is to be undone with this one.
         changes = coalesce((SELECT jsonb_agg(change ORDER BY at)
           FROM jsonb_array_elements(a.changes) WITH ORDINALITY AS c(change, at) WHERE NOT change ? 'undone'), '[]')
       WHERE a.state IN ('taken-back', 'failed')
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
    { before, after, note, reviewDays }: JournalChange = {},
  ): Promise<void> {
    await this.#client.query(
      `UPDATE sqltrail.action SET state = $2, before = coalesce($3, before), after = coalesce($4, after),
         note = coalesce($5, note), review_on = coalesce(review_on, (now() AT TIME ZONE 'UTC')::date + $6::int), ended_at = CASE WHEN $2 IN ('kept', 'taken-back', 'failed') THEN now() END,
         applying_at = CASE WHEN $2 = 'applying' THEN clock_timestamp() ELSE applying_at END,
         applied_at = CASE $2 WHEN 'applying' THEN NULL WHEN 'applied' THEN coalesce(applied_at, clock_timestamp()) ELSE applied_at END
       WHERE id = $1`,
      [
        id,
        state,
        before ? JSON.stringify(before) : null,
        after ? JSON.stringify(after) : null,
        note ?? null,
        reviewDays ?? null,
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
