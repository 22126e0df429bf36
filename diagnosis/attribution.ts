import { z } from 'zod';
import { type Finding, type RankedFinding, severities, statementReference } from './finding.ts';

/** A statement of the workload, with the finding that its time counts for. */
const attributedStatement = statementReference.omit({ gain: true }).extend({
  /** Without values; cut off where it is long. */
  text: z.string(),
  /** In the window. */
  calls: z.number(),
  meanMs: z.number(),
  /** Database time, milliseconds for each second of wall clock. */
  msPerSecond: z.number(),
  /** Of the database time in the window, 0..1. */
  share: z.number(),
  /** Id of the one finding that its time counts for; null where no finding explains it. */
  finding: z.string().nullable(),
  /** Ids of other findings that name the statement. Its time does not count for them. */
  also: z.array(z.string()),
});

/** What the database time goes into, and what of it no finding explains. */
export const attributionSchema = z.object({
  /** Of the database time in the window, 0..1. Statements that are not listed count as not explained. */
  unexplainedShare: z.number(),
  /** Those that take most of the time, at most {@link MAX_STATEMENTS}, the most expensive first. */
  statements: z.array(attributedStatement),
});

export type Attribution = z.infer<typeof attributionSchema>;
export type AttributedStatement = z.infer<typeof attributedStatement>;
export type StatementTime = Omit<AttributedStatement, 'finding' | 'also'>;

/** Statements beyond these take too little time to be worth a line. */
export const MAX_STATEMENTS = 100;

type Claim = Pick<Finding, 'id' | 'severity' | 'statements' | 'cost' | 'fix'>;
type Reference = Claim['statements'][number];

/**
 * The finding's reference to the statement. Queryids are compared where both have one. A reference from traces has a
 * fingerprint, or only a summary, which has to be that of one statement.
 */
function referenceIn(
  { statements }: Claim,
  statement: StatementTime,
  ofSummary: (summary: string | null) => number,
): Reference | undefined {
  return statements.find(({ queryid, fingerprint, summary }) => {
    if (queryid !== null && statement.queryid !== null) return queryid === statement.queryid;
    if (fingerprint !== null && statement.fingerprint !== null) return fingerprint === statement.fingerprint;
    return summary !== null && summary === statement.summary && ofSummary(summary) === 1;
  });
}

/** Share of the statement's time that the fix saves, as predicted; 0 where nobody predicted it. */
const gainOf = ({ fix }: Claim, { gain }: Reference) =>
  gain ?? (fix?.predictedSpeedup === undefined ? 0 : 1 - 1 / Math.max(1, fix.predictedSpeedup));

/**
 * Divides the database time among the findings so that each statement's time counts once.
 *
 * A finding explains a statement when it names the statement and has a cost in database time (`cost.msPerSecond`).
 * Where several do, the statement counts for the one whose fix is predicted to save most of its time; then for the
 * more severe one; then for the one that costs more in all, then by id. A fix without a prediction counts as saving
 * nothing, so it gets only what no prediction is about. The others, and findings that name the statement without a
 * cost in database time (N+1, SELECT *), are listed in `also`.
 *
 * The whole time of a statement counts for its finding, also where the fix would save a part of it.
 */
export function attribute(statements: readonly StatementTime[], findings: readonly Claim[]): Attribution {
  const listed = [...statements].sort((a, b) => b.share - a.share).slice(0, MAX_STATEMENTS);
  const summaries = new Map<string | null, number>();
  for (const { summary } of statements) summaries.set(summary, (summaries.get(summary) ?? 0) + 1);
  const attributed = listed.map((statement): AttributedStatement => {
    const naming = findings.flatMap((finding) => {
      const reference = referenceIn(finding, statement, (summary) => summaries.get(summary) ?? 0);
      return reference ? [{ finding, gain: gainOf(finding, reference) }] : [];
    });
    const [first] = naming
      .filter(({ finding }) => finding.cost.msPerSecond !== undefined)
      .sort(
        (a, b) =>
          b.gain - a.gain ||
          severities.indexOf(b.finding.severity) - severities.indexOf(a.finding.severity) ||
          (b.finding.cost.msPerSecond ?? 0) - (a.finding.cost.msPerSecond ?? 0) ||
          a.finding.id.localeCompare(b.finding.id, 'en'),
      );
    const id = first?.finding.id ?? null;
    const others = naming.map(({ finding }) => finding.id).filter((other) => other !== id);
    return { ...statement, finding: id, also: [...new Set(others)].sort() };
  });
  const explained = attributed.reduce((sum, { finding, share }) => sum + (finding === null ? 0 : share), 0);
  return { unexplainedShare: Math.min(1, Math.max(0, 1 - explained)), statements: attributed };
}

/**
 * Share of the database time that counts for each finding, 0..1, by its id; a finding that no statement counts for is
 * not in it. The shares are disjoint: with `unexplainedShare` they add up to 1.
 */
export function explainedShares({ statements }: Attribution): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  for (const { finding, share } of statements)
    if (finding !== null) shares.set(finding, (shares.get(finding) ?? 0) + share);
  return shares;
}

/** Statements that no finding explains and that take at least `least` (0..1) of the time, the most expensive first. */
export const unexplained = ({ statements }: Attribution, least: number): AttributedStatement[] =>
  statements.filter(({ finding, share }) => finding === null && share >= least);

/** The same statements with the findings of another time. */
export const attributedAnew = (
  attribution: Attribution | null,
  findings: readonly RankedFinding[],
): Attribution | null => (attribution ? attribute(attribution.statements, findings) : null);
