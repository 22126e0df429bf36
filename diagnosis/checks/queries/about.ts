import type { CheckContext } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import type { FixOf } from '../../fix.ts';
import type { Table } from '../../relations.ts';
import { referenceTo, tableOf } from '../../workload.ts';
import type { WorkloadEntry } from '../../workloadEntry.ts';
import { costOf, severityOf, statementEvidence } from './shared.ts';

const CUSTOMER_KPIS = ['statement-latency-p95', 'customer-latency-p95', 'database-time-share'];

export function tablesOf(context: CheckContext, entry: WorkloadEntry): Table[] {
  const tables = [
    ...(entry.shape?.tables ?? []).map(({ table, schema }) => tableOf(context.tables, table, schema)),
    // Below views.
    ...entry.scans.map(({ table }) => table),
  ];
  return [...new Set(tables.filter((table) => table !== undefined))];
}

export const largest = (tables: Table[]) =>
  tables.reduce<Table | undefined>((a, b) => (a && a.estimatedRows >= b.estimatedRows ? a : b), undefined);

interface Said {
  title: string;
  explanation: string;
  table: Table;
  columns?: string[];
  cause?: Finding['cause'];
  severity?: Finding['severity'];
  level: number;
  basis?: Finding['confidence']['basis'];
  note?: string;
  kpis?: string[];
  fix?: Finding['fix'];
}

/** One finding about one statement. */
export function about(id: string, entry: WorkloadEntry, said: Said): Finding {
  const { table, columns } = said;
  return {
    id: `${id}:${table.schema}.${table.name}(${(columns ?? []).join(',')})`,
    check: id,
    severity: said.severity ?? severityOf(entry),
    title: said.title,
    explanation: said.explanation,
    cause: said.cause ?? 'inefficient-query',
    objects: [{ schema: table.schema, table: table.name, ...(columns ? { columns } : {}) }],
    statements: [referenceTo(entry)],
    evidence: statementEvidence(entry),
    cost: costOf(entry),
    confidence: {
      level: said.level,
      basis: said.basis ?? 'statistics',
      ...(said.note ? { note: said.note } : {}),
    },
    explains: { kpis: said.kpis ?? CUSTOMER_KPIS, traces: [] },
    ...(said.fix ? { fix: said.fix } : {}),
  };
}

/** Collects findings about statements; those with the same id are one cause, and their costs add up. */
export function merger() {
  const found = new Map<string, Finding>();
  const merge = (finding: Finding) => {
    const known = found.get(finding.id);
    if (!known) {
      found.set(finding.id, finding);
      return;
    }
    known.statements.push(...finding.statements);
    known.evidence.push(...finding.evidence);
    if (finding.severity === 'critical') known.severity = 'critical';
    const [calls, more] = [known.cost.calls ?? 0, finding.cost.calls ?? 0];
    const read = (known.cost.rowsReadPerRow ?? 0) * calls + (finding.cost.rowsReadPerRow ?? 0) * more;
    known.cost = {
      calls: calls + more,
      ...(known.cost.msPerSecond === undefined
        ? {}
        : { msPerSecond: known.cost.msPerSecond + (finding.cost.msPerSecond ?? 0) }),
      ...(read > 0 ? { rowsReadPerRow: read / Math.max(1, calls + more) } : {}),
    };
  };
  merge.all = () => [...found.values()];
  return merge;
}

export const rewrite = (summary: string, expectedEffect: string): FixOf<'rewrite'> => ({
  kind: 'rewrite',
  summary,
  lock: 'none: the application’s statement changes',
  risk: 'The new statement must give the same rows; compare both on real data first.',
  expectedEffect,
});
