import { type Dashboard, kpiLines, kpiStat, kpisOf } from '../panel.ts';

export const capacity: Dashboard = {
  id: 'capacity',
  title: 'sqltrail: capacity and growth',
  description: 'How large, how fast it grows, how much of it is needed.',
  audience: 'engineer',
  minutes: 60,
  rows: [
    {
      question: 'How near is the edge, and what would move it away?',
      panels: kpisOf('capacity', 'structure').map(kpiStat),
    },
    {
      question: 'How does it grow, and does housekeeping keep up?',
      panels: kpisOf('capacity').map(kpiLines),
    },
    {
      question: 'Which tables carry the weight?',
      panels: [
        {
          id: 'table-bytes',
          kind: 'bars',
          title: 'Size of tables',
          description: 'The ten largest, with TOAST, without indexes.',
          unit: 'By',
          queries: [
            { promql: 'topk(10, sum by (relname) (sqltrail_table_heap_bytes))', legend: '{{relname}}' },
          ],
          runbooks: ['ColdDataGrowth'],
          width: 12,
          height: 10,
        },
        {
          id: 'index-bytes',
          kind: 'bars',
          title: 'Size of their indexes',
          description: 'All indexes of a table together; the ten largest.',
          unit: 'By',
          queries: [
            { promql: 'topk(10, sum by (relname) (sqltrail_table_index_bytes))', legend: '{{relname}}' },
          ],
          runbooks: [],
          width: 12,
          height: 10,
        },
      ],
    },
    { question: 'Does the data model protect the data?', panels: kpisOf('structure').map(kpiLines) },
  ],
};
