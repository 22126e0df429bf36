import { literal } from '../../../lib/pg/quote.ts';
import { extensionSchema } from '../../catalogue.ts';
import type { Check, CheckContext } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import { indexKeys } from '../../fixSql.ts';
import { ASSUMED_LIMIT, genericPlan, type Scan } from '../../plans.ts';
import { expressionFacts, qualify } from '../../proposals/expression.ts';
import type { Table } from '../../relations.ts';
import type { ColumnUse, TableUse } from '../../sql/shape.ts';
import { referenceTo, searchPath } from '../../workload.ts';
import type { WorkloadEntry } from '../../workloadEntry.ts';
import { endIfOver, newIndexOn, shortly, toBeBuilt } from '../shared.ts';

/** A smaller table is read as fast without an index. Rows. */
const MIN_ROWS = 500;
/** An index that finds a larger share of the table is not used, or does not help. */
const LARGEST_SELECTIVITY = 0.2;
const MAX_COLUMNS = 3;
const MIN_SPEEDUP = 1.3;

interface Key {
  expression: string;
  column: string;
  /** The expression is more than the column. */
  wrapped: boolean;
}

interface Use {
  entry: WorkloadEntry;
  scan: Scan;
  speedup: number;
  /** Other single columns that the statement compares with, and what an index on them would do for it. */
  instead: { expression: string; speedup: number }[];
}

interface Candidate {
  table: Table;
  keys: Key[];
  /** A statement wants a range of it, or its order. */
  ordered: boolean;
  uses: Use[];
}

const keyOf = (context: CheckContext, { column, wrapped }: ColumnUse): Key => {
  const name = context.session.quote(column);
  return {
    column,
    expression: wrapped === null ? name : wrapped.replaceAll('%', () => name),
    wrapped: wrapped !== null,
  };
};

/** A column, or an expression that Postgres would index, with all its names found without a search_path. */
async function indexable(
  context: CheckContext,
  table: Table,
  use: ColumnUse,
  path: readonly string[],
): Promise<Key | undefined> {
  const key = keyOf(context, use);
  if (!key.wrapped) return key;
  const expression = await qualify(context, key.expression, path);
  if (expression === undefined) return undefined;
  const { refused } = await expressionFacts(context, table, { ...key, expression });
  return refused === undefined ? { ...key, expression } : undefined;
}

function distinctOf(table: Table, column: string): number {
  const distinct = table.columns.find(({ name }) => name === column)?.stats?.distinct;
  return distinct && distinct > 0 ? distinct : 1;
}

/** Rows of which one value of the column, or its being NULL, is shared. */
function rowsOf(table: Table, { column, isNull }: Pick<ColumnUse, 'column' | 'isNull'>): number {
  if (!isNull) return table.estimatedRows / distinctOf(table, column);
  const stats = table.columns.find(({ name }) => name === column)?.stats;
  return table.estimatedRows * (stats?.nullFraction ?? 1);
}

/** Key columns in the order that serves: equality first (most selective first), then one range or the sort order. */
async function keysFor(
  context: CheckContext,
  table: Table,
  use: TableUse,
  path: readonly string[],
): Promise<
  { keys: Key[]; rows: number; ordered: boolean; instead: { key: Key; rows: number }[] } | undefined
