import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { makePrivateDirectory, writePrivate } from '../lib/privateFiles.ts';
import { DEFAULT_ASSUMPTIONS, readAssumptions } from './assumptions.ts';
import { readCapacity } from './capacity.ts';
import { type Case, caseOf } from './case.ts';
import { deckHtml, deckMarkdown, slides, speakerNotes } from './deck.ts';
import { appendixPage, evidenceReport } from './evidence.ts';
import { readGrowth } from './growth.ts';
import { messages } from './messages.ts';
import { provenance } from './provenance.ts';
import { readRecording } from './recording.ts';
import { roadmapPage } from './roadmap.ts';
import type { Sentence } from './sentence.ts';
import { summary, summaryPage } from './summary.ts';
import { whatIfPage } from './whatIf/page.ts';
import { Writing } from './writing.ts';

export const readCase = async (recordingFile: string, assumptionsFile = DEFAULT_ASSUMPTIONS): Promise<Case> =>
  caseOf(await readRecording(recordingFile), await readAssumptions(assumptionsFile), {
    growth: await readGrowth(),
    capacity: await readCapacity(),
  });

/** Pages and texts of a case, each sentence with its grounds. */
export function rendered(input: Case): { files: Map<string, string>; sentences: Sentence[] } {
  const writing = new Writing(input);
  const deck = slides(input, writing);
  const markdown = deckMarkdown(input, deck);
  const body = summary(input, writing);
  const files = new Map([
    ['summary.html', summaryPage(input, writing, body)],
    ['report.html', evidenceReport(input, body)],
    ['what-if.html', whatIfPage(input)],
    ['roadmap.md', roadmapPage(input)],
    ['deck.md', markdown],
    ['deck.html', deckHtml(markdown)],
    ['deck-notes.md', speakerNotes(deck)],
    ...messages(input, writing).map(({ file, text }) => [file, text] as const),
  ]);
  // Last, because it lists what the others define.
  files.set('appendix.html', appendixPage(input));
  return { files, sentences: writing.sentences };
}

/** Every file of the case by its name, from the recording and the assumptions alone: the same in, the same out. */
export async function renderReport(
  recordingFile: string,
  assumptionsFile = DEFAULT_ASSUMPTIONS,
): Promise<Map<string, string>> {
  const input = await readCase(recordingFile, assumptionsFile);
  const { files } = rendered(input);
  const figures = input.figures
    .all()
    .map((figure) => ({ ...figure, ...provenance(input.recording, figure.source) }));
  files.set('figures.json', `${JSON.stringify(figures, null, 2)}\n`);
  return files;
}

export async function writeReport(
  recordingFile: string,
  directory: string,
  assumptionsFile?: string,
): Promise<string[]> {
  const files = await renderReport(recordingFile, assumptionsFile);
  for (const [name, text] of files) {
    const file = path.join(directory, name);
    await makePrivateDirectory(path.dirname(file));
    await writePrivate(file, text);
  }
  return [...files.keys()];
}

/** Files that are not what the recording gives: missing, or changed by hand. */
export async function changedFiles(
  recordingFile: string,
  directory: string,
  assumptionsFile?: string,
): Promise<string[]> {
  const files = await renderReport(recordingFile, assumptionsFile);
  const changed: string[] = [];
  for (const [name, text] of files)
    if ((await readFile(path.join(directory, name), 'utf8').catch(() => undefined)) !== text)
      changed.push(name);
  return changed;
}
