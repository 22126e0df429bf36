import { select } from '../../kpis/promql.ts';
import { type Dashboard, kpiLines, kpiStat, type PromqlPanel } from '../panel.ts';
import { row, type Subject } from '../subject.ts';

/** The ten largest by a size that each table has. */
const largest = ({ observed }: Subject, metric: string): PromqlPanel['queries'] => [
  {
    promql: `topk(10, sum by (database, relname) (${select(metric, observed.databases)}))`,
    legend: observed.config.databases.length > 1 ? '{{database}} {{relname}}' : '{{relname}}',
  },
];

export const capacity = (subject: Subject): Dashboard => {
  const { kpisOf, runbooks } = subject;
  return {
    id: 'capacity',
    title: 'sqltrail: capacity and growth',
    description: 'How large the data is, how fast it grows, and how much of it is needed.',
    audience: 'engineer',
    minutes: 60,
    rows: [
      ...row(
        'How near is the edge, and what would move it away?',
        kpisOf('capacity', 'structure').map(kpiStat),
      ),
      ...row('How does it grow, and does housekeeping keep up?', kpisOf('capacity').map(kpiLines)),
      ...row('Which tables carry the weight?', [
        {
          id: 'table-bytes',
          kind: 'bars',
          title: 'Size of tables',
          description: 'The ten largest, with TOAST, without indexes.',
          unit: 'By',
          queries: largest(subject, 'sqltrail_table_heap_bytes'),
          runbooks: runbooks('ColdDataGrowth'),
          width: 12,
          height: 10,
        },
        {
          id: 'index-bytes',
          kind: 'bars',
          title: 'Size of their indexes',
          description: 'All indexes of a table together; the ten largest.',
          unit: 'By',
          queries: largest(subject, 'sqltrail_table_index_bytes'),
          runbooks: [],
          width: 12,
          height: 10,
        },
      ]),
      ...row('Does the data model protect the data?', kpisOf('structure').map(kpiLines)),
    ],
  };
};