> {
  const usable: { key: Key; join: boolean; rows: number }[] = [];
  for (const column of use.equal) {
    const key = await indexable(context, table, column, path);
    if (key && (!column.isNull || rowsOf(table, column) <= table.estimatedRows * LARGEST_SELECTIVITY))
      usable.push({ key, join: column.join, rows: rowsOf(table, column) });
  }
  const direct = usable.filter(({ join }) => !join);
  const equal = direct.length > 0 ? direct : usable;
  const seen = new Set<string>();
  const keys = equal
    .filter(({ key: { expression } }) => !seen.has(expression) && seen.add(expression))
    .sort((a, b) => a.rows - b.rows);
  // A column of few values after a selective one adds bytes, and hardly selects.
  let rows = table.estimatedRows;
  let ordered = false;
  const chosen: Key[] = [];
  for (const { key, rows: found } of keys) {
    if (chosen.length >= MAX_COLUMNS || (chosen.length > 0 && rows <= 20)) break;
    if (chosen.length > 0 && found > table.estimatedRows / 3) continue;
    chosen.push(key);
    rows = Math.max(1, (rows * found) / Math.max(1, table.estimatedRows));
  }
  let range: Key | undefined;
  for (const column of use.range) if (!column.join) range ??= await indexable(context, table, column, path);
  const [order] = use.order;
  const sorted = order && use.limited ? await indexable(context, table, order, path) : undefined;
  if (range && chosen.length < MAX_COLUMNS && rows > 20) {
    chosen.push(range);
    ordered = true;
    rows *= 0.1;
  } else if (chosen.length > 0 && sorted && rows > 20) {
    chosen.push(sorted);
    ordered = true;
  }
  const instead = keys
    .filter(({ key }) => !chosen.includes(key))
    .map(({ key, rows: found }) => ({ key, rows: Math.max(1, found) }));
  return chosen.length > 0 ? { keys: chosen, rows, ordered, instead } : undefined;
}

const setting = (context: CheckContext, name: string, fallback: number) =>
  Number(context.settings.get(name)?.value ?? fallback);

/**
 * What a page read out of order will cost. Where the whole database fits into what is kept in memory, as much as the next
 * one: the planner's 4 is for pages of which some come from a disk, and the manual's advice for a cached database is to
 * set random_page_cost to seq_page_cost.
 */
function randomPageCost(context: CheckContext): number {
  const pages =
    context.tables.reduce((sum, { kind, totalBytes }) => sum + (kind === 'partitioned' ? 0 : totalBytes), 0) /
    8192;
  return pages <= setting(context, 'effective_cache_size', 524_288)
    ? setting(context, 'seq_page_cost', 1)
    : setting(context, 'random_page_cost', 4);
}

/**
 * Planner cost of one index scan that finds `rows` rows by `keys`, as cost_index and btcostestimate of Postgres have it:
 * descent of the tree, one leaf, and between one page a row (at most every page of the table) and, where the table lies
 * in the order of the index, as few as hold the rows, by the square of the correlation.
 */
function indexScanCost(
  context: CheckContext,
  table: Table,
  { keys, rows, random }: { keys: readonly Key[]; rows: number; random: number },
): number {
  const pages = Math.max(1, table.pages);
  const most = Math.min(rows, pages) * random;
  const together = Math.ceil((rows / Math.max(1, table.estimatedRows)) * pages);
  const least = random + Math.max(0, together - 1) * setting(context, 'seq_page_cost', 1);
  const [first] = keys;
  const correlation = table.columns.find(({ name }) => name === first?.column)?.stats?.correlation ?? 0;
  const ordered = (first?.wrapped ? 0 : correlation * (keys.length > 1 ? 0.75 : 1)) ** 2;
  const descent =
    (Math.ceil(Math.log2(Math.max(2, table.estimatedRows))) + 100) *
    setting(context, 'cpu_operator_cost', 0.0025);
  return (
    descent +
    random +
    most +
    ordered * (Math.min(most, least) - most) +
    rows * (setting(context, 'cpu_tuple_cost', 0.01) + setting(context, 'cpu_index_tuple_cost', 0.005))
  );
}

const sameKeys = (a: Key[], b: Key[]) => a.every((key, at) => key.expression === b[at]?.expression);

/** Whether an index of the table begins with the keys; the planner passed it over, so another one does not help. */
function exists(table: Table, keys: Key[], quote: (name: string) => string): boolean {
  return table.indexes.some(
    (index) =>
      index.valid &&
      index.predicate === null &&
      index.method === 'btree' &&
      keys.every(({ expression }, at) => {
        const column = index.columns[at];
        return column === null
          ? index.definition.toLowerCase().includes(expression.replaceAll('"', '').toLowerCase())
          : column !== undefined && quote(column) === expression;
      }),
  );
}

/** An index that another statement needs anyway will do when it gives this share of the gain of one's own. */
const GOOD_ENOUGH = 0.9;

