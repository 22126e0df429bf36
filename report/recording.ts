import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { storedDiagnosis } from '../diagnosis/diagnosis.ts';
import { journalEntrySchema } from '../fix/journalEntry.ts';
import { makePrivateDirectory, replacePrivate } from '../lib/privateFiles.ts';

const instant = z.iso.datetime();

/** A KPI read at one moment; `null` when the query gave no number (no traffic, source away). */
const kpiSample = z.object({ id: z.string(), value: z.number().nullable(), met: z.boolean().nullable() });

const phase = z.object({
  name: z.string(),
  startedAt: instant,
  endedAt: instant.nullable(),
  /** Arrivals a second that the load generator offered. */
  offeredRate: z.number().nullable(),
  /** Every five seconds, as dashboards and alerts read them: each looks back over a minute, so neighbours overlap. */
  samples: z.array(z.object({ at: instant, kpis: z.array(kpiSample) })),
  /** Windows that do not overlap, for intervals: the same queries over {@link WINDOW_SECONDS}. */
  windows: z.array(
    z.object({
      endedAt: instant,
      kpis: z.array(z.object({ id: z.string(), value: z.number().nullable() })),
      /** Time of each step of the customers' journeys (checkout, history, …), p95, seconds. */
      steps: z.array(z.object({ step: z.string(), p95: z.number() })).default([]),
    }),
  ),
  /** What the load generator counted in this phase. */
  checkouts: z.object({ completed: z.number(), failed: z.number(), abandoned: z.number() }).nullable(),
  /** Requests that ended in this phase; null in recordings that did not note it. */
  requests: z.object({ total: z.number(), failed: z.number() }).nullable().default(null),
  /** Value of the baskets that were lost in this phase, euros. */
  lostBasketValue: z.number().nullable(),
  /** Seconds of statements that ran, for each second of the phase; timeouts included. */
  databaseTime: z.number().nullable().default(null),
});

/** Three or four scrapes: the shortest window over which a rate is one. Seconds. */
export const WINDOW_SECONDS = 15;

const alert = z.object({
  name: z.string(),
  severity: z.string(),
  labels: z.record(z.string(), z.string()),
  summary: z.string(),
  firstSeenAt: instant,
  /** Seconds from the start of the phase in which it was first seen. */
  afterSeconds: z.number(),
  phase: z.string(),
  /** The last sample of that phase in which it was active; null in recordings that did not note it. */
  lastSeenAt: instant.nullable().default(null),
});

const span = z.object({
  spanId: z.string(),
  parentSpanId: z.string().nullable(),
  name: z.string(),
  startMs: z.number(),
  durationMs: z.number(),
  error: z.boolean(),
  sql: z.string().nullable(),
  plan: z.unknown(),
});

const trail = z.object({
  alert: z.string(),
  statement: z.string(),
  traceId: z.string(),
  route: z.string().nullable(),
  durationMs: z.number(),
  /** Where the trace id came from: an exemplar of the metric, or the trace store's index. */
  foundBy: z.enum(['exemplar', 'trace store']),
  spans: z.array(span),
  sql: z.string().nullable(),
  plan: z.unknown(),
});

/** The statement behind a finding as a trace shows it: the slowest call of it, with its plan where one was captured. */
const causeTrace = z.object({
  /** Id of the finding. */
  finding: z.string(),
  traceId: z.string(),
  route: z.string().nullable(),
  durationMs: z.number(),
  error: z.boolean(),
  sql: z.string(),
  plan: z.unknown(),
});

/** What left the live database, by unit of the policy. */
const archival = z.object({
  units: z.array(
    z.object({ unit: z.string(), units: z.number(), rows: z.number(), bytes: z.number(), kept: z.number() }),
  ),
  seconds: z.number(),
  files: z.number(),
  /** Files that are not as they were written. */
  damaged: z.number(),
});

/** Readings from the start of the migration to its cutover of writes, and of the same load just before it. */
const strain = z.object({
  /** Load profile during the migration. */
  profile: z.string(),
  /** p95 of the customers' requests in windows of {@link WINDOW_SECONDS} that do not overlap, seconds. */
  p95Before: z.array(z.number()),
  p95DuringBackfill: z.array(z.number()),
  /** The same over the whole of each time, seconds; null when there were no requests. */
  p95BeforeWhole: z.number().nullable(),
  p95DuringBackfillWhole: z.number().nullable(),
  /** Requests of the load generator that ended while the migration ran, and those of them that failed or timed out. */
  requests: z.number(),
  failedRequests: z.number(),
  /** The longest that a session of the shop waited for a lock that the migration held, milliseconds. */
  longestWaitBehindMigrationMs: z.number(),
  /** The longest that any session waited for any lock, milliseconds. */
  longestWaitMs: z.number(),
  /** How often the locks were looked at. */
  lockSamples: z.number(),
});

const ledgerOfOrders = z.object({
  /** Entries of the load generator's ledger. */
  acknowledged: z.number(),
  /** Acknowledged order numbers that the legacy tables, or the new model, do not have. */
  missingInLegacy: z.number(),
  missingInNew: z.number(),
  /** Order numbers that are in the ledger, or in a model, more than once. */
  doubled: z.number(),
});

