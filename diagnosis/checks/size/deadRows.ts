import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';

/** As peers do: a fifth of the rows dead, and enough of them to matter. */
const DEAD_SHARE = 0.2;
const MIN_DEAD = 5_000;
/** Share of the rows, for a table in which the default of a fifth has come too late. */
const EARLIER = 0.02;

export const check: Check = {
  id: 'dead-rows',
  group: 'size',
  title: 'Dead rows',
  description: 'Tables in which vacuum does not keep up: a fifth of the rows or more are dead.',
  async *run(context) {
    const own = new Map(
      (
        await context.session.query<{ oid: number; factor: string }>(
          `SELECT c.oid::int8::float8 AS oid, option_value AS factor FROM pg_class AS c, pg_options_to_table(c.reloptions)
            WHERE option_name = 'autovacuum_vacuum_scale_factor'`,
        )
      ).map(({ oid, factor }) => [oid, factor]),
    );
    for (const table of context.tables) {
      const { liveRows, deadRows: dead, lastAutovacuum, lastVacuum } = table.activity;
      const share = dead / Math.max(1, liveRows + dead);
      if (dead < MIN_DEAD || share < DEAD_SHARE) continue;
      const last = [lastAutovacuum, lastVacuum]
        .filter((at) => at !== null)
        .sort((a, b) => b.getTime() - a.getTime())[0];
      const bytes = Math.round(table.heapBytes * share);
      const factor = own.get(table.oid);
      // The owner may have set it as low already; partitions have options, what is partitioned has none.
      const earlier = table.kind !== 'partitioned' && (factor === undefined || Number(factor) > EARLIER);
      yield {
        id: `dead-rows:${table.schema}.${table.name}`,
        check: 'dead-rows',
        severity: share >= 0.5 ? 'critical' : 'warning',
        title: `${Math.round(share * 100)} % of the rows of ${table.name} are dead`,
        explanation: `${count(dead)} dead rows beside ${count(liveRows)} live ones are read by each scan. ${last ? `Last vacuumed ${last.toISOString().slice(0, 16)}Z.` : 'Never vacuumed since the statistics began.'} A transaction left open, or autovacuum’s scale factor, holds vacuum back.`,
        cause: 'maintenance-behind',
        objects: [{ schema: table.schema, table: table.name }],
        statements: [],
        evidence: [
          {
            label: 'dead rows',
            value: dead,
            unit: 'rows',
            how: 'SELECT n_dead_tup FROM pg_stat_user_tables',
          },
        ],
        cost: { bytes },
        confidence: { level: 0.85, basis: 'statistics' },
        explains: { kpis: ['dead-rows', 'cache-hit-ratio'], traces: [] },
        fix: {
          kind: 'maintenance',
          automatic: true,
          summary: `vacuum ${table.name} now${earlier ? ', and let autovacuum come earlier' : ''}`,
          vacuum: { schema: table.schema, table: table.name },
          storage: earlier
            ? [{ name: 'autovacuum_vacuum_scale_factor', value: String(EARLIER), before: factor ?? null }]
            : [],
          lock: 'SHARE UPDATE EXCLUSIVE; reads and writes go on',
          risk: 'Reads the whole table once.',
          expectedEffect: `about ${bytesText(bytes)} become reusable`,
        },
      };
    }
  },
};