/**
 * Indexes that serve several: one on (a, b) serves who looks for a, so the shorter is folded into the longer; and a
 * statement that compares with several columns takes the index of another statement on one of them.
 */
function consolidate(candidates: Candidate[]): Candidate[] {
  const longest = [...candidates].sort((a, b) => b.keys.length - a.keys.length);
  const kept: Candidate[] = [];
  for (const candidate of longest) {
    const host = kept.find(({ table, keys }) => table === candidate.table && sameKeys(candidate.keys, keys));
    if (host) {
      host.uses.push(...candidate.uses);
      host.ordered ||= candidate.ordered;
    } else kept.push(candidate);
  }
  const time = ({ uses }: Candidate) => uses.reduce((sum, { entry }) => sum + entry.statement.totalMs, 0);
  for (const candidate of [...kept].sort((a, b) => time(a) - time(b))) {
    const host = kept.find(
      (other) =>
        other !== candidate &&
        other.table === candidate.table &&
        candidate.uses.every((use) => gain(served(use, other)) >= gain(use.speedup) * GOOD_ENOUGH),
    );
    if (!host) continue;
    host.uses.push(...candidate.uses.map((use) => ({ ...use, speedup: served(use, host) })));
    kept.splice(kept.indexOf(candidate), 1);
  }
  return kept;
}

/** Share of a statement's time that goes. */
const gain = (speedup: number) => 1 - 1 / Math.max(1, speedup);

const served = ({ instead }: Use, { keys }: Candidate): number =>
  instead.find(({ expression }) => expression === keys[0]?.expression)?.speedup ?? 0;

/**
 * What the planner itself says of each statement with a hypothetical index; nothing without HypoPG, or where it
 * refuses. Not asked of an index on an expression: a real one gets statistics, a hypothetical one has none.
 */
async function hypotheticalSpeedups(
  context: CheckContext,
  definition: string,
  uses: readonly Use[],
): Promise<Map<Use, number>> {
  const { session, capabilities } = context;
  const found = new Map<Use, number>();
  const hypopgSchema = await extensionSchema(session, 'hypopg');
  if (!hypopgSchema) return found;
  const planner = ({ path }: WorkloadEntry) =>
    session.withSettings({
      search_path: searchPath(session, path),
      random_page_cost: String(randomPageCost(context)),
    });
  const costs = async (index?: Parameters<typeof session.plan>[2]) => {
    const plans = new Map<Use, number>();
    for (const use of uses) {
      const plan = await genericPlan(
        planner(use.entry),
        capabilities.version,
        use.entry.statement.text,
        index,
      );
      if (plan) plans.set(use, plan['Total Cost']);
    }
    return plans;
  };
  try {
    const without = await costs();
    for (const [use, cost] of await costs({ definition, hypopgSchema }))
      found.set(use, Math.max(1, (without.get(use) ?? cost) / Math.max(cost, 0.01)));
    return found;
  } catch (error) {
    endIfOver(context, error);
    return new Map();
  }
}

/** Of all the time of the statements together. */
function speedupOf(uses: readonly Use[], own: (use: Use) => number): number {
  const time = ({ entry }: Use) => entry.statement.totalMs;
  const before = uses.reduce((sum, use) => sum + time(use), 0);
  return Math.max(1, before / uses.reduce((sum, use) => sum + time(use) / Math.max(1, own(use)), 0));
}

