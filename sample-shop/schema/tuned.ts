/** What the store `tuned` needs beside the legacy tables; additive, so that the legacy store goes on as before. */
export interface SchemaStep {
  name: string;
  up: string;
  down: string;
}

/** One that builds an index of the schema `public`. */
export interface IndexStep extends SchemaStep {
  table: string;
  /** Key expressions, SQL. */
  keys: readonly string[];
}

/** Built one by one with CREATE INDEX CONCURRENTLY where the diagnosis has not already asked for them. */
export const tunedIndexes: readonly IndexStep[] = [
  {
    name: 'orders_placed_at_idx',
    table: 'orders',
    keys: ['"placed_at"'],
    up: 'CREATE INDEX CONCURRENTLY "orders_placed_at_idx" ON "public"."orders" ("placed_at")',
    down: 'DROP INDEX CONCURRENTLY IF EXISTS "public"."orders_placed_at_idx"',
  },
];

/**
 * Sums of the days that are over. A closed day no longer changes: orders are placed with the time of now. The table
 * is filled once here, and `sales_daily_refresh()` adds the days that have ended since; until it does, the store sums
 * those up live.
 */
export const tunedObjects: readonly SchemaStep[] = [
  {
    name: 'sales_daily',
    up: `CREATE TABLE IF NOT EXISTS public.sales_daily (
  day      text PRIMARY KEY,
  orders   integer NOT NULL,
  revenue  numeric(14, 2) NOT NULL
);
GRANT SELECT ON public.sales_daily TO shop_app;
CREATE OR REPLACE FUNCTION public.sales_daily_refresh() RETURNS integer LANGUAGE sql SET search_path = public, pg_temp AS $$
  WITH added AS (
    INSERT INTO public.sales_daily
    SELECT left(o.placed_at, 10), count(DISTINCT o.order_number), sum(i.line_total::numeric)
      FROM public.orders AS o JOIN public.order_items AS i ON i.order_id = o.id
     WHERE o.placed_at >= coalesce((SELECT to_char(max(day)::date + 1, 'YYYY-MM-DD') FROM public.sales_daily), '')
       AND o.placed_at < to_char(localtimestamp, 'YYYY-MM-DD')
     GROUP BY 1
    ON CONFLICT (day) DO NOTHING RETURNING 1)
  SELECT count(*)::integer FROM added
$$;
SELECT public.sales_daily_refresh()`,
    down: `DROP FUNCTION IF EXISTS public.sales_daily_refresh();
DROP TABLE IF EXISTS public.sales_daily`,
  },
];
