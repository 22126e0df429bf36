import type { Capabilities } from './diagnosis.ts';
import { withPartitions } from './partitions.ts';
import type { Session } from './readSession.ts';
import type { Column, ForeignKey, Index, Statement, Table } from './relations.ts';

/**
 * Ends each statement of the diagnosis, so that it can be told from the workload whatever role it runs as;
 * pg_stat_statements leaves out a comment before a statement.
 */
export const OWN_STATEMENT = '/* sqltrail-diagnose */';

/** Schemas of the server and of extensions' own bookkeeping are not diagnosed. */
const USER_SCHEMAS = `n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`;

export async function readCapabilities(session: Session): Promise<Capabilities> {
  const [row] = await session.query<{
    version: number;
    replica: boolean;
    superuser: boolean;
    all_stats: boolean;
    extensions: string[];
    statements_readable: boolean;
  }>(`SELECT current_setting('server_version_num')::int AS version,
       pg_is_in_recovery() AS replica,
       coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS superuser,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS all_stats,
       ARRAY(SELECT extname::text FROM pg_extension) AS extensions,
       coalesce((SELECT has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(c.relnamespace, 'USAGE')
                   FROM pg_extension e JOIN pg_class c ON c.relname = 'pg_stat_statements' AND c.relnamespace = e.extnamespace
                  WHERE e.extname = 'pg_stat_statements'), false) AS statements_readable`);
  if (!row) throw new Error('the server gave no answer about itself');
  const has = (extension: string) => row.extensions.includes(extension);
  return {
    version: row.version,
    isReplica: row.replica,
    isSuperuser: row.superuser,
    canReadAllStats: row.all_stats,
    pgStatStatements: has('pg_stat_statements') && row.statements_readable,
    hypopg: has('hypopg'),
    pgstattuple: has('pgstattuple'),
  };
}

interface TableRow {
  oid: number;
  schema: string;
  name: string;
  kind: Table['kind'];
  partition_of: number | null;
  unlogged: boolean;
  fixed_columns: boolean;
  estimated_rows: number;
  total_bytes: number | null;
  heap_bytes: number | null;
  pages: number;
  activity: Record<string, number | string | null>;
}

const asDate = (value: unknown) => (typeof value === 'string' ? new Date(value) : null);

/** Tables that somebody has, or waits to have, for himself: to ask for their size, or for an expression, would wait as well. */
const LOCKED = `ARRAY(SELECT coalesce(i.indrelid, t.oid, l.relation) FROM pg_locks l
    LEFT JOIN pg_index i ON i.indexrelid = l.relation LEFT JOIN pg_class t ON t.reltoastrelid = l.relation
   WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))`;
const NOT_LOCKED = `${USER_SCHEMAS} AND c.oid <> ALL (${LOCKED})`;
const LOCK_NOT_AVAILABLE = '55P03';
const MOST_ATTEMPTS = 3;

/**
 * Tables, partitioned tables, partitions and materialised views with their columns, keys, indexes, statistics and
 * activity, in a fixed number of statements however many tables there are. A table dropped meanwhile is left out.
 *
 * @param onLocked takes tables that are left out because they stayed locked for longer than the session waits
 */
export async function readTables(
  session: Session,
  onLocked: (tables: readonly { schema: string; name: string }[]) => void = () => {},
): Promise<Table[]> {
  for (let attempt = 1; ; attempt += 1)
    try {
      const among = attempt === 1 ? USER_SCHEMAS : NOT_LOCKED;
      const askLocked =
        attempt > 1 &&
        session.query<{ schema: string; name: string }>(
          `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = ANY (${LOCKED}) AND ${USER_SCHEMAS} ORDER BY 1, 2`,
        );
      const [tables, locked] = await Promise.all([readAmong(session, among), askLocked]);
      if (locked) onLocked(locked);
      return tables;
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE || attempt === MOST_ATTEMPTS) throw error;
    }
}

