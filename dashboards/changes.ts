/** Whether the reader may read a table of the journal; false where there is none. */
const readable = (
  table: string,
) => `coalesce((SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'sqltrail' AND c.relname = '${table}'), false)`;

const ACTIONS = `SELECT coalesce(ended_at, started_at) AS at,
    CASE state WHEN 'reverted' THEN 'reverted: ' WHEN 'taken-back' THEN 'reverted: ' WHEN 'failed' THEN 'failed: ' ELSE '' END || (action->>'title') AS what
  FROM sqltrail.action WHERE state <> 'planned'`;

const MIGRATION = `SELECT max(done_at) AS at, 'migration: ' || phase AS what FROM sqltrail.migration_step GROUP BY phase`;

const when = (table: string, query: string) => `SELECT changed.at, changed.what
  FROM xmltable('/table/row' PASSING query_to_xml(CASE WHEN ${readable(table)} THEN $query$${query}$query$ ELSE 'SELECT WHERE false' END, false, false, '')
       COLUMNS at timestamptz PATH 'at', what text PATH 'what') AS changed`;

/**
 * What sqltrail changed in the database and when, newest first: the actions of its journal and the phases of the
 * migration that are complete. A database that was never changed has no journal, and a query that names it would
 * fail there; so the query is a text that is run only where there is one (query_to_xml).
 */
export const CHANGES_SQL = `${when('action', ACTIONS)}
UNION ALL
${when('migration_step', MIGRATION)}
ORDER BY 1 DESC
LIMIT 100`;
