import { parseSync } from 'libpg-query';
import type { CheckContext } from '../check.ts';
import { endIfOver } from '../checks/shared.ts';
import type { Table } from '../relations.ts';

/** What Postgres would say to an index on an expression of a table's columns. */
export interface ExpressionFacts {
  /** In words, why it refuses; undefined when it does not. */
  refused?: string;
  /** It refuses because the result depends on more than the row: a setting, the time, a dictionary. */
  mutable?: boolean;
  /** In words, what could not be asked; undefined when everything could. */
  unknown?: string;
  /** Access methods that have an operator class for its type. */
  methods: ReadonlySet<string>;
  /** Bytes of the longest value that was looked at; 0 where no row has one. */
  longest: number;
  /** A value may become longer than those that were looked at. */
  unbounded: boolean;
}

/** Every value of a table is looked at up to this size; of a larger one a sample of so much: the server may be busy. */
const READ_BYTES = 8_000_000;
const READ_MS = 1_000;
/** varchar(n) has up to four bytes for each of its n characters. */
const BYTES_A_CHARACTER = 4;
/** A declared length that keeps every value below what a page of a B-tree takes. */
const SHORT_ENOUGH = 2_600;

const known = new WeakMap<CheckContext, Map<string, Promise<ExpressionFacts>>>();

/**
 * Asks the server without changing anything. Whether the expression is immutable is the planner's own judgement: of a
 * condition that contradicts itself it skips the scan, but only where all functions in it, through every inlined body,
 * are immutable, by the same test as CREATE INDEX. The values are computed with the search_path that an index build
 * has, and measured.
 *
 * @param expression SQL over the table's columns, its names to be found with `pg_catalog` alone as search_path
 */
export function expressionFacts(
  context: CheckContext,
  table: Table,
  { expression, column }: { expression: string; column: string },
): Promise<ExpressionFacts> {
  const facts = known.get(context) ?? new Map<string, Promise<ExpressionFacts>>();
  known.set(context, facts);
  const key = `${table.oid} ${expression}`;
  let asked = facts.get(key);
  if (!asked) {
    asked = ask(context, table, expression, column);
    facts.set(key, asked);
  }
  return asked;
}

const unindexable = (refused: string): ExpressionFacts => ({
  refused,
  methods: new Set(),
  longest: 0,
  unbounded: false,
});

async function ask(
  context: CheckContext,
  table: Table,
  expression: string,
  column: string,
): Promise<ExpressionFacts> {
  const { session } = context;
  const target = session.quote(table.schema, table.name);
  const bare = expression === session.quote(column);
  const declared = table.columns.find(({ name }) => name === column);
  if (!declared) return unindexable(`${table.name} has no column ${column}`);
  if (declared.virtual)
    return unindexable(`${column} is a virtual generated column, which is computed when it is read`);
  try {
    const [type] = await session.query<{ length: number; methods: string[] }>(
      `WITH RECURSIVE typed AS (SELECT pg_typeof(${expression})::oid AS oid FROM (SELECT (NULL::${target}).*) AS nothing),
            base AS (SELECT t.* FROM typed JOIN pg_type t ON t.oid = typed.oid
                     UNION ALL SELECT t.* FROM base JOIN pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd')
       SELECT b.typlen::int AS length,
              ARRAY(SELECT DISTINCT m.amname::text FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
                     WHERE o.opcdefault AND ${accepts('o')}) AS methods
         FROM base b WHERE b.typtype <> 'd'`,
    );
    if (!bare && (context.settings.get('constraint_exclusion')?.value ?? 'partition') === 'off')
      return {
        ...(await measured(context, table, expression, false)),
        unknown: `whether ${expression} is immutable: constraint_exclusion is off on this server`,
        methods: new Set(type?.methods),
      };
    if (!bare && !(await immutable(context, target, expression)))
      return { ...unindexable(`${expression} is not immutable`), mutable: true };
    const methods = new Set(type?.methods);
    const [, size] = /^character(?: varying)?\((\d+)\)$/.exec(declared.type) ?? [];
    if (bare && ((type?.length ?? -1) > 0 || Number(size) * BYTES_A_CHARACTER <= SHORT_ENOUGH))
      return { methods, longest: 0, unbounded: false };
    if (bare && (await keptShort(context, table, column))) return { methods, longest: 0, unbounded: true };
    return { ...(await measured(context, table, expression, (type?.length ?? -1) < 0)), methods };
  } catch (error) {
    endIfOver(context, error);
    const { code, message } = error as { code?: string; message?: string };
    if (code === '42501' || code === '57014' || code === '55P03' || code === undefined)
      return {
        unknown: `whether ${expression} can be indexed (${message})`,
        methods: new Set(['btree', 'hash', 'gin']),
        longest: 0,
        unbounded: true,
      };
    return unindexable(`${expression}: ${message}`);
  }
}

/** SQL: whether an operator class takes the base type `b`, as ResolveOpClass and IsBinaryCoercible of Postgres decide. */
export const accepts = (opclass: string) => `(${opclass}.opcintype = b.oid
  OR EXISTS (SELECT FROM pg_cast c WHERE c.castsource = b.oid AND c.casttarget = ${opclass}.opcintype AND c.castmethod = 'b' AND c.castcontext = 'i')
  OR (${opclass}.opcintype = 'anyarray'::regtype AND b.typsubscript = 'array_subscript_handler'::regproc AND b.typlen = -1)
  OR (${opclass}.opcintype = 'anyenum'::regtype AND b.typtype = 'e')
  OR (${opclass}.opcintype = 'anyrange'::regtype AND b.typtype = 'r')
  OR (${opclass}.opcintype = 'anymultirange'::regtype AND b.typtype = 'm')
  OR (${opclass}.opcintype = 'record'::regtype AND b.typtype = 'c'))`;

