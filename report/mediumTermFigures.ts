import { ratioOf } from '../lib/stats/interval.ts';
import { withUnit } from '../lib/units/format.ts';
import type { Assumptions } from './assumptions.ts';
import { type Figures, formats } from './figures.ts';
import { roadmap } from './plan.ts';
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
  figures.define('migration:units', units, formats.count, ['/migration/backfill/*/units'], 'sum');
  const seconds = figures.value('migration:backfill:seconds');
  figures.define(
    'migration:rate',
    seconds ? units / seconds : null,
    (value) => withUnit(value, '/s'),
    ['/migration/backfill', '/migration/phases'],
    'units / length of the backfill, with its pauses',
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
    figures.define('strain:before', strain.p95BeforeWhole, formats.duration, from('p95BeforeWhole'), p95);
    figures.define(
      'strain:during',
      strain.p95DuringBackfillWhole,
      formats.duration,
      from('p95DuringBackfillWhole'),
      p95,
    );
    const ratio = ratioOf(strain.p95DuringBackfill, strain.p95Before);
    figures.defineInterval(
      'strain:ratio',
      ratio,
      formats.times,
      [...from('p95DuringBackfill'), ...from('p95Before')],
      'mean p95 of the windows during the backfill / before',
    );
    const counted = 'load generator, while the migration ran';
    figures.define('strain:requests', strain.requests, formats.count, from('requests'), counted);
    figures.define('strain:failed', strain.failedRequests, formats.count, from('failedRequests'), counted);
    figures.define(
      'strain:lock',
      strain.longestWaitBehindMigrationMs,
      (ms) => formats.duration(ms / 1000),
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
