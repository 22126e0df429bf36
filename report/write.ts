import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deckHtml, deckMarkdown } from './deck.ts';
import { evidenceReport, type ReportInput } from './evidence.ts';
import { Figures } from './figures.ts';
import { impactFigures, readAssumptions } from './impact.ts';
import { comparisonRows, runFigures } from './measured.ts';
import { messages } from './messages.ts';
import { readRecording } from './recording.ts';
import { mediumTermFigures, roadmapPage } from './roadmap.ts';

export const DEFAULT_ASSUMPTIONS = path.join(import.meta.dirname, 'assumptions.yaml');

/** Every file of the case by its name, from the recording and the assumptions alone: the same in, the same out. */
export async function renderReport(
  recordingFile: string,
  assumptionsFile = DEFAULT_ASSUMPTIONS,
): Promise<Map<string, string>> {
  const recording = await readRecording(recordingFile);
  const assumptions = await readAssumptions(assumptionsFile);
  const figures = new Figures();
  runFigures(figures, recording);
  mediumTermFigures(figures, recording, assumptions);
  const rows = comparisonRows(figures, recording);
  const { sensitivity } = impactFigures(figures, recording, assumptions);
  const input: ReportInput = { recording, figures, rows, assumptions, sensitivity };
  const markdown = deckMarkdown(input);
  const files = new Map([
    ['report.html', evidenceReport(input)],
    ['roadmap.md', roadmapPage(input)],
    ['deck.md', markdown],
    ['deck.html', deckHtml(markdown)],
    ...messages(recording, figures).map(({ file, text }) => [file, text] as const),
  ]);
  files.set('figures.json', `${JSON.stringify(figures.all(), null, 2)}\n`);
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
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
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
