import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import type { Table } from '../../relations.ts';

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
  whileObserving: true,
  async *run(context) {
    const options = await context.session.query<{ oid: number; name: string; value: string }>(
      `SELECT c.oid::int8::float8 AS oid, option_name AS name, option_value AS value FROM pg_class AS c, pg_options_to_table(c.reloptions)
        WHERE option_name IN ('autovacuum_vacuum_scale_factor', 'autovacuum_enabled')`,
    );
    const optionOf = (table: Table, name: string) =>
      options.find((option) => option.oid === table.oid && option.name === name)?.value;
    for (const table of context.tables) {
      const { liveRows, deadRows: dead, lastAutovacuum, lastVacuum } = table.activity;
      const share = dead / Math.max(1, liveRows + dead);
      if (dead < MIN_DEAD || share < DEAD_SHARE) continue;
      const last = [lastAutovacuum, lastVacuum]
        .filter((at) => at !== null)
        .sort((a, b) => b.getTime() - a.getTime())[0];
      const bytes = Math.round(table.heapBytes * share);
      const factor = optionOf(table, 'autovacuum_vacuum_scale_factor');
      const enabled = optionOf(table, 'autovacuum_enabled');
      // As Postgres reads a boolean: any beginning of the word.
      const isOff = enabled !== undefined && /^(f|n|of|0)/i.test(enabled);
      // The owner may have set it as low already; partitions have options, what is partitioned has none.
      const earlier = table.kind !== 'partitioned' && (factor === undefined || Number(factor) > EARLIER);
      yield {
        id: `dead-rows:${table.schema}.${table.name}`,
        check: 'dead-rows',
        severity: share >= 0.5 ? 'critical' : 'warning',
        title: `${Math.round(share * 100)} % of the rows of ${table.name} are dead`,
        explanation: `${count(dead)} dead rows beside ${count(liveRows)} live ones are read by each scan. ${last ? `Last vacuumed ${last.toISOString().slice(0, 16)}Z.` : 'Never vacuumed since the statistics began.'} ${isOff ? 'Autovacuum is switched off for this table (autovacuum_enabled), so nothing removes them.' : 'A transaction left open, or autovacuum’s scale factor, holds vacuum back.'}`,
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
          ...(isOff
            ? [
                {
                  label: 'autovacuum_enabled',
                  value: enabled,
                  how: `SELECT reloptions FROM pg_class WHERE oid = ${table.oid}`,
                },
              ]
            : []),
        ],
        cost: { bytes },
        confidence: { level: 0.85, basis: 'statistics' },
        explains: { kpis: ['dead-rows', 'cache-hit-ratio'], traces: [] },
        fix: {
          kind: 'maintenance',
          automatic: true,
          summary: `vacuum ${table.name} now${isOff ? ', and switch autovacuum on for it' : ''}${earlier ? ', and let autovacuum come earlier' : ''}`,
          vacuum: { schema: table.schema, table: table.name },
          storage: [
            ...(isOff ? [{ name: 'autovacuum_enabled', value: 'true', before: enabled }] : []),
            ...(earlier
              ? [{ name: 'autovacuum_vacuum_scale_factor', value: String(EARLIER), before: factor ?? null }]
              : []),
          ],
          lock: 'SHARE UPDATE EXCLUSIVE; reads and writes continue',
          risk: 'Reads the whole table once.',
          expectedEffect: `about ${bytesText(bytes)} become reusable`,
        },
      };
    }
  },
};
