import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { catalogue, meetsObjective } from '../kpis/catalogue.ts';
import { claimingWord, sentenceFaults } from '../report/check.ts';
import { claimFaults } from '../report/checkClaims.ts';
import { DOCS_RECORDING } from '../report/docsPage.ts';
import { type Recording, readRecording } from '../report/recording.ts';
import type { Sentence } from '../report/sentence.ts';
import { readingOf } from './actions.ts';
import { type ClaimName, groundsOf, type Shown } from './web/grounds.ts';
import { assertedOf } from './web/sentences.ts';

const WEB = path.join(import.meta.dirname, 'web');
/** Their sentences are those of sentences.ts; these files hold labels, and what to do. */
const PAGES = ['incident.tsx', 'business.tsx', 'kpis.tsx', 'actions.tsx', 'migrations.tsx'];

/** What the pages were told at each reading of a run: KPIs and alerts of that moment, actions and findings of its end. */
export function shownIn({ phases, alerts, actions, diagnosis }: Recording): Shown[] {
  const done = actions.map((entry) => readingOf(entry));
  const found = diagnosis && {
    findings: diagnosis.findings.map((finding) => ({ ...finding, sql: [], summaries: [] })),
  };
  const readings = phases.flatMap(({ samples, windows }) => [
    ...samples,
    ...windows.map(({ endedAt, kpis }) => ({ at: endedAt, kpis })),
  ]);
  return readings.map(({ at, kpis }) => ({
    kpis: catalogue.flatMap((kpi) => {
      const read = kpis.find(({ id }) => id === kpi.id);
      if (!read) return [];
      const { value } = read;
      return [{ ...kpi, value, met: value === null ? null : meetsObjective(kpi, value), reason: null }];
    }),
    alerts: alerts
      .filter(({ firstSeenAt, lastSeenAt }) => firstSeenAt <= at && (lastSeenAt ?? firstSeenAt) >= at)
      .map(({ name, severity, summary, labels, firstSeenAt }) => ({
        fingerprint: name,
        name,
        severity,
        layer: labels['layer'] ?? '',
        summary,
        description: '',
        runbook: null,
        startsAt: firstSeenAt,
        muted: null,
        labels,
      })),
    actions: done,
    diagnosis: {
      last: found,
      origin: null,
      running: null,
      failure: null,
      watch: null,
    } as Shown['diagnosis'],
  }));
}

/** Sentences whose claim does not hold of what the page was told, or that have no grounds at all. */
export function assertionFaults(
  shown: Shown,
  sentences: readonly Sentence<ClaimName>[] = assertedOf(shown),
): string[] {
  const { holds, figure } = groundsOf(shown);
  return [
    ...sentenceFaults(sentences),
    ...sentences.flatMap(({ text, claims, figures }) => [
      ...claims
        .filter((name) => !holds(name))
        .map((name) => `“${text}” is said, and “${name}” does not hold`),
      ...figures
        .filter((id) => !text.includes(figure(id) ?? id))
        .map((id) => `“${text}” is said, and ${id} is ${figure(id) ?? 'no figure'}`),
    ]),
  ];
}

/** Words of a page's source that assert something, beside the sentences with grounds. Comments and code have none. */
export function pageSourceFaults(name: string, source: string): string[] {
  const texts = source
    .replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$|^import .*$/gm, '')
    .matchAll(/>([^<>{}=]*[A-Za-z][^<>{}=]*)<|'([^'\n]*\s[^'\n]*)'/g);
  return [...texts].flatMap(([, element, string]) => {
    const text = (element ?? string ?? '').replaceAll(/\s+/g, ' ').trim();
    const word = claimingWord(text);
    return word
      ? [`${name}: “${text.slice(0, 100)}” says “${word}” beside the sentences of sentences.ts`]
      : [];
  });
}

/** Every fault of what the console would have said during a run. */
export async function consoleFaults(recordingFile: string): Promise<string[]> {
  const shown = shownIn(await readRecording(recordingFile));
  const sources = await Promise.all(
    PAGES.map(async (file) => pageSourceFaults(file, await readFile(path.join(WEB, file), 'utf8'))),
  );
  return [...new Set([...shown.flatMap((each) => assertionFaults(each)), ...sources.flat()])];
}

/** `npm run check:claims [recording]`; exit code 1 where something is said that was not measured. */
async function main(): Promise<void> {
  const [file = DOCS_RECORDING] = process.argv.slice(2);
  const faults = [...(await claimFaults(file)), ...(await consoleFaults(file))];
  for (const fault of faults) process.stdout.write(`${fault}\n`);
  process.stdout.write(faults.length === 0 ? 'Each claim was measured.\n' : `${faults.length} faults.\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) await main();
