import type { DatabaseConfig } from '../config/schema.ts';

type Table = DatabaseConfig['tables'][number];

const literal = (value: string | number | undefined, type: 'text' | 'int') =>
  value === undefined
    ? `NULL::${type}`
    : typeof value === 'number'
      ? String(value)
      : `'${value.replaceAll("'", "''")}'`;

const identifier = (name: string) =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

const parts = (table: string): [schema: string, name: string] => {
  const at = table.indexOf('.');
  return [table.slice(0, at), table.slice(at + 1)];
};

/** A row of `dated`: the table, whose date it has, in which column, after how many days it is cold, and its copy. */
function row({ table, date, dated_by, retention, copy_of }: Table, classes: Record<string, number>): string {
  const dates = date === undefined ? [undefined, undefined] : parts(dated_by ?? table);
  const days = retention === undefined ? undefined : classes[retention];
  const copy = copy_of === undefined ? undefined : parts(copy_of).map(identifier).join('.');
  const texts = [...parts(table), ...dates, date].map((value) => literal(value, 'text'));
  return `(${[...texts, literal(days, 'int'), literal(copy, 'text')].join(', ')})`;
}

/**
 * How old rows are, by the planner's histogram of their date, or by the bounds of their partition: estimated from
 * statistics, so that no row is read.
 */
export const ageQuery = (
  tables: readonly Table[],
  retention: Record<string, number>,
): string => String.raw`# How old rows are, by the planner's histogram of their date, or by the bounds of their partition. Cold is what is
# older than its retention class. New is what the last 30 days brought, from the dates themselves: growth that is known
# without having watched it, and that neither an archival nor a migration looks like: what two models hold for a while
# is counted in one of them.
sqltrail_age:
  query: >
    WITH dated (schema, name, of_schema, of, date, cold_days, copy_of) AS (VALUES
           ${tables.map((table) => row(table, retention)).join(',\n           ')}),
    plain AS (
      SELECT d.schema, d.name, d.copy_of, pg_table_size(c.oid) AS heap, pg_total_relation_size(c.oid) AS bytes, share.cold, share.new
        FROM dated d JOIN pg_class c ON c.relname = d.name AND c.relnamespace::regnamespace::text = quote_ident(d.schema) AND c.relkind = 'r'
        JOIN pg_stats s ON s.schemaname = d.of_schema AND s.tablename = d.of AND s.attname = d.date AND s.histogram_bounds IS NOT NULL
       CROSS JOIN LATERAL (
         SELECT avg((at < to_char(now() - d.cold_days * interval '1 day', 'YYYY-MM-DD'))::int)::float8 AS cold,
                avg((at >= to_char(now() - interval '30 days', 'YYYY-MM-DD'))::int)::float8 AS new
           FROM json_array_elements_text(to_json(s.histogram_bounds)) AS at) AS share),
    parted AS (
      SELECT d.schema, d.name, d.copy_of, pg_table_size(p.oid) AS heap, pg_total_relation_size(p.oid) AS bytes,
             greatest(0, extract(epoch FROM least(upper, now() - d.cold_days * interval '1 day') - lower)
               / nullif(extract(epoch FROM least(upper, now()) - lower), 0))::float8 AS cold,
             greatest(0, extract(epoch FROM least(upper, now()) - greatest(lower, now() - interval '30 days'))
               / nullif(extract(epoch FROM least(upper, now()) - lower), 0))::float8 AS new
        FROM dated d JOIN pg_class c ON c.relname = d.name AND c.relnamespace::regnamespace::text = quote_ident(d.schema) AND c.relkind = 'p'
        JOIN pg_inherits i ON i.inhparent = c.oid JOIN pg_class p ON p.oid = i.inhrelid
        JOIN pg_partitioned_table k ON k.partrelid = c.oid
       CROSS JOIN LATERAL (
         SELECT CASE WHEN a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN pg_get_expr(p.relpartbound, p.oid) END AS bound
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = k.partattrs[0]) AS b
       CROSS JOIN LATERAL (SELECT substring(bound FROM 'FROM \(''([^'']+)''\)')::timestamptz AS lower,
                                  substring(bound FROM 'TO \(''([^'']+)''\)')::timestamptz AS upper) AS bounds
       WHERE lower < now())
    SELECT CASE schema WHEN 'public' THEN '' ELSE schema || '.' END || name AS relname,
           coalesce(sum(heap * cold) / nullif(sum(heap), 0), 0) AS cold_ratio, coalesce(sum(heap * cold), 0) AS cold_bytes,
           CASE WHEN to_regclass(max(copy_of)) IS NOT NULL THEN 0 ELSE coalesce(sum(bytes * new), 0) END AS new_bytes
      FROM (TABLE plain UNION ALL TABLE parted) AS aged GROUP BY schema, name
  cache_seconds: 60
  metrics:
    - relname: { usage: LABEL, description: Table }
    - cold_ratio: { usage: GAUGE, description: Share of rows that are cold (estimated) }
    - cold_bytes: { usage: GAUGE, description: Bytes that are cold (estimated) }
    - new_bytes: { usage: GAUGE, description: "Bytes of the last 30 days, with indexes (estimated)" }`;
