import type { PlanNode } from './plans.ts';
import type { Statement } from './relations.ts';
import type { StatementShape } from './sql/shape.ts';
import type { TableScan } from './tableScans.ts';

/** A statement of the workload with what could be understood of it. */
export interface WorkloadEntry {
  statement: Statement;
  /** `db.query.summary`, the name that spans and metrics know it by. */
  summary: string;
  /** libpg_query's, the same for a span of the statement; undefined where it cannot be parsed. */
  fingerprint: string | undefined;
  shape: StatementShape | undefined;
  /** The generic plan of the schema as it is now. */
  plan: PlanNode | undefined;
  /** Schemas that the statement looks through. */
  path: string[];
  scans: TableScan[];
  /** Rows read by scans for one call, by the planner's estimates; undefined without a plan. */
  rowsReadPerCall: number | undefined;
  /** Database time, milliseconds for each second of wall clock; undefined when the window is not known. */
  msPerSecond: number | undefined;
  /** Share of the database time of all statements, 0..1. */
  share: number;
}
