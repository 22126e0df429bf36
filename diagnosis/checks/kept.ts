import type { Finding } from '../finding.ts';

type Said = Pick<Finding, 'id' | 'check' | 'severity' | 'title' | 'explanation' | 'cause' | 'evidence'> &
  Partial<Finding>;

/** A finding about how something is set up or kept: read from the catalogue, with no statement that shows it. */
export const kept = (said: Said): Finding => ({
  objects: [],
  statements: [],
  cost: {},
  confidence: { level: 1, basis: 'exact' },
  explains: { kpis: [], traces: [] },
  ...said,
});
