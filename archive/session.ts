import type pg from 'pg';
import { describeTarget, openDirect, openReadOnly } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { type TableName, withFileNames } from './names.ts';
import type { ArchiveUnit } from './policy.ts';
import type { Column, Form } from './types.ts';

/**
 * `exporting`: files are being written and count for nothing. `exported`: files are complete, compared and on disk;
 * the first `removed` units are here only, the others still in the table too. `archived`: all units are here only.
 * `restored`: all are back in the table, and the files are kept for the record. `expired`: their retention was over,
 * and the files were deleted.
 */
export type SegmentState = 'exporting' | 'exported' | 'archived' | 'restored' | 'expired';

export interface SegmentFile {
  /** schema.table, to be read by people. */
  table: string;
  /** Not in files of before; a name had no dot then. */
  name?: TableName;
  /** Name within the directory. */
  file: string;
  rows: number;
  bytes: number;
  /** Of the file as it is on disk. */
  sha256: string;
  /** Of the rows: sha256 of their sorted hashes, computed by Postgres before and from the file after writing. */
  content: string;
  columns: Column[];
  /** `plain` without it. */
  form?: Form;
}

export interface Segment {
  id: number;
  unit: string;
  state: SegmentState;
  policy: ArchiveUnit;
  files: SegmentFile[];
  units: number;
  removed: number;
  excluded: number;
  cutoff: string;
  createdAt: string;
  archivedAt: string | null;
}

const schemaSql = `CREATE SCHEMA IF NOT EXISTS sqltrail;
CREATE TABLE IF NOT EXISTS sqltrail.archive_segment (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  unit         text NOT NULL,
  state        text NOT NULL CHECK (state IN ('exporting', 'exported', 'archived', 'restored', 'expired')),
  policy       jsonb NOT NULL,
  files        jsonb NOT NULL DEFAULT '[]',
  units        integer NOT NULL DEFAULT 0,
  removed      integer NOT NULL DEFAULT 0,
  cutoff       text NOT NULL,
  owner        text NOT NULL DEFAULT current_user,
  created_at   timestamptz NOT NULL DEFAULT now(),
  archived_at  timestamptz,
  expired_at   timestamptz,
  expired_by   text
);
CREATE TABLE IF NOT EXISTS sqltrail.archive_excluded (
  segment  bigint NOT NULL REFERENCES sqltrail.archive_segment ON DELETE CASCADE,
  unit     integer NOT NULL,
  reason   text NOT NULL CHECK (reason IN ('changed', 'gone', 'referred', 'refused', 'locked', 'restored')),
  at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (segment, unit)
);
CREATE TABLE IF NOT EXISTS sqltrail.archive_hold (
  unit    text NOT NULL,
  key     text NOT NULL,
  until   timestamptz NOT NULL,
  reason  text NOT NULL,
  PRIMARY KEY (unit, key)
);
-- Tells the archive of this database from that of every other one; a dump takes it along.
CREATE TABLE IF NOT EXISTS sqltrail.archive_journal (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
INSERT INTO sqltrail.archive_journal SELECT WHERE NOT EXISTS (SELECT FROM sqltrail.archive_journal);
COMMENT ON TABLE sqltrail.archive_segment IS 'What sqltrail archive moved out of this database, in which files';
COMMENT ON TABLE sqltrail.archive_excluded IS 'Units of a segment that its files do not speak for: changed before they were removed, or restored';`;

/** Text of values must not depend on who asks. */
const SETTINGS = {
  DateStyle: 'ISO, YMD',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  jit: 'off',
  statement_timeout: '0',
  // Its snapshot waits while a file is written and read back.
  idle_in_transaction_session_timeout: '0',
};
/** One archival at a time. */
const ADVISORY_LOCK = 7_236_544_102;

/**
 * @param purpose `change` is the one archival at work, `copy` a second session of it; both need a connection that is
 *   theirs alone. `read` takes single statements only, and may go through a pooler.
 * @throws OperationError when the database cannot be reached, another archival runs, or a pooler is in between
 */
export async function openArchive(url: string, purpose: 'change' | 'copy' | 'read'): Promise<pg.Client> {
  const to = { url, applicationName: 'sqltrail-archive' };
  let client: pg.Client | undefined;
  try {
    if (purpose === 'read') return await openReadOnly({ ...to, settings: SETTINGS });
    client = await openDirect({ ...to, what: 'The archive' });
    await client.query('SELECT set_config(name, value, false) FROM json_each_text($1) AS s (name, value)', [
      SETTINGS,
    ]);
    if (purpose === 'change') {
      await client.query(schemaSql);
      const { rows } = await client.query('SELECT pg_catalog.pg_try_advisory_lock($1::int8) AS mine', [
        ADVISORY_LOCK,
      ]);
      if (!rows[0].mine)
        throw new OperationError(
          'Another archival is running on this database. Wait for it, or stop it first.',
        );
    }
    return client;
  } catch (error) {
    await client?.end().catch(() => {});
    if (error instanceof OperationError) throw error;
    throw new OperationError(`${describeTarget(url)}: ${(error as Error).message}`, { cause: error });
  }
}

/** Oldest first; empty where nothing was ever archived. */
export async function readSegments(client: pg.ClientBase): Promise<Segment[]> {
  const { rows: there } = await client.query(
    "SELECT to_regclass('sqltrail.archive_segment') IS NOT NULL AS there",
  );
  if (!there[0].there) return [];
  const { rows } = await client.query(
    `SELECT s.id::int, s.unit, s.state, s.policy, s.files, s.units, s.removed, s.cutoff, s.created_at, s.archived_at,
            (SELECT count(*)::int FROM sqltrail.archive_excluded AS e WHERE e.segment = s.id) AS excluded
       FROM sqltrail.archive_segment AS s ORDER BY s.id`,
  );
  return rows.map(({ created_at, archived_at, ...row }) => ({
    ...row,
    createdAt: created_at.toISOString(),
    archivedAt: archived_at?.toISOString() ?? null,
  }));
}

/** The columns, in order. @throws OperationError when there is no such table */
export async function readColumns(
  client: pg.ClientBase,
  { schema, table }: { schema: string; table: string },
): Promise<Column[]> {
  const { rows } = await client.query<{ name: string; type: string; generated: boolean }>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attgenerated <> '' AS generated
       FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY a.attnum`,
    [schema, table],
  );
  if (rows.length === 0)
    throw new OperationError(
      `The policy names the table ${schema}.${table}, which this database does not have.`,
    );
  return withFileNames(
    rows.map(({ generated, ...column }) => (generated ? { ...column, generated } : column)),
  );
}
