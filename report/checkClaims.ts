import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { figureFaults, pageFaults, sentenceFaults } from './check.ts';
import { FIGURE_PAGES } from './docFigures.ts';
import { DOCS_RECORDING } from './docsPage.ts';
import { readCase, rendered } from './write.ts';

/** Every fault of what is said about a recording: in figures, sentences and pages. */
export async function claimFaults(recordingFile: string): Promise<string[]> {
  const input = await readCase(recordingFile);
  const { files, sentences } = rendered(input);
  const figures = input.figures.all();
  const byId = new Map(figures.map((figure) => [figure.id, figure]));
  const pages = [...files].filter(([name]) => name.endsWith('.html') && name !== 'deck.html');
  const docs =
    recordingFile === DOCS_RECORDING
      ? await Promise.all(
          FIGURE_PAGES.map(async (file) => [path.basename(file), await readFile(file, 'utf8')] as const),
        )
      : [];
  return [
    ...figureFaults(figures),
    ...sentenceFaults(sentences),
    ...[...pages, ...docs].flatMap(([name, page]) => pageFaults(name, page, byId)),
  ];
}