async function immutable(context: CheckContext, target: string, expression: string): Promise<boolean> {
  // Both arms of a UNION ALL are judged so with constraint_exclusion as it is by default.
  const plan = (await context.session.plan(
    `SELECT FROM (SELECT * FROM ${target} UNION ALL SELECT * FROM ${target}) AS twice WHERE (${expression}) IS NULL AND (${expression}) IS NOT NULL`,
    '',
  )) as { Plan: { 'One-Time Filter'?: string } }[] | undefined;
  return plan?.[0]?.Plan['One-Time Filter'] === 'false';
}

/**
 * Whether every value of a column is short enough for a B-tree, without reading one: rows over some 2 kB have their
 * longest values moved to the TOAST table (src/backend/access/heap/heaptoast.c), so where that is empty none is longer.
 */
async function keptShort(context: CheckContext, table: Table, column: string): Promise<boolean> {
  const [kept] = await context.session.query<{ short: boolean }>(
    `SELECT bool_and(coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) = 0
                     AND coalesce(c.reloptions::text, '') !~ 'toast_tuple_target' AND a.attstorage IN ('x', 'e')) AS short
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $2
      WHERE c.oid = $1::oid OR c.oid IN (SELECT relid FROM pg_partition_tree($1::oid))`,
    [table.oid, column],
  );
  return kept?.short ?? false;
}

/** Computes the expression on the rows, or on a sample: an index build that meets a value it cannot compute fails. */
async function measured(
  context: CheckContext,
  table: Table,
  expression: string,
  unbounded: boolean,
): Promise<Pick<ExpressionFacts, 'longest' | 'unbounded' | 'unknown'>> {
  const { session } = context;
  const bytes = table.kind === 'partitioned' ? bytesBelow(context, table) : table.heapBytes;
  const share = Math.min(1, READ_BYTES / Math.max(1, bytes));
  const sample = share < 1 ? ` TABLESAMPLE SYSTEM (${(100 * share).toFixed(6)})` : '';
  const [row] = await session.query<{ longest: number | null }>(
    `SELECT max(pg_column_size(${expression}))::int AS longest FROM ${session.quote(table.schema, table.name)}${sample}`,
    [],
    { withinMs: Math.min(READ_MS, context.remainingMs() / 4) },
  );
  return {
    longest: row?.longest ?? 0,
    unbounded,
    ...(share < 1 && unbounded
      ? { unknown: `the length of every value: ${Math.round(share * 100)} % of ${table.name} was read` }
      : {}),
  };
}

function bytesBelow(context: CheckContext, table: Table): number {
  return context.tables
    .filter(({ partitionOf }) => partitionOf === table.oid)
    .reduce(
      (sum, part) => sum + (part.kind === 'partitioned' ? bytesBelow(context, part) : part.heapBytes),
      0,
    );
}

type Node = Record<string, unknown>;

/** Functions of an expression that are named without a schema, with the places of their names in bytes. */
function functionsIn(expression: string): { name: string; at: number }[] {
  const found: { name: string; at: number }[] = [];
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) walk(item);
    else if (node !== null && typeof node === 'object')
      for (const [key, value] of Object.entries(node as Node)) {
        const names = key === 'FuncCall' ? ((value as Node)['funcname'] as Node[] | undefined) : undefined;
        const [first] = names ?? [];
        if (names?.length === 1)
          found.push({
            name: String((first?.['String'] as Node | undefined)?.['sval']),
            at: Number((value as Node)['location'] ?? 0),
          });
        walk(value);
      }
  };
  walk(parseSync(`SELECT ${expression}`));
  return found.map(({ name, at }) => ({ name, at: at - 'SELECT '.length }));
}

/**
 * The expression with each function named by its schema, unless it is one of Postgres itself: who builds the index has
 * another search_path than the application, and a build has none.
 *
 * @param path schemas that the application's statement looks through
 * @returns undefined where a name is not found, or is found in several schemas
 */
export async function qualify(
  context: CheckContext,
  expression: string,
  path: readonly string[],
): Promise<string | undefined> {
  const functions = functionsIn(expression);
  if (functions.length === 0) return expression;
  const places = await context.session.query<{ name: string; schemas: string[] }>(
    `SELECT p.proname AS name, array_agg(DISTINCT n.nspname::text) AS schemas FROM pg_proc p
       JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proname = ANY ($1) GROUP BY 1`,
    [functions.map(({ name }) => name)],
  );
  const bytes = Buffer.from(expression);
  let [qualified, from] = ['', 0];
  for (const { name, at } of functions.sort((a, b) => a.at - b.at)) {
    const schemas = places.find((place) => place.name === name)?.schemas ?? [];
    const seen = schemas.filter((schema) => schema === 'pg_catalog' || path.includes(schema));
    const [schema, ...more] = seen.length > 0 ? seen : schemas;
    if (schema === undefined || more.length > 0) return undefined;
    const prefix = schema === 'pg_catalog' ? '' : `${context.session.quote(schema)}.`;
    qualified += bytes.subarray(from, at).toString() + prefix;
    from = at;
  }
  return qualified + bytes.subarray(from).toString();
}
