import { z } from 'zod';
import { attributedAnew, attributionSchema } from './attribution.ts';
import { type Finding, type RankedFinding, rankedFindingSchema, severities } from './finding.ts';
import { upgraded } from './versionOne.ts';

/** Something that could not be seen, and what would make it visible. */
const blind = z.object({
  check: z.string(),
  what: z.string(),
  /** The GRANT, setting or extension that helps. */
  remedy: z.string(),
});

/** What the server and the role allow. */
const capabilities = z.object({
  /** server_version_num */
  version: z.number(),
  isReplica: z.boolean(),
  isSuperuser: z.boolean(),
  canReadAllStats: z.boolean(),
  pgStatStatements: z.boolean(),
  /** Why the view cannot be read although it is there, and what helps. */
  statementsUnreadable: z.string().optional(),
  hypopg: z.boolean(),
  pgstattuple: z.boolean(),
});

const checkRun = z.object({
  id: z.string(),
  outcome: z.enum(['complete', 'failed', 'not run']),
  findings: z.number(),
  busyMs: z.number(),
  /** Why it failed. */
  problem: z.string().optional(),
});

/** What one diagnosis saw, version 2. */
const diagnosisSchema = z.object({
  format: z.literal(2),
  /** `host:port/database`. */
  target: z.string(),
  startedAt: z.iso.datetime(),
  /** Wall-clock seconds. */
  seconds: z.number(),
  server: capabilities,
  tables: z.number(),
  bytes: z.number(),
  /** Database time of all statements, milliseconds for each second of wall clock; null without pg_stat_statements. */
  msPerSecond: z.number().nullable(),
  windowSeconds: z.number().nullable(),
  /** Null where no check looked at statements, and in recordings from before there was one. */
  attribution: attributionSchema.nullable().default(null),
  /** What the diagnosis itself asked of the server. */
  ownLoad: z.object({ statements: z.number(), busyMs: z.number() }),
  /** Something ended before it was done; {@link notesOf} say what. */
  partial: z.boolean(),
  /** On the diagnosis as a whole; what a check could not do is with the check. */
  notes: z.array(z.string()),
  blind: z.array(blind),
  checks: z.array(checkRun),
  findings: z.array(rankedFindingSchema),
});

export type Diagnosis = z.infer<typeof diagnosisSchema>;
export type CheckRun = z.infer<typeof checkRun>;
export type Blind = z.infer<typeof blind>;
export type Capabilities = z.infer<typeof capabilities>;

/** A diagnosis as it was stored or sent; one of version 1 is upgraded. */
export const storedDiagnosis = z.preprocess(upgraded, diagnosisSchema);

/** Notes on the whole and on each check that did not come to its end, in words. */
export function notesOf({ notes, checks }: Pick<Diagnosis, 'notes' | 'checks'>): string[] {
  const left = checks.flatMap(({ id, outcome }) => (outcome === 'not run' ? [id] : []));
  return [
    ...notes,
    ...checks.flatMap(({ id, problem }) => (problem === undefined ? [] : [`${id}: ${problem}`])),
    ...(left.length > 0 ? [`not run: ${left.join(', ')}`] : []),
  ];
}

/**
 * Findings in the order of what they cost: time first, as a share of all database time, then severity, then bytes.
 * Several causes can share one statement, so the shares may add up to more than one.
 */
export function rank(findings: readonly Finding[], msPerSecond: number | undefined): RankedFinding[] {
  return [...findings]
    .sort(
      (a, b) =>
        (b.cost.msPerSecond ?? 0) - (a.cost.msPerSecond ?? 0) ||
        severities.indexOf(b.severity) - severities.indexOf(a.severity) ||
        (b.cost.bytes ?? 0) - (a.cost.bytes ?? 0) ||
        a.id.localeCompare(b.id, 'en'),
    )
    .map((finding, at) => ({
      ...finding,
      rank: at + 1,
      shareOfLostTime:
        msPerSecond && finding.cost.msPerSecond !== undefined
          ? Math.min(1, finding.cost.msPerSecond / msPerSecond)
          : null,
    }));
}

/**
 * Two diagnoses of one database as one: checks of the second take the place of the same checks of the first, and the
 * rest stays. `workloadOf` tells whose observation of the workload the shares are of.
 */
export function mergeDiagnoses(
  first: Diagnosis,
  second: Diagnosis,
  workloadOf: 'first' | 'second' = 'first',
): Diagnosis {
  const again = new Set(second.checks.filter(({ outcome }) => outcome !== 'not run').map(({ id }) => id));
  const checks = [
    ...first.checks.filter(({ id }) => !again.has(id)),
    ...second.checks.filter(({ id }) => again.has(id) || !first.checks.some((check) => check.id === id)),
  ];
  const { msPerSecond, windowSeconds, attribution } = workloadOf === 'first' ? first : second;
  const findings = rank(
    [...first.findings.filter(({ check }) => !again.has(check)), ...second.findings],
    msPerSecond ?? undefined,
  );
  return {
    ...first,
    seconds: first.seconds + second.seconds,
    ownLoad: {
      statements: first.ownLoad.statements + second.ownLoad.statements,
      busyMs: first.ownLoad.busyMs + second.ownLoad.busyMs,
    },
    msPerSecond,
    windowSeconds,
    attribution: attributedAnew(attribution, findings),
    partial:
      second.partial ||
      checks.some(({ outcome }) => outcome !== 'complete') ||
      (workloadOf === 'first' && first.partial && first.notes.length > 0),
    notes: [...new Set([...first.notes, ...second.notes])],
    blind: [...first.blind.filter(({ check }) => !again.has(check)), ...second.blind],
    checks,
    findings,
  };
}
