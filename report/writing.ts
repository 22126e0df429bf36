import { type Html, html } from '../diagnosis/format/markup.ts';
import type { Case } from './case.ts';
import { type ClaimName, holds } from './claims.ts';
import { plain } from './plain.ts';
import { type Sentence, Sentences, Words } from './sentence.ts';

/** Text from the recording, such as a finding's title. */
export const quoted = (text: string): Words => new Words(plain(text));

/** Around a figure in text for a page; private-use characters, which no recording's text has a meaning for. */
const OPEN = '\uE000';
const BETWEEN = '\uE001';
const CLOSE = '\uE002';
const marked = (id: string, text: string) => `${OPEN}${id}${BETWEEN}${text}${CLOSE}`;

/** What deck, summary and messages say of a recording; a run that is not whole claims less. */
export class Writing extends Sentences<ClaimName> {
  readonly #input: Case;

  constructor(input: Case, sentences: Sentence<ClaimName>[] = [], shown?: typeof marked) {
    super(
      { figure: (id) => input.figures.get(id)?.text, holds: (name) => holds(input, name) },
      sentences,
      shown,
    );
    this.#input = input;
  }

  /** The same writing for a page: {@link asHtml} finds the figures of what it returns. */
  forPage(): Writing {
    return new Writing(this.#input, this.sentences, marked);
  }
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

/** Paragraphs of sentences, without the empty ones; a paragraph of a bold heading alone is empty. */
export const paragraphs = (...texts: string[]): string =>
  `${texts.filter((text) => text.trim() !== '').join('\n\n')}\n`;