export const check: Check = {
  id: 'missing-index',
  group: 'indexes',
  title: 'Missing indexes',
  description:
    'Statements of the workload that read a whole table to find few rows. Candidates are taken from their conditions, folded so that one index serves many, and judged by the planner (HypoPG) or by its cost model.',
  async *run(context) {
    const { session } = context;
    if (!context.capabilities.pgStatStatements) {
      context.blind({
        what: 'which statements read whole tables',
        remedy:
          context.capabilities.statementsUnreadable ??
          'CREATE EXTENSION pg_stat_statements, and GRANT pg_read_all_stats to this role.',
      });
      return;
    }
    const candidates = new Map<string, Candidate>();
    for (const entry of await context.workload())
      for (const scan of entry.scans) {
        const { table, use } = scan;
        if (!scan.sequential || !table || !use || table.estimatedRows < MIN_ROWS) continue;
        const answer = await keysFor(context, table, use, entry.path);
        if (!answer || answer.rows / table.estimatedRows > LARGEST_SELECTIVITY) continue;
        if (exists(table, answer.keys, (name) => session.quote(name))) continue;
        const planRows = scan.node['Plan Rows'] * scan.processes;
        const scanCost = (scan.cost + scan.gathering) * scan.loops;
        // What the rest of the plan costs. A LIMIT that asks for more than the planner takes gives it more to do.
        const more = scan.limit
          ? Math.min(ASSUMED_LIMIT, planRows) / Math.max(1, scan.limit['Plan Rows'])
          : 1;
        const charged = scan.limit ? scan.limit['Total Cost'] * scan.loops : scanCost;
        const rest = Math.max(0, (entry.plan?.['Total Cost'] ?? 0) - charged) * Math.max(1, more);
        const before = scanCost + rest;
        const speedupWith = (by: readonly Key[], rows: number, random = randomPageCost(context)) => {
          const found = scan.limited ? Math.min(rows, ASSUMED_LIMIT) : rows;
          const cost = indexScanCost(context, table, { keys: by, rows: found, random });
          // What follows handles the rows that are found. Of an expression the planner has no statistics, and takes
          // half a percent of all rows.
          const fewer = Math.max(0, 1 - rows / Math.max(1, planRows));
          const after = cost * scan.loops + Math.max(0, rest - scan.above * fewer * scan.loops);
          return before / Math.max(after, 0.01);
        };
        // The planner has to take it, and goes by its own setting.
        if (speedupWith(answer.keys, answer.rows, setting(context, 'random_page_cost', 4)) < MIN_SPEEDUP)
          continue;
        const speedup = speedupWith(answer.keys, answer.rows);
        const key = `${table.oid}(${answer.keys.map(({ expression }) => expression).join(', ')})`;
        const candidate = candidates.get(key) ?? {
          table,
          keys: answer.keys,
          ordered: false,
          uses: [],
        };
        candidate.ordered ||= answer.ordered;
        const instead = answer.instead.map(({ key: other, rows }) => ({
          expression: other.expression,
          speedup: speedupWith([other], rows),
        }));
        candidate.uses.push({ entry, scan, speedup, instead });
        candidates.set(key, candidate);
      }
    for (const candidate of consolidate([...candidates.values()])) yield await describe(context, candidate);
  },
};

