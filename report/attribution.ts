import {
  type Attribution,
  attribute,
  explainedShares,
  type StatementTime,
} from '../diagnosis/attribution.ts';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { RankedFinding, StatementReference } from '../diagnosis/finding.ts';

/** The part of the database time that counts for a finding alone. */
export interface CauseShare {
  rank: number;
  /** Of all database time, 0..1; together the shares are at most 1. */
  share: number;
  /** Rank of a finding that has the time of one of its statements; null where it has all of it. */
  countedUnder: number | null;
}

const keyOf = ({ queryid, fingerprint, summary }: StatementReference) =>
  queryid ?? fingerprint ?? summary ?? '';

/**
 * Statements with their times, out of findings of an earlier version: of those with one statement, and of those of
 * which all others are known. Where several stay unknown, the first of them stands for all.
 */
function statementsOf(findings: readonly RankedFinding[], busy: number): StatementTime[] {
  const times = new Map<string, { reference: StatementReference; msPerSecond: number; calls: number }>();
  const resolve = ({ statements, cost }: RankedFinding, mostUnknown: number) => {
    const references = [...new Map(statements.map((each) => [keyOf(each), each])).values()];
    const unknown = references.filter((each) => !times.has(keyOf(each)));
    if (unknown.length === 0 || unknown.length > mostUnknown || cost.msPerSecond === undefined) return;
    const rest = references.reduce((sum, each) => sum + (times.get(keyOf(each))?.msPerSecond ?? 0), 0);
    for (const [at, reference] of unknown.entries())
      times.set(keyOf(reference), {
        reference,
        msPerSecond: at === 0 ? Math.max(0, cost.msPerSecond - rest) : 0,
        calls: cost.calls ?? 0,
      });
  };
  for (let before = -1; before < times.size; ) {
    before = times.size;
    for (const finding of findings) resolve(finding, 1);
  }
  for (const finding of findings) resolve(finding, Number.POSITIVE_INFINITY);
  // Times that were read at different moments may add up to more than all.
  const all = Math.max(
    busy,
    [...times.values()].reduce((sum, { msPerSecond }) => sum + msPerSecond, 0),
  );
  return [...times.values()].map(({ reference, msPerSecond, calls }) => ({
    ...reference,
    text: '',
    calls,
    meanMs: 0,
    msPerSecond,
    share: msPerSecond / all,
  }));
}

const attributionOf = ({ attribution, findings, msPerSecond }: Diagnosis): Attribution | null =>
  attribution ?? (msPerSecond ? attribute(statementsOf(findings, msPerSecond), findings) : null);

/** The causes with a part of the database time, and the part that no finding explains; null without a workload. */
export function causeShares(
  diagnosis: Diagnosis | null,
): { causes: CauseShare[]; unexplained: number } | null {
  const attribution = diagnosis && attributionOf(diagnosis);
  if (!attribution) return null;
  const shares = explainedShares(attribution);
  const rankOf = (id: string | null | undefined) =>
    diagnosis.findings.find((finding) => finding.id === id)?.rank ?? null;
  const causes = diagnosis.findings
    .filter(({ cost }) => cost.msPerSecond !== undefined)
    .map(({ id, rank }) => ({
      rank,
      share: shares.get(id) ?? 0,
      countedUnder: rankOf(attribution.statements.find(({ also }) => also.includes(id))?.finding),
    }));
  return { causes, unexplained: attribution.unexplainedShare };
}
