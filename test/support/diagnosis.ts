import type { Diagnosis } from '../../diagnosis/diagnosis.ts';
import type { RankedFinding } from '../../diagnosis/finding.ts';

/** A diagnosis that found nothing. */
export const diagnosisOf = (more: Partial<Diagnosis> = {}): Diagnosis => ({
  format: 2,
  target: 'db:5432/shop',
  startedAt: '2026-01-01T00:00:00.000Z',
  seconds: 1,
  server: {
    version: 180_000,
    isReplica: false,
    isSuperuser: false,
    canReadAllStats: true,
    pgStatStatements: true,
    hypopg: false,
    pgstattuple: false,
  },
  tables: 0,
  bytes: 0,
  msPerSecond: null,
  windowSeconds: null,
  attribution: null,
  ownLoad: { statements: 1, busyMs: 1 },
  partial: false,
  notes: [],
  blind: [],
  checks: [],
  findings: [],
  ...more,
});

export const findingOf = (more: Partial<RankedFinding> = {}): RankedFinding => ({
  id: 'x',
  check: 'x',
  severity: 'info',
  title: 'x',
  explanation: '',
  cause: 'missing-index',
  rank: 1,
  shareOfLostTime: null,
  statements: [],
  objects: [],
  evidence: [],
  cost: {},
  confidence: { level: 1, basis: 'exact' },
  explains: { kpis: [], traces: [] },
  ...more,
});
