import { z } from 'zod';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import { type RankedFinding, severities } from '../diagnosis/finding.ts';
import { planHistorySchema } from './plans.ts';

/**
 * `new` was found by the last run for the first time, or again after it was resolved, or has become critical; `open` is
 * found on; `mitigated` has a fix in force; `resolved` is not found any more.
 */
export const findingStates = ['new', 'open', 'mitigated', 'resolved'] as const;
export type FindingState = (typeof findingStates)[number];

const trackedFinding = z.object({
  /** Of the finding: its check and what it is about. */
  id: z.string(),
  check: z.string(),
  severity: z.enum(severities),
  title: z.string(),
  state: z.enum(findingStates),
  firstSeenAt: z.string(),
  lastSeenAt: z.string(),
  /** Complete runs of its check in a row that did not find it. */
  misses: z.number(),
  /** When it entered each state; the newest last. */
  changes: z.array(z.object({ state: z.enum(findingStates), at: z.string() })).min(1),
});

export const runOutcomes = ['complete', 'partial', 'failed', 'skipped'] as const;

const watchRun = z.object({
  startedAt: z.string(),
  outcome: z.enum(runOutcomes),
  seconds: z.number(),
  /** Time in which a statement of it was running. */
  databaseSeconds: z.number(),
  findings: z.number(),
  /** Why it failed or was skipped. */
  reason: z.string().optional(),
});

export const historySchema = z.object({
  version: z.literal(1),
  findings: z.array(trackedFinding),
  /** The newest last. */
  runs: z.array(watchRun),
  /** How many there were, by outcome. */
  counts: z.record(z.enum(runOutcomes), z.number()),
  plans: planHistorySchema,
});

export type TrackedFinding = z.infer<typeof trackedFinding>;
export type WatchRun = z.infer<typeof watchRun>;
/** The findings of all runs on one database; limited in size. */
export type History = z.infer<typeof historySchema>;

export const emptyHistory = (): History => ({
  version: 1,
  findings: [],
  runs: [],
  counts: { complete: 0, partial: 0, failed: 0, skipped: 0 },
  plans: [],
});

/** Runs in a row that have to miss a finding before it is resolved: its statement may just not have run for a while. */
export const MISSES_TO_RESOLVE = 3;
const MAX_FINDINGS = 1_000;
const MAX_RUNS = 100;
const MAX_CHANGES = 20;
const RESOLVED_KEPT_MS = 90 * 86_400_000;

function entered(finding: TrackedFinding, state: FindingState, at: string): TrackedFinding {
  if (finding.state === state) return finding;
  return { ...finding, state, changes: [...finding.changes, { state, at }].slice(-MAX_CHANGES) };
}

function found(
  known: TrackedFinding | undefined,
  { id, check, severity, title }: RankedFinding,
  mitigated: boolean,
  at: string,
): TrackedFinding {
  const isNews =
    !known || known.state === 'resolved' || (severity === 'critical' && known.severity !== 'critical');
  const state = mitigated ? 'mitigated' : isNews ? 'new' : 'open';
  const now = { id, check, severity, title, lastSeenAt: at, misses: 0 };
  return known
    ? entered({ ...known, ...now }, state, at)
    : { ...now, state, firstSeenAt: at, changes: [{ state, at }] };
}

function missed(known: TrackedFinding, mitigated: boolean, at: string): TrackedFinding {
  if (known.state === 'resolved') return known;
  const misses = known.misses + 1;
  const state = mitigated ? 'mitigated' : misses >= MISSES_TO_RESOLVE ? 'resolved' : 'open';
  return entered(
    { ...known, misses },
    known.state === 'mitigated' && state === 'open' ? 'mitigated' : state,
    at,
  );
}

const changedAt = ({ changes }: TrackedFinding) => changes.at(-1)?.at ?? '';

/** The findings resolved longest ago are dropped first, then the least severe. */
const byWeight = (a: TrackedFinding, b: TrackedFinding) =>
  Number(a.state === 'resolved') - Number(b.state === 'resolved') ||
  severities.indexOf(b.severity) - severities.indexOf(a.severity) ||
  changedAt(b).localeCompare(changedAt(a), 'en') ||
  a.id.localeCompare(b.id, 'en');

/**
 * The findings after a run. Findings that a check had no time to examine are assumed to be still there.
 *
 * @param inForce ids of the findings that an applied fix answers
 */
export function recordFindings(
  findings: readonly TrackedFinding[],
  diagnosis: Pick<Diagnosis, 'startedAt' | 'checks' | 'findings'>,
  inForce: ReadonlySet<string>,
): TrackedFinding[] {
  const at = diagnosis.startedAt;
  const complete = new Set(
    diagnosis.checks.flatMap(({ id, outcome }) => (outcome === 'complete' ? [id] : [])),
  );
  const known = new Map(findings.map((finding) => [finding.id, finding]));
  const now = new Map(diagnosis.findings.map((finding) => [finding.id, finding]));
  const kept = findings
    .filter(({ id }) => !now.has(id))
    .map((finding) =>
      complete.has(finding.check)
        ? missed(finding, inForce.has(finding.id), at)
        : // What was new in an earlier run is not new any more.
          entered(finding, finding.state === 'new' ? 'open' : finding.state, at),
    )
    .filter(
      (finding) =>
        finding.state !== 'resolved' || Date.parse(at) - Date.parse(changedAt(finding)) < RESOLVED_KEPT_MS,
    );
  return [
    ...[...now.values()].map((finding) => found(known.get(finding.id), finding, inForce.has(finding.id), at)),
    ...kept,
  ]
    .sort(byWeight)
    .slice(0, MAX_FINDINGS);
}

export const recordRun = (history: History, run: WatchRun): History => ({
  ...history,
  runs: [...history.runs, run].slice(-MAX_RUNS),
  counts: { ...history.counts, [run.outcome]: history.counts[run.outcome] + 1 },
});
