import { type Dashboard, kpiStat } from '../panel.ts';
import { row, type Subject } from '../subject.ts';
import { alertsTable } from './shared.ts';

export const overview = ({ config, kpisOf }: Subject): Dashboard => ({
  id: 'overview',
  title: 'sqltrail: overview',
  description: `Is the ${config.system} healthy? Every KPI against its objective: blue-green meets it, orange-red does not.`,
  audience: 'sre',
  minutes: 15,
  rows: [
    ...row('What is wrong right now?', [alertsTable]),
    ...row('Do customers get what they came for?', kpisOf('user-experience', 'business').map(kpiStat)),
    ...row('Is the work of use, and do we see all of it?', kpisOf('throughput').map(kpiStat)),
    ...row('Do statements take too long, or run too often?', kpisOf('queries').map(kpiStat)),
    ...row('Are there connections left?', kpisOf('connections').map(kpiStat)),
    ...row('How near is the edge?', kpisOf('capacity').map(kpiStat)),
    ...row('Does the data model protect the data?', kpisOf('structure').map(kpiStat)),
  ],
});
