import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { readObstacles } from './effects.ts';
import type { TableName } from './names.ts';
import type { ArchiveUnit } from './policy.ts';
import {
  type Member,
  type Named,
  ReferenceSql,
  readMember,
  readReferences,
  tableName,
  tableSql,
} from './references.ts';
import { readColumns } from './session.ts';
import { type Column, keyType, unreadableColumns } from './types.ts';

const id = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/** What of a unit's table goes, as SQL conditions on its alias `t`. */
function conditions(
  unit: ArchiveUnit,
  { ageType, cutoff, today, listed }: { ageType: string; cutoff: string; today: string; listed: boolean },
) {
  const age = `t.${id(unit.age)}`;
  const old = /^(timestamp|date)/.test(ageType)
    ? `${age} < ${literal(cutoff)}`
    : `(${age} ~ '^\\d{4}-\\d\\d-\\d\\d' AND ${age} COLLATE "C" < ${literal(cutoff)})`;
  const due = unit.where ? `${old} AND (${unit.where})` : old;
  const holds = unit.holds
    .filter(({ until }) => !until || until >= today)
    .map(({ where }) => `coalesce((${where}), false)`);
  // Before the first archival there is no list of holds.
  if (unit.key && listed)
    holds.push(
      `EXISTS (SELECT FROM sqltrail.archive_hold AS h WHERE h.unit = ${literal(unit.name)} AND h.key = t.${id(unit.key)}::text AND h.until > now())`,
    );
  const held = holds.length > 0 ? `(${holds.join(' OR ')})` : 'false';
  return { due, held, goes: `${due} AND NOT ${held}` };
}

export interface Prepared {
  unit: ArchiveUnit;
  /** The name by which the files call a table, where it is not its own (partitions.ts). */
  named?: (table: Named) => Named;
  cutoff: string;
  columns: Column[];
  children: { table: Named; column: string; columns: Column[] }[];
  /** The unit's own table first, then its children. */
  members: Member[];
  references: ReferenceSql;
  /** Due, not held, and not referred to by rows that stay for certain. */
  goes: string;
  /** Due and not held. */
  wanted: string;
  due: string;
  held: string;
  problems: string[];
  /** Rows that cannot be seen, in the unit's tables or in those that refer to them. */
  hidden: string[];
  notes: string[];
  /** Have its tables triggers on DELETE? */
  triggers: boolean;
}

