import { type DiagnosisOptions, defaultDiagnosis } from '../../diagnosis/run.ts';

/**
 * A diagnosis that has time: with less it looks at less, and what tests ask is what it finds. Judged by all that was
 * counted, not by what goes on now.
 */
export const unhurried = (url: string, more: Partial<DiagnosisOptions> = {}): DiagnosisOptions => ({
  ...defaultDiagnosis,
  url,
  observeMs: 0,
  dutyCycle: 1,
  deadlineMs: 120_000,
  budgetMs: 100_000,
  signal: new AbortController().signal,
  ...more,
});
