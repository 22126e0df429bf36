import { type Figures, formats } from './figures.ts';
import type { Assumptions } from './impact.ts';
import type { Recording } from './recording.ts';

/** A phase of the plan as it is put before those who have to agree; durations come from the recording. */
export interface RoadmapPhase {
  phase: string;
  title: string;
  owner: string;
  /** What has to be true before the next phase begins. */
  gate: string;
  risk: string;
  back: string;
  /** Its time grows with the data; without it, it is the same for any size. */
  grows: boolean;
}

export const roadmap: readonly RoadmapPhase[] = [
  {
    phase: 'expand',
    title: 'Expand',
    owner: 'database engineer',
    gate: 'new tables, partitions and roles are there; nothing uses them',
    risk: 'none for the shop: nothing that exists is changed',
    back: 'drop them',
    grows: false,
  },
  {
    phase: 'dual-write',
    title: 'Write both',
    owner: 'database engineer, shop team on call',
    gate: 'checkouts as fast as before; no write refused by the new model fails the shop',
    risk: 'each write does more work',
    back: 'drop the triggers',
    grows: false,
  },
  {
    phase: 'backfill',
    title: 'Carry over',
    owner: 'database engineer',
    gate: 'all units carried over; pauses by itself while the KPIs are bad',
    risk: 'disk and I/O; batches give way after 300 ms of waiting',
    back: 'stop; the cursor is kept, or everything is dropped',
    grows: true,
  },
  {
    phase: 'verify',
    title: 'Compare',
    owner: 'database engineer, finance for the sums',
    gate: 'counts, hashes, sums of money and both differences equal; the ledger is reviewed',
    risk: 'reads only',
    back: 'nothing to take back',
    grows: true,
  },
  {
    phase: 'reverse-sync',
    title: 'Write back',
    owner: 'database engineer',
    gate: 'the old model follows the new one',
    risk: 'each write does more work',
    back: 'drop the triggers',
    grows: false,
  },
  {
    phase: 'cutover-reads',
    title: 'Read the new model',
    owner: 'shop team',
    gate: 'KPIs within their objectives while watched; switched back by itself otherwise',
    risk: 'a statement nobody thought of',
    back: 'switch the store back; nothing is lost',
    grows: false,
  },
  {
    phase: 'cutover-writes',
    title: 'Write the new model',
    owner: 'shop team, support informed',
    gate: 'as above, with checkouts counted on both sides',
    risk: 'as above',
    back: 'switch the store back; the old model has every write',
    grows: false,
  },
  {
    phase: 'contract',
    title: 'Drop the old tables',
    owner: 'lead, with the yes of the business',
    gate: 'a full cycle of the business (a month’s close) without going back',
    risk: 'no way back but a restore',
    back: 'none',
    grows: true,
  },
];

const seconds = (value: number) =>
  value < 90
    ? `${formats.count(value)} s`
    : value < 5_400
      ? `${formats.count(value / 60)} min`
      : `${formats.count(value / 3_600)} h`;

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
    figures.define('archival:seconds', archival.seconds, seconds, ['/archival/seconds'], 'wall-clock time');
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
      seconds,
      [`/migration/phases/${at}`],
      'end less beginning',
    );
    const grows = roadmap.find((each) => each.phase === phase)?.grows ?? false;
    for (const level of ['low', 'likely', 'high'] as const)
      figures.define(
        `migration:${phase}:production:${level}`,
        grows ? took * productionTimesData[level] : took,
        seconds,
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

/** The plan as a page of its own: short term from the journal, medium term from the phases, with what was measured. */
export function roadmapPage({
  recording,
  figures,
  assumptions,
}: {
  recording: Recording;
  figures: Figures;
  assumptions: Assumptions;
}): string {
  const f = (id: string) => figures.text(id);
  const when = recording.startedAt.slice(0, 10);
  return `# Roadmap

Made by \`sqltrail report\` from a run of ${when} (${recording.mode}, scale ${recording.scale ?? 'of the running stack'}) and the assumptions; every duration is measured there or follows from what was. What was not measured is called so.

## At once: short-term relief

| Action | State in that run | Measured effect on its statements |
| --- | --- | --- |
${recording.actions.map(({ action, state }) => `| ${action.title} | ${state} | ${f(`action:${action.id}:mean`)} |`).join('\n') || '| none | | |'}

Owner: engineer on call. Gate: KPIs within their objectives under the same load; what does not help is taken back by itself. Way back: \`sqltrail fix undo\`.

## Within a week: selective archival

| Unit of the policy | Moved in that run | Files |
| --- | --- | --- |
${recording.archival?.units.map(({ unit }) => `| ${unit} | ${f(`archival:${unit}:rows`)} rows | ${f(`archival:${unit}:bytes`)} |`).join('\n') || '| not measured | | |'}

Owner: database engineer; the policy is signed by whoever answers for retention. Gate: files read back and equal. Way back: \`sqltrail archive restore\`. It took ${f('archival:seconds')}.

## Within a quarter: the new data model

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
