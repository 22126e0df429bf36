import { rm } from 'node:fs/promises';
import path from 'node:path';
import { styleText } from 'node:util';
import pg from 'pg';
import { readPolicy } from '../archive/policy.ts';
import { listArchive, verifyArchive } from '../archive/read.ts';
import { runArchive } from '../archive/run.ts';
import { kpiById, meetsObjective } from '../kpis/catalogue.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { bytesText } from '../lib/units/format.ts';
import { migrationStatus, type Progress, runMigration, type Verdict } from '../migrate/engine.ts';
import type { Phase } from '../migrate/mapping.ts';
import type { Verification } from '../migrate/verify.ts';
import { type Recording, WINDOW_SECONDS } from '../report/recording.ts';
import { sessionTimeZone, shopMapping } from '../sample-shop/migration/mapping.ts';
import { queryVector, type StoryTargets, setStore } from './clients.ts';
import { compareLedger, ImpactWatch } from './impact.ts';
import { formatKpi } from './verdict.ts';

export interface MediumTermOptions {
  /** Owner of the shop's tables. */
  url: string;
  targets: StoryTargets;
  recording: Recording;
  /** Directory of the recording; the archive is below it. */
  out: string;
  say: (text: string) => void;
  status: (text: string) => void;
  signal: AbortSignal;
}

const POLICY = new URL('../sample-shop/archive.yaml', import.meta.url);
/** Archival works most of the time: the shop has nothing but ordinary load then. */
const DUTY = 0.8;
/** A story has to come to its end, on whatever machine it is told. */
const MIN_DUTY = 0.15;
/** What customers noticed before the migration is read for so long. */
const BEFORE_SECONDS = 90;
const number = new Intl.NumberFormat('en');

async function one<T>(url: string, sql: string): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'sqltrail-story' });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql });
    return rows[0] as T;
  } finally {
    await client.end();
  }
}

/** Notes how large the live database is now. */
export async function noteSize({ url, recording }: MediumTermOptions, when: string): Promise<number> {
  const { bytes } = await one<{ bytes: string }>(
    url,
    'SELECT pg_database_size(current_database())::text AS bytes',
  );
  recording.sizes.push({ when, bytes: Number(bytes) });
  return Number(bytes);
}

/** Closed orders, dead carts and the old log leave the live database. */
export async function archivalStage(options: MediumTermOptions): Promise<void> {
  const { url, recording, out, say, status, signal } = options;
  const directory = path.join(out, 'archive');
  // Files of an earlier story; its database is gone.
  await rm(directory, { recursive: true, force: true });
  const started = performance.now();
  const units = await runArchive({
    url,
    policy: await readPolicy(POLICY.pathname),
    directory,
    segmentUnits: 50_000,
    dutyCycle: DUTY,
    signal,
    onProgress: (progress) => {
      if (progress.event === 'removing')
        status(
          `  ${progress.unit}, segment ${progress.segment}: ${number.format(progress.removed)} of ${number.format(progress.units)} removed`,
        );
    },
  });
  const problems = units.flatMap((unit) => unit.problems);
  if (problems.length > 0) throw new OperationError(problems.join('\n'));
  const files = await verifyArchive({ url, directory });
  recording.archival = {
    units,
    seconds: (performance.now() - started) / 1000,
    files: files.length,
    damaged: files.filter(({ problem }) => problem).length,
  };
  for (const { unit, units: moved, rows, bytes, kept } of units)
    say(
      `  ${unit}: ${number.format(moved)} units, ${number.format(rows)} rows, in ${bytesText(bytes)} of Parquet${kept > 0 ? `; ${kept} stayed` : ''}`,
    );
  const segments = await listArchive({ url });
  say(
    `  ${number.format(recording.archival.seconds)} s for ${segments.length} segments; ${files.length} files read again, ${recording.archival.damaged === 0 ? 'all as they were written' : `${recording.archival.damaged} damaged`}. sqltrail archive query reads them, restore brings them back.`,
  );
}

