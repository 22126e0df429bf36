import { type Html, html } from '../diagnosis/format/markup.ts';
import type { Case } from './case.ts';
import { type ClaimName, holds } from './claims.ts';
import { plain } from './plain.ts';

/** Text that is nobody's claim: a title from the recording, a name. */
export class Words {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Text from the recording, such as a finding's title. */
export const quoted = (text: string): Words => new Words(plain(text));

/** A sentence as it is shown, and what it rests on. */
export interface Sentence {
  text: string;
  /** Without what was put in: the writer’s own words. */
  own: string;
  /** Ids of the figures in it. */
  figures: string[];
  /** What has to be true of the recording for it to be there. */
  claims: ClaimName[];
  /** A file of the repository, such as a test, that shows it; for what holds of the tool in every run. */
  file?: string;
  /** A proposal, an advice, a heading: nothing is said about the run. */
  proposal?: boolean;
}

/** Around a figure in text for a page; private-use characters, which no recording's text has a meaning for. */
const OPEN = '\uE000';
const BETWEEN = '\uE001';
const CLOSE = '\uE002';

type Tag = (strings: TemplateStringsArray, ...parts: (string | Words)[]) => string;

/**
 * Everything that deck, summary and messages say is made here, a sentence at a time, so that each is known with its
 * grounds: `npm run check:claims` reads them. In a template a string is the id of a figure; a sentence with a figure that
 * was not measured is left out, so that a run that is not whole claims less.
 */
export class Writing {
  readonly sentences: Sentence[];
  readonly #input: Case;
  readonly #marked: boolean;

  constructor(input: Case, sentences: Sentence[] = [], marked = false) {
    this.#input = input;
    this.sentences = sentences;
    this.#marked = marked;
  }

  /** The same writing for a page: {@link asHtml} finds the figures of what it returns. */
  forPage(): Writing {
    return new Writing(this.#input, this.sentences, true);
  }

  #tag(grounds: Omit<Sentence, 'text' | 'own' | 'figures'>): Tag {
    return (strings, ...parts) => {
      const { figures } = this.#input;
      if (!grounds.claims.every((name) => holds(this.#input, name))) return '';
      const ids = parts.filter((part) => typeof part === 'string');
      if (ids.some((id) => !figures.get(id))) return '';
      const texts = parts.map((part) => (typeof part === 'string' ? figures.text(part) : part.text));
      const joined = (put: readonly string[]) => strings.map((part, at) => part + (put[at] ?? '')).join('');
      this.sentences.push({ text: joined(texts), own: strings.join(' '), figures: ids, ...grounds });
      if (!this.#marked) return joined(texts);
      return joined(
        parts.map((part, at) =>
          typeof part === 'string' ? `${OPEN}${part}${BETWEEN}${texts[at]}${CLOSE}` : part.text,
        ),
      );
    };
  }

  /** What was measured: the figures in it say it. */
  say: Tag = (strings, ...parts) => this.#tag({ claims: [] })(strings, ...parts);

  /** What is said only when the recording bears it out. */
  when = (...claims: ClaimName[]): Tag => this.#tag({ claims });

  /** What holds of the tool, whatever the run. @param file of the repository that shows it */
  known = (file: string): Tag => this.#tag({ claims: [], file });

  /** A proposal, an advice or a heading. */
  ask: Tag = (strings, ...parts) => this.#tag({ claims: [], proposal: true })(strings, ...parts);
}

/** Text of a writing {@link Writing.forPage}, with its figures as markup that leads to the registry. */
export function asHtml(text: string): Html {
  const parts = text.split(new RegExp(`${OPEN}([^${CLOSE}]*)${CLOSE}`));
  return html`${parts.map((part, at) => {
    if (at % 2 === 0) return part;
    const [id, shown] = part.split(BETWEEN);
    return html`<span data-figure="${id}">${shown}</span>`;
  })}`;
}

/** Sentences one after the other, without those that are not there. */
export const together = (...sentences: string[]): string => sentences.filter(Boolean).join(' ');

/** Paragraphs of sentences, without the empty ones; a paragraph of a bold heading alone is empty. */
export const paragraphs = (...texts: string[]): string =>
  `${texts.filter((text) => text.trim() !== '').join('\n\n')}\n`;
