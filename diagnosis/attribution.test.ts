import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findingOf } from '../test/support/diagnosis.ts';
import { propertyRuns } from '../test/support/property.ts';
import {
  attribute,
  explainedShares,
  MAX_STATEMENTS,
  type StatementTime,
  unexplained,
} from './attribution.ts';
import { severities } from './finding.ts';

const time = (queryid: string, share: number, more: Partial<StatementTime> = {}): StatementTime => ({
  queryid,
  summary: `SELECT ${queryid}`,
  fingerprint: `f${queryid}`,
  text: 'SELECT $1',
  calls: 1,
  meanMs: 1,
  msPerSecond: share * 100,
  share,
  ...more,
});
const naming = (queryid: string, gain?: number) => ({
  queryid,
  summary: null,
  fingerprint: null,
  ...(gain === undefined ? {} : { gain }),
});
const claim = (id: string, more: Parameters<typeof findingOf>[0] = {}) =>
  findingOf({ id, severity: 'warning', cost: { msPerSecond: 1 }, ...more });

it('a statement counts for the finding whose fix saves most of it, and others are named beside', () => {
  const { statements } = attribute(
    [time('1', 0.6), time('2', 0.4)],
    [
      claim('counts', { severity: 'critical', statements: [naming('1'), naming('2')] }),
      claim('index', { statements: [naming('1', 0.9), naming('2', 0.2)] }),
      claim('better index', { statements: [naming('2', 0.8)] }),
    ],
  );
  expect(statements.map(({ finding, also }) => [finding, also])).toEqual([
    ['index', ['counts']],
    ['better index', ['counts', 'index']],
  ]);
});

it('of fixes that save the same, the more severe finding counts, then the more expensive one', () => {
  const of = (...findings: ReturnType<typeof claim>[]) =>
    attribute([time('1', 1)], findings).statements[0]?.finding;
  const statements = [naming('1')];
  expect(of(claim('a', { statements }), claim('b', { statements, severity: 'critical' }))).toBe('b');
  expect(of(claim('a', { statements }), claim('b', { statements, cost: { msPerSecond: 2 } }))).toBe('b');
  expect(of(claim('b', { statements }), claim('a', { statements }))).toBe('a');
});

describe('what explains no time', () => {
  it('a finding that costs no database time', () => {
    const { statements, unexplainedShare } = attribute(
      [time('1', 0.7)],
      [claim('star', { statements: [naming('1')], cost: { calls: 3 } })],
    );
    expect(unexplainedShare).toBe(1);
    expect(statements[0]).toMatchObject({ finding: null, also: ['star'] });
  });

  it('a summary that several statements have', () => {
    const traced = claim('n', {
      statements: [{ queryid: null, summary: 'SELECT orders', fingerprint: null }],
    });
    const summary = 'SELECT orders';
    const finding = (times: StatementTime[]) => attribute(times, [traced]).statements[0]?.finding;
    expect(finding([time('1', 0.7, { summary })])).toBe('n');
    expect(finding([time('1', 0.7, { summary }), time('2', 0.1, { summary })])).toBe(null);
  });

  it('statements too many to be listed', () => {
    const many = Array.from({ length: MAX_STATEMENTS + 50 }, (_, at) => time(String(at), 1 / 150));
    const { statements, unexplainedShare } = attribute(many, [
      claim('all', { statements: many.map(({ queryid }) => naming(queryid ?? '')) }),
    ]);
    expect(statements).toHaveLength(MAX_STATEMENTS);
    expect(unexplainedShare).toBeCloseTo(50 / 150);
  });
});

it('shares of findings are disjoint: with what is not explained they are the whole time', () => {
  const statement = fc.integer({ min: 1, max: 12 }).map(String);
  const finding = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    severity: fc.constantFrom(...severities),
    cost: fc.constantFrom({}, { msPerSecond: 1 }, { msPerSecond: 5 }),
    statements: fc.array(
      fc.tuple(statement, fc.constantFrom(undefined, 0, 0.5, 1)).map(([id, gain]) => naming(id, gain)),
    ),
  });
  fc.assert(
    fc.property(
      fc.dictionary(statement, fc.integer({ min: 1, max: 1000 }), { minKeys: 1 }),
      fc.uniqueArray(finding, { selector: ({ id }) => id }),
      (times, findings) => {
        const total = Object.values(times).reduce((sum, ms) => sum + ms, 0);
        const statements = Object.entries(times).map(([id, ms]) => time(id, ms / total));
        const attribution = attribute(statements, findings.map(findingOf));
        const shares = [...explainedShares(attribution).values()];
        expect(shares.reduce((sum, share) => sum + share, attribution.unexplainedShare)).toBeCloseTo(1, 9);
        for (const { queryid, finding: id, also } of attribution.statements) {
          const names = findings.filter(({ statements: own }) =>
            own.some((each) => each.queryid === queryid),
          );
          const all = id === null ? also : [id, ...also];
          expect(all.toSorted()).toEqual(names.map((each) => each.id).sort());
          expect(id === null).toBe(names.every(({ cost }) => !('msPerSecond' in cost)));
        }
        expect(unexplained(attribution, 0).every((each) => each.finding === null)).toBe(true);
        expect(attribute(statements, findings.toReversed().map(findingOf))).toEqual(attribution);
      },
    ),
    { numRuns: propertyRuns(200) },
  );
});
