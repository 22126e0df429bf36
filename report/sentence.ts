/** Text that is nobody's claim: a title from the recording, a name. */
export class Words {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A sentence as it is shown, and what it rests on. */
export interface Sentence<Claim extends string = string> {
  text: string;
  /** Without what was put in: the writer’s own words. */
  own: string;
  /** Ids of the figures in it. */
  figures: string[];
  /** What has to be true of what was measured for it to be there. */
  claims: Claim[];
  /** A file of the repository, such as a test, that shows it; for what holds of the tool in every run. */
  file?: string;
  /** A proposal, an advice, a heading: nothing is said about the run. */
  proposal?: boolean;
}

/** What was measured, as sentences ask for it. */
export interface Grounds<Claim extends string> {
  /** @returns the text of a figure; undefined where it was not measured */
  figure(id: string): string | undefined;
  holds(claim: Claim): boolean;
}

type Tag = (strings: TemplateStringsArray, ...parts: (string | Words)[]) => string;

/**
 * Everything that deck, summary, messages and the console's pages say is made here, a sentence at a time, so that each is
 * known with its grounds: `npm run check:claims` reads them. In a template a string is the id of a figure; a sentence
 * with a figure that was not measured, or a claim that does not hold, is left out.
 */
export class Sentences<Claim extends string> {
  readonly sentences: Sentence<Claim>[];
  readonly #grounds: Grounds<Claim>;
  readonly #shown: (id: string, text: string) => string;

  /** @param shown a figure as the text that is returned has it; the figure's own text without it */
  constructor(
    grounds: Grounds<Claim>,
    sentences: Sentence<Claim>[] = [],
    shown: (id: string, text: string) => string = (_, text) => text,
  ) {
    this.#grounds = grounds;
    this.sentences = sentences;
    this.#shown = shown;
  }

  #tag(rests: Omit<Sentence<Claim>, 'text' | 'own' | 'figures'>): Tag {
    return (strings, ...parts) => {
      if (!rests.claims.every((name) => this.#grounds.holds(name))) return '';
      const put: { text: string; shown: string }[] = [];
      for (const part of parts) {
        const text = typeof part === 'string' ? this.#grounds.figure(part) : part.text;
        if (text === undefined) return '';
        put.push({ text, shown: typeof part === 'string' ? this.#shown(part, text) : text });
      }
      const joined = (as: 'text' | 'shown') =>
        strings.map((part, at) => part + (put[at]?.[as] ?? '')).join('');
      const figures = parts.filter((part) => typeof part === 'string');
      this.sentences.push({ text: joined('text'), own: strings.join(' '), figures, ...rests });
      return joined('shown');
    };
  }

  /** What was measured: the figures in it say it. */
  say: Tag = (strings, ...parts) => this.#tag({ claims: [] })(strings, ...parts);

  /** What is said only when what was measured bears it out. */
  when = (...claims: Claim[]): Tag => this.#tag({ claims });

  /** What holds of the tool, whatever the run. @param file of the repository that shows it */
  known = (file: string): Tag => this.#tag({ claims: [], file });

  /** A proposal, an advice or a heading. */
  ask: Tag = (strings, ...parts) => this.#tag({ claims: [], proposal: true })(strings, ...parts);
}

/** Sentences one after the other, without those that are not there. */
export const together = (...sentences: string[]): string => sentences.filter(Boolean).join(' ');
