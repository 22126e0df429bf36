import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { formatDialect, postgresql } from 'sql-formatter';
import { catalogue, kpiById, meetsObjective } from '../kpis/catalogue.ts';
import { bytesText } from '../lib/units/format.ts';
import { DEFAULT_ASSUMPTIONS, readAssumptions } from '../report/assumptions.ts';
import { caseOf } from '../report/case.ts';
import { type RecordedPhase, RecordingFile, WINDOW_SECONDS } from '../report/recording.ts';
import {
  type ActiveAlert,
  activeAlerts,
  deliverDiagnosis,
  queryVector,
  type StoryDatabases,
  type StoryTargets,
  setPhase,
  setProfile,
} from './clients.ts';
import {
  archivalStage,
  countOrders,
  type MediumTermOptions,
  migrateUnderLoad,
  migrationStage,
  noteLedger,
  noteSize,
} from './mediumTerm.ts';
import { diagnosisStage, type MitigationOptions, mitigationStage, modelStage } from './mitigation.ts';
import { shopApplication } from './shopActions.ts';
import type { Stage } from './stages.ts';
import { followAlert, traceCauses } from './trail.ts';
import {
  AWAITED,
  formatKpi,
  kpiOf,
  shortfalls,
  stepVerdict,
  verdict,
  verdictKpis,
  verdictTable,
} from './verdict.ts';
import { renderWaterfall } from './waterfall.ts';

export interface StoryOptions {
  until: Stage;
  targets: StoryTargets;
  /** Without them the story ends with the verdict on the breakdown. */
  databases: StoryDatabases | undefined;
  /** Directory of the recording. */
  out: string;
  mode: 'native' | 'attached';
  scale: string | null;
  seed: number | null;
  /** Seconds of ordinary load before the peak; the rates need a minute to fill their window. */
  ordinarySeconds: number;
  /** Longest time that the peak may take to bring the alerts. */
  peakSeconds: number;
  signal: AbortSignal;
  /** Width of the terminal. */
  columns: number;
  say: (text: string) => void;
  /** One line that replaces the one before; for progress. */
  status: (text: string) => void;
  /** Called between two phases, with the one that ended; does not throw. */
  onPhaseEnded?: (name: string) => Promise<void>;
}

/** The longest that diagnosis or mitigation may take before the story goes on without their end. */
const MAX_WORK_SECONDS = 3_600;
/** Windows of the rules are a minute, the load generator's percentiles too. */
const PROOF_SECONDS = 150;
/** Six windows, in each of the peaks that are compared. */
const MIN_PEAK_SECONDS = 6 * WINDOW_SECONDS;
const QUIET_MS = 15_000;
const SAMPLE_EVERY_MS = 5_000;
/** After the alerts, so that the plans of what they name are captured and the traces are through the collector. */
const SETTLE_MS = 12_000;

/** As customers see it: from the intended start, failed requests included. */
const STEP_P95 = `histogram_quantile(0.95, sum by (le, step) (rate(load_request_duration_seconds_bucket[${WINDOW_SECONDS}s])))`;

class Story {
  readonly #options: StoryOptions;
  readonly file: RecordingFile;
  /** Text of each alert that was active when they were last read, by its labels. */
  #active = new Map<string, string>();
  /** As they were last read. */
  #alerts: ActiveAlert[] = [];

  constructor(options: StoryOptions) {
    this.#options = options;
    const { mode, scale, seed, out } = options;
    const until = options.databases ? options.until : 'breakdown';
    this.file = new RecordingFile(path.join(out, 'recording.json'), { mode, scale, seed, until });
  }

  get recording() {
    return this.file.recording;
  }

