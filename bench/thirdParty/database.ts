import type { Diagnosis } from '../../diagnosis/diagnosis.ts';
import type { Finding } from '../../diagnosis/finding.ts';
import { defaultDiagnosis, diagnose } from '../../diagnosis/run.ts';

/** What is wrong with a database, judged by hand from its schema, its documentation and what was done with it. */
export interface Judged {
  check: string;
  /** Other checks that name the same cause as well. */
  or?: string[];
  table: string;
  /** The finding names at least these. */
  columns?: string[];
  why: string;
}

export interface Step {
  command: string;
  args: string[];
}

/** A database that was not written for this project. */
export interface ForeignDatabase {
  name: string;
  /** Package and version, or tool, that makes the schema. */
  source: string;
  /** Fetched into the scratch directory, at these versions. */
  packages?: { npm: string[] } | { pip: string[] };
  /** In order, in the scratch directory, which holds a copy of the database's own directory; DATABASE_URL is set. */
  steps: (Step | { sql: string })[];
  truth: Judged[];
}

/** The finding is of one of the checks, and of the table and every column that are named. */
export const isOf = (
  { check, objects: [first] }: Finding,
  checks: readonly string[],
  { table, columns = [] }: { table?: string; columns?: string[] },
): boolean =>
  checks.includes(check) &&
  (table === undefined || first?.table === table) &&
  columns.every((column) => first?.columns?.includes(column));

/** The finding is about the judged cause. */
const isAbout = (finding: Finding, cause: Judged): boolean =>
  isOf(finding, [cause.check, ...(cause.or ?? [])], cause);

export interface Verdict {
  /** Findings of severity warning or above that are true. */
  right: Finding[];
  /** Findings of severity warning or above for which there is no cause. */
  wrong: Finding[];
  /** Causes that no finding names, whatever its severity. */
  missed: Judged[];
}

/** What was done is over: it is judged by all since the statistics began. Nobody else is there to be spared. */
export const diagnoseWhatWasDone = (url: string): Promise<Diagnosis> =>
  diagnose({
    ...defaultDiagnosis,
    url,
    observeMs: 0,
    dutyCycle: 1,
    deadlineMs: 120_000,
    budgetMs: 100_000,
    signal: new AbortController().signal,
  });

/** Findings that only tell what is so (info) are no alarm: they count as found, never as false alarms. */
export function judge(findings: readonly Finding[], truth: readonly Judged[]): Verdict {
  const loud = findings.filter(({ severity }) => severity !== 'info');
  const isTrue = (finding: Finding) => truth.some((cause) => isAbout(finding, cause));
  return {
    right: loud.filter(isTrue),
    wrong: loud.filter((finding) => !isTrue(finding)),
    missed: truth.filter((cause) => !findings.some((finding) => isAbout(finding, cause))),
  };
}
