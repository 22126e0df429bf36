import { kpiById } from '../kpis/catalogue.ts';
import { ratioOf } from '../lib/stats/interval.ts';
import { withUnit } from '../lib/units/format.ts';
import { type Figures, formats } from './figures.ts';
import type { Recording } from './recording.ts';

/** Phases that are set side by side, in this order; those that did not run are left out. */
export const COMPARED = ['ordinary', 'peak', 'peak-after-short-term', 'peak-after-medium-term'] as const;

export const phaseTitles: Record<string, string> = {
  ordinary: 'ordinary load',
  peak: 'peak, before',
  diagnosis: 'diagnosis',
  'short-term': 'short-term relief',
  archival: 'archival',
  'medium-term': 'medium-term migration',
  'peak-after-short-term': 'peak, after short term',
  'peak-after-medium-term': 'peak, after medium term',
};

/** The phases after a step, without what they are compared with. */
export const afterTitles: Record<string, string> = {
  'peak-after-short-term': 'after short term',
  'peak-after-medium-term': 'after medium term',
};

/** KPIs of which windows were recorded, the customer's first. */
export const COMPARED_KPIS = [
  'customer-latency-p95',
  'request-failure-ratio',
  'checkout-failure-ratio',
  'statement-latency-p95',
  'statement-timeouts',
  'pool-saturation',
  'pool-wait-p95',
  'pool-acquire-timeouts',
  'rows-read-per-request',
  'queries-per-request',
] as const;

export const kpiFormat =
  (id: string): ((value: number) => string) =>
  (value) =>
    withUnit(value, kpiById(id).unit);

export const windowsOf = (recording: Recording, phase: string, kpi: string): number[] =>
  recording.phases
    .filter(({ name }) => name === phase)
    .flatMap(({ windows }) => windows.flatMap(({ kpis }) => kpis.find(({ id }) => id === kpi)?.value ?? []));

