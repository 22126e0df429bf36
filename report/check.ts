import { existsSync } from 'node:fs';
import path from 'node:path';
import { MIN_WINDOWS } from '../lib/stats/interval.ts';
import type { Figure } from './figures.ts';
import type { Sentence } from './sentence.ts';

const ROOT = path.join(import.meta.dirname, '..');

/** Rounding of sums. */
const EPSILON = 1e-9;

/** Figures that contradict each other, or claim more than their windows bear. */
export function figureFaults(figures: readonly Figure[]): string[] {
  const faults: string[] = [];
  for (const [quantity, same] of Map.groupBy(figures, ({ quantity, id }) => quantity ?? id)) {
    const texts = [...new Set(same.map(({ text }) => text))];
    if (texts.length > 1)
      faults.push(`two values of ${quantity}: ${same.map(({ id, text }) => `${text} (${id})`).join(', ')}`);
  }
  for (const [whole, shares] of Map.groupBy(figures, ({ shareOf }) => shareOf)) {
    if (whole === undefined) continue;
    const sum = shares.reduce((total, { value }) => total + value, 0);
    if (sum > 1 + EPSILON) faults.push(`shares of ${whole} add up to ${(sum * 100).toFixed(1)} %`);
  }
  for (const { id, windows, text } of figures)
    if (windows !== undefined && windows < MIN_WINDOWS)
      faults.push(`${id}: ${text} is an end of an interval from ${windows} windows`);
  const ends = new Map(figures.map((figure) => [figure.id, figure]));
  for (const { id, text, windows } of figures)
    if (windows !== undefined && id.endsWith(':low') && ends.get(id.replace(/low$/, 'high'))?.text === text)
      faults.push(`${id}: ${text} to ${text} is no interval`);
  return faults;
}

/**
 * Words that say more than a figure beside them does: how much there is of something, what led to what, which load it was,
 * what machine. They need a claim of claims.ts, or a file that shows them.
 */
const CLAIMING =
  /\b(always|certain|cores?|every|everything|led to|never|nobody|none|nothing|no \w+ (is|was|were|became|got) (lost|worse|missing)|ordinary load|prove[ds]?|the first alert)\b/i;

/** A proposal speaks of what is to come: what happened needs a figure or a claim. That something was not measured is said. */
const PAST = /\b(was|were|had|became|did)\b(?! not (measured|counted|compared))/i;

/** The word by which a text says more than was measured; undefined where it says none. */
export const claimingWord = (text: string): string | undefined => CLAIMING.exec(text)?.[0];

/** Sentences without grounds. */
export function sentenceFaults(sentences: readonly Sentence[]): string[] {
  return sentences.flatMap(({ text, own, figures, claims, file, proposal }) => {
    const shown = text.replaceAll(/\s+/g, ' ').slice(0, 100);
    if (file !== undefined)
      return existsSync(path.join(ROOT, file)) ? [] : [`“${shown}” rests on ${file}, which is not there`];
    if (claims.length > 0) return [];
    const word = claimingWord(own);
    if (word) return [`“${shown}” says “${word}”, which nothing measured`];
    const [past] = (proposal && PAST.exec(own)) || [];
    if (past) return [`“${shown}” tells what happened (“${past}”) as if it were a proposal`];
    return proposal || figures.length > 0 ? [] : [`“${shown}” has no figure and no claim that was measured`];
  });
}

/**
 * What a page shows of figures, by the attribute `data-figure` (or `<!-- figure ID -->…<!-- /figure -->` in Markdown),
 * against the registry; and paragraphs that have neither a figure nor grounds (`data-claim`, `data-basis`).
 */
export function pageFaults(name: string, page: string, figures: ReadonlyMap<string, Figure>): string[] {
  const faults: string[] = [];
  const plain = (text: string) =>
    text.replaceAll('&amp;', '&').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"');
  for (const [, html, markdown, text = ''] of page.matchAll(
    /(?:<span data-figure="([^"]+)">|<!-- figure (\S+) -->)([^<]*)(?:<\/span>|<!-- \/figure -->)/g,
  )) {
    const id = plain(html ?? markdown ?? '');
    const known = figures.get(id)?.text;
    if (known !== plain(text))
      faults.push(`${name}: ${id} is ${known ?? 'no figure'}, and “${text}” is shown`);
  }
  for (const [whole, tag = ''] of page.matchAll(/<(p|li)(?=[\s>])[\s\S]*?<\/\1>/g))
    if (!/data-(figure|claim|basis)=/.test(whole))
      faults.push(
        `${name}: <${tag}> has neither a figure nor grounds: ${whole.replaceAll(/<[^>]*>/g, '').slice(0, 80)}`,
      );
  return faults;
}
