import pg from 'pg';
import type { Phase, Reached } from './mapping.ts';

/** What is known of a migration lives in the database that it changes, committed with each change. */
export const stateSql = `CREATE SCHEMA IF NOT EXISTS sqltrail;
CREATE TABLE IF NOT EXISTS sqltrail.migration (
  name            text PRIMARY KEY,
  phase           text NOT NULL,
  mapping         text NOT NULL,
  previous_store  text NOT NULL,
  started_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS sqltrail.migration_step (
  migration  text NOT NULL REFERENCES sqltrail.migration,
  phase      text NOT NULL,
  step       text NOT NULL,
  position   bigint GENERATED ALWAYS AS IDENTITY,
  undo       jsonb,
  done_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, phase, step)
);
CREATE TABLE IF NOT EXISTS sqltrail.migration_cursor (
  migration     text NOT NULL REFERENCES sqltrail.migration,
  legacy_table  text NOT NULL,
  reached       bigint NOT NULL,
  upper         bigint NOT NULL,
  units         bigint NOT NULL DEFAULT 0,
  batches       integer NOT NULL DEFAULT 0,
  busy_ms       float8 NOT NULL DEFAULT 0,
  done          boolean NOT NULL DEFAULT false,
  started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, legacy_table)
);
CREATE TABLE IF NOT EXISTS sqltrail.migration_resolution (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration      text NOT NULL,
  legacy_table   text NOT NULL,
  key            bigint NOT NULL,
  kind           text NOT NULL CHECK (kind IN ('contradiction', 'orphan', 'normalised', 'set aside')),
  columns        text[],
  said           jsonb NOT NULL,
  became         jsonb,
  rule           text NOT NULL,
  problem        text,
  at             timestamptz NOT NULL DEFAULT now(),
  superseded_at  timestamptz
);
CREATE INDEX IF NOT EXISTS migration_resolution_key_idx ON sqltrail.migration_resolution (legacy_table, key, migration);
CREATE TABLE IF NOT EXISTS sqltrail.migration_journal (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration  text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  who        text NOT NULL DEFAULT session_user,
  phase      text NOT NULL,
  step       text,
  event      text NOT NULL,
  detail     jsonb
);
COMMENT ON TABLE sqltrail.migration_resolution IS 'Where the legacy data contradicts itself, refers to nothing or cannot be read as its type: what it said, what became of it, and by which rule. Nothing is dropped that is not here.';
-- Who may see what the server does may see how far this is.
GRANT USAGE ON SCHEMA sqltrail TO pg_monitor;
GRANT SELECT ON sqltrail.migration_step TO pg_monitor;`;

/** How a step is undone; kept with the step, so that it needs neither the mapping nor this version of the code. */
export type Undo =
  | { kind: 'transaction'; sql: string }
  | { kind: 'concurrently'; sql: string }
  | { kind: 'switch'; store: string }
  | { kind: 'none' };

export interface DoneStep {
  phase: Phase;
  step: string;
  undo: Undo;
}

export interface Cursor {
  table: string;
  reached: string;
  upper: string;
  units: number;
  batches: number;
  /** Time in which a batch was running, milliseconds. */
  busyMs: number;
  /** From the first batch to the latest, waiting included, milliseconds. */
  wallMs: number;
  done: boolean;
}

export interface MigrationState {
  name: string;
  /** The last phase that is complete. */
  phase: Reached;
  mapping: string;
  previousStore: string;
  steps: DoneStep[];
  cursors: Cursor[];
}

/** @returns undefined where the migration was never begun */
export async function readState(client: pg.ClientBase, name: string): Promise<MigrationState | undefined> {
  const there = await client.query("SELECT to_regclass('sqltrail.migration') IS NOT NULL AS there");
  if (!there.rows[0]?.there) return undefined;
  const { rows } = await client.query(
    'SELECT phase, mapping, previous_store FROM sqltrail.migration WHERE name = $1',
    [name],
  );
  const [row] = rows;
  if (!row) return undefined;
  const steps = await client.query(
    'SELECT phase, step, undo FROM sqltrail.migration_step WHERE migration = $1 ORDER BY position',
    [name],
  );
  const cursors = await client.query(
    `SELECT legacy_table AS table, reached::text, upper::text, units::float8 AS units, batches, busy_ms AS "busyMs",
            extract(epoch FROM updated_at - started_at)::float8 * 1000 AS "wallMs", done
       FROM sqltrail.migration_cursor WHERE migration = $1 ORDER BY started_at`,
    [name],
  );
  return {
    name,
    phase: row.phase,
    mapping: row.mapping,
    previousStore: row.previous_store,
    steps: steps.rows,
    cursors: cursors.rows,
  };
}

/** SQL text that notes a step as done, for the transaction of the step itself. */
export const markDone = (name: string, { phase, step, undo }: DoneStep): string =>
  `INSERT INTO sqltrail.migration_step (migration, phase, step, undo)
   VALUES (${[name, phase, step, JSON.stringify(undo)].map((value) => pg.escapeLiteral(value)).join(', ')})`;

export const markUndone = (name: string, { phase, step }: Pick<DoneStep, 'phase' | 'step'>): string =>
  `DELETE FROM sqltrail.migration_step
    WHERE (migration, phase, step) = (${[name, phase, step].map((value) => pg.escapeLiteral(value)).join(', ')})`;

/** A batch was done: notes how far it came. @returns units of all batches so far */
export async function advanceCursor(
  client: pg.ClientBase,
  { migration, table }: { migration: string; table: string },
  { reached, units, tookMs }: { reached: string; units: number; tookMs: number },
): Promise<number> {
  const { rows } = await client.query<{ units: number }>(
    `UPDATE sqltrail.migration_cursor SET reached = $3, units = units + $4, batches = batches + 1,
            busy_ms = busy_ms + $5, updated_at = clock_timestamp()
      WHERE migration = $1 AND legacy_table = $2 RETURNING units::float8 AS units`,
    [migration, table, reached, units, tookMs],
  );
  return rows[0]?.units ?? 0;
}

export async function finishCursor(
  client: pg.ClientBase,
  { migration, table }: { migration: string; table: string },
): Promise<void> {
  await client.query(
    'UPDATE sqltrail.migration_cursor SET done = true WHERE migration = $1 AND legacy_table = $2',
    [migration, table],
  );
}

export async function journal(
  client: pg.ClientBase,
  name: string,
  entry: { phase: string; step?: string; event: string; detail?: unknown },
): Promise<void> {
  await client.query(
    'INSERT INTO sqltrail.migration_journal (migration, phase, step, event, detail) VALUES ($1, $2, $3, $4, $5)',
    [
      name,
      entry.phase,
      entry.step ?? null,
      entry.event,
      entry.detail === undefined ? null : JSON.stringify(entry.detail),
    ],
  );
}