/** @param among a condition on pg_class c and pg_namespace n */
async function readAmong(session: Session, among: string): Promise<Table[]> {
  const askTables =
    session.query<TableRow>(`SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name,
         CASE WHEN c.relkind = 'p' THEN 'partitioned' WHEN c.relkind = 'm' THEN 'materialized view'
              WHEN c.relispartition THEN 'partition' ELSE 'table' END AS kind,
         (SELECT i.inhparent::int8::float8 FROM pg_inherits i WHERE c.relispartition AND i.inhrelid = c.oid) AS partition_of,
         c.relpersistence = 'u' AS unlogged,
         c.reloftype <> 0 OR (c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)) AS fixed_columns,
         c.reltuples::float8 AS estimated_rows, c.relpages AS pages,
         pg_total_relation_size(c.oid)::float8 AS total_bytes, pg_relation_size(c.oid)::float8 AS heap_bytes,
         json_build_object('seqScans', coalesce(s.seq_scan, 0), 'seqRowsRead', coalesce(s.seq_tup_read, 0),
           'idxScans', coalesce(s.idx_scan, 0), 'idxRowsFetched', coalesce(s.idx_tup_fetch, 0), 'inserted', coalesce(s.n_tup_ins, 0), 'updated', coalesce(s.n_tup_upd, 0),
           'hotUpdated', coalesce(s.n_tup_hot_upd, 0), 'deleted', coalesce(s.n_tup_del, 0),
           'liveRows', coalesce(s.n_live_tup, 0), 'deadRows', coalesce(s.n_dead_tup, 0), 'lastVacuum', s.last_vacuum,
           'lastAutovacuum', s.last_autovacuum, 'lastAnalyze', greatest(s.last_analyze, s.last_autoanalyze)) AS activity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
   WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND ${among}
   ORDER BY n.nspname, c.relname`);
  const askColumns = session.query<{
    oid: number;
    columns: (Column & { base: string | null; stats: Column['stats'] | null })[];
  }>(
    `SELECT a.attrelid::int8::float8 AS oid,
         json_agg(json_build_object('name', a.attname, 'position', a.attnum, 'type', format_type(a.atttypid, a.atttypmod),
           'base', (WITH RECURSIVE base AS (SELECT t.typbasetype AS oid, t.typtypmod AS modifier FROM pg_type t WHERE t.oid = a.atttypid AND t.typtype = 'd'
                      UNION ALL SELECT t.typbasetype, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
                    SELECT format_type(b.oid, b.modifier) FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype <> 'd'),
           'notNull', a.attnotnull, 'hasDefault', a.atthasdef OR a.attidentity <> '', 'virtual', a.attgenerated = 'v',
           'stats', CASE WHEN s.attname IS NULL THEN NULL ELSE json_build_object('nullFraction', s.null_frac,
             'distinct', CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * greatest(c.reltuples, 0) ELSE s.n_distinct END,
             'averageWidth', s.avg_width, 'correlation', s.correlation) END) ORDER BY a.attnum) AS columns
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
      AND s.inherited = (c.relkind = 'p')
   WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm') AND ${among}
   GROUP BY a.attrelid`,
  );
  const askIndexes = session.query<{
    oid: number;
    indexes: Index[];
  }>(`SELECT i.indrelid::int8::float8 AS oid,
         json_agg(json_build_object('name', x.relname,
           'columns', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
              LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0 WHERE k.at <= i.indnkeyatts),
           'included', (SELECT coalesce(json_agg(a.attname ORDER BY k.at), '[]') FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.at > i.indnkeyatts),
           'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid AND i.indisready, 'method', m.amname,
           'predicate', pg_get_expr(i.indpred, i.indrelid), 'definition', pg_get_indexdef(i.indexrelid),
           'body', substr(pg_get_indexdef(i.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %s%I.%I',
              CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname, CASE WHEN x.relkind = 'I' THEN 'ONLY ' END, n.nspname, c.relname))),
           'classes', (SELECT json_agg(CASE WHEN NOT o.opcdefault THEN o.opcname END ORDER BY k.at)
              FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS k(oid, at) JOIN pg_opclass o ON o.oid = k.oid),
           'ordinary', 0 = ALL (i.indoption::int2[]) AND NOT EXISTS (
              SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) AS k(attnum, sorted_by)
                JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.sorted_by <> 0 AND k.sorted_by <> a.attcollation),
           'semantics', concat_ws(' / ', i.indclass, i.indoption, i.indcollation, to_jsonb(i) -> 'indnullsnotdistinct'),
           'bytes', pg_relation_size(i.indexrelid), 'scans', coalesce(s.idx_scan, 0),
           'constraint', o.backed,
           'parent', (SELECT parent.relname FROM pg_inherits h JOIN pg_class parent ON parent.oid = h.inhparent WHERE h.inhrelid = i.indexrelid),
           'foreignKeys', coalesce(o.referring, '[]'),
           'replicaIdentity', i.indisreplident AND c.relreplident = 'i', 'clustered', i.indisclustered, 'immediate', i.indimmediate)
         ORDER BY x.relname) AS indexes
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.indexrelid
    LEFT JOIN (SELECT conindid, min(conname::text) FILTER (WHERE contype IN ('p', 'u', 'x')) AS backed,
                      json_agg(conname ORDER BY conname) FILTER (WHERE contype = 'f') AS referring
                 FROM pg_constraint WHERE conindid <> 0 GROUP BY conindid) AS o ON o.conindid = i.indexrelid
   WHERE c.relkind IN ('r', 'p', 'm') AND ${among}
   GROUP BY i.indrelid`);
  const askKeys = session.query<{
    oid: number;
    primary: string[];
    uniques: string[][];
    foreign: ForeignKey[];
  }>(
    `SELECT o.conrelid::int8::float8 AS oid,
         coalesce((array_agg(names.list) FILTER (WHERE o.contype = 'p'))[1], '[]') AS primary,
         coalesce(json_agg(names.list) FILTER (WHERE o.contype = 'u'), '[]') AS uniques,
         coalesce(json_agg(json_build_object('name', o.conname, 'columns', names.list, 'validated', o.convalidated,
           'referenced', json_build_object('schema', fn.nspname, 'table', f.relname, 'columns', referenced.list)))
           FILTER (WHERE o.contype = 'f'), '[]') AS foreign
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class f ON f.oid = o.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
    CROSS JOIN LATERAL (SELECT json_agg(a.attname ORDER BY k.at) AS list FROM unnest(o.conkey) WITH ORDINALITY AS k(attnum, at)
      JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum) AS names
    LEFT JOIN LATERAL (SELECT json_agg(a.attname ORDER BY k.at) AS list FROM unnest(o.confkey) WITH ORDINALITY AS k(attnum, at)
      JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum) AS referenced ON true
   WHERE o.contype IN ('p', 'u', 'f') AND ${among}
   GROUP BY o.conrelid`,
  );
  // In one round trip.
  const [tables, columns, indexes, keys] = await Promise.all([askTables, askColumns, askIndexes, askKeys]);
  const columnsOf = new Map(columns.map((row) => [row.oid, row.columns]));
  const indexesOf = new Map(indexes.map((row) => [row.oid, row.indexes]));
  const keysOf = new Map(keys.map((row) => [row.oid, row]));
  const read = tables.flatMap((table): Table[] => {
    // Sizes are null when the table was dropped between the catalogue's snapshot and the look at its files.
    if (table.total_bytes === null || table.heap_bytes === null) return [];
    const { lastVacuum, lastAutovacuum, lastAnalyze, ...counts } = table.activity;
    const key = keysOf.get(table.oid);
    return [
      {
        oid: table.oid,
        schema: table.schema,
        name: table.name,
        kind: table.kind,
        partitionOf: table.partition_of,
        unlogged: table.unlogged,
        fixedColumns: table.fixed_columns,
        estimatedRows: table.estimated_rows,
        totalBytes: table.total_bytes,
        heapBytes: table.heap_bytes,
        pages: table.pages,
        columns: (columnsOf.get(table.oid) ?? []).map(({ stats, base, ...column }) => ({
          ...column,
          ...(base ? { base } : {}),
          ...(stats ? { stats } : {}),
        })),
        primaryKey: key?.primary ?? [],
        uniqueKeys: key?.uniques ?? [],
        foreignKeys: key?.foreign ?? [],
        indexes: indexesOf.get(table.oid) ?? [],
        activity: {
          ...(counts as Omit<Table['activity'], 'lastVacuum' | 'lastAutovacuum' | 'lastAnalyze'>),
          lastVacuum: asDate(lastVacuum),
          lastAutovacuum: asDate(lastAutovacuum),
          lastAnalyze: asDate(lastAnalyze),
        },
      },
    ];
  });
  return withPartitions(read);
}

