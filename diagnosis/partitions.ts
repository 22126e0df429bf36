import type { Column, Table } from './relations.ts';

type Stats = NonNullable<Column['stats']>;

/** A column has a value of its own in nearly every row: its values differ between partitions too. */
const NEARLY_UNIQUE = 0.9;

/** What the statistics of the partitions say of a column of the whole. */
function combined(parts: readonly { rows: number; stats: Stats }[]): Stats | undefined {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (rows === 0) return undefined;
  const mean = (of: (stats: Stats) => number) =>
    parts.reduce((sum, part) => sum + of(part.stats) * part.rows, 0) / rows;
  const unique = parts.every((part) => part.stats.distinct >= part.rows * NEARLY_UNIQUE);
  const distinct = parts.map(({ stats }) => stats.distinct);
  return {
    nullFraction: mean(({ nullFraction }) => nullFraction),
    distinct: unique ? distinct.reduce((sum, each) => sum + each, 0) : Math.max(...distinct),
    averageWidth: mean(({ averageWidth }) => averageWidth),
    correlation: null,
  };
}

/**
 * Autovacuum never analyses a partitioned table, only its partitions, so what is not known of the whole is taken from
 * them: rows and pages are sums, statistics of columns are combined.
 */
export function withPartitions(tables: readonly Table[]): Table[] {
  const done = new Map<number, Table>();
  const complete = (table: Table): Table => {
    const known = done.get(table.oid);
    if (known || table.kind !== 'partitioned') return known ?? table;
    const parts = tables.filter(({ partitionOf }) => partitionOf === table.oid).map(complete);
    const rowsOf = ({ estimatedRows }: Table) => Math.max(0, estimatedRows);
    const analysed = parts.some(({ estimatedRows }) => estimatedRows > 0);
    const whole: Table = {
      ...table,
      estimatedRows:
        table.estimatedRows < 0 && analysed
          ? parts.reduce((sum, part) => sum + rowsOf(part), 0)
          : table.estimatedRows,
      pages: table.pages > 0 ? table.pages : parts.reduce((sum, { pages }) => sum + Math.max(0, pages), 0),
      columns: table.columns.map((column) => {
        if (column.stats) return column;
        const stats = combined(
          parts.flatMap((part) => {
            const own = part.columns.find(({ name }) => name === column.name)?.stats;
            return own ? [{ rows: rowsOf(part), stats: own }] : [];
          }),
        );
        return stats ? { ...column, stats } : column;
      }),
    };
    done.set(table.oid, whole);
    return whole;
  };
  return tables.map(complete);
}
