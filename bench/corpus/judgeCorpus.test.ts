import { expect, it } from 'vitest';
import type { Diagnosis } from '../../diagnosis/diagnosis.ts';
import type { CorpusDatabase } from './corpusDatabase.ts';
import { judgeCorpus, tableOf } from './judgeCorpus.ts';

const database = {
  name: 'lemmy',
  truth: {
    planted: [
      {
        check: 'missing-index',
        or: ['foreign-key-without-index'],
        table: 'a',
        columns: ['x'],
        why: 'dropped',
      },
    ],
    natural: [
      { check: 'offset-paging', table: 'a', why: 'pages' },
      { check: 'dead-rows', table: 'a', why: 'quiet' },
    ],
    accepted: [{ checks: ['cold-data'], why: 'a matter of taste' }],
    traps: [{ checks: ['cold-data'], table: 'b', why: 'always read' }],
  },
} as unknown as CorpusDatabase;

const finding = (check: string, table: string, severity = 'warning', columns?: string[]) => ({
  id: `${check}:${table}`,
  check,
  severity,
  title: check,
  objects: [{ schema: 'public', table, ...(columns && { columns }) }],
});

const diagnosis = {
  tables: 2,
  bytes: 2e6,
  partial: false,
  attribution: { unexplainedShare: 0.25, statements: [{ text: 'SELECT 1', share: 0.25, finding: null }] },
  findings: [
    finding('foreign-key-without-index', 'a', 'critical', ['x']),
    finding('dead-rows', 'a', 'info'),
    finding('cold-data', 'a'),
    finding('cold-data', 'b'),
    finding('timeouts-missing', ''),
    finding('unused-index', 'a', 'info'),
    finding('typed-as-text', 'a'),
  ],
} as unknown as Diagnosis;

it('counts causes by warnings alone, accepts matters of taste, and names the traps', () => {
  const verdict = judgeCorpus(database, diagnosis);
  expect(verdict).toMatchObject({ causes: 3, found: 1, right: 1, half: 'held-out', explained: 0.75 });
  expect(verdict.missed.map(({ check, onlyInfo }) => [check, onlyInfo])).toEqual([
    ['offset-paging', false],
    ['dead-rows', true],
  ]);
  expect(verdict.wrong.map(({ id, trap }) => [id, trap])).toEqual([
    ['cold-data:b', 'always read'],
    ['typed-as-text:a', undefined],
  ]);
  expect(verdict.accepted).toEqual(['cold-data:a', 'timeouts-missing:']);
  expect(verdict.precision).toBeCloseTo(1 / 3);
  expect(verdict.recall).toBeCloseTo(1 / 3);
});

it('tells causes of one table and one reason apart by their columns', () => {
  const of = (column: string) => ({ check: 'duplicate-index', table: 'a', columns: [column], why: 'twice' });
  const verdict = judgeCorpus(
    { name: 'lemmy', truth: { planted: [of('x'), of('y')], natural: [], accepted: [], traps: [] } } as never,
    { ...diagnosis, findings: [finding('duplicate-index', 'a', 'info', ['x'])] } as never,
  );
  expect(verdict.missed.map(({ columns, onlyInfo }) => [columns, onlyInfo])).toEqual([
    [['x'], true],
    [['y'], false],
  ]);
});

it('sums the halves up, not their shares', () => {
  const verdict = judgeCorpus(database, diagnosis);
  const table = tableOf([verdict, { ...verdict, right: 3, wrong: [], causes: 3, found: 3 }]);
  expect(table.split('\n').at(-1)).toBe('| **held-out** | | | 6 | 2 | 0.67 | 4 | 2 | 0.67 | |');
});