/** May the migration go on? Not while customers fail or wait, and slower when they wait longer than before. */
function gate(targets: StoryTargets, impact: ImpactWatch | undefined): (phase: Phase) => Promise<Verdict> {
  return async (phase) => {
    for (const id of ['request-failure-ratio', 'customer-latency-p95']) {
      const kpi = kpiById(id);
      const [sample] = await queryVector(targets, kpi.promql(`[${WINDOW_SECONDS}s]`)).catch(() => []);
      if (sample && Number.isFinite(sample.value) && !meetsObjective(kpi, sample.value))
        return { ok: false, reason: `${kpi.name} ${formatKpi(sample.value, id)}` };
    }
    return impact ? impact.mayContinue(phase) : { ok: true };
  };
}

const began = (recording: Recording) => {
  recording.migration ??= {
    reached: 'none',
    phases: [],
    backfill: [],
    verification: null,
    ledger: [],
    pauses: 0,
    retries: 0,
    orders: null,
    strain: null,
    ledgerOfOrders: null,
    partitioned: [],
  };
  return recording.migration;
};

const explained: Record<Phase, string> = {
  expand: 'the new tables are there, beside the old ones',
  'dual-write': 'each write goes to both models, in its own transaction',
  backfill: 'what was there before is copied in batches',
  verify: 'both models are compared, row by row and sum by sum',
  'reverse-sync': 'the new model writes back, so that going back loses nothing',
  'cutover-reads': 'the shop reads from the new model',
  'cutover-writes': 'the shop writes to the new model',
  contract: 'the old tables are dropped; until here everything could be reverted',
};

/** Migrates under the load that is on, up to the cutover of writes, and notes what customers noticed of it. */
export async function migrateUnderLoad(options: MediumTermOptions, profile: string): Promise<boolean> {
  const { url, targets, recording, say, signal } = options;
  const impact = await ImpactWatch.open(targets.load, profile, url);
  try {
    const before = await impact.before(BEFORE_SECONDS, signal);
    if (before !== undefined) say(`  Before it, p95 is ${formatKpi(before, 'customer-latency-p95')}.`);
    const moved = await migrationStage(options, 'cutover-writes', impact);
    const read = await impact.read();
    began(recording).strain = read;
    const during = read.p95DuringBackfillWhole;
    if (during !== null)
      say(
        `  During the backfill, p95 was ${formatKpi(during, 'customer-latency-p95')}; ${number.format(read.failedRequests)} of ${number.format(read.requests)} requests failed; nobody waited longer than ${Math.round(read.longestWaitBehindMigrationMs)} ms for a lock of the migration.`,
      );
    return moved;
  } finally {
    await impact.close();
  }
}

/** Order numbers of the load generator's ledger against both models; call it when no request is under way. */
export async function noteLedger({ url, targets, recording, say }: MediumTermOptions): Promise<void> {
  const compared = await compareLedger(targets.load, url);
  began(recording).ledgerOfOrders = compared;
  say(
    `  ${number.format(compared.acknowledged)} acknowledged order numbers: ${compared.missingInLegacy} missing in the legacy tables, ${compared.missingInNew} in the new model, ${compared.doubled} duplicated.`,
  );
}

/** Partitioned tables of the new model, and their keys; none where the database does not answer. */
async function partitionedTables(url: string): Promise<{ table: string; by: string }[]> {
  return one<{ tables: { table: string; by: string }[] }>(
    url,
    `SELECT coalesce(json_agg(json_build_object('table', relname, 'by', pg_get_partkeydef(oid)) ORDER BY relname), '[]') AS tables
       FROM pg_class WHERE relkind = 'p' AND NOT relispartition AND relnamespace = to_regnamespace('shop')`,
  ).then(
    ({ tables }) => tables,
    () => [],
  );
}

