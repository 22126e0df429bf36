/**
 * Bytes of a string on V8's heap: one a character, two where any is outside Latin-1, and its header, rounded up.
 */
export const stringBytes = (text: string) => (/[^\0-\xff]/.test(text) ? 2 * text.length : text.length) + 24;

// A map entry at its largest slack, and the counter that it points to.
const ENTRY_BYTES = 120;

/** Equal texts of many spans, kept once: JSON.parse gives each a copy of its own. Counted by reference. */
export class TextPool {
  readonly #texts = new Map<string, { text: string; references: number }>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that keeping it would add. */
  costOf(text: string | null): number {
    return text === null || this.#texts.has(text) ? 0 : ENTRY_BYTES + stringBytes(text);
  }

  /** @returns the kept copy, which is to be released once */
  keep(text: string): string {
    const known = this.#texts.get(text);
    if (known) {
      known.references += 1;
      return known.text;
    }
    this.#bytes += this.costOf(text);
    this.#texts.set(text, { text, references: 1 });
    return text;
  }

  release(text: string): void {
    const known = this.#texts.get(text);
    if (!known) return;
    known.references -= 1;
    if (known.references > 0) return;
    this.#texts.delete(text);
    this.#bytes -= this.costOf(text);
  }
}
