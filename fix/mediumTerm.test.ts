import { expect, it } from 'vitest';
import type { Finding } from '../diagnosis/finding.ts';
import type { Operation } from '../diagnosis/fix.ts';
import { mediumTermOf } from './mediumTerm.ts';

const size = { schema: 's', table: 't', rows: 50_000, bytes: 7 };
const retype: Operation = { operation: 'retype', ...size, columns: [{ column: 'a', type: 'date' }] };
const partition: Operation = { operation: 'partition', ...size, rows: -1, by: 'at', interval: 'month' };
const finding = (title: string, severity: Finding['severity'], operations: Operation[]): Finding => ({
  id: title,
  check: 'growth',
  severity,
  title,
  explanation: '',
  cause: 'cold-data',
  objects: [],
  statements: [],
  evidence: [],
  cost: {},
  confidence: { level: 1, basis: 'exact' },
  explains: { kpis: [], traces: [] },
  fix: {
    kind: 'migration',
    changes: [],
    summary: '',
    lock: '',
    risk: '',
    expectedEffect: '',
    operations,
  },
});

it('each operation once, the most severe first, with its size and time', () => {
  expect(
    mediumTermOf([
      finding('weak', 'info', [retype]),
      finding('large', 'critical', [partition, retype]),
      { ...finding('none', 'critical', []), fix: undefined } as unknown as Finding,
    ]),
  ).toEqual([
    { operation: partition, findings: ['large'], severity: 'critical', seconds: null, bytes: 7 },
    { operation: retype, findings: ['large', 'weak'], severity: 'critical', seconds: 10, bytes: 7 },
  ]);
});
