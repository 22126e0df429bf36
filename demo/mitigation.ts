import { styleText } from 'node:util';
import { describeEvent } from '../cli/fixText.ts';
import { type Diagnosis, mergeDiagnoses, notesOf } from '../diagnosis/diagnosis.ts';
import { costText } from '../diagnosis/format/text.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { consoleSpans } from '../diagnosis/spans.ts';
import { type Application, MITIGATED, mitigate } from '../fix/mitigate.ts';
import type { Recording } from '../report/recording.ts';
import type { StoryDatabases } from './clients.ts';

export interface MitigationOptions {
  databases: StoryDatabases;
  consoleUrl: string;
  recording: Recording;
  application: Application;
  say: (text: string) => void;
  status: (text: string) => void;
  signal: AbortSignal;
}

// The data model is the same afterwards; under the peak it would only take time from the shop.
const diagnoseNow = ({ databases, consoleUrl, signal }: MitigationOptions): Promise<Diagnosis> =>
  diagnose({
    ...defaultDiagnosis,
    url: databases.monitor,
    spans: consoleSpans(consoleUrl, signal),
    only: [...MITIGATED],
    signal,
  });

/** The diagnosis while the peak goes on. */
export async function diagnosisStage(options: MitigationOptions): Promise<Diagnosis> {
  const { recording, say } = options;
  const diagnosis = await diagnoseNow(options);
  recording.diagnosis = diagnosis;
  const shown = diagnosis.findings.filter(({ severity }) => severity === 'critical').slice(0, 10);
  for (const { rank, title, cost, shareOfLostTime } of shown)
    say(
      `  ${String(rank).padStart(2)}. ${title}${shareOfLostTime === null ? '' : styleText('bold', `  ${Math.round(shareOfLostTime * 100)} % of database time`)}\n      ${styleText('dim', costText(cost))}`,
    );
  const rest = diagnosis.findings.length - shown.length;
  say(
    `  and ${rest} more; it took ${diagnosis.seconds.toFixed(0)} s, and ${(diagnosis.ownLoad.busyMs / 1000).toFixed(1)} s of one connection. It changed nothing.`,
  );
  for (const note of notesOf(diagnosis)) say(`  Partial: ${note}`);
  return diagnosis;
}

/** The data model, once the mitigation has made room for reading it. */
export async function modelStage({ databases, recording, say, signal }: MitigationOptions): Promise<void> {
  const model = await diagnose({
    ...defaultDiagnosis,
    url: databases.monitor,
    only: ['model'],
    observeMs: 0,
    signal,
  });
  for (const { title, cost } of model.findings.filter(({ severity }) => severity === 'critical'))
    say(`  ${title}\n      ${styleText('dim', costText(cost))}`);
  say(`  ${model.findings.length} findings on the data model; sqltrail diagnose shows them all.`);
  if (recording.diagnosis) recording.diagnosis = mergeDiagnoses(recording.diagnosis, model);
}

const ROUNDS = 3;
const WINDOWS = 2;
const WINDOW_MS = 4_000;
const REVIEW_DAYS = 30;

/** The workflow of `sqltrail fix`, under the peak load. */
export async function mitigationStage(options: MitigationOptions, first: Diagnosis): Promise<void> {
  const { databases, recording, application, say, status, signal } = options;
  await mitigate({
    url: databases.owner,
    readUrl: databases.monitor,
    rounds: ROUNDS,
    windows: WINDOWS,
    windowMs: WINDOW_MS,
    reviewDays: REVIEW_DAYS,
    application,
    signal,
    diagnose: async (round) => (round === 1 ? first : diagnoseNow(options)),
    onPool: ({ action, reason }) => {
      if (!action) say(`  – the shop’s pool stays: ${reason}`);
    },
    onEvent: (event) => {
      const text = describeEvent(event);
      if (event.type === 'measuring')
        status(`  measuring ${event.what} for ${event.seconds} s: ${event.action.title}`);
      else if (event.type === 'progress') status(`  ${event.action.title}: ${event.phase}`);
      else if (text && event.type !== 'applying') say(text);
    },
    onApplied: (journal) => {
      recording.actions = [...journal];
    },
  });
}
