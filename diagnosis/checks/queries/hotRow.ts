import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { freeName } from '../../proposals/names.ts';
import { referenceTo } from '../../workload.ts';
import { withoutStatements } from './shared.ts';

/** A row that is changed this often since the statistics began is a queue. */
const UPDATES_PER_ROW = 500;
const FEW_ROWS = 100;
/** One row by key takes a fraction of a millisecond; more than that, and more than the fastest took, is waiting. */
const MIN_WAIT_MS = 1;
const MIN_WAIT_SHARE = 0.5;

export const check: Check = {
  id: 'hot-row',
  group: 'queries',
  title: 'Rows that everybody locks',
  description: 'A table of few rows, each updated very often: every transaction waits for the one before.',
  async *run(context) {
    if (withoutStatements(context, 'statements that wait for a hot row')) return;
    const entries = await context.workload();
    for (const table of context.tables) {
      const rows = Math.max(table.activity.liveRows, 1);
      if (rows > FEW_ROWS || table.estimatedRows > FEW_ROWS) continue;
      const writers = entries.filter(
        ({ shape, statement }) =>
          shape?.operation === 'UPDATE' &&
          shape.writes.includes(table.name) &&
          shape.tables.some((use) => use.table === table.name && use.schema === table.schema) &&
          statement.calls > 0,
      );
      const calls = writers.reduce((sum, { statement }) => sum + statement.calls, 0);
      const totalMs = writers.reduce((sum, { statement }) => sum + statement.totalMs, 0);
      const updates = Math.max(table.activity.updated, calls);
      const meanMs = totalMs / Math.max(calls, 1);
      if (updates / rows < UPDATES_PER_ROW && !(calls >= 20 && calls / rows >= 20)) continue;
      // The fastest call waited for nobody: what the others take beyond it is waiting. One session alone never waits.
      const waitedMs = writers.reduce(
        (sum, { statement: { minMs, totalMs: ms, calls: n } }) => sum + Math.max(0, ms - (minMs ?? 0) * n),
        0,
      );
      const meanWaitMs = waitedMs / Math.max(calls, 1);
      if (meanWaitMs < MIN_WAIT_MS || waitedMs < totalMs * MIN_WAIT_SHARE) continue;
      const share = writers.reduce((sum, entry) => sum + entry.share, 0);
      const sequence = await freeName(context, {
        schema: table.schema,
        name: table.name,
        suffix: '_seq',
        definition: `numbers of ${table.name}`,
      });
      yield {
        id: `hot-row:${table.schema}.${table.name}`,
        check: 'hot-row',
        severity: meanMs >= 20 || share >= 0.02 ? 'critical' : 'warning',
        title: `Every transaction locks the same row of ${table.name}`,
        explanation: `${count(updates)} updates fell on ${count(rows)} ${rows === 1 ? 'row' : 'rows'}. The lock is held until the transaction ends, so these transactions run one after another whatever the hardware; an update takes ${meanMs.toFixed(1)} ms on average, ${meanWaitMs.toFixed(1)} ms more than the fastest one.`,
        cause: 'lock-contention',
        objects: [{ schema: table.schema, table: table.name }],
        statements: writers.map(referenceTo),
        evidence: [
          { label: 'updates', value: updates, unit: '1', how: 'SELECT n_tup_upd FROM pg_stat_user_tables' },
          { label: 'rows', value: rows, unit: 'rows', how: 'SELECT n_live_tup FROM pg_stat_user_tables' },
          {
            label: 'mean time of the update',
            value: Math.round(meanMs * 100) / 100,
            unit: 'ms',
            how: 'SELECT mean_exec_time FROM pg_stat_statements',
          },
        ],
        cost: {
          calls,
          ...(context.windowSeconds ? { msPerSecond: totalMs / context.windowSeconds } : {}),
        },
        confidence: { level: 0.9, basis: 'statistics' },
        explains: { kpis: ['blocked-sessions', 'checkout-failure-ratio', 'pool-wait-p95'], traces: [] },
        fix: {
          kind: 'application',
          summary: 'take the number from a sequence, or in a short transaction of its own',
          changes: [{ change: 'create sequence', schema: table.schema, sequence }],
          lock: 'none on existing tables; the application’s statement changes',
          risk: 'A sequence leaves gaps when a transaction is rolled back; where gaps are forbidden, number afterwards.',
          expectedEffect: 'transactions no longer wait for each other here',
        },
      };
    }
  },
};
