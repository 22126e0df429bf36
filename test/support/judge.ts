import type { Finding } from '../../diagnosis/finding.ts';
import type { PlantedFault } from '../../sample-shop/data/expectedFindings.ts';

const checks: Record<PlantedFault['kind'], string> = {
  'copied-columns': 'functional-dependency',
  'list-in-column': 'list-in-column',
  'number-as-text': 'typed-as-text',
  'money-as-text': 'typed-as-text',
  'date-as-text': 'typed-as-text',
  'entity-attribute-value': 'entity-attribute-value',
  'missing-primary-key': 'missing-primary-key',
  'missing-foreign-key': 'missing-foreign-key',
  'missing-index': 'missing-index',
  'never-purged': 'cold-data',
  'hot-row': 'hot-row',
};

/** Whether the finding is about the planted fault: the check, the table and every planted column. */
export function explains(finding: Finding, fault: PlantedFault): boolean {
  if (finding.check !== checks[fault.kind]) return false;
  const [object] = finding.objects;
  if (object?.table !== fault.table) return false;
  const found = object.columns ?? [];
  if (fault.kind === 'copied-columns')
    return [...fault.determinant, ...fault.columns].every((name) => found.includes(name));
  // An index serves by its first column; the others may follow.
  if (fault.kind === 'missing-index') return fault.columns.every((name, at) => found[at] === name);
  return 'columns' in fault ? fault.columns.every((name) => found.includes(name)) : true;
}

export interface Judgement {
  missed: PlantedFault[];
  /** Of the checks that the truth is about, findings that nothing was planted for. */
  unplanted: Finding[];
  recall: number;
  precision: number;
}

export function judge(findings: readonly Finding[], truth: readonly PlantedFault[]): Judgement {
  const about = new Set(truth.map(({ kind }) => checks[kind]));
  const judged = findings.filter(({ check }) => about.has(check));
  const missed = truth.filter((fault) => !judged.some((finding) => explains(finding, fault)));
  const unplanted = judged.filter((finding) => !truth.some((fault) => explains(finding, fault)));
  return {
    missed,
    unplanted,
    recall: 1 - missed.length / truth.length,
    precision: judged.length === 0 ? 1 : 1 - unplanted.length / judged.length,
  };
}
