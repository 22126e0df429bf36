import { catalogue, kpiById } from '../kpis/catalogue.ts';
import { ratioOf } from '../lib/stats/interval.ts';
import { neverSeen } from '../lib/stats/neverSeen.ts';
import { withUnit } from '../lib/units/format.ts';
import { causeShares } from './attribution.ts';
import { type Figures, formats } from './figures.ts';
import type { Recording } from './recording.ts';

/** Phases that are set side by side, in this order; those that did not run are left out. */
export const COMPARED = ['ordinary', 'peak', 'peak-after-short-term', 'peak-after-medium-term'] as const;

export const phaseTitles: Record<string, string> = {
  ordinary: 'ordinary load',
  peak: 'peak, before',
  diagnosis: 'diagnosis',
  'short-term': 'short-term fixes',
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

/** KPIs of the catalogue of which no windows were recorded. */
export const uncomparedKpis = catalogue.filter(
  ({ id }) => !COMPARED_KPIS.some((compared) => compared === id),
);

export const kpiFormat =
  (id: string): ((value: number) => string) =>
  (value) =>
    withUnit(value, kpiById(id).unit);

export const windowsOf = (recording: Recording, phase: string, kpi: string): number[] =>
  recording.phases
    .filter(({ name }) => name === phase)
    .flatMap(({ windows }) => windows.flatMap(({ kpis }) => kpis.find(({ id }) => id === kpi)?.value ?? []));

/** A prediction this many times off, either way, still says which action to take first. */
const NEAR = 2;

/** The first alert of the peak that pages somebody, and that was not active before the peak. */
export function firstPage({ alerts, phases }: Recording): Recording['alerts'][number] | undefined {
  const peak = phases.find(({ name }) => name === 'peak');
  const keyOf = ({ labels }: Recording['alerts'][number]) => JSON.stringify(labels);
  const before = new Set(
    alerts
      .filter(({ phase, firstSeenAt }) => phase !== 'peak' && peak && firstSeenAt < peak.startedAt)
      .map(keyOf),
  );
  return alerts
    .filter((alert) => alert.phase === 'peak' && alert.severity === 'page' && !before.has(keyOf(alert)))
    .sort((a, b) => a.afterSeconds - b.afterSeconds)[0];
}

/** When each step of the incident was known: its end, not its beginning. */
function momentFigures(figures: Figures, recording: Recording): void {
  const { phases, migration } = recording;
  const ended = (name: string) => phases.find((phase) => phase.name === name)?.endedAt;
  const migrated = (name: string) => migration?.phases.find(({ phase }) => phase === name)?.endedAt;
  for (const [id, at, source, how] of [
    ['detected', firstPage(recording)?.firstSeenAt, '/alerts', 'the first alert of the peak that pages'],
    ['diagnosed', ended('diagnosis'), '/phases/*/endedAt', 'end of phase diagnosis'],
    [
      'mitigated',
      ended('peak-after-short-term'),
      '/phases/*/endedAt',
      'end of the peak after the short-term fixes',
    ],
    ['archived', ended('archival'), '/phases/*/endedAt', 'end of phase archival'],
    ['compared', migrated('verify'), '/migration/phases/*/endedAt', 'end of the comparison of both models'],
    ['closed', migrated('contract'), '/migration/phases/*/endedAt', 'end of the contract'],
  ] as const)
    figures.define(`clock:${id}`, at ? Date.parse(at) : null, formats.clock, [source], how);
}

/** What was offered and what came of it, in each phase of load. */
function loadFigures(figures: Figures, { phases }: Recording): void {
  for (const name of new Set(phases.map((phase) => phase.name))) {
    const at = phases.findIndex((phase) => phase.name === name);
    const phase = phases[at];
    figures.define(
      `offered:${name}`,
      phase?.offeredRate,
      formats.count,
      [`/phases/${at}/offeredRate`],
      'visits a second that the load generator offered',
    );
    if (phase?.requests) {
      const { total, failed } = phase.requests;
      figures.define(
        `requests:${name}`,
        total,
        formats.count,
        [`/phases/${at}/requests`],
        'requests that ended',
      );
      figures.define(
        `requests:${name}:at-most`,
        failed === 0 && total > 0 ? neverSeen(total) : null,
        formats.percent,
        [`/phases/${at}/requests`],
        'none of them failed: upper end of the 95 % interval, 1 - 0.05^(1/n)',
      );
    }
    if (!phase?.checkouts) continue;
    const source = [`/phases/${at}/checkouts`];
    const { completed, failed, abandoned } = phase.checkouts;
    const lost = failed + abandoned;
    const all = lost + completed;
    const count = (id: string, value: number, how: string) =>
      figures.define(`checkouts:${name}:${id}`, value, formats.count, source, how);
    count('all', all, 'completed + failed + abandoned');
    count('count', lost, 'failed + abandoned');
    count('failed', failed, 'failed');
    count('abandoned', abandoned, 'abandoned: the load generator’s patience was over');
    count('completed', completed, 'completed');
    figures.define(
      `checkouts:${name}:lost`,
      all > 0 ? lost / all : null,
      formats.percent,
      source,
      '(failed + abandoned) / all, over the whole phase',
    );
    figures.define(
      `checkouts:${name}:at-most`,
      lost === 0 && all > 0 ? neverSeen(all) : null,
      formats.percent,
      source,
      'none was lost: upper end of the 95 % interval, 1 - 0.05^(1/n)',
    );
    const seconds = (Date.parse(phase.endedAt ?? '') - Date.parse(phase.startedAt)) / 1000;
    figures.define(
      `checkouts:${name}:of-visits`,
      phase.offeredRate && seconds > 0 ? all / (phase.offeredRate * seconds) : null,
      formats.percent,
      [...source, `/phases/${at}/offeredRate`],
      'checkouts / visits offered in the phase: the share of buyers in the recorded load',
    );
    figures.define(
      `baskets:${name}:lost`,
      phase.lostBasketValue,
      formats.money('EUR'),
      [`/phases/${at}/lostBasketValue`],
      'value of the baskets of failed and abandoned checkouts',
    );
  }
}

/** Shares of the causes in which each statement counts once, and what is left. */
function attributionFigures(figures: Figures, { diagnosis }: Recording): void {
  const shares = causeShares(diagnosis);
  if (!shares) return;
  const source = diagnosis?.attribution
    ? ['/diagnosis/attribution/statements']
    : ['/diagnosis/findings/*/cost/msPerSecond', '/diagnosis/msPerSecond'];
  const whole = { shareOf: 'database time' };
  for (const { rank, share, countedUnder } of shares.causes) {
    figures.define(
      `finding:${rank}:counted-under`,
      countedUnder,
      formats.count,
      source,
      'rank of the finding that has the time of its statements',
    );
    figures.define(
      `finding:${rank}:share`,
      share,
      formats.percent,
      source,
      'share of all database time; each statement counts once, for the finding whose fix gains most on it',
      whole,
    );
  }
  figures.define(
    'causes:rest',
    shares.unexplained,
    formats.percent,
    source,
    'database time that no finding explains',
    whole,
  );
}

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
  momentFigures(figures, recording);
  figures.define(
    'alerts:peak',
    new Set(alerts.filter(({ phase }) => phase === 'peak').map(({ name }) => name)).size,
    formats.count,
    ['/alerts'],
    'different alerts that were active in phase peak',
  );
  const first = firstPage(recording);
  figures.define(
    'alerts:first-page',
    first?.afterSeconds,
    formats.seconds,
    ['/alerts'],
    'seconds from the start of the peak to the first alert that pages and was not active in an earlier phase',
  );
  figures.define(
    'alerts:silent',
    recording.silentAfterSeconds,
    formats.seconds,
    ['/silentAfterSeconds'],
    'seconds from the last change until SlowStatements, StatementTimeouts and PoolExhausted were silent',
  );
  loadFigures(figures, recording);
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
    formats.seconds,
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
      `${id}:explains`,
      finding.shareOfLostTime,
      formats.percent,
      [`/diagnosis/findings/${at}/shareOfLostTime`],
      'share of all database time that its statements take; other causes may explain the same statements',
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
  attributionFigures(figures, recording);
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
  const timed = actions.map((entry) => {
    const { before, after } = entry;
    return { ...entry, ratio: before && after ? ratioOf(before.meanMs, after.meanMs) : undefined };
  });
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
    'actions:predicted-near',
    timed.filter(({ action, ratio }) => {
      const by = ratio && action.predictedSpeedup ? action.predictedSpeedup / ratio.mean : 0;
      return by >= 1 / NEAR && by <= NEAR;
    }).length,
    formats.count,
    ['/actions'],
    `of them those whose predicted factor is within ${NEAR} times the measured one, either way`,
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
    'actions:reverted',
    actions.filter(({ state }) => state === 'reverted').length,
    formats.count,
    ['/actions'],
    'actions that did not help, and were reverted',
  );
  for (const [at, { action, ratio, applySeconds }] of timed.entries()) {
    figures.defineInterval(
      `action:${action.id}:gain`,
      ratio,
      formats.times,
      [`/actions/${at}/before`, `/actions/${at}/after`],
      'mean time of its statements before / after',
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
      'planner’s cost before / after; a cost, not a time',
    );
  }
}
