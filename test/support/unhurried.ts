import { type DiagnosisOptions, defaultDiagnosis } from '../../diagnosis/run.ts';
import { PATIENCE_MS } from './patience.ts';

/**
 * A diagnosis that has time: with less it looks at less, and what tests ask is what it finds. Judged by all that was
 * counted, not by what goes on now.
 */
export const patient = {
  observeMs: 0,
  dutyCycle: 1,
  statementTimeoutMs: PATIENCE_MS,
  deadlineMs: 4 * PATIENCE_MS,
  budgetMs: 4 * PATIENCE_MS,
} satisfies Partial<DiagnosisOptions>;

/** The same, of one database. */
export const unhurried = (url: string, more: Partial<DiagnosisOptions> = {}): DiagnosisOptions => ({
  ...defaultDiagnosis,
  url,
  ...patient,
  signal: new AbortController().signal,
  ...more,
});