/** Figures that are no KPI: findings, actions, alerts, sizes. */
export function runFigures(figures: Figures, recording: Recording): void {
  const { diagnosis, actions, alerts } = recording;
  const minutes = recording.endedAt
    ? (Date.parse(recording.endedAt) - Date.parse(recording.startedAt)) / 60_000
    : null;
  figures.define(
    'run:minutes',
    minutes,
    formats.count,
    ['/startedAt', '/endedAt'],
    'length of the run, minutes',
  );
  for (const name of new Set(recording.phases.map((phase) => phase.name))) {
    const at = recording.phases.findIndex((phase) => phase.name === name);
    figures.define(
      `clock:${name}`,
      Date.parse(recording.phases[at]?.startedAt ?? ''),
      (value) => `${new Date(value).toISOString().slice(11, 16)} UTC`,
      [`/phases/${at}/startedAt`],
      'begin of the phase',
    );
  }
  figures.define(
    'alerts:peak',
    new Set(alerts.filter(({ phase }) => phase === 'peak').map(({ name }) => name)).size,
    formats.count,
    ['/alerts'],
    'different alerts that were active in phase peak',
  );
  const first = alerts.filter(({ phase, severity }) => phase === 'peak' && severity === 'page');
  figures.define(
    'alerts:first-page',
    first.length > 0 ? Math.min(...first.map(({ afterSeconds }) => afterSeconds)) : null,
    (value) => `${formats.count(value)} s`,
    ['/alerts'],
    'seconds from the start of the peak to the first alert that pages',
  );
  figures.define(
    'alerts:silent',
    recording.silentAfterSeconds,
    (value) => `${formats.count(value)} s`,
    ['/silentAfterSeconds'],
    'seconds from the last change until SlowStatements, StatementTimeouts and PoolExhausted were silent',
  );
  for (const name of ['ordinary', 'peak', 'peak-after-short-term', 'peak-after-medium-term'] as const) {
    const at = recording.phases.findIndex((phase) => phase.name === name);
    const phase = recording.phases[at];
    figures.define(
      `offered:${name}`,
      phase?.offeredRate,
      formats.count,
      [`/phases/${at}/offeredRate`],
      'visits a second that the load generator offered',
    );
    if (!phase?.checkouts) continue;
    const { completed, failed, abandoned } = phase.checkouts;
    const all = completed + failed + abandoned;
    figures.define(
      `checkouts:${name}:lost`,
      all > 0 ? (failed + abandoned) / all : null,
      formats.percent,
      [`/phases/${at}/checkouts`],
      '(failed + abandoned) / all',
    );
    figures.define(
      `checkouts:${name}:count`,
      failed + abandoned,
      formats.count,
      [`/phases/${at}/checkouts`],
      'failed + abandoned',
    );
    figures.define(
      `checkouts:${name}:completed`,
      completed,
      formats.count,
      [`/phases/${at}/checkouts`],
      'completed',
    );
    figures.define(
      `baskets:${name}:lost`,
      phase.lostBasketValue,
      formats.money('EUR'),
      [`/phases/${at}/lostBasketValue`],
      'value of the baskets of failed and abandoned checkouts',
    );
  }
  if (!diagnosis) return;
  figures.define(
    'database:bytes',
    diagnosis.bytes,
    formats.bytes,
    ['/diagnosis/bytes'],
    'sum of pg_total_relation_size',
  );
  figures.define(
    'diagnosis:seconds',
    diagnosis.seconds,
    (value) => `${formats.count(value)} s`,
    ['/diagnosis/seconds'],
    'wall-clock time of the diagnosis',
  );
  figures.define(
    'diagnosis:findings',
    diagnosis.findings.length,
    formats.count,
    ['/diagnosis/findings'],
    'number of findings',
  );
  figures.define(
    'diagnosis:critical',
    diagnosis.findings.filter(({ severity }) => severity === 'critical').length,
    formats.count,
    ['/diagnosis/findings'],
    'findings of severity critical',
  );
  figures.define(
    'diagnosis:busy',
    diagnosis.msPerSecond,
    (value) => `${formats.count(value)} ms/s`,
    ['/diagnosis/msPerSecond'],
    'database time of all statements for each second, under the peak',
  );
  for (const [at, finding] of diagnosis.findings.entries()) {
    const id = `finding:${finding.rank}`;
    figures.define(
      `${id}:share`,
      finding.shareOfLostTime,
      formats.percent,
      [`/diagnosis/findings/${at}/shareOfLostTime`],
      'share of all database time',
    );
    figures.define(
      `${id}:ms`,
      finding.cost.msPerSecond,
      (value) => `${formats.count(value)} ms/s`,
      [`/diagnosis/findings/${at}/cost/msPerSecond`],
      'database time for each second',
    );
    figures.define(
      `${id}:bytes`,
      finding.cost.bytes,
      formats.bytes,
      [`/diagnosis/findings/${at}/cost/bytes`],
      finding.evidence[0]?.how ?? 'the finding’s evidence',
    );
    figures.define(
      `${id}:read`,
      finding.cost.rowsReadPerRow,
      formats.count,
      [`/diagnosis/findings/${at}/cost/rowsReadPerRow`],
      'rows read for each row returned',
    );
  }
  // A check that did not come to its end has no sum, which is not the same as none.
  const done = (check: string) =>
    diagnosis.checks.some(({ id, problem }) => id === check && problem === undefined);
  const bytesOf = (check: string) =>
    !done(check)
      ? Number.NaN
      : diagnosis.findings
          .filter((finding) => finding.check === check)
          .reduce((sum, { cost }) => sum + (cost.bytes ?? 0), 0);
  figures.define(
    'copies:bytes',
    bytesOf('functional-dependency'),
    formats.bytes,
    ['/diagnosis/findings/*/cost/bytes'],
    'sum over the findings functional-dependency',
  );
  figures.define(
    'cold:bytes',
    bytesOf('cold-data'),
    formats.bytes,
    ['/diagnosis/findings/*/cost/bytes'],
    'sum over the findings cold-data',
  );
  figures.define(
    'cold:share',
    diagnosis.bytes > 0 ? bytesOf('cold-data') / diagnosis.bytes : null,
    formats.percent,
    ['/diagnosis/findings/*/cost/bytes', '/diagnosis/bytes'],
    'cold bytes / all bytes',
  );
  figures.define(
    'copies:share',
    diagnosis.bytes > 0 ? bytesOf('functional-dependency') / diagnosis.bytes : null,
    formats.percent,
    ['/diagnosis/findings/*/cost/bytes', '/diagnosis/bytes'],
    'bytes of copies / all bytes',
  );
  figures.define(
    'missing-indexes',
    diagnosis.findings.filter(({ check }) => check === 'missing-index').length,
    formats.count,
    ['/diagnosis/findings'],
    'findings missing-index',
  );
  figures.define(
    'missing-references',
    done('missing-foreign-key')
      ? diagnosis.findings.filter(({ check }) => check === 'missing-foreign-key').length
      : null,
    formats.count,
    ['/diagnosis/findings'],
    'findings missing-foreign-key',
  );
  figures.define(
    'actions:predicted',
    actions.filter(
      ({ action, before, after }) =>
        action.predictedSpeedup !== null && before?.meanMs.length && after?.meanMs.length,
    ).length,
    formats.count,
    ['/actions'],
    'actions with a prediction by the planner’s cost and a measurement',
  );
  figures.define(
    'actions:measured',
    actions.filter(({ before, after }) => before?.meanMs.length && after?.meanMs.length).length,
    formats.count,
    ['/actions'],
    'actions of which time before and after was measured',
  );
  figures.define(
    'actions:kept',
    actions.filter(({ state }) => state === 'kept').length,
    formats.count,
    ['/actions'],
    'actions in force',
  );
  figures.define(
    'actions:taken-back',
    actions.filter(({ state }) => state === 'reverted').length,
    formats.count,
    ['/actions'],
    'actions that did not help, and were undone',
  );
  for (const [at, { action, before, after, applySeconds }] of actions.entries()) {
    const ratio = before && after ? ratioOf(before.meanMs, after.meanMs) : undefined;
    for (const [part, value] of Object.entries({ mean: ratio?.mean, low: ratio?.low, high: ratio?.high }))
      figures.define(
        `action:${action.id}:${part}`,
        value,
        formats.times,
        [`/actions/${at}/before`, `/actions/${at}/after`],
        'mean time of its statements before / after; percentile bootstrap over windows',
      );
    figures.define(
      `action:${action.id}:told`,
      action.time?.applySeconds,
      formats.duration,
      [`/actions/${at}/action/time/applySeconds`],
      'timed on samples before it began',
    );
    figures.define(
      `action:${action.id}:took`,
      applySeconds,
      formats.duration,
      [`/actions/${at}/applySeconds`],
      'journal: from applying to applied',
    );
    figures.define(
      `action:${action.id}:predicted`,
      action.predictedSpeedup,
      formats.times,
      [`/actions/${at}/action/predictedSpeedup`],
      'planner’s cost before / after',
    );
  }
}
