import { expect, it } from 'vitest';
import { arraysAsParameters, castParameters, type PlanNode, scansOf } from './plans.ts';

it('typed literals without their text become casts, and nothing else is touched', () => {
  expect(castParameters('SELECT a FROM t WHERE at > now() - $1 * interval $2 AND day = date $3')).toBe(
    'SELECT a FROM t WHERE at > now() - $1 * $2::interval AND day = $3::date',
  );
  expect(castParameters('WHERE at = timestamp with time zone $1 LIMIT $2')).toBe(
    'WHERE at = $1::timestamp with time zone LIMIT $2',
  );
  const plain =
    'SELECT date FROM t WHERE update = $1 AND at AT TIME ZONE $2 > date + $3 OR a BETWEEN $4 AND $5';
  expect(castParameters(plain)).toBe(plain);
});

it('an array of parameters becomes one, and all are numbered anew', () => {
  expect(arraysAsParameters('SELECT a FROM t WHERE b = ANY (ARRAY[$1, $2]) AND c = $3')).toBe(
    'SELECT a FROM t WHERE b = ANY ($1) AND c = $2',
  );
  expect(arraysAsParameters('WHERE b @> ARRAY[$2 /*, ... */]::text[] AND c = $2')).toBe(
    'WHERE b @> $1::text[] AND c = $1',
  );
});

const node = (type: string, cost: number, rows: number, more: Partial<PlanNode> = {}): PlanNode => ({
  'Node Type': type,
  'Startup Cost': 0,
  'Total Cost': cost,
  'Plan Rows': rows,
  'Plan Width': 8,
  ...more,
});

it('what is there for a scan alone is told apart from what a join needs too', () => {
  const scan = node('Seq Scan', 5_000, 40, { 'Relation Name': 't' });
  const gather = node('Gather', 6_010, 100, { 'Workers Planned': 2, Plans: [scan] });
  const sort = node('Sort', 6_050, 100, { Plans: [gather] });
  expect(scansOf(node('Limit', 6_050, 10, { Plans: [sort] }))).toMatchObject([
    { cost: 5_000, gathering: 1_010, above: 40, processes: 3, limited: false, limit: undefined },
  ]);
  const other = node('Index Scan', 8, 1, {
    'Relation Name': 'u',
    'Index Cond': 'x',
    'Parent Relationship': 'Inner',
  });
  const [joined] = scansOf(
    node('Sort', 9_000, 100, { Plans: [node('Nested Loop', 8_000, 100, { Plans: [sort, other] })] }),
  );
  expect(joined).toMatchObject({ gathering: 1_010, above: 40 });
});

it('a LIMIT is taken for a hundred rows, and known where it counts the rows of the scan', () => {
  const scan = node('Index Scan', 60_000, 400, { 'Relation Name': 't', Filter: 'x' });
  const limit = node('Limit', 6_000, 40, { Plans: [scan] });
  expect(scansOf(limit)).toMatchObject([{ cost: 15_000, limited: true, limit: { 'Total Cost': 6_000 } }]);
  const other = node('Index Scan', 8, 1, {
    'Relation Name': 'u',
    'Index Cond': 'x',
    'Parent Relationship': 'Inner',
  });
  const join = node('Nested Loop', 70_000, 400, { Plans: [scan, other] });
  expect(scansOf(node('Limit', 7_000, 40, { Plans: [join] }))).toMatchObject([
    { limited: true, limit: undefined },
    { relation: 'u', loops: 400 },
  ]);
});
