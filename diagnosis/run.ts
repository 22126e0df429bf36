import { AsyncLocalStorage } from 'node:async_hooks';
import { describeStatement } from '../instrumentation/statement.ts';
import { describeTarget } from '../lib/pg/connect.ts';
import { attribute, MAX_STATEMENTS, type StatementTime } from './attribution.ts';
import { readCapabilities, readSettings, readStatements, readTables } from './catalogue.ts';
import type { Check, CheckContext, SpanSource } from './check.ts';
import { allChecks } from './checks/index.ts';
import { shortly } from './checks/shared.ts';
import { type Blind, type Diagnosis, rank } from './diagnosis.ts';
import type { Finding } from './finding.ts';
import { observe } from './observe.ts';
import type { Statement } from './relations.ts';
import { type Accounts, runChecks } from './runChecks.ts';
import { BudgetExceeded, ConnectionFailed, openSession } from './session.ts';
import { readWorkload } from './workload.ts';
import type { WorkloadEntry } from './workloadEntry.ts';

export interface DiagnosisOptions {
  url: string;
  /** Milliseconds. */
  statementTimeoutMs: number;
  lockTimeoutMs: number;
  /** Database time that the run may use, milliseconds. */
  budgetMs: number;
  /** Share of wall-clock time in which the diagnosis may keep the server busy, 0..1. */
  dutyCycle: number;
  /** Wall-clock time for all, milliseconds; what is not done by then is left out, and said. */
  deadlineMs: number;
  /** Look at the workload of this time, milliseconds; 0, or an idle database, for all since the statistics were reset. */
  observeMs: number;
  /** Rows of a table that a check may look at as a sample. */
  sampleRows: number;
  /** Size of the disk that the data lies on, for the day when it is full. */
  diskBytes?: number;
  spans?: SpanSource;
  /** Ids of checks or groups; all without it. */
  only?: readonly string[];
  skip?: readonly string[];
  signal: AbortSignal;
  /**
   * Takes the workload that was judged, with its plans, and what pg_stat_statements had counted before the run; not
   * called where the run ended before it could be read.
   */
  onWorkload?: (entries: readonly WorkloadEntry[], counted: readonly Statement[]) => void;
  onProgress?: (event: { check: string; at: number; of: number; findings: number }) => void;
}

export const defaultDiagnosis = {
  statementTimeoutMs: 5_000,
  lockTimeoutMs: 500,
  budgetMs: 20_000,
  dutyCycle: 0.5,
  deadlineMs: 28_000,
  observeMs: 8_000,
  sampleRows: 6_000,
} as const;

/** Less database time than this is an idle database. Milliseconds for each second. */
const IDLE_MS_PER_SECOND = 5;

/** @throws Error naming the wrong id and those that exist. */
export function chooseChecks(only: readonly string[] = [], skip: readonly string[] = []): Check[] {
  const known = new Set(allChecks.flatMap(({ id, group }) => [id, group]));
  for (const name of [...only, ...skip])
    if (!known.has(name))
      throw new Error(`There is no check "${name}". There are: ${[...known].sort().join(', ')}.`);
  const named = (names: readonly string[], { id, group }: Check) =>
    names.includes(id) || names.includes(group);
  return allChecks.filter((check) => (only.length === 0 || named(only, check)) && !named(skip, check));
}

function problemOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === '42501') return `permission denied: ${message}`;
  if (code === '57014') return 'a statement of it reached the diagnosis’s own statement timeout';
  if (code === '55P03') return 'a table was locked for longer than the diagnosis waits';
  if (code === '42P01' || code === 'XX000') return 'a table was dropped or changed meanwhile';
  return message ?? String(error);
}

/**
 * Reads the database and finds what costs it. One connection, read-only transactions, own timeouts, a budget of
 * database time; a check that fails costs its own findings only.
 *
 * @throws ConnectionFailed when there is no connection to begin with
 * @throws BudgetExceeded when the budget does not do for the catalogue
 */
