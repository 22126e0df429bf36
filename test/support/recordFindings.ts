/** A process that records run after run of a diagnosis in the directory of its first argument until it is killed. */

import { recordFindings, recordRun } from '../../watch/history.ts';
import { HistoryStore } from '../../watch/store.ts';
import { diagnosisOf, findingOf } from './diagnosis.ts';

const store = await HistoryStore.open(process.argv[2] ?? '', 'lending', (text) => {
  throw new Error(text);
});
const findings = Array.from({ length: 300 }, (_, index) => findingOf({ id: `x:${index}` }));
for (let run = store.history.runs.length; ; run += 1) {
  const startedAt = new Date(Date.UTC(2026, 0, 1, 0, run)).toISOString();
  await store.change((history) =>
    recordRun(
      {
        ...history,
        findings: recordFindings(history.findings, diagnosisOf({ startedAt, findings }), new Set()),
      },
      { startedAt, outcome: 'complete', seconds: 1, databaseSeconds: 1, findings: findings.length },
    ),
  );
  process.stdout.write('.');
}
