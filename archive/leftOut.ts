import type pg from 'pg';
import type { Prepared } from './prepare.ts';
import { describeReference, tableName } from './references.ts';
import type { LeftOut } from './result.ts';

/** Units that are due and stay because rows refer to them that stay as well. */
export async function leftOut(
  client: pg.ClientBase,
  { members, references, wanted }: Prepared,
): Promise<LeftOut[]> {
  const left: LeftOut[] = [];
  const count = async (sql: string) => (await client.query<{ n: number }>(sql)).rows[0]?.n ?? 0;
  for (const reference of references.external)
    left.push({
      reason: describeReference(reference),
      units: await count(
        `SELECT count(*)::int AS n FROM ${members[0]?.from} AS t WHERE ${wanted} AND ${references.refersTo(reference)}`,
      ),
    });
  if (references.internal.length > 0)
    left.push({
      reason: `rows of the unit that stay refer to them, directly or through others (${[...new Set(references.internal.map(({ from, columns }) => `${tableName(from)} (${columns.join(', ')})`))].join('; ')})`,
      units: await count(`SELECT count(*)::int AS n FROM (${references.blocked(wanted)}) AS b`),
    });
  return left.filter(({ units }) => units > 0);
}
