import { z } from 'zod';
import { unexplained } from '../diagnosis/attribution.ts';
import type { SpanSource } from '../diagnosis/check.ts';
import { type Diagnosis, mergeDiagnoses, notesOf, storedDiagnosis } from '../diagnosis/diagnosis.ts';
import type { RankedFinding } from '../diagnosis/finding.ts';
import { fixSql } from '../diagnosis/fixSql.ts';
import { type DiagnosisOptions, defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { ConnectionFailed } from '../diagnosis/session.ts';
import { isInForce } from '../fix/journalEntry.ts';
import {
  type History,
  recordFindings,
  recordRun,
  type TrackedFinding,
  type WatchRun,
} from '../watch/history.ts';
import { overloadOf } from '../watch/overload.ts';
import { type PlanSlowdown, recordPlans, slowdowns } from '../watch/plans.ts';
import type { HistoryStore } from '../watch/store.ts';
import { BadRequest } from './problem.ts';
import type { DatabaseSource } from './sources/database.ts';
import type { Gate } from './sources/gate.ts';
import type { TraceStore } from './traces/store.ts';

/** A statement that takes less of the database time is not shown. */
const SMALLEST_SHOWN = 0.02;

export type FindingReading = RankedFinding & {
  /** SQL of its fix. */
  sql: string[];
  /** `db.query.summary` of its statements, as far as the database still knows them. */
  summaries: string[];
};

/** What the history of a database says. */
export interface WatchReading {
  /** Between two runs; null where there is no schedule. */
  everySeconds: number | null;
  lastRun: WatchRun | null;
  /** What weighs most first, resolved ones last. */
  findings: (Pick<TrackedFinding, 'id' | 'severity' | 'title' | 'state' | 'firstSeenAt' | 'lastSeenAt'> & {
    /** When it came to its state. */
    since: string;
  })[];
  /** Statements that are slower since their plan changed. */
  slowdowns: PlanSlowdown[];
}

export interface DiagnosisReading {
  /** Null while there is none. */
  last: (Omit<Diagnosis, 'findings'> & { findings: FindingReading[] }) | null;
  /** Who looked: this console, or a run of sqltrail that handed its findings over. */
  origin: 'console' | 'delivered' | null;
  running: { startedAt: string; check: string; at: number; of: number; findings: number } | null;
  /** Why the last try gave nothing. */
  failure: string | null;
  /** Null where no history is kept. */
  watch: WatchReading | null;
}

/** Without the data model: reading it takes time from an application that is in trouble already. */
const QUICK = ['indexes', 'queries', 'size', 'set-up'];
/** The model does not hurry. */
const MODEL_DEADLINE_MS = 120_000;

export const diagnosisRequest = z.object({
  /** `quick`: what can be relieved at once. `model`: how the tables are made. */
  part: z.enum(['quick', 'model'], { error: 'is neither quick nor model' }).default('quick'),
});

/** A diagnosis of another run of sqltrail. Findings are counted before each is looked at. */
export const deliveredDiagnosis = z
  .looseObject({ findings: z.array(z.unknown()).max(2_000) })
  .transform((given): unknown => given)
  .pipe(storedDiagnosis);

/** The traces that this console keeps, as the diagnosis asks for them. */
const spansOf = (traces: TraceStore): SpanSource => ({
  repeatedStatements: async () => traces.repeatedStatements(),
  tracesOf: async (summary) =>
    traces.find({ statement: summary, limit: 3 }).found.map(({ traceId }) => traceId),
});

/** Findings of a history that a page is sent. */
const MAX_TRACKED = 300;
const MAX_SLOWDOWNS = 20;
/** Less is chance. */
const MIN_SLOWDOWN = 1.2;

function watchReading({ findings, runs, plans }: History, everySeconds: number | undefined): WatchReading {
  const lastRun = runs.at(-1) ?? null;
  return {
    everySeconds: everySeconds ?? null,
    lastRun,
    findings: findings
      .slice(0, MAX_TRACKED)
      .map(({ id, severity, title, state, firstSeenAt, lastSeenAt, changes }) => ({
        id,
        severity,
        title,
        state,
        firstSeenAt,
        lastSeenAt,
        since: changes.at(-1)?.at ?? firstSeenAt,
      })),
    slowdowns: (lastRun ? slowdowns(plans, lastRun.startedAt) : [])
      .filter(({ ratio }) => ratio >= MIN_SLOWDOWN)
      .slice(0, MAX_SLOWDOWNS),
  };
}

/** The schedule is in no hurry: it takes a quarter of the time, where a diagnosis on demand takes half. */
const SCHEDULED_DUTY = 0.25;

export interface DiagnosisServiceOptions {
  database: DatabaseSource;
  /** A role that surely may read the journal, where one is known. */
  ownerUrl?: string | undefined;
  /** Lets one diagnosis run at a time. */
  turn: Gate;
  /** Keeps what was found; undefined where nothing is kept. */
  store?: HistoryStore | undefined;
  /** Of the schedule, for the page. */
  everySeconds?: number | undefined;
  traces: TraceStore;
  signal: AbortSignal;
  onChange: () => void;
  log: (message: string) => void;
  /** Other than {@link defaultDiagnosis}. */
  settings?: Partial<DiagnosisOptions> | undefined;
}

/** Runs `diagnose` with the monitoring role when it is asked to, one at a time, and keeps the last result. */
export class DiagnosisService {
  readonly #options: DiagnosisServiceOptions;
  #last: Diagnosis | undefined;
  #origin: DiagnosisReading['origin'] = null;
  #running: DiagnosisReading['running'] = null;
  #failure: string | null = null;
  /** Summaries by queryid; kept beyond a reset of pg_stat_statements. */
  readonly #summaries = new Map<string, string>();

  constructor(options: DiagnosisServiceOptions) {
    this.#options = options;
  }

  get findings(): readonly RankedFinding[] {
    return this.#last?.findings ?? [];
  }

  /** When the schedule last ran, milliseconds since 1970. */
  get lastScheduledAt(): number | undefined {
    const last = this.#options.store?.history.runs.at(-1);
    return last && Date.parse(last.startedAt);
  }

  get reading(): DiagnosisReading {
    const last = this.#last;
    const { store, everySeconds } = this.#options;
    return {
      last: last
        ? {
            ...last,
            notes: notesOf(last),
            // Read by every page at every change: only what is shown.
            attribution: last.attribution && {
              ...last.attribution,
              statements: unexplained(last.attribution, SMALLEST_SHOWN),
            },
            findings: last.findings.map((finding) => ({
              ...finding,
              sql: finding.fix ? fixSql(finding.fix).sql : [],
              summaries: this.#summariesOf(finding),
            })),
          }
        : null,
      origin: this.#origin,
      running: this.#running,
      failure: this.#failure,
      watch: store ? watchReading(store.history, everySeconds) : null,
    };
  }

  /** Begins; the reading tells how it goes on. @throws BadRequest while one runs */
  start({ part }: z.infer<typeof diagnosisRequest>): void {
    if (this.#running)
      throw new BadRequest('A diagnosis is already running; its findings will appear in a moment.', 409);
    const startedAt = new Date().toISOString();
    this.#running = { startedAt, check: 'connecting', at: 0, of: 0, findings: 0 };
    this.#failure = null;
    void this.#run(part, startedAt);
    this.#options.onChange();
  }

  /** Findings of another run of sqltrail on the same database. */
  async deliver(diagnosis: Diagnosis): Promise<void> {
    await this.#show(diagnosis, 'delivered');
    this.#options.onChange();
  }

  /** Makes it the last one; whoever calls says that something has changed. */
  async #show(diagnosis: Diagnosis, origin: 'console' | 'delivered'): Promise<void> {
    this.#last = diagnosis;
    this.#origin = origin;
    this.#failure = null;
    await this.#nameStatements();
  }

  async #run(part: 'quick' | 'model', startedAt: string): Promise<void> {
    const { settings, turn, onChange } = this.#options;
    try {
      const found = await turn.run(() =>
        this.#diagnose(startedAt, {
          ...(part === 'model' ? { observeMs: 0, deadlineMs: MODEL_DEADLINE_MS } : {}),
          ...settings,
          only: part === 'model' ? ['model'] : QUICK,
        }),
      );
      await this.#show(this.#joined(found, part), 'console');
      await this.#record(found);
    } catch (error) {
      this.#failure = this.#failureOf(error);
    } finally {
      this.#running = null;
      onChange();
    }
  }

  /**
   * A run of the schedule: all checks, within the budget, unless the database has no room for it. Resolves when it is
   * done, and has said in the history how it went.
   *
   * @param budgetMs database time, milliseconds
   */
  async scheduled(budgetMs: number): Promise<void> {
    const { database, signal, turn, settings, onChange } = this.#options;
    const startedAt = new Date().toISOString();
    const began = performance.now();
    const over = (outcome: WatchRun['outcome'], more: Partial<WatchRun> = {}): WatchRun => ({
      startedAt,
      outcome,
      seconds: (performance.now() - began) / 1000,
      databaseSeconds: 0,
      findings: 0,
      ...more,
    });
    if (this.#running)
      return this.#note(over('skipped', { reason: 'a diagnosis that was asked for was running' }));
    this.#running = { startedAt, check: 'waiting for its turn', at: 0, of: 0, findings: 0 };
    try {
      await turn.run(async () => {
        const overload = await overloadOf(database.url, signal);
        if (overload !== undefined) return this.#note(over('skipped', { reason: overload }));
        let plans = (history: History) => history.plans;
        const found = await this.#diagnose(startedAt, {
          dutyCycle: SCHEDULED_DUTY,
          deadlineMs: (2 * budgetMs) / SCHEDULED_DUTY,
          ...settings,
          budgetMs,
          onWorkload: (entries, counted) => {
            plans = (history) => recordPlans(history.plans, entries, counted, startedAt);
          },
        });
        await this.#show(found, 'console');
        const run = over(found.partial ? 'partial' : 'complete', {
          databaseSeconds: found.ownLoad.busyMs / 1000,
          findings: found.findings.length,
        });
        await this.#record(found, (history) => recordRun({ ...history, plans: plans(history) }, run));
      });
    } catch (error) {
      if (!signal.aborted) await this.#note(over('failed', { reason: this.#failureOf(error) }));
    } finally {
      this.#running = null;
      onChange();
    }
  }

  #diagnose(startedAt: string, options: Partial<DiagnosisOptions>): Promise<Diagnosis> {
    const { database, traces, signal, onChange } = this.#options;
    return diagnose({
      ...defaultDiagnosis,
      ...options,
      url: database.url,
      spans: spansOf(traces),
      signal,
      onProgress: (progress) => {
        this.#running = { startedAt, ...progress };
        onChange();
      },
    });
  }

  #failureOf(error: unknown): string {
    if (error instanceof ConnectionFailed) return error.message;
    if (!this.#options.signal.aborted) this.#options.log(String((error as Error)?.stack ?? error));
    return 'It failed; the console’s log has the cause.';
  }

  /** Keeps what was found. What cannot be written is logged: findings are shown all the same. */
  async #record(found: Diagnosis, more: (history: History) => History = (history) => history): Promise<void> {
    const { store, database, ownerUrl } = this.#options;
    if (!store) return;
    const journal = await database.journal(ownerUrl).catch(() => []);
    const inForce = new Set(journal.filter(isInForce).flatMap(({ action }) => action.findings));
    await this.#change((history) =>
      more({ ...history, findings: recordFindings(history.findings, found, inForce) }),
    );
  }

  #note(run: WatchRun): Promise<void> {
    return this.#change((history) => recordRun(history, run));
  }

  async #change(change: (history: History) => History): Promise<void> {
    await this.#options.store
      ?.change(change)
      .catch((error: Error) => this.#options.log(`The history of findings is not saved: ${error.message}`));
  }

  /** The other part stays as it was; shares of database time are those of the last observation of the workload. */
  #joined(found: Diagnosis, part: 'quick' | 'model'): Diagnosis {
    const last = this.#last;
    if (last?.target !== found.target) return found;
    const { msPerSecond, windowSeconds, attribution, partial, blind, checks, findings } = mergeDiagnoses(
      last,
      found,
      part === 'quick' ? 'second' : 'first',
    );
    return { ...found, msPerSecond, windowSeconds, attribution, partial, blind, checks, findings };
  }

  #summariesOf({ statements }: RankedFinding): string[] {
    return [
      ...new Set(
        statements.flatMap(
          ({ queryid, summary }) =>
            summary ?? (queryid === null ? undefined : this.#summaries.get(queryid)) ?? [],
        ),
      ),
    ];
  }

  /**
   * Names of the statements of findings of version 1, which have none. A database that does not answer costs the links,
   * not the findings.
   */
  async #nameStatements(): Promise<void> {
    const nameless = this.findings.flatMap(({ statements }) =>
      statements.flatMap(({ queryid, summary }) => (summary === null && queryid !== null ? [queryid] : [])),
    );
    const wanted = new Set(nameless);
    for (const queryid of this.#summaries.keys()) if (!wanted.has(queryid)) this.#summaries.delete(queryid);
    if (wanted.size === 0) return;
    const facts = await this.#options.database.facts().catch(() => undefined);
    for (const { queryid, summary } of facts?.statements ?? [])
      if (wanted.has(queryid)) this.#summaries.set(queryid, summary);
  }
}
