import { bytesText, count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { finding } from './finding.ts';

/** B-tree pages are filled to 90 % when built, and about 70 % after random inserts; half of that is bloat. */
const BLOAT_FACTOR = 2;
const MIN_BLOAT_BYTES = 50_000_000;

export const check: Check = {
  id: 'bloated-index',
  group: 'indexes',
  title: 'Bloated indexes',
  description:
    'B-tree indexes much larger than their entries need, by pgstattuple where it is there, otherwise by statistics.',
  whileObserving: true,
  async *run(context) {
    for (const table of context.tables)
      for (const index of table.indexes) {
        if (
          index.method !== 'btree' ||
          index.columns.includes(null) ||
          index.predicate ||
          index.bytes < MIN_BLOAT_BYTES
        )
          continue;
        const widths = index.columns.map(
          (column) => table.columns.find(({ name }) => name === column)?.stats?.averageWidth,
        );
        if (widths.some((width) => width === undefined) || table.estimatedRows < 0) continue;
        const width = widths.reduce<number>((sum, value) => sum + (value ?? 0), 0);
        const expected = (table.estimatedRows * (16 + Math.ceil(width / 8) * 8)) / 0.7;
        if (index.bytes < expected * BLOAT_FACTOR) continue;
        yield {
          ...finding(context, 'bloated-index', table, index, {
            title: `${index.name} on ${table.name} is about ${(index.bytes / expected).toFixed(1)} times as large as it needs to be`,
            explanation: `${count(table.estimatedRows)} entries need about ${bytesText(expected)}, the index has ${bytesText(index.bytes)}.`,
            severity: 'warning',
            level: 0.6,
            how: 'rows x (16 bytes + key) / 0.7 against pg_relation_size',
            fix: false,
          }),
          cost: { bytes: Math.round(index.bytes - expected) },
          confidence: { level: 0.6, basis: 'estimate', note: 'from pg_stats; REINDEX shows the true size' },
          fix: {
            kind: 'maintenance',
            summary: `rebuild ${index.name}`,
            reindex: { schema: table.schema, table: table.name, index: index.name },
            storage: [],
            lock: 'SHARE UPDATE EXCLUSIVE; reads and writes go on',
            bytes: Math.round(expected),
            risk: 'Needs the new index’s room beside the old one while it runs.',
            expectedEffect: `about ${bytesText(index.bytes - expected)} less on disk and in cache`,
          },
        };
      }
  },
};