  async #sample(phase: RecordedPhase): Promise<void> {
    const { targets } = this.#options;
    const kpis = await Promise.all(
      catalogue.map(async (kpi) => {
        const [sample] = await queryVector(targets, kpi.promql()).catch(() => []);
        const value = sample && Number.isFinite(sample.value) ? sample.value : null;
        return { id: kpi.id, value, met: value === null ? null : meetsObjective(kpi, value) };
      }),
    );
    phase.samples.push({ at: new Date().toISOString(), kpis });
  }

  /** The KPIs of the last window alone. */
  async #window(phase: RecordedPhase): Promise<void> {
    const kpis = await Promise.all(
      verdictKpis.map(async (id) => {
        const promql = kpiById(id).promql(`[${WINDOW_SECONDS}s]`);
        const [sample] = await queryVector(this.#options.targets, promql).catch(() => []);
        return { id, value: sample && Number.isFinite(sample.value) ? sample.value : null };
      }),
    );
    const steps = await queryVector(this.#options.targets, STEP_P95).catch(() => []);
    phase.windows.push({
      endedAt: new Date().toISOString(),
      kpis,
      steps: steps
        .filter(({ value }) => Number.isFinite(value))
        .map(({ labels, value }) => ({ step: labels['step'] ?? '', p95: value })),
    });
  }

  /** The load generator's counters now; undefined when they cannot be read. */
  async #counted() {
    const { targets } = this.#options;
    const outcomes = await queryVector(targets, 'sum by (outcome) (load_checkouts_total)').catch(() => []);
    const [lost] = await queryVector(targets, 'sum(load_lost_basket_value_total)').catch(() => []);
    const requests = await queryVector(targets, 'sum by (outcome) (load_requests_total)').catch(() => []);
    if (outcomes.length === 0) return undefined;
    const of = (name: string) => outcomes.find(({ labels }) => labels['outcome'] === name)?.value ?? 0;
    return {
      completed: of('completed'),
      failed: of('failed'),
      abandoned: of('abandoned'),
      lost: lost?.value ?? 0,
      requests: requests.reduce((sum, { value }) => sum + value, 0),
      served: requests.find(({ labels }) => labels['outcome'] === 'ok')?.value ?? 0,
    };
  }

  /** Records the alerts of each phase; tells those that were not active a moment ago, and those that have ended. */
  async #noteAlerts(phase: RecordedPhase): Promise<ActiveAlert[]> {
    // An Alertmanager that does not answer is no silence: what was last known stays.
    const alerts = await activeAlerts(this.#options.targets).catch(() => undefined);
    if (!alerts) return this.#alerts;
    this.#alerts = alerts;
    const { say } = this.#options;
    const { recording } = this;
    const active = new Map<string, string>();
    for (const { labels, annotations } of alerts) {
      const key = JSON.stringify(labels);
      const name = labels['alertname'] ?? '';
      const summary = annotations['summary'] ?? '';
      active.set(key, `${name}: ${summary}`);
      const now = new Date();
      const afterSeconds = (now.getTime() - Date.parse(phase.startedAt)) / 1000;
      if (!this.#active.has(key))
        say(
          `  ${styleText(labels['severity'] === 'page' ? 'red' : 'yellow', '▲')} ${name} after ${Math.round(afterSeconds)} s: ${summary}`,
        );
      const known = recording.alerts.find(
        (seen) => JSON.stringify(seen.labels) === key && seen.phase === phase.name,
      );
      if (known) {
        known.lastSeenAt = now.toISOString();
        continue;
      }
      recording.alerts.push({
        name,
        severity: labels['severity'] ?? '',
        labels,
        summary,
        firstSeenAt: now.toISOString(),
        afterSeconds,
        phase: phase.name,
        lastSeenAt: now.toISOString(),
      });
    }
    for (const [key, text] of this.#active)
      if (!active.has(key)) say(`  ${styleText(['green', 'dim'], `▽ over: ${text}`)}`);
    this.#active = active;
    return alerts;
  }

  /** One phase of load; ends when `until` says so, or after `seconds`. */
  async phase(
    name: string,
    profile: string,
    seconds: number,
    until: (alerts: ActiveAlert[]) => boolean = () => false,
  ): Promise<RecordedPhase> {
    const { targets, signal, status } = this.#options;
    const shown: Record<string, string> = {
      'peak-after-short-term': 'proof',
      'peak-after-medium-term': 'proof',
    };
    await setPhase(targets, shown[name] ?? name);
    await setProfile(targets, profile);
    const phase: RecordedPhase = {
      name,
      startedAt: new Date().toISOString(),
      endedAt: null,
      offeredRate: null,
      samples: [],
      windows: [],
      checkouts: null,
      requests: null,
      lostBasketValue: null,
      databaseTime: null,
    };
    const before = await this.#counted();
    this.recording.phases.push(phase);
    const startedMs = Date.now();
    for (;;) {
      await sleep(SAMPLE_EVERY_MS, undefined, { signal });
      await this.#sample(phase);
      const alerts = await this.#noteAlerts(phase);
      const [rate] = await queryVector(targets, 'load_offered_rate').catch(() => []);
      phase.offeredRate = rate?.value ?? phase.offeredRate;
      if (Date.now() - startedMs >= (phase.windows.length + 1) * WINDOW_SECONDS * 1000)
        await this.#window(phase);
      await this.file.save();
      const elapsed = Math.round((Date.now() - startedMs) / 1000);
      const last = phase.samples.at(-1)?.kpis.find(({ id }) => id === 'customer-latency-p95')?.value ?? null;
      status(
        `  ${name}: ${elapsed} of ${seconds} s, page time p95 ${formatKpi(last, 'customer-latency-p95')}`,
      );
      if (until(alerts) || elapsed >= seconds) break;
    }
    status('');
    phase.endedAt = new Date().toISOString();
    // What the shop's own spans say; a phase shorter than two scrapes has no rate.
    const [busy] = await queryVector(
      targets,
      `sum(rate(db_client_operation_duration_seconds_sum[${Math.max(WINDOW_SECONDS, Math.round((Date.now() - startedMs) / 1000))}s]))`,
    ).catch(() => []);
    phase.databaseTime = busy?.value ?? null;
    const after = await this.#counted();
    if (before && after) {
      const since = (name: 'completed' | 'failed' | 'abandoned') => Math.round(after[name] - before[name]);
      phase.checkouts = {
        completed: since('completed'),
        failed: since('failed'),
        abandoned: since('abandoned'),
      };
      const total = Math.round(after.requests - before.requests);
      phase.requests = { total, failed: Math.max(0, total - Math.round(after.served - before.served)) };
      phase.lostBasketValue = Math.round((after.lost - before.lost) * 100) / 100;
    }
    await this.file.save();
    await this.#options.onPhaseEnded?.(name);
    return phase;
  }

  /** A phase of load that lasts as long as `work`. */
  async during<T>(name: string, profile: string, work: () => Promise<T>): Promise<T> {
    let ended = false;
    const working = work().finally(() => {
      ended = true;
    });
    // A failure is reported where it is awaited, below.
    working.catch(() => {});
    await this.phase(name, profile, MAX_WORK_SECONDS, () => ended);
    return working;
  }

  /** The peak after the mitigation: until the alerts are silent, and long enough for the windows to hold nothing else. */
  async proof(): Promise<RecordedPhase> {
    const started = Date.now();
    const awaited = new Set<string>(AWAITED);
    this.recording.silentAfterSeconds = null;
    const phase = await this.phase('peak-after-short-term', 'peak', PROOF_SECONDS, (alerts) => {
      const seconds = (Date.now() - started) / 1000;
      const firing = alerts.some(({ labels }) => awaited.has(labels['alertname'] ?? ''));
      if (firing) this.recording.silentAfterSeconds = null;
      else this.recording.silentAfterSeconds ??= seconds;
      return !firing && seconds >= MIN_PEAK_SECONDS;
    });
    const { silentAfterSeconds } = this.recording;
    this.#options.say(
      silentAfterSeconds === null
        ? `  Still active after ${PROOF_SECONDS} s: some of ${AWAITED.join(', ')}.`
        : `  ${AWAITED.join(', ')}: silent after ${Math.round(silentAfterSeconds)} s.`,
    );
    return phase;
  }

  /** The load generator is silent, and no request is under way. */
  async #quiet(): Promise<void> {
    const { targets, signal } = this.#options;
    await setProfile(targets, 'idle');
    await setPhase(targets, 'idle');
    // Longer than the shop's longest request, and than the load generator's counters need to be scraped.
    await sleep(QUIET_MS, undefined, { signal });
  }

  /**
   * Archival, the new data model online, the same peak on it, the contract. When the migration stops before that, what
   * is left is not done.
   */
  async mediumTerm(options: MediumTermOptions): Promise<void> {
    const { say } = options;
    const { recording } = this;
    say(heading('Archival: closed orders, abandoned carts and old log entries leave the live database'));
    await this.during('archival', 'ordinary', () => archivalStage(options));
    await this.#quiet();
    const before = await countOrders(options);
    say(heading('Medium term: a new data model, during the peak'));
    const moved = await this.during('medium-term', 'peak', () => migrateUnderLoad(options, 'peak'));
    if (moved) {
      say(heading('Proof: the same peak on the new model'));
      await this.phase('peak-after-medium-term', 'peak', MIN_PEAK_SECONDS);
    }
    await this.#quiet();
    const after = await countOrders(options);
    if (recording.migration) {
      recording.migration.orders = {
        acknowledged: after.acknowledged - before.acknowledged,
        found: after.found - before.found,
      };
      const { acknowledged, found } = recording.migration.orders;
      say(`  Orders acknowledged to the load generator: ${acknowledged}; orders in the database: ${found}.`);
    }
    if (moved) {
      await noteLedger(options);
      await migrationStage(options, 'contract');
      const bytes = await noteSize(options, 'after the contract');
      const first = recording.sizes[0]?.bytes ?? bytes;
      say(`  The live database: ${bytesText(first)} before, ${bytesText(bytes)} now.`);
    }
    await this.file.save();
  }

  /** A console that does not take them costs its pages the findings, not the story. */
  async showFindings(): Promise<void> {
    const { recording } = this;
    if (!recording.diagnosis) return;
    await deliverDiagnosis(this.#options.targets, recording.diagnosis).catch((error: Error) => {
      this.#options.say(`  The console did not accept the findings: ${error.message}`);
    });
  }

  async checkouts(): Promise<void> {
    const { targets } = this.#options;
    const outcomes = await queryVector(targets, 'sum by (outcome) (load_checkouts_total)');
    for (const { labels, value } of outcomes) this.recording.checkouts[labels['outcome'] ?? ''] = value;
    const [lost] = await queryVector(targets, 'sum(load_lost_basket_value_total)');
    this.recording.lostBasketValue = lost?.value ?? null;
  }
}

