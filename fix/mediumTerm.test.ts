import { expect, it } from 'vitest';
import type { Finding } from '../diagnosis/finding.ts';
import type { Operation } from '../diagnosis/fix.ts';
import { mediumTermOf, mediumTermSchema } from './mediumTerm.ts';

const size = { schema: 's', table: 't', rows: 50_000, bytes: 7 };
const retype: Operation = { operation: 'retype', ...size, columns: [{ column: 'a', type: 'date' }] };
const partition: Operation = { operation: 'partition', ...size, rows: -1, by: 'at', interval: 'month' };
const finding = (title: string, severity: Finding['severity'], operations: Operation[]): Finding => ({
  id: `x:${title}`,
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

it('each operation once, the most severe first, with what it takes, as data that its schema describes', () => {
  const found = mediumTermOf([
    finding('weak', 'info', [retype]),
    finding('large', 'critical', [partition, retype]),
    { ...finding('none', 'critical', []), fix: undefined } as unknown as Finding,
  ]);
  const named = (title: string) => ({ id: `x:${title}`, title });
  const common = { severity: 'critical', rowsPerSecond: 5_000, bytes: 7, lock: expect.any(String) };
  expect(found).toEqual([
    {
      ...common,
      operation: partition,
      findings: [named('large')],
      seconds: null,
      command: 'sqltrail migrate plan partition s.t --by at --interval month',
    },
    {
      ...common,
      operation: retype,
      findings: [named('large'), named('weak')],
      seconds: 10,
      command: 'sqltrail migrate plan retype s.t.a date',
    },
  ]);
  expect(
    mediumTermSchema
      .strict()
      .array()
      .parse(JSON.parse(JSON.stringify(found))),
  ).toEqual(found);
});
