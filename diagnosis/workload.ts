import { describeStatement, loadParser as loadStatementParser } from '../instrumentation/statement.ts';
import type { CheckContext, Statement, Table } from './check.ts';
import { genericPlan, type PlanNode, type Scan, scansOf } from './plans.ts';
import { loadParser, type StatementShape, shapeOf } from './sql/shape.ts';

/** A statement of the workload with what could be understood of it. */
export interface WorkloadEntry {
  statement: Statement;
  /** `db.query.summary`, the name that spans and metrics know it by. */
  summary: string;
  shape: StatementShape | undefined;
  /** The generic plan of the schema as it is now. */
  plan: PlanNode | undefined;
  scans: Scan[];
  /** Rows read by scans for one call, by the planner's estimates; undefined without a plan. */
  rowsReadPerCall: number | undefined;
  /** Database time, milliseconds for each second of wall clock; undefined when the window is not known. */
  msPerSecond: number | undefined;
  /** Share of the database time of all statements, 0..1. */
  share: number;
}

/** Statements beyond these are too rare to be worth a plan. */
const MOST_PLANNED = 120;
const LEAST_SHARE = 0.000_02;

export const tableOf = (tables: readonly Table[], name: string, schema?: string): Table | undefined =>
  tables.find(
    (table) => table.name === name && (schema ? table.schema === schema : table.kind !== 'partition'),
  ) ?? tables.find((table) => table.name === name);

/** Schemas with tables, `public` first: what an application's search_path most likely holds. */
export function searchPath(session: CheckContext['session'], tables: readonly Table[]): string {
  const schemas = [...new Set(tables.map(({ schema }) => schema))].sort(
    (a, b) => Number(b === 'public') - Number(a === 'public') || a.localeCompare(b, 'en'),
  );
  return ['pg_catalog', ...schemas.slice(0, 20).map((schema) => session.quote(schema))].join(', ');
}

/** Parses and plans the statements that matter; the others are left without a plan. */
export async function readWorkload(context: Omit<CheckContext, 'workload'>): Promise<WorkloadEntry[]> {
  const { session, statements, tables, capabilities, windowSeconds } = context;
  await Promise.all([loadParser(), loadStatementParser()]);
  const byName = new Map<string, Set<string>>();
  for (const table of tables) {
    const columns = new Set(table.columns.map(({ name }) => name));
    byName.set(`${table.schema}\0${table.name}`, columns);
    if (!byName.has(table.name)) byName.set(table.name, columns);
  }
  const totalMs = statements.reduce((sum, { totalMs: ms }) => sum + ms, 0);
  await session.query("SELECT set_config('search_path', $1, false)", [searchPath(session, tables)]);
  const entries: WorkloadEntry[] = [];
  let unplanned = 0;
  try {
    for (const [at, statement] of statements.entries()) {
      context.signal.throwIfAborted();
      const shape = shapeOf(statement.text, (table, schema) =>
        byName.get(schema ? `${schema}\0${table}` : table),
      );
      const share = totalMs > 0 ? statement.totalMs / totalMs : 0;
      // What reads no table, such as INSERT … VALUES, has no plan to learn from.
      const known =
        (shape?.tables.length ?? 0) > 0 &&
        shape?.tables.every(({ table, schema }) => tableOf(tables, table, schema));
      const worth =
        at < MOST_PLANNED && share >= LEAST_SHARE && shape && shape.operation !== 'OTHER' && known;
      const plan = worth ? await genericPlan(session, capabilities.version, statement.text) : undefined;
      if (worth && !plan) unplanned += 1;
      const scans = plan ? scansOf(plan) : [];
      entries.push({
        statement,
        summary: describeStatement(statement.text).summary,
        shape,
        plan,
        scans,
        rowsReadPerCall: plan
          ? scans.reduce((sum, scan) => sum + rowsRead(scan, tables) * scan.loops, 0)
          : undefined,
        msPerSecond: windowSeconds ? statement.totalMs / windowSeconds : undefined,
        share,
      });
    }
  } finally {
    await session.query("SELECT set_config('search_path', 'pg_catalog', false)").catch(() => {});
  }
  if (unplanned > 0)
    context.blind({
      what: `plans of ${unplanned} statements`,
      remedy:
        'GRANT SELECT on their tables to this role, or run the diagnosis with the application’s search_path. A change inside WITH is planned only for a role that may make it; bodies of functions have variables that only they know.',
    });
  return entries;
}

/** Rows that one run of the scan reads: a sequential scan reads all, an index scan what it is expected to find. */
function rowsRead(scan: Scan, tables: readonly Table[]): number {
  if (!scan.sequential) return scan.node['Plan Rows'] * scan.processes;
  const table = tableOf(tables, scan.relation);
  return Math.max(table?.estimatedRows ?? 0, scan.node['Plan Rows']);
}
