import type { CheckContext } from '../../check.ts';
import type { Cost, Evidence, Finding } from '../../finding.ts';
import type { Table } from '../../relations.ts';
import type { WorkloadEntry } from '../../workloadEntry.ts';
import { shortly } from '../shared.ts';

/** A statement below both is not worth a finding. */
const MIN_SHARE = 0.005;
const MIN_MEAN_MS = 20;

/** The statement costs something: a share of the database's time, or the patience of who waits for it. */
export const matters = ({ share, statement }: WorkloadEntry) =>
  share >= MIN_SHARE || (statement.meanMs >= MIN_MEAN_MS && statement.calls >= 5);

/** Why a check on statements has nothing to say. */
export function withoutStatements(context: CheckContext, what: string): boolean {
  if (context.capabilities.pgStatStatements) return false;
  context.blind({
    what,
    remedy:
      context.capabilities.statementsUnreadable ??
      'CREATE EXTENSION pg_stat_statements, and GRANT pg_read_all_stats to this role.',
  });
  return true;
}

export const rowsPerCall = ({ statement }: WorkloadEntry) => statement.rows / Math.max(statement.calls, 1);

export const rowWidth = (table: Table) =>
  table.columns.reduce(
    (sum, { stats }) => sum + (stats ? stats.averageWidth * (1 - stats.nullFraction) : 0),
    0,
  );

export const severityOf = ({ share, statement }: WorkloadEntry): Finding['severity'] =>
  share >= 0.1 || statement.meanMs >= 500 ? 'critical' : 'warning';

export function costOf(entry: WorkloadEntry): Cost {
  const { statement, msPerSecond, rowsReadPerCall } = entry;
  return {
    calls: statement.calls,
    ...(msPerSecond === undefined ? {} : { msPerSecond }),
    ...(rowsReadPerCall ? { rowsReadPerRow: rowsReadPerCall / Math.max(rowsPerCall(entry), 1) } : {}),
  };
}

export function statementEvidence({ statement, rowsReadPerCall }: WorkloadEntry): Evidence[] {
  const how = `SELECT calls, mean_exec_time, rows FROM pg_stat_statements WHERE queryid = ${statement.queryid}`;
  return [
    { label: shortly(statement.text, 300), value: statement.queryid, how },
    { label: 'calls', value: statement.calls, unit: '1', how },
    { label: 'mean time', value: Math.round(statement.meanMs * 100) / 100, unit: 'ms', how },
    {
      label: 'rows returned a call',
      value: Math.round((statement.rows / Math.max(statement.calls, 1)) * 10) / 10,
      unit: 'rows',
      how,
    },
    ...(rowsReadPerCall === undefined
      ? []
      : [
          {
            label: 'rows read a call',
            value: Math.round(rowsReadPerCall),
            unit: 'rows',
            how: `EXPLAIN (GENERIC_PLAN) of queryid ${statement.queryid}`,
          },
        ]),
  ];
}
