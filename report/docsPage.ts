import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FIGURE_PAGES, filled } from './docFigures.ts';
import { TIMELINES } from './evidence.ts';
import { type Recording, RecordingError, readRecording } from './recording.ts';
import { roadmapPage } from './roadmap.ts';
import { readCase } from './write.ts';

export const ROADMAP_PAGE = path.join(import.meta.dirname, '..', 'docs', 'roadmap.md');
/** The recording that docs and tests are made from: a run on the default data, thinned by {@link thinned}. */
export const DOCS_RECORDING = path.join(import.meta.dirname, 'fixtures', 'recording.json');

/** The roadmap of the docs. */
export const docsRoadmap = async (): Promise<string> => roadmapPage(await readCase(DOCS_RECORDING));

const EVERY_NTH_SAMPLE = 5;
const DRAWN = new Set<string>(TIMELINES);

/**
 * A recording small enough for a repository, with the same figures: of the five-second samples, from which only charts
 * over time are drawn, every fifth stays with the KPIs that are drawn, and the last of each phase whole. Nothing else is
 * changed.
 */
export const thinned = (recording: Recording): Recording => ({
  ...recording,
  phases: recording.phases.map((phase) => ({
    ...phase,
    samples: phase.samples
      .map((sample, nth) => ({ ...sample, last: nth === phase.samples.length - 1, nth }))
      .filter(({ nth, last }) => nth % EVERY_NTH_SAMPLE === 0 || last)
      .map(({ at, kpis, last }) => ({ at, kpis: last ? kpis : kpis.filter(({ id }) => DRAWN.has(id)) })),
  })),
});

/** `npm run docs`; `npm run docs:recording -- out/recording.json` takes that run, for docs and tests. */
async function main(): Promise<void> {
  const [file] = process.argv.slice(2);
  if (file) {
    const recording = await readRecording(file);
    if (recording.outcome !== 'complete')
      throw new RecordingError(
        `${file}: outcome: the docs are made from a complete run, and this one is ${recording.outcome}: ${recording.notes.join(' ')}`,
      );
    await writeFile(DOCS_RECORDING, `${JSON.stringify(thinned(recording), null, 1)}\n`);
  }
  const input = await readCase(DOCS_RECORDING);
  await writeFile(ROADMAP_PAGE, roadmapPage(input));
  for (const page of FIGURE_PAGES) await writeFile(page, filled(await readFile(page, 'utf8'), input.figures));
}

if (process.argv[1] === import.meta.filename)
  await main().catch((error: Error) => {
    if (!(error instanceof RecordingError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
