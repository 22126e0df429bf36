import { bytesText } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import type { Table } from '../../relations.ts';
import { referenceTo, tableOf } from '../../workload.ts';
import type { WorkloadEntry } from '../../workloadEntry.ts';
import { about, rewrite } from './about.ts';
import { rowWidth, withoutStatements } from './shared.ts';

/** Rows narrower than this cost the network little. Bytes. */
const WIDE_ROW = 200;

export const check: Check = {
  id: 'select-star',
  group: 'queries',
  title: 'SELECT * of wide rows',
  description: 'All columns of a wide table are fetched; the bytes are read, sent and parsed at each call.',
  async *run(context) {
    if (withoutStatements(context, 'SELECT * of wide rows')) return;
    const byTable = new Map<Table, { entries: WorkloadEntry[]; bytes: number }>();
    for (const entry of await context.workload())
      for (const use of entry.shape?.operation === 'SELECT' ? entry.shape.tables : []) {
        const table = use.star ? tableOf(context.tables, use.table, use.schema) : undefined;
        if (!table || rowWidth(table) < WIDE_ROW || entry.statement.calls < 10) continue;
        const group = byTable.get(table) ?? { entries: [], bytes: 0 };
        group.entries.push(entry);
        group.bytes += entry.statement.rows * rowWidth(table);
        byTable.set(table, group);
      }
    for (const [table, { entries, bytes }] of byTable) {
      const [first] = entries;
      if (!first || bytes < 10_000_000) continue;
      const share = entries.reduce((sum, entry) => sum + entry.share, 0);
      yield {
        ...about('select-star', first, {
          table,
          title: `${entries.length === 1 ? 'A statement fetches' : `${entries.length} statements fetch`} all ${table.columns.length} columns of ${table.name}`,
          explanation: `A row of ${table.name} has ${Math.round(rowWidth(table))} bytes on average; ${bytesText(bytes)} were sent since the statistics began. An index-only scan is impossible, and a new column makes every caller slower.`,
          severity: share >= 0.02 ? 'warning' : 'info',
          level: 0.7,
          basis: 'estimate',
          kpis: ['statement-latency-p95', 'request-latency-p95'],
          fix: rewrite(
            'name the columns that are shown',
            'fewer bytes a row; narrow statements can be answered from an index alone',
          ),
        }),
        id: `select-star:${table.schema}.${table.name}`,
        statements: entries.map(referenceTo),
        cost: { calls: entries.reduce((sum, { statement }) => sum + statement.calls, 0) },
      };
    }
  },
};
