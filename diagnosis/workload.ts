import { describeStatement, loadParser as loadStatementParser } from '../instrumentation/statement.ts';
import { extensionSchema } from './catalogue.ts';
import type { CheckContext } from './check.ts';
import type { StatementReference } from './finding.ts';
import { genericPlan, scansOf } from './plans.ts';
import type { Statement, Table } from './relations.ts';
import { readNames } from './searchPath.ts';
import { loadParser, shapeOf } from './sql/shape.ts';
import { type TableScan, tableScans } from './tableScans.ts';
import type { WorkloadEntry } from './workloadEntry.ts';

/** Statements beyond these are too rare to be worth a plan. */
const MAX_PLANNED = 120;
const MIN_SHARE = 0.000_02;

/** The table of that name; without a schema the only one, or that of `public`. */
export function tableOf(tables: readonly Table[], name: string, schema?: string): Table | undefined {
  const named = tables.filter((table) => table.name === name && (schema ?? table.schema) === table.schema);
  const [first, ...more] = named.filter(({ kind }) => kind !== 'partition');
  if (more.length > 0) return named.find((table) => table.schema === 'public');
  return first ?? named[0];
}

/** The value of search_path that looks through the schemas. */
export const searchPath = (session: CheckContext['session'], schemas: readonly string[]): string =>
  ['pg_catalog', ...schemas.slice(0, 20).map((schema) => session.quote(schema))].join(', ');

/** How a finding names the statement. */
export const referenceTo = ({ statement, summary, fingerprint }: WorkloadEntry): StatementReference => ({
  queryid: statement.queryid,
  summary,
  fingerprint: fingerprint ?? null,
});

/** Parses and plans the statements that matter; the others are left without a plan. */
export async function readWorkload(context: Omit<CheckContext, 'workload'>): Promise<WorkloadEntry[]> {
  const { session, statements, tables, capabilities, windowSeconds } = context;
  await Promise.all([loadParser(), loadStatementParser()]);
  const byName = new Map(
    tables.map((table) => [`${table.schema}\0${table.name}`, new Set(table.columns.map(({ name }) => name))]),
  );
  const names = await readNames(session, tables, temporaryTables(context));
  const totalMs = statements.reduce((sum, { totalMs: ms }) => sum + ms, 0);
  let unplanned = 0;
  const read = async (statement: Statement, at: number): Promise<WorkloadEntry> => {
    const { roles } = statement;
    const schemaOf = (table: string, schema: string | undefined) => schema ?? names.schemaOf(table, roles);
    const shape = shapeOf(statement.text, (table, schema) =>
      byName.get(`${schemaOf(table, schema)}\0${table}`),
    );
    for (const use of shape?.tables ?? []) use.schema = schemaOf(use.table, use.schema);
    const path = names.path(roles);
    const share = totalMs > 0 ? statement.totalMs / totalMs : 0;
    // What reads no table, such as INSERT … VALUES, has no plan to learn from.
    const known =
      (shape?.tables.length ?? 0) > 0 &&
      shape?.tables.every(
        ({ table, schema }) => tableOf(tables, table, schema) || (schema && names.isView(table, schema)),
      );
    const worth = at < MAX_PLANNED && share >= MIN_SHARE && shape && shape.operation !== 'OTHER' && known;
    const planner = session.withSettings({ search_path: searchPath(session, path) });
    const plan = worth ? await genericPlan(planner, capabilities.version, statement.text) : undefined;
    if (worth && !plan) unplanned += 1;
    const scans = plan
      ? tableScans(scansOf(plan), {
          shape,
          tables,
          blocksACall:
            (statement.sharedBlocksHit + statement.sharedBlocksRead) / Math.max(1, statement.calls),
        })
      : [];
    const { summary, fingerprint } = describeStatement(statement.text);
    return {
      statement,
      summary,
      fingerprint,
      shape,
      plan,
      path,
      scans,
      rowsReadPerCall: plan ? scans.reduce((sum, scan) => sum + rowsRead(scan) * scan.loops, 0) : undefined,
      msPerSecond: windowSeconds ? statement.totalMs / windowSeconds : undefined,
      share,
    };
  };
  // Together, so that the plans need few round trips.
  const entries = await Promise.all(statements.map(read));
  for (const [name, schemas] of names.untold)
    context.blind({
      what: `which table ${name} is in some statements: there ${schemas.length === 1 ? `is one in ${schemas[0]}` : `are some in ${schemas.join(', ')}`}, and a temporary one, a view or the application’s own search_path may stand before it`,
      remedy: `Statements on it are not judged. Set the application’s search_path with ALTER ROLE … SET search_path, or name the schema in the statement.`,
    });
  if (unplanned > 0)
    context.blind({
      what: `plans of ${unplanned} statements, and so the indexes that they miss`,
      remedy:
        'GRANT SELECT on their tables to this role, or run the diagnosis with the application’s search_path. A change inside WITH is planned only for a role that may make it; bodies of functions have variables that only they know.',
    });
  return entries;
}

/** Statements that make temporary tables: a table of that name is then not the one that is meant. */
async function temporaryTables({
  session,
  capabilities,
  statements,
}: Omit<CheckContext, 'workload'>): Promise<string[]> {
  const texts = statements.map(({ text }) => text);
  if (!capabilities.pgStatStatements) return texts;
  const place = await extensionSchema(session, 'pg_stat_statements');
  if (!place) return texts;
  const made = await session.query<{ text: string }>(
    `SELECT DISTINCT query AS text FROM ${session.quote(place, 'pg_stat_statements')} s JOIN pg_database d ON d.oid = s.dbid
      WHERE d.datname = current_database() AND query ~* '\\mtemp(orary)?\\s+table\\M'`,
  );
  return [...texts, ...made.map(({ text }) => text)];
}

/** Rows that one run of the scan reads: a sequential scan reads all, an index scan what it is expected to find. */
function rowsRead(scan: TableScan): number {
  if (!scan.sequential) return scan.node['Plan Rows'] * scan.processes;
  return Math.max(scan.table?.estimatedRows ?? 0, scan.node['Plan Rows']);
}
