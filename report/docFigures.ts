import path from 'node:path';
import type { Figures } from './figures.ts';

const DOCS = path.join(import.meta.dirname, '..', 'docs');

/** Hand-written pages with figures of the recording of the docs, between `<!-- figure ID -->` and `<!-- /figure -->`. */
export const FIGURE_PAGES = ['medium-term.md'].map((name) => path.join(DOCS, name));

/** The page with the figures that the registry has; one that it has not stays, for `npm run check:claims` to find. */
export const filled = (page: string, figures: Figures): string =>
  page.replaceAll(
    /<!-- figure (\S+) -->([^<]*)<!-- \/figure -->/g,
    (_, id: string, text: string) => `<!-- figure ${id} -->${figures.get(id)?.text ?? text}<!-- /figure -->`,
  );
