import { ratioOf } from '../lib/stats/interval.ts';
import type { Assumptions } from './assumptions.ts';
import type { Case } from './case.ts';
import { plain } from './deck.ts';
import { type Figures, formats } from './figures.ts';
import { calendar, roadmap } from './plan.ts';
import type { RecordedMigration, Recording } from './recording.ts';

/** Figures of archival, migration and sizes; and the durations at the size of production. */
export function mediumTermFigures(
  figures: Figures,
  recording: Recording,
  { productionTimesData }: Assumptions,
): void {
  const { archival, migration, sizes } = recording;
  if (archival) {
    for (const [at, { unit, units, rows, bytes, kept }] of archival.units.entries())
      for (const [what, value, format] of [
        ['units', units, formats.count],
        ['rows', rows, formats.count],
        ['bytes', bytes, formats.bytes],
        ['kept', kept, formats.count],
      ] as const)
        figures.define(
          `archival:${unit}:${what}`,
          value,
          format,
          [`/archival/units/${at}/${what}`],
          'counted by the archival',
        );
    figures.define(
      'archival:rows',
      archival.units.reduce((sum, { rows }) => sum + rows, 0),
      formats.count,
      ['/archival/units/*/rows'],
      'sum',
    );
    figures.define(
      'archival:bytes',
      archival.units.reduce((sum, { bytes }) => sum + bytes, 0),
      formats.bytes,
      ['/archival/units/*/bytes'],
      'sum',
    );
    figures.define(
      'archival:seconds',
      archival.seconds,
      formats.duration,
      ['/archival/seconds'],
      'wall-clock time',
    );
    figures.define(
      'archival:files',
      archival.files,
      formats.count,
      ['/archival/files'],
      'files that were read again and compared',
    );
    figures.define(
      'archival:damaged',
      archival.damaged,
      formats.count,
      ['/archival/damaged'],
      'of them not as they were written',
    );
  }
  const first = sizes[0]?.bytes;
  const last = sizes.at(-1)?.bytes;
  if (first !== undefined && last !== undefined && sizes.length > 1) {
    figures.define('size:before', first, formats.bytes, ['/sizes/0/bytes'], 'pg_database_size');
    figures.define(
      'size:after',
      last,
      formats.bytes,
      [`/sizes/${sizes.length - 1}/bytes`],
      'pg_database_size',
    );
    figures.define('size:saved', 1 - last / first, formats.percent, ['/sizes'], '1 - after / before');
  }
  if (!migration) return;
  for (const [at, { phase, startedAt, endedAt }] of migration.phases.entries()) {
    if (endedAt === null) continue;
    const took = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
    figures.define(
      `migration:${phase}:seconds`,
      took,
      formats.duration,
      [`/migration/phases/${at}`],
      'end less beginning',
    );
    const grows = roadmap.find((each) => each.phase === phase)?.grows ?? false;
    for (const level of ['low', 'likely', 'high'] as const)
      figures.define(
        `migration:${phase}:production:${level}`,
        grows ? took * productionTimesData[level] : took,
        formats.duration,
        [`/migration/phases/${at}`, `assumptions.productionTimesData.${level}`],
        grows ? 'the measured time, times the size of production' : 'does not depend on the size',
      );
  }
  const units = migration.backfill.reduce((sum, each) => sum + each.units, 0);
  const busy = migration.backfill.reduce((sum, each) => sum + each.busyMs, 0);
  figures.define('migration:units', units, formats.count, ['/migration/backfill/*/units'], 'sum');
  figures.define(
    'migration:rate',
    busy > 0 ? units / (busy / 1000) : null,
    formats.perSecond,
    ['/migration/backfill'],
    'units by the time in which batches ran',
  );
  figures.define(
    'migration:pauses',
    migration.pauses,
    formats.count,
    ['/migration/pauses'],
    'times that it waited for the KPIs',
  );
  figures.define(
    'migration:retries',
    migration.retries,
    formats.count,
    ['/migration/retries'],
    'times that a lock was not free',
  );
  customersFigures(figures, migration);
  const { verification, orders, ledger } = migration;
  if (verification) {
    figures.define(
      'verified:rows',
      verification.rows,
      formats.count,
      ['/migration/verification/rows'],
      'rows compared both ways',
    );
    figures.define(
      'verified:chunks',
      verification.chunks,
      formats.count,
      ['/migration/verification/chunks'],
      'chunks with a hash each',
    );
    figures.define(
      'verified:differing',
      verification.differing,
      formats.count,
      ['/migration/verification/differing'],
      'rows and chunks that differ',
    );
    figures.define(
      'verified:sums',
      verification.money.length,
      formats.count,
      ['/migration/verification/money'],
      'sums of money compared',
    );
    figures.define(
      'verified:set-aside',
      verification.setAside,
      formats.count,
      ['/migration/verification/setAside'],
      'units that the new model cannot hold; kept in the ledger',
    );
  }
  if (orders) {
    figures.define(
      'orders:acknowledged',
      orders.acknowledged,
      formats.count,
      ['/migration/orders/acknowledged'],
      'checkouts that the load generator has an answer for, during the migration and the peak after it',
    );
    figures.define(
      'orders:found',
      orders.found,
      formats.count,
      ['/migration/orders/found'],
      'orders that came into the database meanwhile',
    );
  }
  for (const [at, { kind, table, entries }] of ledger.entries())
    figures.define(
      `ledger:${kind}:${table}`,
      entries,
      formats.count,
      [`/migration/ledger/${at}/entries`],
      'entries of sqltrail.migration_resolution',
    );
}

