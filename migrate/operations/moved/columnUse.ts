import type pg from 'pg';
import { OperationError } from '../../../lib/pg/errors.ts';
import { quote as id } from '../../../lib/pg/quote.ts';
import type { Phase } from '../../mapping.ts';
import type { Progress, Running } from '../../migration.ts';
import { reading } from '../../session.ts';
import { describeOid, isOwn, type TableDescription } from '../description.ts';
import { names } from '../refusals.ts';
import type { MovedMigration } from './declared.ts';

/** What the catalogue says of the use of some columns. */
export interface ColumnUse {
  /** In Postgres's words. */
  what: string;
  /** It gives the column a meaning that the new table would not keep: a key, a policy, a generated column. */
  essential: boolean;
}

/**
 * Objects that depend on columns, apart from their own default and NOT NULL.
 *
 * @param client with `search_path = pg_catalog`, so that names have their schema
 */
export async function usesOf(
  client: pg.ClientBase,
  oid: string,
  columns: readonly string[],
): Promise<ColumnUse[]> {
  const { rows } = await client.query<ColumnUse>(
    `SELECT pg_describe_object(d.classid, d.objid, 0) AS what,
            bool_or(CASE d.classid
              WHEN 'pg_constraint'::regclass THEN (SELECT o.contype <> 'c' FROM pg_constraint AS o WHERE o.oid = d.objid)
              WHEN 'pg_class'::regclass THEN coalesce((SELECT i.indisunique FROM pg_index AS i WHERE i.indexrelid = d.objid), true)
              ELSE d.classid NOT IN ('pg_rewrite'::regclass, 'pg_statistic_ext'::regclass, 'pg_proc'::regclass) END) AS essential
       FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND a.attname = ANY ($2)
        AND NOT CASE d.classid
          WHEN 'pg_attrdef'::regclass THEN EXISTS (SELECT FROM pg_attrdef AS e WHERE e.oid = d.objid AND e.adrelid = d.refobjid AND e.adnum = d.refobjsubid)
          WHEN 'pg_constraint'::regclass THEN EXISTS (SELECT FROM pg_constraint AS e WHERE e.oid = d.objid AND e.contype = 'n')
          -- A view shows as its rule; a column of the table itself as the default that generates it.
          WHEN 'pg_class'::regclass THEN d.objid = d.refobjid
          ELSE false END
      GROUP BY 1 ORDER BY 1`,
    [oid, columns],
  );
  return rows;
}

const anyIn = (text: string, columns: string) =>
  `(${columns}::text[] = '{}' OR EXISTS (SELECT FROM unnest(${columns}::text[]) AS c WHERE strpos(lower(${text}), lower(c)) > 0))`;
const namesBoth = (source: string, table: string, columns: readonly string[]) =>
  names(source, table) && (columns.length === 0 || columns.some((column) => names(source, column)));

/** Objects that could not be there without a table, and do not go with it. */
export const usesOfTable = (d: TableDescription): string[] => [
  ...d.views.map(({ schema, name }) => `view ${schema}.${name}`),
  ...d.incoming
    .filter((key) => !isOwn(d, key))
    .map(({ schema, table, name }) => `constraint ${name} on table ${schema}.${table}`),
  ...d.dependents,
];

/**
 * Functions of the database whose text has the names of the table and of a column, but for those given; where no columns
 * are given, the name of the table.
 */
export async function functionsNaming(
  client: pg.ClientBase,
  { table, columns, except }: { table: string; columns: readonly string[]; except: readonly string[] },
): Promise<string[]> {
  const { rows } = await client.query<{ name: string; source: string }>(
    `SELECT p.oid::regprocedure::text AS name, p.prosrc AS source FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.proname <> ALL ($1)
        AND strpos(lower(p.prosrc), lower($2)) > 0 AND ${anyIn('p.prosrc', '$3')}
        AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
      ORDER BY 1`,
    [except, table, columns],
  );
  return rows.filter(({ source }) => namesBoth(source, table, columns)).map(({ name }) => name);
}

interface Calls {
  /** Undefined without the extension. */
  calls?: Record<string, { calls: number; query: string }>;
  /** Statements of others, which this role may not see. */
  hidden: number;
}

