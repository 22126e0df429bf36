import { z } from 'zod';
import type { SpanSource } from '../diagnosis/check.ts';
import { type Diagnosis, mergeDiagnoses, notesOf, storedDiagnosis } from '../diagnosis/diagnosis.ts';
import type { RankedFinding } from '../diagnosis/finding.ts';
import { fixSql } from '../diagnosis/fixSql.ts';
import { type DiagnosisOptions, defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { ConnectionFailed } from '../diagnosis/session.ts';
import { BadRequest } from './problem.ts';
import type { DatabaseSource } from './sources/database.ts';
import type { TraceStore } from './traces/store.ts';

export type FindingReading = RankedFinding & {
  /** SQL of its fix. */
  sql: string[];
  /** `db.query.summary` of its statements, as far as the database still knows them. */
  summaries: string[];
};

export interface DiagnosisReading {
  /** Null while there is none. */
  last: (Omit<Diagnosis, 'findings'> & { findings: FindingReading[] }) | null;
  /** Who looked: this console, or a run of sqltrail that handed its findings over. */
  origin: 'console' | 'delivered' | null;
  running: { startedAt: string; check: string; at: number; of: number; findings: number } | null;
  /** Why the last try gave nothing. */
  failure: string | null;
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

export interface DiagnosisServiceOptions {
  database: DatabaseSource;
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

  get reading(): DiagnosisReading {
    const last = this.#last;
    return {
      last: last
        ? {
            ...last,
            notes: notesOf(last),
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
    };
  }

  /** Begins; the reading tells how it goes on. @throws BadRequest while one runs */
  start({ part }: z.infer<typeof diagnosisRequest>): void {
    if (this.#running) throw new BadRequest('A diagnosis runs already; its findings come in a moment.', 409);
    const startedAt = new Date().toISOString();
    this.#running = { startedAt, check: 'connecting', at: 0, of: 0, findings: 0 };
    this.#failure = null;
    void this.#run(part, startedAt);
    this.#options.onChange();
  }

  /** Findings of another run of sqltrail on the same database. */
  async deliver(diagnosis: Diagnosis): Promise<void> {
    this.#last = diagnosis;
    this.#origin = 'delivered';
    this.#failure = null;
    await this.#nameStatements();
    this.#options.onChange();
  }

  async #run(part: 'quick' | 'model', startedAt: string): Promise<void> {
    const { database, traces, signal, onChange, log, settings } = this.#options;
    try {
      const found = await diagnose({
        ...defaultDiagnosis,
        ...(part === 'model' ? { observeMs: 0, deadlineMs: MODEL_DEADLINE_MS } : {}),
        ...settings,
        url: database.url,
        only: part === 'model' ? ['model'] : QUICK,
        spans: spansOf(traces),
        signal,
        onProgress: (progress) => {
          this.#running = { startedAt, ...progress };
          onChange();
        },
      });
      this.#last = this.#joined(found, part);
      this.#origin = 'console';
      await this.#nameStatements();
    } catch (error) {
      this.#failure =
        error instanceof ConnectionFailed ? error.message : 'It failed; the console’s log has the cause.';
      if (!(error instanceof ConnectionFailed)) log(String((error as Error)?.stack ?? error));
    } finally {
      this.#running = null;
      onChange();
    }
  }

  /** The other part stays as it was; shares of database time are those of the last observation of the workload. */
  #joined(found: Diagnosis, part: 'quick' | 'model'): Diagnosis {
    const last = this.#last;
    if (last?.target !== found.target) return found;
    const { msPerSecond, windowSeconds, partial, blind, checks, findings } = mergeDiagnoses(
      last,
      found,
      part === 'quick' ? 'second' : 'first',
    );
    return { ...found, msPerSecond, windowSeconds, partial, blind, checks, findings };
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
