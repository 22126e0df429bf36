import type { DatabaseConfig } from '../config/schema.ts';
import { ageQuery } from './ageQuery.ts';

/** The queries that any database answers. */
const GENERAL = String.raw`sqltrail_table:
  query: >
    SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname AS relname,
           CASE WHEN c.oid = s.relid THEN '' WHEN s.schemaname = n.nspname THEN s.relname ELSE s.schemaname || '.' || s.relname END AS partition,
           s.seq_scan, s.seq_tup_read, coalesce(s.idx_scan, 0) AS idx_scan, s.n_live_tup, s.n_dead_tup,
           pg_table_size(s.relid) AS heap_bytes, pg_indexes_size(s.relid) AS index_bytes
      FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = coalesce(pg_partition_root(s.relid), s.relid)
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE s.schemaname !~ '^(pg_|sqltrail$)' AND pg_table_size(s.relid) IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = s.relid)
  cache_seconds: 4
  metrics:
    - relname: { usage: LABEL, description: Table }
    - partition: { usage: LABEL, description: Its partition }
    - seq_scan: { usage: COUNTER, description: Sequential scans }
    - seq_tup_read: { usage: COUNTER, description: Rows read by sequential scans }
    - idx_scan: { usage: COUNTER, description: Index scans }
    - n_live_tup: { usage: GAUGE, description: Estimated live rows }
    - n_dead_tup: { usage: GAUGE, description: Estimated dead rows }
    - heap_bytes: { usage: GAUGE, description: Size of the table with TOAST }
    - index_bytes: { usage: GAUGE, description: Size of its indexes }
# pg_stat_statements has a row for each role that ran a statement; a series that came twice would cost all of them.
sqltrail_statement:
  query: >
    SELECT queryid::text AS queryid, sum(calls) AS calls, sum(total_exec_time) / 1000 AS exec_seconds, sum(rows) AS rows,
           sum(shared_blks_read) AS shared_blks_read, sum(temp_blks_written) AS temp_blks_written
      FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL AND toplevel
     GROUP BY queryid ORDER BY sum(total_exec_time) DESC LIMIT 40
  cache_seconds: 4
  metrics:
    - queryid: { usage: LABEL, description: queryid of pg_stat_statements }
    - calls: { usage: COUNTER, description: Executions }
    - exec_seconds: { usage: COUNTER, description: Time spent executing }
    - rows: { usage: COUNTER, description: Rows returned or changed }
    - shared_blks_read: { usage: COUNTER, description: Blocks read from outside shared_buffers }
    - temp_blks_written: { usage: COUNTER, description: Temporary blocks written }
sqltrail_session:
  query: >
    SELECT coalesce(state, 'none') AS state, coalesce(wait_event_type, 'none') AS wait_event_type, count(*) AS count
      FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1, 2
  metrics:
    - state: { usage: LABEL, description: State of the backend }
    - wait_event_type: { usage: LABEL, description: What it waits for }
    - count: { usage: GAUGE, description: Client backends }
sqltrail_activity:
  query: >
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS longest_transaction_seconds,
           count(*) FILTER (WHERE wait_event_type = 'Lock') AS blocked_sessions,
           coalesce(max(extract(epoch FROM clock_timestamp() - state_change)) FILTER (WHERE wait_event_type = 'Lock'), 0) AS longest_lock_wait_seconds
      FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  metrics:
    - longest_transaction_seconds: { usage: GAUGE, description: Age of the oldest open transaction }
    - blocked_sessions: { usage: GAUGE, description: Backends that wait for a lock }
    - longest_lock_wait_seconds: { usage: GAUGE, description: Longest wait for a lock }
sqltrail_database:
  query: >
    SELECT pg_database_size(current_database()) AS size_bytes,
           pg_size_bytes(current_setting('effective_cache_size')) AS critical_bytes,
           d.blks_hit, d.blks_read, d.temp_bytes, d.deadlocks, d.xact_commit, d.xact_rollback,
           current_setting('max_connections')::int AS max_connections
      FROM pg_stat_database d WHERE d.datname = current_database()
  metrics:
    - size_bytes: { usage: GAUGE, description: Size of the database }
    - critical_bytes:
        { usage: GAUGE, description: "Size that the memory no longer covers: effective_cache_size" }
    - blks_hit: { usage: COUNTER, description: Blocks found in shared_buffers }
    - blks_read: { usage: COUNTER, description: Blocks read from outside shared_buffers }
    - temp_bytes: { usage: COUNTER, description: Bytes written to temporary files }
    - deadlocks: { usage: COUNTER, description: Deadlocks }
    - xact_commit: { usage: COUNTER, description: Transactions committed }
    - xact_rollback: { usage: COUNTER, description: Transactions rolled back }
    - max_connections: { usage: GAUGE, description: Connections that the server allows }
# A reference that is enforced needs an index where rows are deleted that it refers to.
sqltrail_structure:
  query: >
    WITH model AS (
      SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname !~ '^(pg_|sqltrail$|information_schema$)' AND c.relkind IN ('r', 'p') AND NOT c.relispartition),
    reference AS (
      SELECT a.attrelid, a.attnum FROM pg_attribute a JOIN model m ON m.oid = a.attrelid
       WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname LIKE '%\_id' AND a.atttypid IN ('int4'::regtype, 'int8'::regtype))
    SELECT (SELECT count(*) FROM reference r
             WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.attrelid AND i.indisvalid AND i.indkey[0] = r.attnum)
               AND NOT EXISTS (SELECT FROM pg_constraint k JOIN pg_stat_user_tables parent ON parent.relid = k.confrelid
                                WHERE k.conrelid = r.attrelid AND k.contype = 'f' AND r.attnum = ANY (k.conkey) AND parent.n_tup_del = 0)) AS unindexed_references,
           (SELECT count(*) FROM reference r WHERE NOT EXISTS (
              SELECT FROM pg_constraint k WHERE k.conrelid = r.attrelid AND k.contype IN ('f', 'p') AND r.attnum = ANY (k.conkey))) AS missing_foreign_keys,
           (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
             WHERE c.relnamespace::regnamespace::text !~ '^(pg_|sqltrail$|information_schema$)' AND NOT i.indisvalid) AS invalid_indexes
  cache_seconds: 30
  metrics:
    - unindexed_references: { usage: GAUGE, description: Columns named *_id that no index leads with }
    - missing_foreign_keys: { usage: GAUGE, description: Columns named *_id without a foreign key }
    - invalid_indexes: { usage: GAUGE, description: Indexes left invalid by a failed CONCURRENTLY }`;

const HEADER = `# Figures that postgres_exporter does not bring itself, as metrics \`sqltrail_<name>_<column>\`. All run as
# sqltrail_monitor (pg_monitor and SELECT), read statistics and catalogues, and touch no row: they must stay cheap on
# the very system that is in trouble, and hold whichever tables there are.
# A table outside \`public\` has its schema in its name. Partitions come one by one, so that counters end with a month
# that is archived, and no sum of them falls.`;

type Retention = Record<string, number>;

/** What postgres_exporter is to ask a database (`--extend.query-path`). */
export const exporterQueries = (database: DatabaseConfig, retention: Retention): string =>
  [HEADER, GENERAL, ...(database.tables.length > 0 ? [ageQuery(database.tables, retention)] : []), ''].join(
    '\n',
  );
