import type { Diagnosis } from '../../diagnosis/diagnosis.ts';
import { atLeast, type Finding } from '../../diagnosis/finding.ts';
import { isOf, type Judged, judge } from '../thirdParty/database.ts';
import type { CorpusDatabase, Remark } from './corpusDatabase.ts';
import { type Half, halfOf } from './half.ts';

/** True of each database here, because nobody set this server up: neither right nor wrong. */
const ofTheServer: Remark[] = [
  {
    checks: ['timeouts-missing', 'pool-size', 'telemetry-blind'],
    why: 'the bench sets no timeouts, no limits of connections, and records no more than Postgres does by itself',
  },
  { checks: ['growth'], why: 'made of the dates of the rows, which the filling decides' },
  {
    checks: ['select-star'],
    why: 'each object-relational mapper does it; whether it costs is a matter of opinion',
  },
];

export interface CorpusVerdict {
  name: string;
  half: Half;
  tables: number;
  bytes: number;
  causes: number;
  /** Causes that a finding of severity warning or above names. */
  found: number;
  right: number;
  wrong: { id: string; title: string; trap?: string }[];
  missed: (Judged & { onlyInfo: boolean })[];
  accepted: string[];
  precision: number | null;
  recall: number | null;
  /** Of the database time, 0 to 1, what findings explain; null where no statements were counted. */
  explained: number | null;
  /** The most expensive statements that nothing explains, with their share of the time. */
  unexplained: { text: string; share: number }[];
  /** What the diagnosis did not finish. */
  partial: boolean;
}

const fits = (finding: Finding, remark: Remark): boolean => isOf(finding, remark.checks, remark);

const share = (part: number, of: number) => (of === 0 ? null : part / of);

export function judgeCorpus({ name, truth }: CorpusDatabase, diagnosis: Diagnosis): CorpusVerdict {
  const causes = [...truth.planted, ...truth.natural];
  const loud = diagnosis.findings.filter(({ severity }) => atLeast(severity, 'warning'));
  const { right, wrong, missed } = judge(loud, causes);
  const { missed: unnamed } = judge(diagnosis.findings, causes);
  const remarks = [...truth.accepted, ...ofTheServer];
  // A trap is narrower than what is accepted of all tables.
  const trapOf = (finding: Finding) => truth.traps.find((trap) => fits(finding, trap));
  const isAccepted = (finding: Finding) =>
    !trapOf(finding) && remarks.some((remark) => fits(finding, remark));
  const falseOnes = wrong.filter((finding) => !isAccepted(finding));
  const { attribution } = diagnosis;
  return {
    name,
    half: halfOf(name),
    tables: diagnosis.tables,
    bytes: diagnosis.bytes,
    causes: causes.length,
    found: causes.length - missed.length,
    right: right.length,
    wrong: falseOnes.map((finding) => {
      const trap = trapOf(finding)?.why;
      return { id: finding.id, title: finding.title, ...(trap && { trap }) };
    }),
    missed: missed.map((cause) => ({ ...cause, onlyInfo: !unnamed.includes(cause) })),
    accepted: wrong.filter(isAccepted).map(({ id }) => id),
    precision: share(right.length, right.length + falseOnes.length),
    recall: share(causes.length - missed.length, causes.length),
    explained: attribution && 1 - attribution.unexplainedShare,
    unexplained: (attribution?.statements ?? [])
      .filter(({ finding }) => finding === null)
      .slice(0, 5)
      .map((statement) => ({ text: statement.text, share: statement.share })),
    partial: diagnosis.partial,
  };
}

const figure = (value: number | null) => (value === null ? '-' : value.toFixed(2));

/** All as one: the sums, not the mean of the shares. */
function total(verdicts: readonly CorpusVerdict[], label: string): string {
  const sum = (of: (verdict: CorpusVerdict) => number) =>
    verdicts.reduce((all, verdict) => all + of(verdict), 0);
  const right = sum((verdict) => verdict.right);
  const wrong = sum((verdict) => verdict.wrong.length);
  const causes = sum((verdict) => verdict.causes);
  const found = sum((verdict) => verdict.found);
  return `| ${label} | | | ${causes} | ${causes - found} | ${figure(share(found, causes))} | ${right} | ${wrong} | ${figure(share(right, right + wrong))} | |`;
}

/** A Markdown table, a line for each database and one for each half. */
export function tableOf(verdicts: readonly CorpusVerdict[]): string {
  const lines = verdicts.map(
    ({ name, half, bytes, causes, found, right, wrong, precision, recall, explained }) =>
      `| ${name} | ${half} | ${(bytes / 1e6).toFixed(0)} MB | ${causes} | ${causes - found} | ${figure(recall)} | ${right} | ${wrong.length} | ${figure(precision)} | ${figure(explained)} |`,
  );
  const halves = (['development', 'held-out'] as const).flatMap((half) => {
    const those = verdicts.filter((verdict) => verdict.half === half);
    return those.length > 0 ? [total(those, `**${half}**`)] : [];
  });
  return [
    '| database | half | size | causes | missed | recall | true | false | precision | time explained |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    ...halves,
  ].join('\n');
}

/** What to look at: one line for each miss, each false finding, and each statement that nothing explains. */
export function detailsOf({ name, wrong, missed, unexplained, partial }: CorpusVerdict): string {
  return [
    ...(partial ? [`${name}: PARTIAL, not all checks were done`] : []),
    ...missed.map(
      ({ check, table, columns, why, onlyInfo }) =>
        `${name}: MISSED ${check} ${table}(${columns?.join() ?? ''})${onlyInfo ? ' (for information only)' : ''}: ${why}`,
    ),
    ...wrong.map(({ id, title, trap }) => `${name}: FALSE ${id}: ${title}${trap ? ` [trap: ${trap}]` : ''}`),
    ...unexplained.map(
      ({ text, share: of }) => `${name}: NOT EXPLAINED ${(of * 100).toFixed(1)} %: ${text.slice(0, 160)}`,
    ),
  ].join('\n');
}
