import { bytesText } from '../../../lib/units/format.ts';
import { extensionSchema } from '../../catalogue.ts';
import type { Check, CheckContext } from '../../check.ts';
import { keptFor } from '../../proposals/drop.ts';
import type { Index, Table } from '../../relations.ts';
import { finding } from './finding.ts';

/** Index statistics younger than this say nothing of what is unused (a month-end report); as peers do. Seconds. */
const MIN_STATISTICS_AGE = 7 * 86_400;
const MIN_BYTES = 1_000_000;
const DAY_SECONDS = 86_400;

/** An index, or that of a partitioned table with the scans and bytes of its parts. */
function whole(context: CheckContext, table: Table, index: Index): Index {
  if (table.kind !== 'partitioned') return index;
  const parts = context.tables
    .filter(({ partitionOf }) => partitionOf === table.oid)
    .flatMap((part) =>
      part.indexes.filter(({ parent }) => parent === index.name).map((each) => whole(context, part, each)),
    );
  return {
    ...index,
    scans: parts.reduce((sum, { scans }) => sum + scans, index.scans),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, index.bytes),
  };
}

/**
 * Seconds since an index was built, by its name; null for one built at a time that is not known, but since the statements'
 * statistics began. Postgres keeps no such date: it is known where commits have timestamps, and where the statement that
 * built it is still among the statistics, with its own date from Postgres 17.
 */
async function builtSince(context: CheckContext): Promise<Map<string, number | null>> {
  const { session, capabilities, settings } = context;
  const found = new Map<string, number | null>();
  const key = ({ schema, name }: { schema: string; name: string }) => `${schema}.${name}`;
  if (capabilities.pgStatStatements) {
    const place = await extensionSchema(session, 'pg_stat_statements');
    const age =
      capabilities.version >= 170_000
        ? 'extract(epoch FROM now() - max(s.stats_since))::float8'
        : 'NULL::float8';
    const rows = place
      ? await session.query<{ schema: string; name: string; age: number | null }>(
          `SELECT n.nspname::text AS schema, x.relname::text AS name, ${age} AS age
             FROM ${session.quote(place, 'pg_stat_statements')} s JOIN pg_database d ON d.oid = s.dbid
             JOIN pg_class x ON x.relkind IN ('i', 'I') AND (position(x.relname::text in s.query) > 0 OR s.query ~* 'index\\s+(concurrently\\s+)?on\\M')
             JOIN pg_index i ON i.indexrelid = x.oid JOIN pg_class c ON c.oid = i.indrelid AND position(c.relname::text in s.query) > 0
             JOIN pg_namespace n ON n.oid = x.relnamespace
            WHERE d.datname = current_database() AND s.query ~* '^\\s*(create\\s+(unique\\s+)?|re)index\\M' AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
            GROUP BY 1, 2`,
        )
      : [];
    for (const row of rows) found.set(key(row), row.age);
  }
  if (settings.get('track_commit_timestamp')?.value === 'on') {
    const rows = await session.query<{ schema: string; name: string; age: number | null }>(
      `SELECT n.nspname::text AS schema, x.relname::text AS name, extract(epoch FROM now() - pg_xact_commit_timestamp(i.xmin))::float8 AS age
         FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema') AND age(i.xmin) < 2147483647`,
    );
    // Of a commit before the setting was on nothing is known: then the index is older than that.
    for (const row of rows) if (row.age !== null) found.set(key(row), row.age);
  }
  return found;
}

export const check: Check = {
  id: 'unused-index',
  group: 'indexes',
  title: 'Unused indexes',
  description:
    'Indexes that no statement has used since the statistics began, at least seven days ago, and that back no constraint.',
  whileObserving: true,
  async *run(context) {
    const how = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '…'";
    const [row] = await context.session.query<{ age: number | null; replica: boolean }>(
      `SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS age
         FROM pg_stat_database WHERE datname = current_database()`,
    );
    if (!row?.age || row.age < MIN_STATISTICS_AGE) {
      context.blind({
        what: 'unused indexes',
        remedy: `The statistics are ${((row?.age ?? 0) / 86_400).toFixed(1)} days old; after seven days an index without a scan counts as unused.`,
      });
      return;
    }
    const built = await builtSince(context);
    for (const table of context.tables)
      for (const index of table.indexes.map((each) => whole(context, table, each)))
        if (
          index.scans === 0 &&
          !index.unique &&
          !keptFor(index) &&
          index.valid &&
          index.bytes >= MIN_BYTES
        ) {
          const age = built.get(`${table.schema}.${index.name}`);
          const seconds = Math.min(row.age, age === undefined ? row.age : (age ?? 0));
          if (seconds < MIN_STATISTICS_AGE) continue;
          yield finding(context, 'unused-index', table, index, {
            title: `${index.name} on ${table.name} is never used`,
            explanation: `In ${(seconds / DAY_SECONDS).toFixed(0)} days no statement used it${context.capabilities.isReplica ? ' on this replica; look at the primary as well' : '; look at replicas as well'}. It costs ${bytesText(index.bytes)} and work at each write.${age === undefined ? ' When it was built Postgres does not say: make sure that it is no new one.' : ''}`,
            severity: 'warning',
            level: age === undefined ? 0.6 : 0.8,
            how,
          });
        }
  },
};