export async function prepare(client: pg.ClientBase, unit: ArchiveUnit): Promise<Prepared> {
  const columns = await readColumns(client, unit.table);
  const typeOf = (column: string) => {
    const found = columns.find(({ name: each }) => each === column);
    if (!found)
      throw new OperationError(
        `The policy of ${unit.name} names the column ${column}, which ${tableName(unit.table)} does not have.`,
      );
    return found.type;
  };
  const problems: string[] = [];
  if (unit.key && !keyType(typeOf(unit.key)))
    problems.push(
      `${tableName(unit.table)}.${unit.key} is of the type ${typeOf(unit.key)}; a key is a whole number, a uuid or a text.`,
    );
  const readable = (table: TableName, all: readonly Column[]) => {
    for (const { name: column, type } of unreadableColumns(all))
      problems.push(
        `${tableName(table)}.${column} is of the type ${type}, which Postgres can write but not read back, so a restore would fail.`,
      );
  };
  readable(unit.table, columns);
  const ageType = typeOf(unit.age);
  const { rows: facts } = await client.query<{ cutoff: string; today: string; listed: boolean }>(
    `SELECT to_char(now() - make_interval(days => $1), 'YYYY-MM-DD') AS cutoff, to_char(now(), 'YYYY-MM-DD') AS today,
            to_regclass('sqltrail.archive_hold') IS NOT NULL AS listed`,
    [unit.olderThanDays],
  );
  const fact = facts[0] as { cutoff: string; today: string; listed: boolean };
  const indexed = async (table: { schema: string; table: string }, column: string, unique: boolean) => {
    const { rows } = await client.query(
      `SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND i.indisvalid AND i.indpred IS NULL
          AND (NOT $4 OR (i.indisunique AND i.indnkeyatts = 1))`,
      [table.schema, table.table, column, unique],
    );
    return rows.length > 0;
  };
  if (unit.key && !(await indexed(unit.table, unit.key, true)))
    problems.push(`${tableName(unit.table)}.${unit.key} has no unique index; it does not tell units apart.`);
  const children = [];
  for (const child of unit.children) {
    const found = await readColumns(client, child.table);
    if (!found.some(({ name: each }) => each === child.column))
      throw new OperationError(
        `The policy of ${unit.name} names the column ${child.column}, which ${tableName(child.table)} does not have.`,
      );
    if (!(await indexed(child.table, child.column, false)))
      problems.push(
        `${tableName(child.table)}.${child.column} has no index, so each batch would read the whole table. Run sqltrail fix apply first, or CREATE INDEX CONCURRENTLY ON ${tableSql(child.table)} (${id(child.column)}).`,
      );
    readable(child.table, found);
    children.push({ ...child, columns: found });
  }
  const members = [
    await readMember(client, unit.table, (alias) => `${alias}.${unit.key ? id(unit.key) : 'ctid'}`),
  ];
  for (const { table, column } of unit.children)
    members.push(await readMember(client, table, (alias) => `${alias}.${id(column)}`));
  const hidden: string[] = [];
  const notes: string[] = [];
  let triggers = false;
  for (const { table } of members) {
    const found = await readObstacles(client, table);
    problems.push(...found.problems);
    hidden.push(...found.hidden);
    notes.push(...found.notes);
    triggers ||= found.triggers;
  }
  for (const [at, { table, family }] of members.entries())
    if (members.findIndex((member) => member.family === family) < at)
      problems.push(
        `${tableName(table)} is in the unit twice, so that a row of it could belong to two units. Leave it out of the children.`,
      );
  const found = await readReferences(client, members);
  for (const { from, readable, hidden: some } of found) {
    if (!readable)
      hidden.push(
        `${tableName(from)} refers to rows of the unit and cannot be read by this role. GRANT SELECT ON ${tableSql(from)} (and USAGE on its schema) first.`,
      );
    if (some)
      hidden.push(
        `Row-level security hides rows of ${tableName(from)}, which refer to rows of the unit; run it as a role that sees all of them (BYPASSRLS).`,
      );
  }
  const references = new ReferenceSql(members, found, unit.partition === 'detach');
  const { goes: wanted, ...which } = conditions(unit, { ageType, ...fact });
  return {
    unit,
    cutoff: fact.cutoff,
    columns,
    children,
    members,
    references,
    problems,
    hidden: [...new Set(hidden)],
    notes,
    triggers,
    ...which,
    wanted,
    goes: `${wanted} AND ${references.unreferred}`,
  };
}

/** `prepare`, where nothing is in the way. @throws OperationError naming all that is */
export async function prepareFor(client: pg.ClientBase, unit: ArchiveUnit): Promise<Prepared> {
  const prepared = await prepare(client, unit);
  const problems = [...prepared.problems, ...prepared.hidden];
  if (problems.length > 0) throw new OperationError(problems.join('\n'));
  return prepared;
}

/**
 * Places of rows without a key tell them apart within one table only, so that a partitioned table is archived one
 * partition at a time; the files have the name of the whole.
 */
export async function placesOf(client: pg.ClientBase, unit: ArchiveUnit): Promise<ArchiveUnit[]> {
  if (unit.key) return [unit];
  const { rows } = await client.query<Named>(
    `SELECT n.nspname AS schema, c.relname AS table
       FROM pg_partition_tree(to_regclass($1)) AS t JOIN pg_class AS c ON c.oid = t.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE t.isleaf AND t.level > 0 ORDER BY 1, 2`,
    [tableSql(unit.table)],
  );
  return rows.length === 0 ? [unit] : rows.map((table) => ({ ...unit, table }));
}

/** Of the key of a unit, or of the place of a row. */
export const keyTypeOf = (
  { key }: ArchiveUnit,
  columns: readonly Column[],
): 'bigint' | 'uuid' | 'text' | 'tid' =>
  key === undefined ? 'tid' : (keyType(columns.find(({ name: each }) => each === key)?.type ?? '') ?? 'text');