/** How the data model was exchanged. */
const migration = z.object({
  /** The last phase that is complete. */
  reached: z.string(),
  phases: z.array(z.object({ phase: z.string(), startedAt: instant, endedAt: instant.nullable() })),
  backfill: z.array(z.object({ table: z.string(), units: z.number(), busyMs: z.number() })),
  /** The comparison of both models before the switch; null when it did not come to that. */
  verification: z
    .object({
      equal: z.boolean(),
      rows: z.number(),
      chunks: z.number(),
      differing: z.number(),
      money: z.array(z.object({ name: z.string(), equal: z.boolean() })),
      setAside: z.number(),
    })
    .nullable(),
  ledger: z.array(z.object({ kind: z.string(), table: z.string(), entries: z.number() })),
  /** Why it went slower or stopped: waits for the KPIs, repeats after a lock was not free. */
  pauses: z.number(),
  retries: z.number(),
  /** The load generator's own count of acknowledged checkouts against the orders in the database. */
  orders: z.object({ acknowledged: z.number(), found: z.number() }).nullable(),
  /** What customers noticed of it; null where it was not watched. */
  strain: strain.nullable().default(null),
  /** Order numbers of acknowledged checkouts against those of both models, one by one, before the contract. */
  ledgerOfOrders: ledgerOfOrders.nullable().default(null),
  /** Partitioned tables of the new model, and what they are partitioned by, as Postgres writes it. */
  partitioned: z.array(z.object({ table: z.string(), by: z.string() })).default([]),
});

/** Size of the live database as Postgres tells it, bytes. */
const size = z.object({ when: z.string(), bytes: z.number() });

/** What one run of the story recorded; the only source of every figure that is shown later. */
export const recordingSchema = z.object({
  format: z.literal(2),
  startedAt: instant,
  endedAt: instant.nullable(),
  mode: z.enum(['native', 'attached']),
  scale: z.string().nullable(),
  seed: z.number().nullable(),
  /** How far the story was to go; null in recordings that did not note it. */
  until: z
    .preprocess(
      // As it was called until 0.2.
      (stage) => (stage === 'relief' ? 'mitigation' : stage),
      z.enum(['breakdown', 'mitigation', 'medium-term']).nullable(),
    )
    .default(null),
  /** `complete` only when everything that the story was to show was measured; `notes` say what was not. */
  outcome: z.enum(['running', 'complete', 'partial', 'interrupted']),
  notes: z.array(z.string()),
  phases: z.array(phase),
  alerts: z.array(alert),
  trail: trail.nullable(),
  /** For each finding that has one. */
  causeTraces: z.array(causeTrace).default([]),
  checkouts: z.record(z.string(), z.number()),
  lostBasketValue: z.number().nullable(),
  /** What `sqltrail diagnose` saw under the peak; null when the story did not get so far. */
  diagnosis: storedDiagnosis.nullable(),
  /** The journal of what was changed, with its measured effect. */
  actions: z.array(journalEntrySchema),
  /** Seconds after the last change until none of the awaited alerts was active; null when some still were. */
  silentAfterSeconds: z.number().nullable(),
  /** Null, or not there, when the story did not get so far. */
  archival: archival.nullable().default(null),
  migration: migration.nullable().default(null),
  sizes: z.array(size).default([]),
});

export type Recording = z.infer<typeof recordingSchema>;
export type RecordedTrail = z.infer<typeof trail>;
export type RecordedPhase = z.infer<typeof phase>;
export type RecordedMigration = z.infer<typeof migration>;
export type MigrationStrain = z.infer<typeof strain>;
export type LedgerOfOrders = z.infer<typeof ledgerOfOrders>;
export type RecordedCauseTrace = z.infer<typeof causeTrace>;
export type RecordedSpan = z.infer<typeof span>;

/** A recording that is kept on disk after each change, so that kill -9 loses a sample at most. */
export class RecordingFile {
  readonly recording: Recording;
  readonly file: string;

  constructor(file: string, start: Pick<Recording, 'mode' | 'scale' | 'seed' | 'until'>) {
    this.file = file;
    this.recording = {
      format: 2,
      startedAt: new Date().toISOString(),
      endedAt: null,
      outcome: 'running',
      notes: [],
      phases: [],
      alerts: [],
      trail: null,
      causeTraces: [],
      checkouts: {},
      lostBasketValue: null,
      diagnosis: null,
      actions: [],
      silentAfterSeconds: null,
      archival: null,
      migration: null,
      sizes: [],
      ...start,
    };
  }

  /** Replaces the file in one step, so that a reader never sees half of it. */
  async save(): Promise<void> {
    await makePrivateDirectory(path.dirname(this.file));
    await replacePrivate(this.file, `${JSON.stringify(this.recording, null, 2)}\n`);
  }
}

/** The file is no recording that can be used; the message names it and the field. */
export class RecordingError extends Error {}

/** A phase that a complete run must have, and this one has not. */
function missingPhase({ outcome, until, phases }: Recording): string | undefined {
  if (outcome !== 'complete') return undefined;
  return [
    'ordinary',
    'peak',
    ...(until === 'mitigation' || until === 'medium-term' ? ['peak-after-short-term'] : []),
    ...(until === 'medium-term' ? ['peak-after-medium-term'] : []),
  ].find((name) => !phases.some((phase) => phase.name === name));
}

/** @throws RecordingError naming the file and the first field at fault */
export async function readRecording(file: string): Promise<Recording> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const away = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new RecordingError(
      away
        ? `${file} does not exist; npm start makes one under out/`
        : `${file} is not JSON; it is not a recording of the story`,
      { cause },
    );
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (format !== 2)
    throw new RecordingError(
      `${file}: format: this version reads format 2, and the file has ${JSON.stringify(format) ?? 'none'}; record the story again`,
    );
  const parsed = recordingSchema.safeParse(json);
  if (parsed.success) {
    const missing = missingPhase(parsed.data);
    if (missing)
      throw new RecordingError(
        `${file}: phases: outcome is complete, but there is no phase ${missing}; set the outcome to partial, or record the story again`,
      );
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  throw new RecordingError(`${file}: ${issue?.path.join('.') || 'the whole file'}: ${issue?.message}`);
}