/** Statements that name the table and a column, as the role of the transaction sees them. */
async function statementsNaming(
  client: pg.ClientBase,
  table: string,
  columns: readonly string[],
): Promise<Calls> {
  const { rows: extensions } = await client.query<{ schema: string }>(
    `SELECT n.nspname AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'`,
  );
  const [extension] = extensions;
  if (!extension) return { hidden: 0 };
  const { rows } = await client.query<{ id: string; calls: number; query: string; hidden: boolean }>(
    `SELECT userid || '/' || coalesce(queryid::text, 'hidden') AS id, sum(calls)::float8 AS calls, min(query) AS query, bool_or(queryid IS NULL) AS hidden
       FROM ${id(extension.schema)}.pg_stat_statements /* sqltrail */
      WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND toplevel AND strpos(query, 'sqltrail') = 0
        AND (queryid IS NULL OR query ~* '^\\s*((/\\*.*?\\*/|--[^\\n]*\\n)\\s*)*(select|insert|update|delete|merge|with|declare)\\y'
             AND strpos(lower(query), lower($1)) > 0 AND ${anyIn('query', '$2')})
      GROUP BY 1`,
    [table, columns],
  );
  const seen = rows.filter(({ query, hidden }) => !hidden && namesBoth(query, table, columns));
  return {
    calls: Object.fromEntries(
      seen.map(({ id: of, calls, query }) => [
        of,
        { calls, query: query.replaceAll(/\s+/g, ' ').slice(0, 120) },
      ]),
    ),
    hidden: rows.filter(({ hidden }) => hidden).length,
  };
}

const EVENT = 'statements';

/**
 * Ends the run while something uses the old columns, or the table where that goes. Statements count when they ran since the last time this was
 * asked; the first time, when they ever ran.
 *
 * @throws OperationError that names what uses them
 */
export async function* unused(
  run: Running,
  { phase, step }: { phase: Phase; step: string },
  { name, table, moved }: MovedMigration,
): AsyncGenerator<Progress> {
  const { client } = run;
  const { columns } = moved;
  const { uses, functions } = await reading(client, 'search_path = pg_catalog', async () => ({
    uses:
      columns.length > 0
        ? (await usesOf(client, table.oid, columns)).map(({ what }) => what)
        : usesOfTable(await describeOid(client, table.oid)),
    functions: await functionsNaming(client, { table: table.name, columns, except: moved.functions }),
  }));
  const { rows: before } = await client.query<{ at: string; calls: Calls['calls'] }>(
    `SELECT at::text, detail -> 'calls' AS calls FROM sqltrail.migration_journal WHERE migration = $1 AND event = $2 ORDER BY id DESC LIMIT 1`,
    [name, EVENT],
  );
  const [last] = before;
  const { calls, hidden } = await reading(client, 'ROLE NONE', () =>
    statementsNaming(client, table.name, columns),
  );
  const since = last ? `since ${last.at}` : 'at some time';
  const statements = Object.entries(calls ?? {})
    .filter(([of, now]) => now.calls > (last?.calls?.[of]?.calls ?? 0))
    .map(([, { query }]) => `a statement that ran ${since}: ${query}`);
  if (calls && (statements.length > 0 || !last))
    await run.note({ phase, step, event: EVENT, detail: { calls } });
  const guessed = run.options.acceptUse
    ? []
    : [
        ...functions.map((each) => `function ${each}, whose text names it`),
        ...statements,
        ...(hidden > 0
          ? [
              `maybe ${hidden} statements of other roles, which this one may not see: GRANT pg_read_all_stats to it`,
            ]
          : []),
      ];
  const found = [...uses, ...guessed];
  const full = `${table.schema}.${table.name}`;
  if (found.length === 0) return;
  throw new OperationError(
    `${columns.map((column) => `${full}.${column}`).join(', ') || full} cannot be dropped yet, because of:\n${found.map((each) => `  ${each}`).join('\n')}\n` +
      `Drop or change them to use ${table.schema}.${moved.into}.${
        statements.length > 0
          ? ' The next complete ignores statements that no longer run: repeat it when each job of the application has run once.'
          : ''
      }${guessed.length > 0 ? ' Where a name is there by chance, --accept-use goes on.' : ''} Nothing was dropped.`,
  );
}
