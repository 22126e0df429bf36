import type { Session } from './readSession.ts';
import { readingOf } from './sql/reading.ts';

/** A node of EXPLAIN (FORMAT JSON); only what is used here. Costs in planner units, rows per loop. */
export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  Schema?: string;
  Alias?: string;
  'Index Name'?: string;
  'Parent Relationship'?: string;
  'Startup Cost': number;
  'Total Cost': number;
  'Plan Rows': number;
  'Plan Width': number;
  'Workers Planned'?: number;
  Filter?: string;
  'Index Cond'?: string;
  'Recheck Cond'?: string;
  Plans?: PlanNode[];
}

/**
 * Rows that a LIMIT is taken to ask for: its number is a parameter too, for which the planner takes a tenth of all.
 */
export const ASSUMED_LIMIT = 100;

/** One scan of a table in a plan. */
export interface Scan {
  node: PlanNode;
  relation: string;
  alias: string;
  /** It reads the whole table: sequentially, or along an index of another column, to throw most rows away. */
  sequential: boolean;
  /** A LIMIT above may end it early. */
  limited: boolean;
  /** That LIMIT, where it counts this scan's rows and not those of a join. */
  limit: PlanNode | undefined;
  /** Planner cost of one run; for a limited one as far as {@link ASSUMED_LIMIT} rows need. */
  cost: number;
  /** How often the planner expects it to run. */
  loops: number;
  /** Parallel processes that share it; costs and rows are of one of them. */
  processes: number;
  /** Planner cost of starting and gathering processes that are there for this scan alone. */
  gathering: number;
  /** Planner cost of the nodes that see its rows alone, such as a sort, up to the first join or to the top. */
  above: number;
}

/**
 * pg_stat_statements writes `interval '1 day'` as `interval $1`, which Postgres itself does not take; `$1::interval`
 * means the same. Nothing but a typed literal has a type's name directly before a parameter.
 */
export const castParameters = (sql: string): string =>
  sql.replaceAll(
    /\b(interval|date|timestamptz|timetz|(?:timestamp|time)(?:\s+with(?:out)?\s+time\s+zone)?|jsonb?|uuid|numeric|inet)\s+(\$\d+)/gi,
    '$2::$1',
  );

/**
 * `ARRAY[$1, $2]` has elements of no known type, so nothing compares with it; one parameter takes the type that is asked
 * for. Parameters are numbered anew, as none may be left out.
 */
export function arraysAsParameters(sql: string): string {
  const numbers: string[] = [];
  return sql
    .replaceAll(/\bARRAY\s*\[\s*(\$\d+)(?:\s*,\s*\$\d+)*\s*(?:\/\*[^*]*\*\/)?\s*\]/gi, '$1')
    .replaceAll(/\$\d+/g, (number) => {
      if (!numbers.includes(number)) numbers.push(number);
      return `$${numbers.indexOf(number) + 1}`;
    });
}

/** SQLSTATEs undefined_function, datatype_mismatch, indeterminate_datatype. */
const TYPE_UNKNOWN = ['42883', '42804', '42P18'];

/**
 * Plans a statement with parameters without their values (EXPLAIN GENERIC_PLAN, before Postgres 16 a prepared
 * statement). The statement is not run. Planning a change needs the right to make it; a role without gets the plan of
 * the SELECT that finds the rows.
 *
 * @param index an index that is not there, for the planner to consider (HypoPG)
 * @returns undefined where the server cannot, or the statement cannot be planned so (a type that cannot be inferred,
 *   a table that is gone, no permission)
 */
export async function genericPlan(
  session: Session,
  version: number,
  sql: string,
  index?: Parameters<Session['plan']>[2],
): Promise<PlanNode | undefined> {
  const plan = async (text: string) => {
    const plans = await session.plan(text, version >= 160_000 ? 'GENERIC_PLAN, ' : '', index);
    return (plans as { Plan: PlanNode }[] | undefined)?.[0]?.Plan;
  };
  const statement = castParameters(sql);
  try {
    return await plan(statement).catch((error) => {
      const { code = '' } = error as { code?: string };
      const instead =
        code === '42501'
          ? readingOf(statement)
          : TYPE_UNKNOWN.includes(code) && /\bARRAY\s*\[/i.test(statement)
            ? arraysAsParameters(statement)
            : undefined;
      if (instead === undefined) throw error;
      return plan(instead);
    });
  } catch (error) {
    const code = (error as { code?: string }).code;
    // Class 42: syntax, undefined object, insufficient privilege, indeterminate type. 3F: a schema that is gone.
    // 0A, 25006: not plannable here.
    if (code && (/^(42|3F|0A|22|2F)/.test(code) || ['25006', '57014', '55P03'].includes(code)))
      return undefined;
    throw error;
  }
}

/** Every scan of a table in the plan, with the number of times that it runs by the planner's own estimates. */
export function scansOf(plan: PlanNode): Scan[] {
  const found: Scan[] = [];
  const walk = (
    node: PlanNode,
    {
      loops,
      processes,
      limited,
      limit,
      gathering,
      above,
    }: Omit<Scan, 'node' | 'relation' | 'alias' | 'sequential' | 'cost'>,
  ): void => {
    const type = node['Node Type'];
    if (node['Relation Name'] && type.includes('Scan'))
      found.push({
        node,
        relation: node['Relation Name'],
        alias: node.Alias ?? node['Relation Name'],
        sequential:
          type === 'Seq Scan' ||
          (/^Index (Only )?Scan$/.test(type) && !node['Index Cond'] && node.Filter !== undefined),
        limited,
        limit: limited ? limit : undefined,
        cost:
          node['Total Cost'] *
          (limited ? Math.min(1, ASSUMED_LIMIT / Math.max(1, node['Plan Rows'] * processes)) : 1),
        loops,
        processes,
        gathering,
        above,
      });
    const below = processes === 1 ? (node['Workers Planned'] ?? 0) + 1 : processes;
    const [outer] = node.Plans ?? [];
    for (const next of node.Plans ?? []) {
      const inner = type === 'Nested Loop' && next['Parent Relationship'] === 'Inner' && outer;
      const repeated = inner ? Math.max(1, outer['Plan Rows']) : 1;
      // A Memoize or Materialize above keeps what was read: the scan below does not run again each time.
      const kept = ['Materialize', 'Hash'].includes(type);
      const alone = node.Plans?.length === 1;
      const own = Math.max(0, node['Total Cost'] - next['Total Cost']);
      const gathers = type.startsWith('Gather');
      walk(next, {
        loops: kept ? 1 : loops * repeated,
        processes: below,
        // Sorting and grouping read all before they give the first row.
        limited: type === 'Limit' || (limited && !['Sort', 'Aggregate', 'Hash'].includes(type)),
        limit: type === 'Limit' ? node : alone ? limit : undefined,
        gathering: alone ? gathering + (gathers ? own : 0) : 0,
        above: alone ? above + (gathers ? 0 : own) : 0,
      });
    }
  };
  walk(plan, { loops: 1, processes: 1, limited: false, limit: undefined, gathering: 0, above: 0 });
  return found;
}
