import { z } from 'zod';
import type { SpanSource } from '../diagnosis/check.ts';
import {
  type Diagnosis,
  type DiagnosisOptions,
  defaultDiagnosis,
  diagnose,
  type RankedFinding,
  rank,
} from '../diagnosis/run.ts';
import { ConnectionFailed } from '../diagnosis/session.ts';
import { BadRequest } from './problem.ts';
import type { DatabaseSource } from './sources/database.ts';
import type { TraceStore } from './traces/store.ts';

export interface FindingReading extends RankedFinding {
  /** `db.query.summary` of its statements, as far as the database still knows them. */
  summaries: string[];
}

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

/** What is shown of a finding; a delivered one is checked, since a page that fails on it shows nothing at all. */
const findingSchema = z.looseObject({
  id: z.string(),
  check: z.string(),
  severity: z.enum(['info', 'warning', 'critical']),
  title: z.string(),
  explanation: z.string(),
  cause: z.string(),
  rank: z.number(),
  shareOfLostTime: z.number().nullable(),
  statements: z.array(z.string()),
  objects: z.array(z.looseObject({ schema: z.string() })),
  evidence: z.array(
    z.looseObject({ label: z.string(), value: z.union([z.string(), z.number()]), how: z.string() }),
  ),
  cost: z.looseObject({}),
  confidence: z.looseObject({ level: z.number(), basis: z.string() }),
  explains: z.object({ kpis: z.array(z.string()), traces: z.array(z.string()) }),
  fix: z
    .looseObject({
      summary: z.string(),
      sql: z.array(z.string()),
      undo: z.array(z.string()),
      lock: z.string(),
      risk: z.string(),
      expectedEffect: z.string(),
    })
    .optional(),
});

export const deliveredDiagnosis = z
  .looseObject({
    format: z.literal(1),
    target: z.string(),
    startedAt: z.iso.datetime(),
    seconds: z.number(),
    notes: z.array(z.string()),
    blind: z.array(z.looseObject({ what: z.string(), remedy: z.string() })),
    checks: z.array(z.looseObject({ id: z.string() })),
    ownLoad: z.object({ statements: z.number(), busyMs: z.number() }),
    partial: z.boolean(),
    msPerSecond: z.number().nullable(),
    // Counted before each is looked at.
    findings: z.array(z.unknown()).max(2_000).pipe(z.array(findingSchema)),
  })
  // What is not looked at here is passed on as it came.
  .transform((given) => given as unknown as Diagnosis);

/** The traces that this console keeps, as the diagnosis asks for them. */
const spansOf = (traces: TraceStore): SpanSource => ({
  repeatedStatements: async () => traces.repeatedStatements(),
  tracesOf: async (summary) =>
    traces.find({ statement: summary, limit: 3 }).found.map(({ traceId }) => traceId),
});

export interface DiagnosisDeskOptions {
  database: DatabaseSource;
  traces: TraceStore;
  signal: AbortSignal;
  onChange: () => void;
  log: (message: string) => void;
  /** Other than {@link defaultDiagnosis}. */
  settings?: Partial<DiagnosisOptions> | undefined;
}

/** Runs `diagnose` with the monitoring role when it is asked to, one at a time, and keeps the last result. */
export class DiagnosisDesk {
  readonly #options: DiagnosisDeskOptions;
  #last: Diagnosis | undefined;
  #origin: DiagnosisReading['origin'] = null;
  #running: DiagnosisReading['running'] = null;
  #failure: string | null = null;
  /** Summaries by queryid; kept beyond a reset of pg_stat_statements. */
  readonly #summaries = new Map<string, string>();

  constructor(options: DiagnosisDeskOptions) {
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
            findings: last.findings.map((finding) => ({
              ...finding,
              summaries: [
                ...new Set(finding.statements.flatMap((queryid) => this.#summaries.get(queryid) ?? [])),
              ],
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

  /** The other part stays as it was seen; shares of database time are those of the last look at the workload. */
  #joined(found: Diagnosis, part: 'quick' | 'model'): Diagnosis {
    const last = this.#last;
    if (last?.target !== found.target) return found;
    const anew = new Set(found.checks.map(({ id }) => id));
    const { msPerSecond, windowSeconds } = part === 'quick' ? found : last;
    const others = last.findings.filter(({ check }) => !anew.has(check));
    return {
      ...found,
      msPerSecond,
      windowSeconds,
      checks: [...last.checks.filter(({ id }) => !anew.has(id)), ...found.checks],
      findings: rank([...found.findings, ...others], msPerSecond ?? undefined),
    };
  }

  /** A database that does not answer costs the links, not the findings. */
  async #nameStatements(): Promise<void> {
    const facts = await this.#options.database.facts().catch(() => undefined);
    const wanted = new Set(this.findings.flatMap(({ statements }) => statements));
    for (const queryid of this.#summaries.keys()) if (!wanted.has(queryid)) this.#summaries.delete(queryid);
    for (const { queryid, summary } of facts?.statements ?? [])
      if (wanted.has(queryid)) this.#summaries.set(queryid, summary);
  }
}