/** What customers noticed, and their order numbers one by one. */
function customersFigures(figures: Figures, { strain, ledgerOfOrders }: RecordedMigration): void {
  if (strain) {
    const from = (part: string) => [`/migration/strain/${part}`];
    const p95 = 'histogram_quantile(0.95, …load_request_duration_seconds_bucket…) over the whole of the time';
    figures.define('strain:before', strain.p95BeforeWhole, formats.seconds, from('p95BeforeWhole'), p95);
    figures.define(
      'strain:during',
      strain.p95DuringBackfillWhole,
      formats.seconds,
      from('p95DuringBackfillWhole'),
      p95,
    );
    const ratio = ratioOf(strain.p95DuringBackfill, strain.p95Before);
    for (const [part, value] of Object.entries({ '': ratio?.mean, ':low': ratio?.low, ':high': ratio?.high }))
      figures.define(
        `strain:ratio${part}`,
        value,
        formats.times,
        [...from('p95DuringBackfill'), ...from('p95Before')],
        'mean p95 of the windows during the backfill / before; percentile bootstrap, 2,000 resamples',
      );
    const counted = 'load generator, while the migration ran';
    figures.define('strain:requests', strain.requests, formats.count, from('requests'), counted);
    figures.define('strain:failed', strain.failedRequests, formats.count, from('failedRequests'), counted);
    figures.define(
      'strain:lock',
      strain.longestWaitBehindMigrationMs,
      (ms) => formats.seconds(ms / 1000),
      from('longestWaitBehindMigrationMs'),
      'pg_blocking_pids and pg_stat_activity, sampled',
    );
    figures.define(
      'strain:lock-samples',
      strain.lockSamples,
      formats.count,
      from('lockSamples'),
      'times that pg_stat_activity was read',
    );
  }
  if (!ledgerOfOrders) return;
  for (const [id, field] of [
    ['acknowledged', 'acknowledged'],
    ['missing-legacy', 'missingInLegacy'],
    ['missing-new', 'missingInNew'],
    ['doubled', 'doubled'],
  ] as const)
    figures.define(
      `ledger-of-orders:${id}`,
      ledgerOfOrders[field],
      formats.count,
      [`/migration/ledgerOfOrders/${field}`],
      'order numbers of the load generator’s ledger against those of both models',
    );
}

const day = (start: string, days: number) =>
  new Date(Date.parse(start) + days * 86_400_000).toISOString().slice(0, 10);

const stages = {
  short: 'At once: short-term relief',
  archival: 'Within a week: archival',
  medium: 'Within a quarter: new data model',
} as const;

/** The calendar as a Mermaid diagram; day 0 is the day of the run. */
function mermaid(start: string): string {
  const lines = Object.entries(stages).flatMap(([stage, title]) => [
    `  section ${title.replaceAll(':', ' –')}`,
    ...calendar
      .filter((entry) => entry.stage === stage)
      .map(
        ({ id, title: name, from, days }) =>
          `  ${name} :${id === 'contract' ? 'crit, ' : ''}${id}, ${day(start, from)}, ${days}d`,
      ),
  ]);
  return ['```mermaid', 'gantt', '  dateFormat YYYY-MM-DD', '  axisFormat %d %b', ...lines, '```'].join('\n');
}

/** The plan as a page of its own: short term from the journal, medium term from the phases, with what was measured. */
export function roadmapPage({ recording, figures, assumptions }: Case): string {
  const f = (id: string) => figures.text(id);
  const when = recording.startedAt.slice(0, 10);
  return `# Roadmap

Made by \`sqltrail report\` from a run of ${when} (${recording.mode}, scale ${recording.scale ?? 'of the running stack'}) and the assumptions; every duration is measured there or follows from what was. What was not measured is called so.

${mermaid(`${when}T00:00:00Z`)}

Calendar days with review, gate and watching, from the day of the run; they are the plan's own, and to be changed. What the machine itself takes is in the tables. Until the last bar everything can be taken back.

## ${stages.short}

| Action | State in that run | Measured effect on its statements |
| --- | --- | --- |
${recording.actions.map(({ action, state }) => `| ${plain(action.title)} | ${state} | ${f(`action:${action.id}:mean`)} |`).join('\n') || '| none | | |'}

Owner: engineer on call. Gate: KPIs within their objectives under the same load; what does not help is reverted by itself. Way back: \`sqltrail fix revert\`.

## ${stages.archival}

| Unit of the policy | Moved in that run | Files |
| --- | --- | --- |
${recording.archival?.units.map(({ unit }) => `| ${unit} | ${f(`archival:${unit}:rows`)} rows | ${f(`archival:${unit}:bytes`)} |`).join('\n') || '| not measured | | |'}

Owner: database engineer; the policy is signed by whoever answers for retention. Gate: files read back and equal. Way back: \`sqltrail archive restore\`. It took ${f('archival:seconds')}.

## ${stages.medium}

| Phase | Owner | Gate to the next | Risk | Way back | Measured | At production size (low – likely – high) |
| --- | --- | --- | --- | --- | --- | --- |
${roadmap
  .map(
    ({ phase, title, owner, gate, risk, back }) =>
      `| ${title} | ${owner} | ${gate} | ${risk} | ${back} | ${f(`migration:${phase}:seconds`)} | ${f(`migration:${phase}:production:low`)} – ${f(`migration:${phase}:production:likely`)} – ${f(`migration:${phase}:production:high`)} |`,
  )
  .join('\n')}

Production size: ${assumptions.productionTimesData.low}, ${assumptions.productionTimesData.likely} and ${assumptions.productionTimesData.high} times the recorded one (${assumptions.productionTimesData.source}). Between \`cutover-writes\` and \`contract\` a full cycle of the business passes. The database was ${f('size:before')} before and ${f('size:after')} after.

## From then on

Partitions are made three months ahead; the archival runs by its policy every night; the KPIs and their alerts stay ([KPIs](kpis.md)).
`;
}
