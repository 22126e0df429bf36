import {
  type RankedFinding,
  type Severity,
  type StatementReference,
  severities,
} from '../diagnosis/finding.ts';

/** The part of the database time that a finding alone stands for. */
export interface Attribution {
  /** Rank of the finding. */
  rank: number;
  /** Of all database time, 0..1. The shares of all findings together are at most 1. */
  share: number;
  /** Rank of the finding that has time of this one's statements; null where it has all of it. */
  explainedBy: number | null;
}

const keyOf = ({ queryid, fingerprint, summary }: StatementReference) =>
  queryid ?? fingerprint ?? summary ?? '';

/** Time that the fix would save, as far as it is known: a fix without a prediction comes after those with one. */
function gainOf({ cost, fix }: RankedFinding): number {
  const speedup = fix?.predictedSpeedup;
  return speedup === undefined ? 0 : (cost.msPerSecond ?? 0) * (1 - 1 / Math.max(1, speedup));
}

const severityOf = ({ severity }: { severity: Severity }) => severities.indexOf(severity);

/**
 * Times of single statements, from findings that have one statement, and from those of which all others are known.
 * Milliseconds a second.
 */
function timesOf(findings: readonly RankedFinding[]): Map<string, number> {
  const times = new Map<string, number>();
  for (let before = -1; before < times.size; ) {
    before = times.size;
    for (const { statements, cost } of findings) {
      const keys = [...new Set(statements.map(keyOf))];
      const unknown = keys.filter((key) => !times.has(key));
      const [only] = unknown;
      if (only === undefined || unknown.length > 1) continue;
      const rest = keys.reduce((sum, key) => sum + (times.get(key) ?? 0), 0);
      times.set(only, Math.max(0, (cost.msPerSecond ?? 0) - rest));
    }
  }
  return times;
}

/**
 * Each statement's time counts once: for the finding whose fix gains most on it, then the more severe one, then the
 * one with the better rank. Where the times of single statements are not known, a finding that shares a statement with
 * one before it gets nothing, so that the shares can be too small, and never add up to more than all.
 */
export function attribute(
  findings: readonly RankedFinding[],
  msPerSecond: number | null | undefined,
): Attribution[] {
  const timed = findings.filter(({ cost, statements }) => cost.msPerSecond && statements.length > 0);
  if (!msPerSecond) return [];
  const times = timesOf(timed);
  const takenBy = new Map<string, number>();
  const order = [...timed].sort(
    (a, b) => gainOf(b) - gainOf(a) || severityOf(b) - severityOf(a) || a.rank - b.rank,
  );
  let left = 1;
  const found = order.map((finding): Attribution => {
    const { rank, cost, statements } = finding;
    const keys = [...new Set(statements.map(keyOf))];
    const free = keys.filter((key) => !takenBy.has(key));
    const explainedBy = keys.flatMap((key) => takenBy.get(key) ?? [])[0] ?? null;
    for (const key of free) takenBy.set(key, rank);
    const known = free.every((key) => times.has(key));
    const ms =
      explainedBy === null
        ? (cost.msPerSecond ?? 0)
        : known
          ? free.reduce((sum, key) => sum + (times.get(key) ?? 0), 0)
          : 0;
    const share = Math.min(left, ms / msPerSecond);
    left -= share;
    return { rank, share, explainedBy };
  });
  return found.sort((a, b) => b.share - a.share || a.rank - b.rank);
}
