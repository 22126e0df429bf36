import type { QueryLimits, Session } from '../readSession.ts';

/** How well `determinant -> dependent` holds. */
export interface DependencyMeasure {
  /** Rows looked at. */
  rows: number;
  /** Rows that would have to go for the dependency to hold exactly. */
  violations: number;
  /** g3 = violations / rows (Kivinen and Mannila 1995); 0 for no rows. */
  g3: number;
  /** Groups of rows that agree on the determinant. */
  groups: number;
  /** Groups in which the dependent has more than one value. */
  contradictingGroups: number;
  /** Rows in groups of at least two: only these can contradict. A small number says little. */
  supportingRows: number;
}

const measure = (sums: Omit<DependencyMeasure, 'g3'>): DependencyMeasure => ({
  ...sums,
  g3: sums.rows === 0 ? 0 : sums.violations / sums.rows,
});

/**
 * g3 of rows in memory, by its definition: in each group that agrees on the determinant, all rows but those with
 * the commonest dependent must go. Nulls are equal to each other, as in SQL's GROUP BY.
 */
export function measureRows<Value>(
  rows: readonly Value[],
  determinant: (row: Value) => unknown[],
  dependent: (row: Value) => unknown,
): DependencyMeasure {
  const groups = new Map<string, Map<string, number>>();
  for (const row of rows) {
    const key = JSON.stringify(determinant(row));
    let counts = groups.get(key);
    if (!counts) {
      counts = new Map();
      groups.set(key, counts);
    }
    const value = JSON.stringify([dependent(row)]);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  let [violations, contradictingGroups, supportingRows] = [0, 0, 0];
  for (const counts of groups.values()) {
    let [size, commonest] = [0, 0];
    for (const count of counts.values()) {
      size += count;
      commonest = Math.max(commonest, count);
    }
    violations += size - commonest;
    if (counts.size > 1) contradictingGroups += 1;
    if (size > 1) supportingRows += size;
  }
  return measure({ rows: rows.length, violations, groups: groups.size, contradictingGroups, supportingRows });
}

export interface DependencyQuestion {
  schema: string;
  table: string;
  determinant: readonly string[];
  /** Measured together, in one read of the table. */
  dependents: readonly string[];
  /**
   * Look at one in `oneIn` groups, chosen by a hash of the determinant: whole groups, so that what is measured is g3
   * of those groups and not an artefact of rows missing from a group. 1 reads all.
   */
  oneIn: number;
  limits?: QueryLimits;
}

/**
 * Measures `determinant -> dependent` in the database for each dependent, in one statement; the definition is the
 * same as that of {@link measureRows}.
 */
export async function measureInDatabase(
  session: Session,
  { schema, table, determinant, dependents, oneIn, limits }: DependencyQuestion,
): Promise<Map<string, DependencyMeasure>> {
  const left = determinant.map((column) => session.quote(column));
  const chosen =
    oneIn > 1 ? `WHERE (hashtextextended(ROW(${left.join(', ')})::text, 0) & 2147483647) % $1 = 0` : '';
  const needed = [...new Set([...determinant, ...dependents])]
    .map((column) => session.quote(column))
    .join(', ');
  const parts = dependents.map((dependent, at) => {
    const right = session.quote(dependent);
    return `SELECT ${at}::int AS at, coalesce(sum(size), 0)::float8 AS rows, coalesce(sum(size - commonest), 0)::float8 AS violations,
       count(*)::float8 AS groups, (count(*) FILTER (WHERE variants > 1))::float8 AS contradicting,
       coalesce(sum(size) FILTER (WHERE size > 1), 0)::float8 AS supporting
  FROM (SELECT sum(n) AS size, max(n) AS commonest, count(*) AS variants
          FROM (SELECT ${left.join(', ')}, ${right} AS dependent_value, count(*) AS n
                  FROM chosen GROUP BY ${left.join(', ')}, ${right}) AS pairs
         GROUP BY ${left.join(', ')}) AS groups`;
  });
  const rows = await session.query<{
    at: number;
    rows: number;
    violations: number;
    groups: number;
    contradicting: number;
    supporting: number;
  }>(
    `WITH chosen AS MATERIALIZED (SELECT ${needed} FROM ${session.quote(schema, table)} ${chosen})\n${parts.join('\nUNION ALL\n')}`,
    oneIn > 1 ? [oneIn] : [],
    limits,
  );
  return new Map(
    rows.map((row) => [
      dependents[row.at] as string,
      measure({
        rows: row.rows,
        violations: row.violations,
        groups: row.groups,
        contradictingGroups: row.contradicting,
        supportingRows: row.supporting,
      }),
    ]),
  );
}
