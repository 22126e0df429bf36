import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { renderReport } from './write.ts';

export const ROADMAP_PAGE = path.join(import.meta.dirname, '..', 'docs', 'roadmap.md');

/** The roadmap of the docs: that of the recording that the tests use, a run on the default data. */
export async function docsRoadmap(): Promise<string> {
  const files = await renderReport(path.join(import.meta.dirname, 'fixtures', 'recording.json'));
  return files.get('roadmap.md') as string;
}

if (process.argv[1] === import.meta.filename) await writeFile(ROADMAP_PAGE, await docsRoadmap());
