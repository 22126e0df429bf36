import { literal } from '../../../lib/pg/quote.ts';
import { bytesText } from '../../../lib/units/format.ts';
import type { CheckContext } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import type { FixOf } from '../../fix.ts';
import { dropLock } from '../../proposals/drop.ts';
import type { Index, Table } from '../../relations.ts';

const dropFix = ({ schema, name: table, kind }: Table, index: Index): FixOf<'index'> => ({
  kind: 'index',
  summary: `drop ${index.name}`,
  drop: {
    schema,
    table,
    index: index.name,
    partitioned: kind === 'partitioned',
    unique: index.unique,
    body: index.body,
  },
  lock: dropLock(kind),
  risk: 'A statement that was not seen in the window may have used it; building it again takes a scan of the table.',
  expectedEffect: `${bytesText(index.bytes)} less on disk and in cache, and one index entry less at each write`,
});

/** A finding that an index costs more than it gives. */
export function finding(
  context: CheckContext,
  kind: string,
  table: Table,
  index: Index,
  say: {
    title: string;
    explanation: string;
    severity: Finding['severity'];
    level: number;
    how: string;
    fix?: boolean;
  },
): Finding {
  return {
    id: `${kind}:${table.schema}.${index.name}`,
    check: kind,
    severity: say.severity,
    title: say.title,
    explanation: say.explanation,
    cause: 'redundant-data',
    objects: [
      {
        schema: table.schema,
        table: table.name,
        columns: index.columns.filter((column) => column !== null),
        index: index.name,
      },
    ],
    statements: [],
    evidence: [
      {
        label: 'size of the index',
        value: index.bytes,
        unit: 'By',
        how: `SELECT pg_relation_size(${literal(context.session.quote(table.schema, index.name))})`,
      },
      { label: 'scans since the statistics began', value: index.scans, unit: '1', how: say.how },
    ],
    cost: { bytes: index.bytes },
    confidence: { level: say.level, basis: 'statistics' },
    explains: { kpis: ['database-size', 'cache-hit-ratio'], traces: [] },
    ...(say.fix === false ? {} : { fix: dropFix(table, index) }),
  };
}