const heading = (text: string) => `\n${styleText('bold', text)}`;

/** The worst of the alerts that name a statement: the one that is slowest, then any. */
function worst(alerts: ActiveAlert[]): ActiveAlert[] {
  const order = ['SlowStatements', 'StatementTimeouts', 'SlowQueryTrend'];
  return alerts
    .filter(({ labels }) => labels['db_query_summary'] && order.includes(labels['alertname'] ?? ''))
    .sort((a, b) => order.indexOf(a.labels['alertname'] ?? '') - order.indexOf(b.labels['alertname'] ?? ''));
}

/**
 * Tells the story against a running stack: ordinary load, the peak, the alerts, the trace behind the worst one, the
 * verdict. Everything that is said is read from the stack and kept in the recording, after each sample, so that a run
 * that is killed leaves what it saw.
 *
 * @returns whether the three awaited alerts fired and one of them led to its SQL
 */
export async function tellStory(options: StoryOptions): Promise<boolean> {
  const { targets, say, signal } = options;
  const story = new Story(options);
  const { recording, file } = story;
  await file.save();
  try {
    say(heading('Ordinary load'));
    await story.phase('ordinary', 'ordinary', options.ordinarySeconds);
    for (const id of ['customer-latency-p95', 'request-failure-ratio', 'queries-per-request'])
      say(`  ${kpiById(id).name}: ${formatKpi(kpiOf(recording, 'ordinary', id), id)}`);

    say(heading('The peak begins'));
    let settledAt = Number.POSITIVE_INFINITY;
    const peakStartedMs = Date.now();
    const seen = new Map<string, ActiveAlert>();
    const peak = await story.phase('peak', 'peak', options.peakSeconds, (alerts) => {
      for (const alert of alerts) seen.set(JSON.stringify(alert.labels), alert);
      const names = new Set([...seen.values()].map(({ labels }) => labels['alertname']));
      if (AWAITED.every((name) => names.has(name))) settledAt = Math.min(settledAt, Date.now() + SETTLE_MS);
      return Date.now() >= Math.max(settledAt, peakStartedMs + MIN_PEAK_SECONDS * 1000);
    });

    say(heading('From the alert to the SQL'));
    const from = new Date(Date.parse(peak.startedAt) - 5_000);
    for (const alert of worst([...seen.values()])) {
      signal.throwIfAborted();
      const trail = await followAlert(targets, alert, from);
      if (
        trail &&
        (!recording.trail ||
          (trail.plan && !recording.trail.plan) ||
          (trail.plan && trail.durationMs > recording.trail.durationMs))
      )
        recording.trail = trail;
    }
    const { trail } = recording;
    if (trail) {
      say(`  ${trail.alert} → ${trail.foundBy} → trace ${trail.traceId}\n`);
      for (const line of renderWaterfall(trail.spans, options.columns - 2)) say(`  ${line}`);
      if (trail.sql) {
        const sql = formatDialect(trail.sql, { dialect: postgresql, keywordCase: 'upper' });
        say(`\n${styleText('cyan', sql.replaceAll(/^/gm, '  '))}`);
      }
    } else say('  No alert led to a statement with a stored trace.');
    const { databases } = options;
    if (databases && options.until !== 'breakdown') {
      const mediumTerm: MediumTermOptions = {
        url: databases.owner,
        targets,
        recording,
        out: options.out,
        say,
        status: options.status,
        signal,
      };
      await noteSize(mediumTerm, 'before');
      const mitigation: MitigationOptions = {
        databases,
        consoleUrl: targets.console,
        recording,
        application: shopApplication(targets),
        say,
        status: options.status,
        signal,
      };
      say(heading('Diagnosis, during the peak'));
      const diagnosis = await story.during('diagnosis', 'peak', () => diagnosisStage(mitigation));
      await story.showFindings();
      recording.causeTraces = await traceCauses(targets, diagnosis.findings).catch((error: Error) => {
        recording.notes.push(`The traces of the causes could not be read: ${error.message}`);
        return [];
      });
      say(heading('Mitigation, during the peak'));
      await story.during('short-term', 'peak', () => mitigationStage(mitigation, diagnosis));
      say(heading('Proof: the same peak again'));
      await story.proof();
      say(heading('The underlying data model'));
      await modelStage(mitigation);
      await story.showFindings();
      if (options.until === 'medium-term') await story.mediumTerm(mediumTerm);
    }
    await setPhase(targets, 'idle');
    await setProfile(targets, 'ordinary');
    await story.checkouts();

    recording.endedAt = new Date().toISOString();
    const missing = shortfalls(recording);
    recording.notes.push(...missing);
    recording.outcome = missing.length === 0 ? 'complete' : 'partial';
    await file.save();
    say(heading(recording.outcome === 'complete' ? 'Verdict' : 'Verdict on an incomplete run'));
    const told = caseOf(recording, await readAssumptions(DEFAULT_ASSUMPTIONS));
    for (const line of verdict(told)) say(`  ${line}`);
    for (const line of stepVerdict(recording)) say(`  ${line}`);
    for (const note of recording.notes) say(`  ${styleText('yellow', 'Not shown')}: ${note}`);
    say('');
    for (const line of verdictTable(told)) say(`  ${line}`);
    return recording.outcome === 'complete';
  } catch (error) {
    recording.outcome = signal.aborted ? 'interrupted' : 'partial';
    recording.notes.push(
      signal.aborted ? 'The run was interrupted.' : `The run stopped: ${(error as Error).message}`,
    );
    recording.endedAt = new Date().toISOString();
    await file.save();
    throw error;
  }
}
