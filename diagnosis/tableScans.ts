import type { Scan } from './plans.ts';
import type { Table } from './relations.ts';
import { type ColumnUse, type StatementShape, shapeOf, type TableUse } from './sql/shape.ts';

/** A scan with the table that it reads and what it looks for there. */
export interface TableScan extends Scan {
  table: Table | undefined;
  /** Of the statement's own text or, below a view, a function or a partition, of the plan's conditions. */
  use: TableUse | undefined;
}

/** The table of which it is a partition, at any depth; itself where it is none. */
export function rootOf(tables: readonly Table[], table: Table): Table {
  const parent = tables.find(({ oid }) => oid === table.partitionOf);
  return parent ? rootOf(tables, parent) : table;
}

/** `(name)::text` of a varchar is the same value: the planner writes it where the statement compares the column itself. */
function withoutRelabelling(table: Table, uses: ColumnUse[]): ColumnUse[] {
  return uses.map((use) => {
    const { type, base = type } = table.columns.find(({ name }) => name === use.column) ?? { type: '' };
    if (use.wrapped !== '(%)::text' || !/^(character varying|text)/.test(base)) return use;
    const { wrapping: _, ...plain } = use;
    return { ...plain, wrapped: null };
  });
}

/** What a node of the plan asks of its table, from its conditions as EXPLAIN writes them. */
function useOfConditions({ node, alias, limited }: Scan, table: Table): TableUse | undefined {
  const conditions = [node['Index Cond'], node['Recheck Cond'], node.Filter].filter(Boolean);
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const columns = new Set(table.columns.map(({ name }) => name));
  const shape = shapeOf(
    `SELECT FROM ${quoted(table.schema)}.${quoted(table.name)} AS ${quoted(alias)}${conditions.length > 0 ? ` WHERE ${conditions.map((each) => `(${each})`).join(' AND ')}` : ''}`,
    (name) => (name === table.name ? columns : undefined),
  );
  const use = shape?.tables.find((each) => each.alias === alias);
  if (!use) return undefined;
  return {
    ...use,
    schema: table.schema,
    limited,
    equal: withoutRelabelling(table, use.equal),
    range: withoutRelabelling(table, use.range),
    pattern: use.pattern.map((each) => ({ ...each, ...withoutRelabelling(table, [each])[0] })),
  };
}

/** An index is read from its beginning to its end where the conditions leave out its first column. */
function readsWholeIndex({ node }: Scan, table: Table): boolean {
  const index = table.indexes.find(({ name }) => name === node['Index Name']);
  const [first] = index?.columns ?? [];
  const condition = node['Index Cond'];
  if (index?.method !== 'btree' || !first || !condition) return false;
  const distinct = table.columns.find(({ name }) => name === first)?.stats?.distinct ?? 0;
  const names = condition.match(/"(?:[^"]|"")+"|[\w$]+/g) ?? [];
  return distinct > FEW_VALUES && !names.some((name) => name === first || name === `"${first}"`);
}

/** From Postgres 18 on, an index is skipped through where its first column has few values. */
const FEW_VALUES = 50;

/** Of a table's pages. Fewer blocks than this a call, and the table is not read whole, whatever the generic plan says. */
const READ_SHARE = 0.1;
const MIN_PAGES = 50;

/**
 * Whether what was measured contradicts a scan of the whole table: the generic plan cannot use an index on an expression
 * or with a condition where the constant is a parameter, which the statement itself can.
 */
function isRefuted({ limited }: Scan, table: Table, blocksACall: number): boolean {
  return (
    !limited &&
    table.kind !== 'partitioned' &&
    table.pages >= MIN_PAGES &&
    blocksACall > 0 &&
    blocksACall < table.pages * READ_SHARE
  );
}

/** Scans of the partitions of one table as one scan of that table. */
function joined(scans: readonly TableScan[]): TableScan[] {
  const found: TableScan[] = [];
  const whole = new Map<string, TableScan>();
  for (const scan of scans) {
    const { table, sequential, loops } = scan;
    if (table?.kind !== 'partitioned' || !sequential) {
      found.push(scan);
      continue;
    }
    const key = `${table.oid} ${scan.use?.alias ?? ''} ${loops}`;
    const known = whole.get(key);
    if (!known) {
      const copy = { ...scan, node: { ...scan.node } };
      whole.set(key, copy);
      found.push(copy);
      continue;
    }
    known.node['Plan Rows'] += scan.node['Plan Rows'];
    known.node['Total Cost'] += scan.node['Total Cost'];
    known.cost += scan.cost;
    known.gathering = Math.max(known.gathering, scan.gathering);
    known.above = Math.min(known.above, scan.above);
  }
  return found;
}

/**
 * The scans of a plan with their tables. A partition counts as the table that it is a part of.
 *
 * @param blocksACall shared blocks that a call was measured to read; 0 where that is not known
 */
export function tableScans(
  scans: readonly Scan[],
  {
    shape,
    tables,
    blocksACall,
  }: { shape: StatementShape | undefined; tables: readonly Table[]; blocksACall: number },
): TableScan[] {
  return joined(
    scans.map((scan): TableScan => {
      const read = tables.find(({ name, schema }) => name === scan.relation && schema === scan.node.Schema);
      if (!read) return { ...scan, table: undefined, use: undefined };
      const table = rootOf(tables, read);
      // EXPLAIN numbers the partitions: orders_1, orders_2.
      const alias = table === read ? scan.alias : scan.alias.replace(/_\d+$/, '');
      const named = shape?.tables.find(
        (use) => use.alias === alias && use.table === table.name && use.schema === table.schema,
      );
      return {
        ...scan,
        relation: table.name,
        node: { ...scan.node, Schema: table.schema },
        sequential: (scan.sequential || readsWholeIndex(scan, read)) && !isRefuted(scan, table, blocksACall),
        table,
        use: named ?? useOfConditions(scan, table),
      };
    }),
  );
}
