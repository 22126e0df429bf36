/**
 * The schema of the journal, step by step; each is run once, in a transaction with the note of it. The first takes over
 * journals of before there were numbers, whatever columns they have.
 */
export const migrations: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS sqltrail;
CREATE TABLE IF NOT EXISTS sqltrail.action (
  id          text PRIMARY KEY,
  action      jsonb NOT NULL,
  state       text NOT NULL,
  owner       text NOT NULL DEFAULT current_user,
  review_on   date,
  started_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz,
  before      jsonb,
  after       jsonb,
  note        text
);
ALTER TABLE sqltrail.action
  ADD COLUMN IF NOT EXISTS applying_at timestamptz,
  ADD COLUMN IF NOT EXISTS applied_at  timestamptz,
  ADD COLUMN IF NOT EXISTS changes     jsonb;
COMMENT ON SCHEMA sqltrail IS 'Journal of sqltrail: what it changed here, and how to undo it.';
-- Who may see what the server does may see what was done to it.
GRANT USAGE ON SCHEMA sqltrail TO pg_monitor;
GRANT SELECT ON sqltrail.action TO pg_monitor`,
  `ALTER TABLE sqltrail.action
  ADD COLUMN outcome text,
  DROP CONSTRAINT IF EXISTS action_state_check;
UPDATE sqltrail.action SET state = 'reverted' WHERE state = 'taken-back';
ALTER TABLE sqltrail.action
  ADD CONSTRAINT action_state_check CHECK (state IN ('planned', 'applying', 'applied', 'kept', 'undoing', 'reverted', 'failed'))`,
];
