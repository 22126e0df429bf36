import { type Dashboard, kpiLines, kpisOf } from '../panel.ts';
import { alertsTable, statementsTable } from './shared.ts';

export const incident: Dashboard = {
  id: 'incident',
  title: 'sqltrail: incident',
  description: 'From the alert to what is wrong: customers, statements, connections, on one time axis.',
  audience: 'sre',
  minutes: 15,
  rows: [
    { question: 'Which alerts fire, and what does one do about them?', panels: [alertsTable] },
    {
      question: 'How badly are customers hurt, and since when?',
      panels: kpisOf('user-experience').map(kpiLines),
    },
    {
      question: 'Which statement takes the time?',
      panels: [statementsTable, ...kpisOf('queries').map(kpiLines)],
    },
    {
      question: 'Do requests wait for a connection, or for a lock?',
      panels: kpisOf('connections').map(kpiLines),
    },
    { question: 'What work and what money is lost?', panels: kpisOf('throughput', 'business').map(kpiLines) },
  ],
};
