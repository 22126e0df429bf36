import { type Dashboard, kpiLines } from '../panel.ts';
import { row, type Subject } from '../subject.ts';
import { alertsTable, statementsTable } from './shared.ts';

export const incident = (subject: Subject): Dashboard => {
  const { config, kpisOf } = subject;
  const lost = config.business?.value ? 'What work and what money is lost?' : 'What work is lost?';
  return {
    id: 'incident',
    title: 'sqltrail: incident',
    description: 'From the alert to the problem: customers, statements and connections on one time axis.',
    audience: 'sre',
    minutes: 15,
    rows: [
      ...row('Which alerts fire, and what does one do about them?', [alertsTable]),
      ...row('How badly are customers hurt, and since when?', kpisOf('user-experience').map(kpiLines)),
      ...row('Which statement takes the time?', [
        statementsTable(subject),
        ...kpisOf('queries').map(kpiLines),
      ]),
      ...row('Do requests wait for a connection, or for a lock?', kpisOf('connections').map(kpiLines)),
      ...row(lost, kpisOf('throughput', 'business').map(kpiLines)),
    ],
  };
};
