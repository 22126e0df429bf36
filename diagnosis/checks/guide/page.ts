/** What a reader of a finding wants to know beyond the check's description. Markdown, a paragraph each. */
export interface Page {
  /** Why it hurts. */
  why: string;
  /** What is read and computed, with the thresholds. */
  measured: string;
  /** When the finding is wrong or may be left alone. */
  wrong: string;
  /** What to do, and what it costs. */
  fix: string;
}
