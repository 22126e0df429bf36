import { styleText } from 'node:util';
import { describeEvent } from '../cli/fix.ts';
import { type Diagnosis, mergeDiagnoses, notesOf } from '../diagnosis/diagnosis.ts';
import type { Finding } from '../diagnosis/finding.ts';
import { costText } from '../diagnosis/format/text.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { consoleSpans } from '../diagnosis/spans.ts';
import { type Action, actionsFor } from '../fix/action.ts';
import { withTimes } from '../fix/duration.ts';
import { settingsActions } from '../fix/settings.ts';
import { applyShortTerm, type Handlers, readJournal } from '../fix/shortTerm.ts';
import type { Recording } from '../report/recording.ts';
import type { StoryDatabases } from './clients.ts';

export interface ReliefOptions {
  databases: StoryDatabases;
  consoleUrl: string;
  recording: Recording;
  /** Actions that belong to the shop, such as its rewritten queries; after those of the findings. */
  ofTheShop: (findings: readonly Finding[]) => Action[];
  /** The shop's pool, sized for the load after the relief. */
  poolOfTheShop: () => Promise<{ action: Action | undefined; reason: string }>;
  handlers: Handlers;
  say: (text: string) => void;
  status: (text: string) => void;
  signal: AbortSignal;
}

/** The diagnosis while the peak goes on. */
export async function diagnosisStage(
  { databases, consoleUrl, recording, say, signal }: ReliefOptions,
  only?: string[],
): Promise<Diagnosis> {
  const diagnosis = await diagnose({
    ...defaultDiagnosis,
    url: databases.monitor,
    spans: consoleSpans(consoleUrl, signal),
    // The data model is the same afterwards; under the peak it would only take time from the shop.
    only: only ?? ['indexes', 'queries', 'set-up', 'size'],
    signal,
  });
  if (only) return diagnosis;
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

/** The data model, once the relief has made room for reading it. */
export async function modelStage({ databases, recording, say, signal }: ReliefOptions): Promise<void> {
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

/**
 * Short-term relief under the peak load: what the findings ask for, in rounds, because relief lets statements through
 * that nothing was known of before; then what the shop itself offers.
 */
export async function shortTermStage(options: ReliefOptions, first: Diagnosis): Promise<void> {
  const { databases, recording, handlers, ofTheShop, poolOfTheShop, say, status, signal } = options;
  const apply = async (actions: Action[]) => {
    const measured = { windows: WINDOWS, windowMs: WINDOW_MS, handlers, signal };
    await applyShortTerm({
      ...measured,
      url: databases.owner,
      readUrl: databases.monitor,
      // What each is expected to take is journalled beside what it takes.
      actions: await withTimes({
        ...measured,
        url: databases.monitor,
        actions,
      }),
      reviewDays: 30,
      onEvent: (event) => {
        const text = describeEvent(event);
        if (event.type === 'measuring')
          status(`  measuring ${event.what} for ${event.seconds} s: ${event.action.title}`);
        else if (event.type === 'progress') status(`  ${event.action.title}: ${event.phase}`);
        else if (text && event.type !== 'applying') say(text);
      },
    });
    recording.actions = await readJournal(databases.owner);
  };
  const tried = new Set<string>();
  let { findings } = first;
  for (let round = 1; round <= ROUNDS; round += 1) {
    const actions = actionsFor(findings).filter(({ id }) => !tried.has(id));
    if (actions.length === 0) break;
    for (const { id } of actions) tried.add(id);
    await apply(actions);
    if (round < ROUNDS) ({ findings } = await diagnosisStage(options, ['indexes', 'queries']));
  }
  await apply(await settingsActions({ url: databases.monitor, signal }));
  await apply(ofTheShop(first.findings));
  // Only now do the connections show what the load needs: before, all were held by slow statements.
  const { action, reason } = await poolOfTheShop();
  if (action) await apply([action]);
  else say(`  – the shop’s pool stays: ${reason}`);
}