async function describe(context: CheckContext, { table, keys, ordered, uses }: Candidate): Promise<Finding> {
  const { session } = context;
  const target = session.quote(table.schema, table.name);
  const list = indexKeys({ keys }).join(', ');
  const unique = new Map(uses.map((use) => [use.entry.statement.queryid, use]));
  const ranked = [...unique.values()].sort((a, b) => b.entry.statement.totalMs - a.entry.statement.totalMs);
  const [first] = ranked;
  if (!first) throw new Error('a candidate without a statement');
  const asked =
    context.capabilities.hypopg && !keys.some(({ wrapped }) => wrapped)
      ? await hypotheticalSpeedups(context, `CREATE INDEX ON ${target} (${list})`, ranked)
      : new Map<Use, number>();
  const own = (use: Use) => asked.get(use) ?? use.speedup;
  const speedup = speedupOf(ranked, own);
  const modelled = speedupOf(ranked, (use) => use.speedup);
  const savedMs = ranked.reduce((sum, use) => sum + (use.entry.msPerSecond ?? 0) * gain(own(use)), 0);
  const calls = ranked.reduce((sum, { entry }) => sum + entry.statement.calls, 0);
  const rows = ranked.reduce((sum, { entry }) => sum + entry.statement.rows, 0);
  const read = ranked.reduce(
    (sum, { entry }) => sum + (entry.rowsReadPerCall ?? 0) * entry.statement.calls,
    0,
  );
  const share = ranked.reduce((sum, { entry }) => sum + entry.share, 0);
  // Entries of about 16 bytes and the key, 90 % full (fillfactor of btree).
  const width = keys.reduce(
    (sum, { column }) => sum + (table.columns.find((c) => c.name === column)?.stats?.averageWidth ?? 8),
    0,
  );
  const bytes = Math.round((table.estimatedRows * (width + 16)) / 0.9);
  const columns = keys.map(({ column }) => column);
  return {
    id: `missing-index:${table.schema}.${table.name}(${keys.map(({ expression }) => expression).join(',')})`,
    check: 'missing-index',
    severity: share >= 0.05 || speedup >= 10 ? 'critical' : 'warning',
    title: `${table.name} is read whole to find rows by ${columns.join(', ')}`,
    explanation: `${ranked.length === 1 ? 'One statement' : `${ranked.length} statements`} of the workload scan${ranked.length === 1 ? 's' : ''} all ${Math.round(table.estimatedRows).toLocaleString('en')} rows of ${table.name} at each call, because no index begins with ${columns.join(', ')}. The time grows with the table, and at peak these scans keep connections busy.`,
    cause: 'missing-index',
    objects: [{ schema: table.schema, table: table.name, columns }],
    statements: ranked.map((use) => ({ ...referenceTo(use.entry), gain: gain(own(use)) })),
    evidence: [
      {
        label: `worst statement: ${shortly(first.entry.statement.text)}`,
        value: Math.round(first.entry.statement.meanMs * 10) / 10,
        unit: 'ms',
        how: `SELECT mean_exec_time FROM pg_stat_statements WHERE queryid = ${first.entry.statement.queryid}`,
      },
      {
        label: 'rows of the table',
        value: Math.round(table.estimatedRows),
        unit: 'rows',
        how: `SELECT reltuples FROM pg_class WHERE oid = ${literal(target)}::regclass`,
      },
      {
        label: 'speed-up of its statements together, by the planner’s cost model',
        value: Math.round(modelled * 10) / 10,
        unit: '1',
        how: `EXPLAIN (GENERIC_PLAN) of queryid ${first.entry.statement.queryid}, the scan’s cost replaced by an index scan’s`,
      },
      ...(asked.size > 0
        ? [
            {
              label: 'the same by the planner with the hypothetical index',
              value: Math.round(speedup * 10) / 10,
              unit: '1',
              how: `SELECT hypopg_create_index(…), then EXPLAIN (GENERIC_PLAN) of queryid ${first.entry.statement.queryid}`,
            },
          ]
        : []),
    ],
    cost: {
      ...(context.windowSeconds ? { msPerSecond: savedMs } : {}),
      calls,
      ...(read > 0 ? { rowsReadPerRow: read / Math.max(rows, 1) } : {}),
    },
    confidence:
      asked.size > 0
        ? { level: 0.9, basis: 'estimate', note: 'the planner’s cost with a hypothetical index (HypoPG)' }
        : {
            level: 0.75,
            basis: 'estimate',
            note: context.capabilities.hypopg
              ? 'the planner’s cost model by hand, from pg_stats; a hypothetical index on an expression has no statistics'
              : 'the planner’s cost model by hand, from pg_stats; HypoPG is not installed',
          },
    explains: {
      kpis: ['statement-latency-p95', 'rows-read-per-request', 'database-time-share', 'pool-saturation'],
      traces: [],
    },
    fix: {
      kind: 'index',
      automatic: true,
      summary: `index on ${table.name} (${list})`,
      ...toBeBuilt,
      create: newIndexOn(table, {
        method: 'btree',
        keys: keys.map(({ expression, column }) => ({ expression, column })),
        ordered,
      }),
      bytes,
      risk: 'Each insert, and each update of these columns, writes one more index entry. A build that fails leaves an invalid index, to be dropped.',
      expectedEffect: `the planner’s cost of its statements becomes about ${speedup >= 10 ? Math.round(speedup) : Math.round(speedup * 10) / 10} times smaller; their time by less`,
      predictedSpeedup: speedup,
    },
  };
}
