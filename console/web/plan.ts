/** A node of EXPLAIN (FORMAT JSON). Costs in planner units, times in milliseconds, rows per loop. */
export interface PlanNode {
  'Node Type': string;
  'Parent Relationship'?: string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Join Type'?: string;
  Filter?: string;
  'Index Cond'?: string;
  'Recheck Cond'?: string;
  'Hash Cond'?: string;
  'Merge Cond'?: string;
  'Join Filter'?: string;
  'Sort Key'?: string[];
  'Group Key'?: string[];
  'Total Cost': number;
  'Plan Rows': number;
  /** With ANALYZE only. */
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Actual Total Time'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

/** A node with its own share of the plan, without its children's. */
export interface PlanPart {
  node: PlanNode;
  /** Of the whole plan, 0..1: of its time where it was measured, else of its cost. */
  share: number;
  /** How often it runs. */
  loops: number;
  /** Estimated rows against those that came: the larger over the smaller, >= 1; null when none was measured. */
  misjudged: number | null;
  children: PlanPart[];
}

export interface ReadPlan {
  root: PlanPart;
  /** The one with the largest share. */
  heaviest: PlanPart;
  /** Whether rows and times were measured. */
  analyzed: boolean;
}

/** @returns undefined for what is no plan */
export function parsePlan(text: string): PlanNode | undefined {
  try {
    const parsed = JSON.parse(text);
    const node = (Array.isArray(parsed) ? parsed[0] : parsed)?.Plan;
    return typeof node?.['Node Type'] === 'string' ? node : undefined;
  } catch {
    return undefined;
  }
}

/** How often the planner expects a child to run: a nested loop's inner side and a subplan once a row. */
function loopsOf(child: PlanNode, parent: PlanNode): number {
  if (child['Parent Relationship'] === 'SubPlan') return Math.max(1, parent['Plan Rows']);
  if (parent['Node Type'] === 'Nested Loop' && child['Parent Relationship'] === 'Inner')
    return Math.max(1, parent.Plans?.[0]?.['Plan Rows'] ?? 1);
  return 1;
}

function misjudgedOf(node: PlanNode): number | null {
  const actual = node['Actual Rows'];
  if (actual === undefined || node['Actual Loops'] === 0) return null;
  const [low, high] = [
    Math.max(1, Math.min(actual, node['Plan Rows'])),
    Math.max(1, actual, node['Plan Rows']),
  ];
  return high / low;
}

/**
 * What each node takes by itself: its cost (or measured time) less its children's. A child never counts for more than
 * its parent, since a LIMIT above ends it early.
 */
export function readPlan(root: PlanNode): ReadPlan {
  const analyzed = root['Actual Total Time'] !== undefined;
  const total = (node: PlanNode, loops: number) =>
    analyzed ? (node['Actual Total Time'] ?? 0) * (node['Actual Loops'] ?? 1) : node['Total Cost'] * loops;
  const whole = total(root, 1);
  let heaviest: PlanPart | undefined;
  const walk = (node: PlanNode, loops: number, effective: number): PlanPart => {
    let left = effective;
    const children = (node.Plans ?? []).map((child) => {
      const runs = loops * loopsOf(child, node);
      const taken = Math.min(left, total(child, runs));
      left -= taken;
      return walk(child, runs, taken);
    });
    const part: PlanPart = {
      node,
      share: whole > 0 ? left / whole : 0,
      loops: analyzed ? (node['Actual Loops'] ?? 1) : loops,
      misjudged: misjudgedOf(node),
      children,
    };
    if (!heaviest || part.share > heaviest.share) heaviest = part;
    return part;
  };
  const part = walk(root, 1, whole);
  return { root: part, heaviest: heaviest ?? part, analyzed };
}

/** Conditions and keys of a node, as EXPLAIN names them. */
export function conditionsOf(node: PlanNode): { name: string; text: string }[] {
  const names = ['Index Cond', 'Recheck Cond', 'Filter', 'Hash Cond', 'Merge Cond', 'Join Filter'] as const;
  return [
    ...names.flatMap((name) => (node[name] ? [{ name: name as string, text: String(node[name]) }] : [])),
    ...(['Sort Key', 'Group Key'] as const).flatMap((name) =>
      node[name] ? [{ name: name as string, text: node[name].join(', ') }] : [],
    ),
  ];
}