/** Carries the shop on to a phase of the migration. A pause that is too long is noted, and ends it for this run. */
export async function migrationStage(
  options: MediumTermOptions,
  until: Phase,
  impact?: ImpactWatch,
): Promise<boolean> {
  const { url, targets, recording, say, status, signal } = options;
  const mapping = await shopMapping({ timeZone: await sessionTimeZone(url) });
  const migration = began(recording);
  let last: string | undefined;
  const note = (progress: Progress) => {
    const { phase, step, event, detail } = progress;
    if (phase !== last && !migration.phases.some((known) => known.phase === phase)) {
      migration.phases.push({ phase, startedAt: new Date().toISOString(), endedAt: null });
      last = phase;
    }
    if (event === 'retry') migration.retries += 1;
    if (event === 'paused') migration.pauses += 1;
    if (event === 'batch')
      status(`  ${phase}: ${step}, ${number.format(Number(detail?.['units'] ?? 0))} units`);
    if (event === 'compared' && detail && 'tables' in detail) {
      const { equal, tables, money, setAside } = detail as unknown as Verification;
      const sum = (of: (table: Verification['tables'][number]) => number) =>
        tables.reduce((all, table) => all + of(table), 0);
      migration.verification = {
        equal,
        rows: sum((table) => table.legacyRows),
        chunks: sum((table) => table.chunks),
        differing: sum((table) => table.missing + table.surplus + table.differingChunks + table.staleEntries),
        money: money.map((each) => ({ name: each.name, equal: each.equal })),
        setAside,
      };
      say(
        `  ${number.format(migration.verification.rows)} rows compared in ${number.format(migration.verification.chunks)} chunks, ${money.length} sums of money: ${equal ? 'equal' : 'they differ'}`,
      );
    }
    if (event === 'phase done') {
      const entry = migration.phases.find((known) => known.phase === phase);
      if (entry) entry.endedAt = new Date().toISOString();
      migration.reached = phase;
      const seconds = entry ? Math.round((Date.now() - Date.parse(entry.startedAt)) / 1000) : 0;
      say(`  ${styleText('green', '✔')} ${phase}: ${explained[phase]} ${styleText('dim', `(${seconds} s)`)}`);
    }
  };
  try {
    for await (const progress of runMigration({
      url,
      mapping,
      until,
      yes: true,
      previousStore: 'tuned',
      switchStore: (store) => setStore(targets, store),
      mayContinue: gate(targets, impact),
      maxPauseMs: 180_000,
      observeMs: 20_000,
      dutyCycle: DUTY,
      leastDuty: MIN_DUTY,
      signal,
    })) {
      note(progress);
      await impact?.note(progress);
    }
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    recording.notes.push(`The migration stopped after ${migration.reached}: ${error.message}`);
    say(`  ${styleText('yellow', 'Stopped')}: ${error.message}`);
    return false;
  } finally {
    const status = await migrationStatus({ url, mapping }).catch(() => undefined);
    migration.partitioned = await partitionedTables(url);
    migration.ledger = status?.ledger ?? migration.ledger;
    if (status && status.cursors.length > 0)
      migration.backfill = status.cursors.map(({ table, units, busyMs }) => ({ table, units, busyMs }));
  }
  return true;
}

/** Orders wherever they are: in the live tables, in the ledger, or archived. */
async function ordersEverywhere(url: string): Promise<number> {
  const { n } = await one<{ n: number }>(
    url,
    `SELECT ((SELECT count(*) FROM ${(await one<{ there: boolean }>(url, "SELECT to_regclass('public.orders') IS NOT NULL AS there")).there ? 'public.orders' : 'shop.orders'})
           + coalesce((SELECT sum(s.units) - (SELECT count(*) FROM sqltrail.archive_excluded AS e JOIN sqltrail.archive_segment AS x ON x.id = e.segment WHERE x.unit = 'closed-orders')
                         FROM sqltrail.archive_segment AS s WHERE s.unit = 'closed-orders' AND s.state = 'archived'), 0))::int AS n`,
  );
  return n;
}

const acknowledged = async (targets: StoryTargets): Promise<number> =>
  (await queryVector(targets, 'sum(load_checkouts_total{outcome="completed"})'))[0]?.value ?? 0;

/** Counts both sides now; call it when no request is under way. */
export const countOrders = async ({ url, targets }: MediumTermOptions) => ({
  acknowledged: await acknowledged(targets),
  found: await ordersEverywhere(url),
});