export async function diagnose(options: DiagnosisOptions): Promise<Diagnosis> {
  const checks = chooseChecks(options.only, options.skip);
  const started = Date.now();
  // It takes whole numbers only.
  const deadline = AbortSignal.timeout(Math.ceil(options.deadlineMs));
  const signal = AbortSignal.any([options.signal, deadline]);
  const accounts: Accounts = new AsyncLocalStorage();
  const session = await openSession({ ...options, signal, account: () => accounts.getStore() });
  const notes: string[] = [];
  if (session.pooled)
    notes.push(
      'connected through a connection pooler: the diagnosis leaves nothing on its connections, but to apply a fix, archive or migrate, give the URL of the Postgres server itself',
    );
  const blind: Blind[] = [];
  let partial = false;
  const reason = (error: unknown) =>
    deadline.aborted
      ? `not finished: the ${Math.round(options.deadlineMs / 1000)} s for all were over (raise them with --deadline)`
      : problemOf(error);
  try {
    const capabilities = await readCapabilities(session);
    const [counted, tables, settings] = await Promise.all([
      readStatements(session, capabilities),
      readTables(session, (locked) => {
        for (const { schema, name } of locked)
          blind.push({
            check: 'lock-waits',
            what: `the table ${schema}.${name}, which another session has for itself or waits for`,
            remedy: 'Run the diagnosis again when that has ended; lock-waits says who holds it.',
          });
      }),
      readSettings(session),
    ]);
    const { statements } = counted;
    let now: { statements: Statement[]; windowSeconds: number | undefined } = counted;
    let observing = options.observeMs > 0 && !capabilities.statementsUnreadable;
    const watch = async (): Promise<void> => {
      options.onProgress?.({ check: 'the workload of now', at: 0, of: checks.length, findings: 0 });
      try {
        const seen = await observe(session, capabilities, statements, options.observeMs, signal, (running) =>
          session.besides(running),
        );
        const busyMs = seen.statements.reduce((sum, { totalMs }) => sum + totalMs, 0);
        // Where nothing goes on now, what went on before is looked at.
        if (busyMs / seen.seconds >= IDLE_MS_PER_SECOND || statements.length === 0)
          now = { statements: seen.statements, windowSeconds: seen.seconds };
      } catch (error) {
        options.signal.throwIfAborted();
        partial = true;
        notes.push(
          `the workload of now: ${reason(error)}; statements are judged by all since the statistics were reset`,
        );
      }
      observing = false;
    };
    let workload: Promise<readonly WorkloadEntry[]> | undefined;
    const observed = () => {
      if (observing)
        throw new Error(`${accounts.getStore()?.check.id} asks for the workload before it was observed`);
      return now;
    };
    const context: CheckContext = {
      session,
      capabilities,
      tables,
      get statements() {
        return observed().statements;
      },
      get windowSeconds() {
        return observed().windowSeconds;
      },
      settings,
      spans: options.spans,
      sampleRows: options.sampleRows,
      diskBytes: options.diskBytes,
      blind: (entry) => blind.push({ check: accounts.getStore()?.check.id ?? '', ...entry }),
      remainingMs: () => Math.max(0, started + options.deadlineMs - Date.now()),
      signal,
      workload() {
        workload ??= readWorkload(context);
        return workload;
      },
    };
    const ran = await runChecks(checks, {
      context,
      accounts,
      observation: observing ? watch() : undefined,
      onProgress: options.onProgress,
      failed(error) {
        options.signal.throwIfAborted();
        partial = true;
        const ends = error instanceof ConnectionFailed || error instanceof BudgetExceeded;
        return { problem: reason(error), ends: ends || session.lost || deadline.aborted };
      },
    });
    if (capabilities.statementsUnreadable) {
      partial = true;
      notes.push(`the workload: ${capabilities.statementsUnreadable}`);
    }
    const total = context.statements.reduce((sum, { totalMs }) => sum + totalMs, 0);
    const msPerSecond = context.windowSeconds ? total / context.windowSeconds : undefined;
    const judged = await workload?.catch(() => undefined);
    if (judged) options.onWorkload?.(judged, statements);
    const found = checks.flatMap((check) => ran.get(check)?.findings ?? []);
    await addTraces(found, judged, options.spans, notes);
    return {
      format: 2,
      target: describeTarget(options.url),
      startedAt: new Date(started).toISOString(),
      seconds: (Date.now() - started) / 1000,
      server: capabilities,
      tables: tables.length,
      bytes: tables.reduce((sum, { kind, totalBytes }) => sum + (kind === 'partitioned' ? 0 : totalBytes), 0),
      msPerSecond: msPerSecond ?? null,
      windowSeconds: context.windowSeconds ?? null,
      attribution: judged && msPerSecond ? attribute(timesOf(judged), found) : null,
      ownLoad: session.ownLoad(),
      partial,
      notes,
      blind: blind.filter(
        (entry, at) =>
          blind.findIndex((other) => other.what === entry.what && other.remedy === entry.remedy) === at,
      ),
      checks: checks.map(
        (check) => ran.get(check)?.run ?? { id: check.id, outcome: 'not run', findings: 0, busyMs: 0 },
      ),
      findings: rank(found, msPerSecond),
    };
  } finally {
    await session.close();
  }
}

/** Longer texts are cut off: the queryid leads to the whole of it. */
const MAX_TEXT = 300;

/** The statements that take most of the time. The text is masked again: that of a utility statement has its values. */
const timesOf = (entries: readonly WorkloadEntry[]): StatementTime[] =>
  entries.slice(0, MAX_STATEMENTS).map(({ statement, summary, fingerprint, msPerSecond, share }) => ({
    queryid: statement.queryid,
    summary,
    fingerprint: fingerprint ?? null,
    text: shortly(describeStatement(statement.text).text, MAX_TEXT),
    calls: statement.calls,
    meanMs: statement.meanMs,
    msPerSecond: msPerSecond ?? 0,
    share,
  }));

const MAX_TRACED = 20;

/** Traces that show the finding's worst statement. */
async function addTraces(
  found: Finding[],
  workload: readonly WorkloadEntry[] | undefined,
  spans: SpanSource | undefined,
  notes: string[],
): Promise<void> {
  if (!spans || !workload) return;
  const known = new Map<string, Promise<string[]>>();
  const mostExpensive = [...found]
    .sort((a, b) => (b.cost.msPerSecond ?? 0) - (a.cost.msPerSecond ?? 0))
    .slice(0, MAX_TRACED);
  try {
    for (const finding of mostExpensive) {
      const entry = workload.find(({ statement }) => statement.queryid === finding.statements[0]?.queryid);
      if (!entry || finding.explains.traces.length > 0) continue;
      const traces = known.get(entry.summary) ?? spans.tracesOf(entry.summary);
      known.set(entry.summary, traces);
      finding.explains.traces.push(...(await traces));
    }
  } catch (error) {
    notes.push((error as Error).message);
  }
}
