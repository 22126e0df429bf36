import { type Dashboard, kpiStat, kpisOf } from '../panel.ts';
import { alertsTable } from './shared.ts';

export const overview: Dashboard = {
  id: 'overview',
  title: 'sqltrail: overview',
  description: 'Is the shop well? Every KPI against its objective: blue-green meets it, orange-red does not.',
  audience: 'sre',
  minutes: 15,
  rows: [
    { question: 'What is wrong right now?', panels: [alertsTable] },
    {
      question: 'Do customers get what they came for?',
      panels: kpisOf('user-experience', 'business').map(kpiStat),
    },
    { question: 'Is the work of use, and do we see all of it?', panels: kpisOf('throughput').map(kpiStat) },
    {
      question: 'Do statements take too long, or run too often?',
      panels: kpisOf('queries').map(kpiStat),
    },
    { question: 'Are there connections left?', panels: kpisOf('connections').map(kpiStat) },
    { question: 'How near is the edge?', panels: kpisOf('capacity').map(kpiStat) },
    { question: 'Does the data model protect the data?', panels: kpisOf('structure').map(kpiStat) },
  ],
};
