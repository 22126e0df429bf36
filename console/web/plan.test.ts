import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlanNode, type PlanPart, parsePlan, readPlan } from './plan.ts';

const node = (type: string, cost: number, rows: number, more: Partial<PlanNode> = {}): PlanNode => ({
  'Node Type': type,
  'Total Cost': cost,
  'Plan Rows': rows,
  ...more,
});

const all = (part: PlanPart): PlanPart[] => [part, ...part.children.flatMap(all)];

describe('readPlan', () => {
  it('finds the scan below a sort, not the root that includes it', () => {
    const { heaviest, root, analyzed } = readPlan(
      node('Limit', 1_010, 20, {
        Plans: [node('Sort', 1_010, 200, { Plans: [node('Seq Scan', 1_000, 200)] })],
      }),
    );
    expect(heaviest.node['Node Type']).toBe('Seq Scan');
    expect(heaviest.share).toBeCloseTo(1_000 / 1_010);
    expect(root.share).toBe(0);
    expect(analyzed).toBe(false);
  });

  it('counts the inner side of a nested loop once a row of the outer', () => {
    const { heaviest } = readPlan(
      node('Nested Loop', 1_200, 100, {
        Plans: [
          node('Seq Scan', 150, 100, { 'Parent Relationship': 'Outer' }),
          node('Index Scan', 10, 1, { 'Parent Relationship': 'Inner' }),
        ],
      }),
    );
    expect(heaviest.node['Node Type']).toBe('Index Scan');
    expect(heaviest.loops).toBe(100);
    expect(heaviest.share).toBeCloseTo(1_000 / 1_200);
  });

  it('goes by measured time and tells how far the rows were off', () => {
    const { heaviest, analyzed } = readPlan(
      node('Hash Join', 100, 10, {
        'Actual Total Time': 50,
        'Actual Loops': 1,
        'Actual Rows': 10,
        Plans: [
          node('Seq Scan', 90, 10, { 'Actual Total Time': 5, 'Actual Loops': 1, 'Actual Rows': 10 }),
          node('Seq Scan', 5, 3, { 'Actual Total Time': 40, 'Actual Loops': 1, 'Actual Rows': 3_000 }),
        ],
      }),
    );
    expect(analyzed).toBe(true);
    expect(heaviest.node['Plan Rows']).toBe(3);
    expect(heaviest.misjudged).toBe(1_000);
  });

  it('shares are between 0 and 1 and add up to no more than the whole, whatever the plan', () => {
    const tree: fc.Memo<PlanNode> = fc.memo(
      (depth): fc.Arbitrary<PlanNode> =>
        fc.record({
          'Node Type': fc.constantFrom('Seq Scan', 'Nested Loop', 'Limit', 'Sort'),
          'Parent Relationship': fc.constantFrom('Outer', 'Inner', 'SubPlan'),
          'Total Cost': fc.double({ min: 0, max: 1e9, noNaN: true }),
          'Plan Rows': fc.nat(1e6),
          Plans: depth > 1 ? fc.array(tree(), { maxLength: 3 }) : fc.constant([]),
        }),
    );
    fc.assert(
      fc.property(tree(4), (plan) => {
        const { root, heaviest } = readPlan(plan);
        const parts = all(root);
        for (const { share } of parts) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(heaviest.share);
        }
        expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });
});

it.each(['', 'null', '[]', '{"Plan": 3}', '[{"Plan": {}}]', '[{"Plan": {"Node Type": 1}}]'])(
  'parsePlan takes %j for no plan',
  (text) => {
    expect(parsePlan(text)).toBeUndefined();
  },
);
