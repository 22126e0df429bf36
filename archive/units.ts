import pg from 'pg';
import type { Archival } from './archival.ts';
import { duckRowHash, name, openDuck, parquet, postgresRowHash, rowsOf } from './parquet.ts';
import { keyTypeOf, type Prepared } from './prepare.ts';
import type { Segment } from './session.ts';
import { type Form, fileColumn, stored } from './types.ts';

const id = pg.escapeIdentifier;

export interface UnitRow {
  /** The key, or the place of a row without one. */
  key: string;
  /** Hashes of all rows of the unit, each with the number of its table, sorted. */
  hashes: string;
}

/** Hashes of a unit, whatever order they came in. */
export const sorted = (hashes: string[]) => hashes.sort().join(' ');

/** The units of a segment, as its files have them. */
export async function readUnitRows(archival: Archival, { files, policy }: Segment): Promise<UnitRow[]> {
  const duck = await openDuck();
  try {
    const units: { key: string; hashes: string[] }[] = [];
    for (const [table, { file, columns }] of files.entries()) {
      const own = columns.find((column) => column.name === policy.key);
      const key = table > 0 ? 'NULL' : own ? name(fileColumn(own)) : 'sqltrail_ctid';
      const rows = await rowsOf<{ unit: number; key: string; h: string }>(
        duck.connection,
        `SELECT sqltrail_unit AS unit, ${key}::VARCHAR AS key, ${duckRowHash(stored(columns))} AS h FROM ${parquet(archival.at(file))} ORDER BY sqltrail_unit`,
      );
      for (const { unit, key: value, h } of rows) {
        if (table === 0) units[unit] = { key: value, hashes: [] };
        units[unit]?.hashes.push(`${table}${h}`);
      }
    }
    return units.map(({ key, hashes }) => ({ key, hashes: sorted(hashes) }));
  } finally {
    await duck.close();
  }
}

/** Deletes units, and tells the hashes of all rows that it deleted, by unit. */
export async function deleteUnits(
  archival: Archival,
  prepared: Prepared,
  keys: string[],
  forms: readonly Form[],
): Promise<Map<string, string[]>> {
  const parts = tablesOfUnit(prepared, forms);
  // In one statement, so that no referential action meets a row that is yet to leave.
  const gone = parts.map(
    ({ from, is, key, hash }, at) =>
      `gone${at === 0 ? '' : `_${at}`} AS (DELETE FROM ${from} AS t WHERE ${is} RETURNING ${key}::text AS key, ${hash} AS h)`,
  );
  return hashesBy(
    archival,
    `WITH ${gone.join(', ')} ${parts.map(({ number }, at) => `SELECT key, ${number} AS part, array_agg(h) AS hashes FROM gone${at === 0 ? '' : `_${at}`} GROUP BY key`).join(' UNION ALL ')}`,
    keys,
  );
}

/** As `deleteUnits`, of rows that stay. */
export function hashesOfUnits(
  archival: Archival,
  prepared: Prepared,
  keys: string[],
  forms: readonly Form[],
): Promise<Map<string, string[]>> {
  return hashesBy(
    archival,
    tablesOfUnit(prepared, forms)
      .map(
        ({ from, is, key, hash, number }) =>
          `SELECT ${key}::text AS key, ${number} AS part, array_agg(${hash}) AS hashes FROM ${from} AS t WHERE ${is} GROUP BY 1`,
      )
      .join(' UNION ALL '),
    keys,
  );
}

async function hashesBy(archival: Archival, sql: string, keys: string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const { rows } = await archival.client.query<{ key: string; part: number; hashes: string[] }>(sql, [keys]);
  for (const { key, part, hashes } of rows)
    found.set(key, [...(found.get(key) ?? []), ...hashes.map((h) => `${part}${h}`)]);
  return found;
}

function tablesOfUnit({ unit, columns, children, members }: Prepared, forms: readonly Form[]) {
  const type = keyTypeOf(unit, columns);
  return members.map(({ from, unitOf }, number) => ({
    from,
    number,
    is: `${unitOf('t')} = ANY ($1::${type}[])`,
    key: unitOf('t'),
    hash: postgresRowHash(
      stored(number === 0 ? columns : (children[number - 1]?.columns ?? [])),
      (column) => `t.${id(column)}`,
      forms[number],
    ),
  }));
}