/** SQLSTATEs untranslatable_character and character_not_in_repertoire. */
const UNTRANSLATABLE = ['22P05', '22021'];

const places = new WeakMap<Session, Map<string, Promise<string | undefined>>>();

/** The schema that an extension is in, asked for once a session; undefined where it is not created. */
export function extensionSchema(session: Session, extension: string): Promise<string | undefined> {
  const known = places.get(session) ?? new Map<string, Promise<string | undefined>>();
  places.set(session, known);
  const asked =
    known.get(extension) ??
    session
      .query<{ schema: string }>(
        'SELECT n.nspname::text AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1',
        [extension],
      )
      .then(([place]) => place?.schema);
  known.set(extension, asked);
  // A failure is of its moment.
  asked.catch(() => known.delete(extension));
  return asked;
}

/**
 * The statements of this database, the most time-consuming first, at most `limit`; and the seconds that they cover.
 * Statements of sqltrail itself and of the exporter are left out: the diagnosis does not diagnose its own load.
 */
export async function readStatements(
  session: Session,
  capabilities: Capabilities,
  limit = 500,
): Promise<{ statements: Statement[]; windowSeconds: number | undefined }> {
  if (!capabilities.pgStatStatements) return { statements: [], windowSeconds: undefined };
  const place = await extensionSchema(session, 'pg_stat_statements');
  if (!place) return { statements: [], windowSeconds: undefined };
  const view = session.quote(place, 'pg_stat_statements');
  const statements = await session
    .query<Statement>(
      `SELECT queryid::text AS queryid, min(query) AS text, sum(calls)::float8 AS calls, sum(total_exec_time)::float8 AS "totalMs",
         (sum(total_exec_time) / greatest(sum(calls), 1))::float8 AS "meanMs",
         min(min_exec_time)::float8 AS "minMs", coalesce(array_agg(DISTINCT r.rolname::text) FILTER (WHERE r.rolname IS NOT NULL), '{}') AS roles, sum(rows)::float8 AS rows,
         sum(shared_blks_read)::float8 AS "sharedBlocksRead", sum(shared_blks_hit)::float8 AS "sharedBlocksHit",
         sum(temp_blks_written)::float8 AS "tempBlocksWritten"
    FROM ${view} s JOIN pg_database d ON d.oid = s.dbid
    LEFT JOIN pg_roles r ON r.oid = s.userid
   WHERE d.datname = current_database() AND query IS NOT NULL AND queryid IS NOT NULL
     AND query <> '<insufficient privilege>' AND r.rolname IS DISTINCT FROM 'sqltrail_monitor'
     AND position($2 in query) = 0 AND query !~* '^\\s*(begin|commit|rollback|set|show|explain|discard|deallocate|savepoint|release)\\M'
   GROUP BY queryid ORDER BY sum(total_exec_time) DESC LIMIT $1`,
      [limit, OWN_STATEMENT],
    )
    .catch((error: Error & { code?: string }) => {
      if (!UNTRANSLATABLE.includes(error.code ?? '')) throw error;
      // The view is of all databases, and each text is written in the encoding of this one, before any is left out.
      capabilities.pgStatStatements = false;
      capabilities.statementsUnreadable = `The texts in pg_stat_statements are of all databases of the server, and one of another database cannot be written in the encoding of this one (${error.message}). Forget that database’s statements with SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = '…')), then run the diagnosis again.`;
      return undefined;
    });
  if (!statements) return { statements: [], windowSeconds: undefined };
  const [window] = await session.query<{ seconds: number | null }>(
    `SELECT extract(epoch FROM now() - stats_reset)::float8 AS seconds FROM ${session.quote(place, 'pg_stat_statements_info')}`,
  );
  return { statements, windowSeconds: window?.seconds ?? undefined };
}

/** Every setting by name, as pg_settings gives it. */
export async function readSettings(
  session: Session,
): Promise<Map<string, { value: string; unit: string | null; source: string }>> {
  const rows = await session.query<{ name: string; setting: string; unit: string | null; source: string }>(
    'SELECT name, setting, unit, source FROM pg_settings',
  );
  return new Map(rows.map(({ name, setting, unit, source }) => [name, { value: setting, unit, source }]));
}
