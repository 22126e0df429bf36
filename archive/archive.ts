import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { describeTarget } from '../lib/pg/connect.ts';
import { isConnectionLost, OperationError } from '../lib/pg/errors.ts';
import { beyond, locksWholeTable, readEffects, readObstacles, refusal } from './effects.ts';
import { explained } from './failure.ts';
import { DiskError, diskFault, makeDirectory, seal, sha256Of } from './files.ts';
import { fileName, stem, type TableName } from './names.ts';
import {
  csv,
  type Duck,
  duckRowHash,
  name,
  openDuck,
  parquet,
  parquetType,
  postgresRowHash,
  rowsOf,
  text,
} from './parquet.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';
import {
  describeReference,
  type Member,
  type Named,
  ReferenceSql,
  readMember,
  readReferences,
  tableName,
  tableSql,
} from './references.ts';
import { openArchive, readColumns, readSegments, type Segment, type SegmentFile } from './session.ts';
import {
  type Column,
  checkKeyForm,
  type Form,
  fileColumn,
  formOf,
  keyType,
  PINNED,
  readableSql,
  stored,
  unreadableColumns,
  unreadableValue,
  valueSql,
} from './types.ts';

const id = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

export interface ArchiveOptions {
  /** URL of the owner of the tables; never printed. */
  url: string;
  policy: ArchivePolicy;
  /** Where the files go; made when it is not there. */
  directory: string;
  /** Further directories, on other disks, that get a copy of each file. */
  copies?: readonly string[];
  /** Names of units; all without it. */
  only?: readonly string[];
  /** Units in a file. */
  segmentUnits?: number;
  /** A deletion is sized to take this long, milliseconds. */
  batchMs?: number;
  /** Share of time in which files are made and rows deleted (0 to 1). */
  dutyCycle?: number;
  signal?: AbortSignal;
  onProgress?: (progress: ArchiveProgress) => void;
}

export type ArchiveProgress =
  | { event: 'dropped'; unit: string; segment: number; why: string }
  | { event: 'exported'; unit: string; segment: number; units: number; bytes: number; seconds: number }
  | { event: 'removing'; unit: string; segment: number; removed: number; units: number }
  | { event: 'archived'; unit: string; segment: number; units: number; kept: number }
  | { event: 'detached'; unit: string; table: string }
  | { event: 'vacuum'; table: string };

/** Units that are due and stay, by the reason why. */
export interface LeftOut {
  reason: string;
  units: number;
}

export interface ArchivedUnit {
  unit: string;
  units: number;
  /** Written to files, but not removed from the database; `left` has the reasons. */
  kept: number;
  /** Rows of all tables. */
  rows: number;
  /** Of the files. */
  bytes: number;
  left: LeftOut[];
  /** Why the unit could not be archived, or not to its end; the others of the policy were. */
  problems: string[];
}

export const noneOf = (unit: string): ArchivedUnit => ({
  unit,
  units: 0,
  kept: 0,
  rows: 0,
  bytes: 0,
  left: [],
  problems: [],
});

export function addTo(total: ArchivedUnit, { units, kept, rows, bytes, left, problems }: ArchivedUnit): void {
  total.units += units;
  total.kept += kept;
  total.rows += rows;
  total.bytes += bytes;
  for (const { reason, units: more } of left) {
    const same = total.left.find((each) => each.reason === reason);
    if (same) same.units += more;
    else total.left.push({ reason, units: more });
  }
  total.problems.push(...problems.filter((problem) => !total.problems.includes(problem)));
}

export interface UnitPlan {
  unit: ArchiveUnit;
  /** ISO date; what is older goes. */
  cutoff: string;
  total: number;
  eligible: number;
  held: number;
  oldest: string | null;
  /** Of the table and its children, indexes included, before. */
  bytes: number;
  /** Rows of the children that would go with the units. */
  childRows: number;
  /** Due and not held, but referred to by rows that stay. */
  left: LeftOut[];
  /** What is good to know: triggers on DELETE, tables that inherit. */
  notes: string[];
  /** What has to be there first. */
  problems: string[];
}

const LOCK_TIMEOUT_MS = 300;
const ATTEMPTS = 30;
/** Units in a row that others keep locked; after so many it is the table rather than they. */
const LOCKED_UNITS = 3;
const LONGEST_REST_MS = 5_000;
const defaults = { segmentUnits: 20_000, batchMs: 50, dutyCycle: 0.25 };
const passing = new Set(['55P03', '40P01', '40001']);

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
        `${tableName(table)}.${column} is of the type ${type}, which Postgres writes and cannot read back; a restore could not be done.`,
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
        `${tableName(child.table)}.${child.column} has no index, so each batch would read the whole table. Run sqltrail fix short-term first, or CREATE INDEX CONCURRENTLY ON ${tableSql(child.table)} (${id(child.column)}).`,
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
async function prepareFor(client: pg.ClientBase, unit: ArchiveUnit): Promise<Prepared> {
  const prepared = await prepare(client, unit);
  const problems = [...prepared.problems, ...prepared.hidden];
  if (problems.length > 0) throw new OperationError(problems.join('\n'));
  return prepared;
}

/**
 * Places of rows without a key tell them apart within one table only, so that a partitioned table is archived one
 * partition at a time; the files have the name of the whole.
 */
async function placesOf(client: pg.ClientBase, unit: ArchiveUnit): Promise<ArchiveUnit[]> {
  if (unit.key) return [unit];
  const { rows } = await client.query<Named>(
    `SELECT n.nspname AS schema, c.relname AS table
       FROM pg_partition_tree(to_regclass($1)) AS t JOIN pg_class AS c ON c.oid = t.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE t.isleaf AND t.level > 0 ORDER BY 1, 2`,
    [tableSql(unit.table)],
  );
  return rows.length === 0 ? [unit] : rows.map((table) => ({ ...unit, table }));
}

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

export const chosen = ({ policy, only }: Pick<ArchiveOptions, 'policy' | 'only'>): ArchiveUnit[] => {
  const unknown = only?.filter((each) => !policy.units.some(({ name: known }) => known === each)) ?? [];
  if (unknown.length > 0)
    throw new OperationError(
      `The policy has no unit ${unknown.join(', ')}; it has ${policy.units.map(({ name: each }) => each).join(', ')}.`,
    );
  return policy.units.filter(({ name: each }) => !only || only.includes(each));
};

/** What the policy would move today. Reads only; what is in the way of a unit is said with it. */
export async function planArchive(
  options: Pick<ArchiveOptions, 'url' | 'policy' | 'only'>,
): Promise<UnitPlan[]> {
  const client = await openArchive(options.url, 'read');
  try {
    const plans: UnitPlan[] = [];
    for (const unit of chosen(options)) {
      const plan = noPlan(unit);
      plans.push(plan);
      try {
        for (const place of await placesOf(client, unit)) await planOne(client, place, plan);
      } catch (error) {
        if (isFatal(error)) throw error;
        plan.problems.push((error as Error).message);
      }
    }
    return plans;
  } finally {
    await client.end();
  }
}

export const noPlan = (unit: ArchiveUnit): UnitPlan => ({
  unit,
  cutoff: '',
  total: 0,
  eligible: 0,
  held: 0,
  oldest: null,
  bytes: 0,
  childRows: 0,
  left: [],
  notes: [],
  problems: [],
});

async function planOne(client: pg.ClientBase, unit: ArchiveUnit, plan: UnitPlan): Promise<void> {
  const prepared = await prepare(client, unit);
  const { references, members, wanted, due, held, goes } = prepared;
  const add = (to: string[], more: readonly string[]) =>
    to.push(...more.filter((text) => !to.includes(text)));
  plan.cutoff = prepared.cutoff;
  add(plan.notes, prepared.notes);
  add(plan.problems, [...prepared.problems, ...prepared.hidden]);
  // Counts of what cannot be seen would be wrong.
  if (prepared.hidden.length > 0) return;
  const key = (members[0] as Member).unitOf('t');
  const moves =
    references.internal.length > 0
      ? `${goes} AND NOT EXISTS (SELECT FROM (${references.blocked(wanted)}) AS b WHERE b.key = ${key})`
      : goes;
  const from = `${members[0]?.from} AS t`;
  const { rows } = await client.query<{ total: number; held: number }>(
    `SELECT count(*)::int AS total, count(*) FILTER (WHERE ${due} AND ${held})::int AS held FROM ${from}`,
  );
  const { rows: moving } = await client.query<{ eligible: number; oldest: string | null }>(
    `SELECT count(*)::int AS eligible, min(t.${id(unit.age)})::text AS oldest FROM ${from} WHERE ${moves}`,
  );
  plan.total += rows[0]?.total ?? 0;
  plan.held += rows[0]?.held ?? 0;
  plan.eligible += moving[0]?.eligible ?? 0;
  const oldest = moving[0]?.oldest ?? null;
  if (oldest !== null && (plan.oldest === null || oldest < plan.oldest)) plan.oldest = oldest;
  for (const { from: child, unitOf } of members.slice(1)) {
    const { rows: counted } = await client.query(
      `SELECT count(*)::int AS n FROM ${child} AS c JOIN ${from} ON ${key} = ${unitOf('c')} WHERE ${moves}`,
    );
    plan.childRows += counted[0].n;
  }
  const { rows: sized } = await client.query(
    'SELECT coalesce(sum(pg_total_relation_size(x::oid)), 0)::bigint AS bytes FROM unnest($1::bigint[]) AS x',
    [members.flatMap(({ oids }) => oids)],
  );
  plan.bytes += Number(sized[0].bytes);
  for (const { reason, units } of await leftOut(client, prepared)) {
    const same = plan.left.find((each) => each.reason === reason);
    if (same) same.units += units;
    else plan.left.push({ reason, units });
  }
}

/** Does a failure concern the whole run, rather than the unit at hand? */
export function isFatal(error: unknown): boolean {
  if (error instanceof DiskError || error instanceof TypeError || isConnectionLost(error)) return true;
  if (error instanceof OperationError) return false;
  const { code = '', name: kind = '' } = error as { code?: string; name?: string };
  // What the server says of itself, and not of a statement.
  return (
    kind === 'AbortError' ||
    (/^[0-9A-Z]{5}$/.test(code) && refusal(error) === undefined && !passing.has(code))
  );
}

export const contentOf = (hash: string, rows: string, readable = 'true') =>
  `SELECT count(*)::int AS rows, encode(sha256(convert_to(coalesce(string_agg(h, '' ORDER BY h COLLATE "C"), ''), 'UTF8')), 'hex') AS content, coalesce(bool_and(r), true) AS readable FROM (SELECT ${hash} AS h, ${readable} AS r FROM ${rows}) AS x`;
export const duckContentOf = (columns: readonly Column[], source: string) =>
  `SELECT count(*)::INTEGER AS rows, sha256(coalesce(string_agg(h, '' ORDER BY h), '')) AS content FROM (SELECT ${duckRowHash(columns)} AS h FROM ${source})`;

interface UnitRow {
  /** The key, or the place of a row without one. */
  key: string;
  /** Hashes of all rows of the unit, each with the number of its table, sorted. */
  hashes: string;
}

interface Batched extends UnitRow {
  /** Its number in the segment. */
  unit: number;
}

interface Excluded {
  unit: number;
  reason: 'changed' | 'gone' | 'referred' | 'refused' | 'locked';
  why: string;
}

/** A table of a unit, as it is written to a file. */
interface Part {
  table: TableName;
  columns: Column[];
  extra: Column[];
  /** Of the table within `rows`. */
  alias: string;
  rows: string;
  order: string;
  unitOf: string;
  /** Of a child: the column that names its parent. */
  column?: string;
}

/** Of a file, or of the names in a directory. */
async function sync(place: string): Promise<void> {
  const handle = await open(place, 'r');
  await handle.sync().finally(() => handle.close());
}

/** Of the key of a unit, or of the place of a row. */
const keyTypeOf = ({ key }: ArchiveUnit, columns: readonly Column[]): 'bigint' | 'uuid' | 'text' | 'tid' =>
  key === undefined ? 'tid' : (keyType(columns.find(({ name: each }) => each === key)?.type ?? '') ?? 'text');

const formsOf = ({ files }: Segment): Form[] => files.map(({ form = 'plain' }) => form);

const sorted = (hashes: string[]) => hashes.sort().join(' ');

export class Archival {
  readonly client: pg.Client;
  readonly options: ArchiveOptions & typeof defaults;

  constructor(client: pg.Client, options: ArchiveOptions) {
    this.client = client;
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.options = { ...defaults, ...(given as unknown as ArchiveOptions) };
  }

  at(file: string): string {
    return path.join(this.options.directory, file);
  }

  say(progress: ArchiveProgress): void {
    this.options.onProgress?.(progress);
  }

  /** What a killed run left: files that count for nothing go, complete ones are gone on with. */
  async clearUp(): Promise<Segment[]> {
    const pending: Segment[] = [];
    for (const segment of await readSegments(this.client)) {
      if (segment.state === 'exported') pending.push(segment);
      if (segment.state === 'exporting')
        await this.drop(segment, 'its run had ended before its files were complete');
    }
    return pending;
  }

  /** Exports and removes all units of a table that may leave. */
  async all(given: Prepared, of: Named): Promise<ArchivedUnit> {
    const { unit, references } = given;
    const ordered = references.internal.length > 0;
    const total = noneOf(unit.name);
    const prepared = {
      ...given,
      named: (table: Named) => (tableName(table) === tableName(unit.table) ? of : table),
      ...(ordered ? { goes: `${given.goes} AND ${unblocked(given)}` } : {}),
    };
    let pass = noneOf(unit.name);
    // Rows mostly refer to earlier ones. Where they do not, the other direction takes what this one had to leave.
    for (let down = ordered, vain = 0; vain < 2; down = !down) {
      if (ordered) await this.#findBlocked(given);
      pass = noneOf(unit.name);
      let exported = false;
      let from: string | undefined;
      do {
        this.options.signal?.throwIfAborted();
        const { segment, next } = await this.export(prepared, from, down);
        if (segment) addTo(pass, await this.remove(prepared, segment));
        exported ||= segment !== undefined;
        from = next;
      } while (from !== undefined);
      addTo(total, { ...pass, kept: 0, left: [] });
      if (!ordered || !exported) break;
      vain = pass.units > 0 ? 0 : vain + 1;
    }
    // What one pass left, the next one may have taken.
    addTo(total, { ...noneOf(unit.name), kept: pass.kept, left: pass.left });
    addTo(total, { ...noneOf(unit.name), left: await leftOut(this.client, given) });
    return total;
  }

  /** Notes the units that others refer to which stay, so that they are not exported in vain. */
  async #findBlocked({ unit, references, wanted }: Prepared): Promise<void> {
    await this.client.query(referredSql);
    await this.client.query('BEGIN');
    await this.client.query('DELETE FROM sqltrail.archive_referred WHERE unit = $1', [unit.name]);
    await this.client.query(
      `INSERT INTO sqltrail.archive_referred (unit, key) SELECT $1, key::text FROM (${references.blocked(wanted)}) AS b`,
      [unit.name],
    );
    await this.client.query('COMMIT');
  }

  async #removeFiles(unit: string, segment: number): Promise<void> {
    for (const directory of [this.options.directory, ...(this.options.copies ?? [])]) {
      const left = await readdir(directory).catch(() => []);
      for (const file of left)
        if (file.startsWith(`${stem(unit, segment)}.`))
          await rm(path.join(directory, file), { recursive: true, force: true });
    }
  }

  async drop({ id: segment, unit }: Segment, why: string): Promise<void> {
    await this.#removeFiles(unit, segment);
    await this.client.query('DELETE FROM sqltrail.archive_segment WHERE id = $1', [segment]);
    this.say({ event: 'dropped', unit, segment, why });
  }

  /**
   * Writes one snapshot of the next units; undefined when there are none.
   *
   * @param from where the last one ended; undefined for the first
   * @param down from the highest key or place, so that what refers to earlier rows leaves before them
   */
  async export(
    prepared: Prepared,
    from?: string,
    down = false,
  ): Promise<{ segment: Segment | undefined; next: string | undefined }> {
    const { unit, cutoff, columns, children, members, goes, named = (table) => table } = prepared;
    const { client } = this;
    const { directory, copies = [] } = this.options;
    const started = performance.now();
    const { rows: made } = await client.query(
      `INSERT INTO sqltrail.archive_segment (unit, state, policy, cutoff) VALUES ($1, 'exporting', $2, $3) RETURNING id::int`,
      [unit.name, JSON.stringify(unit), cutoff],
    );
    const segment: number = made[0].id;
    const remove = () => client.query('DELETE FROM sqltrail.archive_segment WHERE id = $1', [segment]);
    const files: (SegmentFile & { source: string })[] = [];
    // A session of its own: a COPY that the disk refuses can only be ended together with its connection.
    const reader = await openArchive(this.options.url, 'copy');
    await reader.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${PINNED}; SET LOCAL row_security = off`,
    );
    const duck = await openDuck();
    try {
      const range = await this.#range(reader, prepared, from, down);
      if (!range) {
        await remove();
        return { segment: undefined, next: undefined };
      }
      if (range.units === 0) {
        await remove();
        return { segment: undefined, next: range.next };
      }
      const root = `${members[0]?.from} AS t`;
      const { rows: server } = await reader.query('SHOW server_version_num');
      const serverVersion = Number(server[0].server_version_num);
      // Files that are not complete are where nobody else can look, and go with their directory.
      const unfinished = this.at(`${stem(unit.name, segment)}.tmp`);
      await mkdir(unfinished, { mode: 0o700 });
      const due = `${range.sql} AND ${goes}`;
      const parts: Part[] = [
        {
          table: unit.table,
          columns,
          extra: unit.key ? [] : [{ name: 'sqltrail_ctid', type: 'tid' }],
          alias: 't',
          rows: `${root} WHERE ${due}`,
          order: `${unit.key ? `t.${id(unit.key)}` : 't.ctid'}${down ? ' DESC' : ''}`,
          unitOf: 'row_number() OVER () - 1',
        },
        ...children.map((child, i) => ({
          table: child.table,
          columns: child.columns,
          extra: [],
          alias: 'c',
          rows: `${members[i + 1]?.from} AS c JOIN ${root} ON t.${id(unit.key as string)} = c.${id(child.column)} WHERE ${due}`,
          order: `c.${id(child.column)}`,
          unitOf: 'p.sqltrail_unit',
          column: child.column,
        })),
      ];
      for (const [at, part] of parts.entries()) {
        this.options.signal?.throwIfAborted();
        const source = path.join(unfinished, `${at}.parquet`);
        const quote = (column: string) => `${part.alias}.${id(column)}`;
        const form = await formOf(reader, part.columns, quote, part.rows);
        if (unit.key)
          checkKeyForm(form, columns.find((each) => each.name === unit.key)?.type, tableName(part.table));
        const selected = part.columns.map((column) => valueSql(column, quote(column.name), form));
        if (part.extra.length > 0) selected.push('t.ctid');
        const raw = path.join(unfinished, `${at}.csv`);
        await pipeline(
          reader.query(
            copyTo(
              `COPY (SELECT ${selected.join(', ')} FROM ${part.rows} ORDER BY ${part.order}) TO STDOUT (FORMAT csv)`,
            ),
          ),
          createWriteStream(raw, { mode: 0o600 }),
        );
        await this.#writeParquet(duck, part, form, raw, source, {
          file: path.join(unfinished, '0.parquet'),
          key: columns.find((each) => each.name === unit.key),
        });
        await rm(raw);
        await seal(source);
        const { rows: said } = await reader.query(
          contentOf(
            postgresRowHash(part.columns, quote, form),
            part.rows,
            readableSql(part.columns, quote, form, serverVersion),
          ),
        );
        if (!said[0].readable)
          throw new OperationError(
            `${tableName(part.table)} has a value that Postgres writes and cannot read back (${await unreadableValue(reader, part.columns, quote, part.rows)}); a restore could not be done. Correct it, or hold its unit in the policy. Nothing was removed from the database.`,
          );
        const [written] = await rowsOf<{ rows: number; content: string }>(
          duck.connection,
          duckContentOf(part.columns, parquet(source)),
        );
        if (!written || written.rows !== said[0].rows || written.content !== said[0].content)
          throw new OperationError(
            `The file of ${tableName(part.table)} does not say what the table says (${written?.rows ?? 0} rows of ${said[0].rows}). Nothing was removed from the database.`,
          );
        const called = named(part.table);
        files.push({
          table: tableName(called),
          name: { schema: called.schema, table: called.table },
          file: fileName(unit.name, segment, called),
          rows: written.rows,
          bytes: (await stat(source)).size,
          sha256: await sha256Of(source),
          content: written.content,
          columns: part.columns,
          ...(form === 'plain' ? {} : { form }),
          source,
        });
      }
      await reader.query('COMMIT');
      for (const { source, file } of files) {
        for (const copy of copies) {
          await copyFile(source, path.join(copy, `${file}.tmp`));
          await rename(path.join(copy, `${file}.tmp`), path.join(copy, file));
          await sync(path.join(copy, file));
        }
        await rename(source, this.at(file));
      }
      await rm(unfinished, { recursive: true });
      const described = files.map(({ source: _, ...file }) => file);
      const manifest = {
        format: 2,
        segment,
        unit: unit.name,
        reason: unit.reason,
        cutoff,
        retention: unit.retention,
        units: range.units,
        files: described,
      };
      for (const at of [directory, ...copies]) {
        const to = path.join(at, `${stem(unit.name, segment)}.json`);
        await writeFile(`${to}.tmp`, `${JSON.stringify(manifest, null, 1)}\n`, { flush: true, mode: 0o400 });
        await rename(`${to}.tmp`, to);
        await sync(at);
      }
      await client.query(
        `UPDATE sqltrail.archive_segment SET state = 'exported', files = $2, units = $3 WHERE id = $1`,
        [segment, JSON.stringify(described), range.units],
      );
      this.say({
        event: 'exported',
        unit: unit.name,
        segment,
        units: range.units,
        bytes: described.reduce((sum, { bytes }) => sum + bytes, 0),
        seconds: (performance.now() - started) / 1000,
      });
      await this.#rest(performance.now() - started);
      const exported = (await readSegments(client)).find(({ id: each }) => each === segment);
      return { segment: exported, next: range.next };
    } catch (error) {
      reader.connection.stream.destroy();
      await this.#removeFiles(unit.name, segment).catch(() => {});
      await remove().catch(() => {});
      throw diskFault(directory, error);
    } finally {
      await duck.close();
      await reader.end().catch(() => {});
    }
  }

  /** The rows of a CSV, with the unit that each belongs to: by its place, or as the file of its parent has it. */
  async #writeParquet(
    { connection }: Duck,
    { columns, extra, unitOf, column }: Part,
    form: Form,
    raw: string,
    to: string,
    parent: { file: string; key: Column | undefined },
  ): Promise<void> {
    const all = [...columns, ...extra];
    const wanted = columns.find((each) => each.name === column);
    const join =
      wanted && parent.key
        ? `JOIN ${parquet(parent.file)} AS p ON p.${name(fileColumn(parent.key))} = s.${name(fileColumn(wanted))} ORDER BY p.sqltrail_unit`
        : '';
    const write = (wide: boolean) => {
      const typed = all.map((each) => ({
        name: fileColumn(each),
        type: parquetType(each.type, { wide, form }),
      }));
      return connection.run(
        `COPY (SELECT ${all.map((each) => `s.${name(fileColumn(each))}`).join(', ')}, (${unitOf})::INTEGER AS sqltrail_unit FROM ${csv(raw, typed)} AS s ${join})
           TO ${text(path.resolve(to))} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
      );
    };
    try {
      await write(false);
    } catch (error) {
      // A NaN among numbers of a fixed precision.
      if (!/Conversion Error|could not convert|Error when converting/i.test((error as Error).message))
        throw error;
      await write(true);
    }
  }

  /** The next units as a range of keys, or of blocks of the table. `next` is where the one after it begins. */
  async #range(
    reader: pg.Client,
    { unit, columns, members, goes }: Prepared,
    from: string | undefined,
    down: boolean,
  ) {
    const { segmentUnits } = this.options;
    const table = members[0]?.from as string;
    if (unit.key) {
      const key = `t.${id(unit.key)}`;
      const type = keyTypeOf(unit, columns);
      const [after, upTo, order, back] = down ? ['<', '>=', 'DESC', 'ASC'] : ['>', '<=', 'ASC', 'DESC'];
      const beyondLast = from === undefined ? 'true' : `${key} ${after} ${literal(from)}::${type}`;
      const { rows } = await reader.query<{ units: number; last: string | null }>(
        `WITH found AS (SELECT ${key} AS key FROM ${table} AS t WHERE ${beyondLast} AND ${goes} ORDER BY ${key} ${order} LIMIT $1)
         SELECT (SELECT count(*)::int FROM found) AS units, (SELECT f.key::text FROM found AS f ORDER BY f.key ${back} LIMIT 1) AS last`,
        [segmentUnits],
      );
      const { units, last: next } = rows[0] as { units: number; last: string | null };
      if (next === null) return undefined;
      return { units, next, sql: `${beyondLast} AND ${key} ${upTo} ${literal(next)}::${type}` };
    }
    const { rows } = await reader.query<{ pages: number; tuples: number }>(
      `SELECT (pg_relation_size(c.oid) / current_setting('block_size')::int)::int AS pages,
              CASE WHEN c.relpages > 0 AND c.reltuples > 0 THEN c.reltuples / c.relpages ELSE 50 END::float8 AS tuples
         FROM pg_class AS c WHERE c.oid = $1::regclass`,
      [tableSql(unit.table)],
    );
    const { pages, tuples } = rows[0] as { pages: number; tuples: number };
    const step = Math.max(1, Math.floor(segmentUnits / tuples));
    const begun = from === undefined ? (down ? pages : 0) : Number(from);
    const [first, end] = down ? [Math.max(0, begun - step), begun] : [begun, Math.min(pages, begun + step)];
    if (first >= end) return undefined;
    const sql = `t.ctid >= '(${first},0)'::tid AND t.ctid < '(${end},0)'::tid`;
    const { rows: counted } = await reader.query<{ units: number }>(
      `SELECT count(*)::int AS units FROM ${table} AS t WHERE ${sql} AND ${goes}`,
    );
    return { units: counted[0]?.units ?? 0, next: String(down ? first : end), sql };
  }

  /** Deletes what the files hold, and only what is the same in both, in short transactions. */
  async remove(prepared: Prepared, segment: Segment): Promise<ArchivedUnit> {
    const { unit } = prepared;
    const { client } = this;
    for (const { file, sha256 } of segment.files)
      if ((await sha256Of(this.at(file)).catch(() => '')) !== sha256) {
        if (segment.removed === 0) {
          await this.drop(segment, `${file} is not what was written; it is exported again`);
          return noneOf(unit.name);
        }
        throw new OperationError(
          `${this.at(file)} has changed since it was written, and ${segment.removed} units are in it alone. Put back an intact copy, then run it again.`,
        );
      }
    const units = await this.#unitRows(segment);
    const result = { ...noneOf(unit.name), kept: segment.excluded };
    let done = segment.removed;
    let size = 50;
    let locked = 0;
    for (let retries = 0; done < units.length; ) {
      this.options.signal?.throwIfAborted();
      const started = performance.now();
      const batch = units.slice(done, done + size).map((row, at) => ({ ...row, unit: done + at }));
      const end = done + batch.length;
      let refused: Excluded | undefined;
      let excluded: Excluded[] = [];
      try {
        const attempt = await this.#attempt(prepared, batch, formsOf(segment));
        if (typeof attempt === 'string') refused = { unit: done, reason: 'refused', why: attempt };
        else excluded = attempt;
        locked = 0;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {});
        if (passing.has((error as { code?: string }).code ?? '')) {
          retries += 1;
          // Once one unit was given up, the next ones are not waited for as long.
          if (retries <= (locked > 0 ? ATTEMPTS / 3 : ATTEMPTS)) {
            size = Math.max(1, Math.floor(size / 2));
            await sleep(50 + Math.random() * 100 * retries);
            continue;
          }
          locked += 1;
          if (locked === LOCKED_UNITS)
            throw new OperationError(
              `Rows of ${unit.name} have been locked by others for too long. Everything removed so far is in the files; look for long transactions in pg_stat_activity, then run it again.`,
              { cause: error },
            );
          refused = { unit: done, reason: 'locked', why: 'others keep them locked' };
        } else {
          const why = refusal(error);
          if (why === undefined) throw error;
          refused = { unit: done, reason: 'refused', why };
        }
      }
      if (refused && batch.length > 1) {
        // Which of them it is, smaller batches find out.
        size = Math.floor(batch.length / 2);
        continue;
      }
      if (refused) {
        await client.query('BEGIN');
        excluded = [refused];
      }
      await this.#leave(segment, excluded, end);
      result.kept += excluded.length;
      // What is referred to is counted when all is done, by the reference.
      for (const { reason, why } of excluded)
        if (reason !== 'referred') addTo(result, { ...noneOf(unit.name), left: [{ reason: why, units: 1 }] });
      retries = 0;
      done = end;
      const tookMs = performance.now() - started;
      this.say({
        event: 'removing',
        unit: unit.name,
        segment: segment.id,
        removed: done,
        units: units.length,
      });
      size = Math.max(
        1,
        Math.min(5_000, Math.round(size * Math.min(2, Math.max(0.5, this.options.batchMs / tookMs)))),
      );
      await this.#rest(tookMs);
    }
    if (result.kept === units.length) {
      await this.drop(segment, 'all of its units stay where they are');
      return result;
    }
    await client.query(
      "UPDATE sqltrail.archive_segment SET state = 'archived', archived_at = now() WHERE id = $1",
      [segment.id],
    );
    result.units = units.length - result.kept;
    this.say({
      event: 'archived',
      unit: unit.name,
      segment: segment.id,
      units: result.units,
      kept: result.kept,
    });
    result.rows = segment.files.reduce((sum, { rows }) => sum + rows, 0);
    result.bytes = segment.files.reduce((sum, { bytes }) => sum + bytes, 0);
    return result;
  }

  /** Ends the transaction that deleted units up to `end`, but for those excluded. */
  async #leave(segment: Segment, excluded: readonly Excluded[], end: number): Promise<void> {
    for (const { unit, reason } of excluded)
      await this.client.query(
        'INSERT INTO sqltrail.archive_excluded (segment, unit, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [segment.id, unit, reason],
      );
    await this.client.query('UPDATE sqltrail.archive_segment SET removed = $2 WHERE id = $1', [
      segment.id,
      end,
    ]);
    await this.client.query('COMMIT');
  }

  /**
   * Deletes a batch in a transaction that is left open, and tells which units it had to leave; or rolls it back and
   * tells why, when more would have changed than these rows.
   */
  async #attempt(
    prepared: Prepared,
    units: readonly Batched[],
    forms: readonly Form[],
  ): Promise<Excluded[] | string> {
    const { client } = this;
    const { unit, members } = prepared;
    const excluded: Excluded[] = [];
    // The first try tells which units differ; they are left, and the rest is deleted in the second.
    for (let batch = units; ; ) {
      // Each statement has to see what was committed before it, whatever the role's own default is.
      await client.query(
        `BEGIN ISOLATION LEVEL READ COMMITTED; ${PINNED}; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL row_security = off`,
      );
      const referred = await this.#referred(
        prepared,
        batch.map(({ key }) => key),
      );
      batch = batch.filter(({ key, unit: at }) => {
        const why = referred.get(key);
        if (why) excluded.push({ unit: at, reason: 'referred', why });
        return !why;
      });
      if (batch.length === 0) return excluded;
      const before = await readEffects(client);
      const found = await this.#delete(
        prepared,
        batch.map(({ key }) => key),
        forms,
      );
      await client.query('SET CONSTRAINTS ALL IMMEDIATE');
      const differing = batch.filter(({ key, hashes }) => sorted(found.get(key) ?? []) !== hashes);
      if (differing.length === 0) {
        const more =
          beyond(before, await readEffects(client), {
            oids: new Set(members.flatMap(({ oids }) => oids)),
            deleted: [...found.values()].reduce((sum, { length }) => sum + length, 0),
            allowed: unit.triggersMayWrite ?? [],
          }) ?? (prepared.triggers ? await locksWholeTable(client) : undefined);
        if (!more) return excluded;
        await client.query('ROLLBACK');
        return more;
      }
      await client.query('ROLLBACK');
      await client.query(`BEGIN; ${PINNED}`);
      const there = await this.#hashes(
        prepared,
        differing.map(({ key }) => key),
        forms,
      );
      await client.query('ROLLBACK');
      for (const { key, hashes, unit: at } of differing) {
        const now = there.get(key);
        excluded.push(
          !now
            ? { unit: at, reason: 'gone', why: 'they were deleted by others' }
            : sorted(now) === hashes
              ? { unit: at, reason: 'refused', why: 'a trigger keeps or changes their rows' }
              : { unit: at, reason: 'changed', why: 'they changed while they were being moved' },
        );
      }
      batch = batch.filter((each) => !differing.includes(each));
      if (batch.length === 0) {
        await client.query('BEGIN');
        return excluded;
      }
    }
  }

  /**
   * Locks units against new references, and tells which of them rows refer to that do not leave in this transaction. A
   * foreign key's row has to lock what it refers to, so that none comes until the transaction has ended.
   */
  async #referred(
    { unit, columns, references }: Prepared,
    keys: readonly string[],
  ): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const check = references.check(keyTypeOf(unit, columns));
    if (!check) return found;
    for (const lock of check.locks) await this.client.query(lock, [keys]);
    // One that stays keeps those that it refers to.
    for (let leaving = keys; leaving.length > 0; ) {
      const { rows } = await this.client.query<{ key: string; reference: number }>(check.referred, [leaving]);
      for (const { key, reference } of rows) {
        const by = references.references[reference];
        if (by) found.set(key, describeReference(by));
      }
      if (rows.length === 0) break;
      leaving = leaving.filter((key) => !found.has(key));
    }
    return found;
  }

  /** After work that took so long, as the duty cycle has it. */
  async #rest(tookMs: number): Promise<void> {
    const restMs = Math.min(LONGEST_REST_MS, tookMs * (1 / this.options.dutyCycle - 1));
    if (restMs >= 1) await sleep(restMs);
  }

  async #unitRows({ files, policy }: Segment): Promise<UnitRow[]> {
    const duck = await openDuck();
    try {
      const units: { key: string; hashes: string[] }[] = [];
      for (const [table, { file, columns }] of files.entries()) {
        const own = columns.find((column) => column.name === policy.key);
        const key = table > 0 ? 'NULL' : own ? name(fileColumn(own)) : 'sqltrail_ctid';
        const rows = await rowsOf<{ unit: number; key: string; h: string }>(
          duck.connection,
          `SELECT sqltrail_unit AS unit, ${key}::VARCHAR AS key, ${duckRowHash(stored(columns))} AS h FROM ${parquet(this.at(file))} ORDER BY sqltrail_unit`,
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
  async #delete(prepared: Prepared, keys: string[], forms: readonly Form[]): Promise<Map<string, string[]>> {
    const parts = this.#parts(prepared, forms);
    // In one statement, so that no referential action meets a row that is yet to leave.
    const gone = parts.map(
      ({ from, is, key, hash }, at) =>
        `gone${at === 0 ? '' : `_${at}`} AS (DELETE FROM ${from} AS t WHERE ${is} RETURNING ${key}::text AS key, ${hash} AS h)`,
    );
    return this.#hashesOf(
      `WITH ${gone.join(', ')} ${parts.map(({ number }, at) => `SELECT key, ${number} AS part, array_agg(h) AS hashes FROM gone${at === 0 ? '' : `_${at}`} GROUP BY key`).join(' UNION ALL ')}`,
      keys,
    );
  }

  /** As `#delete`, of rows that stay. */
  #hashes(prepared: Prepared, keys: string[], forms: readonly Form[]): Promise<Map<string, string[]>> {
    return this.#hashesOf(
      this.#parts(prepared, forms)
        .map(
          ({ from, is, key, hash, number }) =>
            `SELECT ${key}::text AS key, ${number} AS part, array_agg(${hash}) AS hashes FROM ${from} AS t WHERE ${is} GROUP BY 1`,
        )
        .join(' UNION ALL '),
      keys,
    );
  }

  async #hashesOf(sql: string, keys: string[]): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    const { rows } = await this.client.query<{ key: string; part: number; hashes: string[] }>(sql, [keys]);
    for (const { key, part, hashes } of rows)
      found.set(key, [...(found.get(key) ?? []), ...hashes.map((h) => `${part}${h}`)]);
    return found;
  }

  #parts({ unit, columns, children, members }: Prepared, forms: readonly Form[]) {
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
}

/** Units that rows refer to which stay, as of the current pass over a table with references to itself. */
const referredSql = `CREATE TABLE IF NOT EXISTS sqltrail.archive_referred (
  unit  text NOT NULL,
  key   text NOT NULL,
  PRIMARY KEY (unit, key)
)`;
const unblocked = ({ unit, members }: Prepared) =>
  `NOT EXISTS (SELECT FROM sqltrail.archive_referred AS b WHERE b.unit = ${literal(unit.name)} AND b.key = ${members[0]?.unitOf('t')}::text)`;

/** Journals of earlier versions know fewer reasons. */
const reasonsSql = `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'sqltrail.archive_excluded'::regclass AND pg_get_constraintdef(oid) LIKE '%referred%') THEN
    ALTER TABLE sqltrail.archive_excluded DROP CONSTRAINT IF EXISTS archive_excluded_reason_check,
      ADD CONSTRAINT archive_excluded_reason_check CHECK (reason IN ('changed', 'gone', 'referred', 'refused', 'locked', 'restored'));
  END IF;
END $$`;

/**
 * Moves what the policy names from the tables to Parquet files, whole units at a time. A unit's files are written from
 * one snapshot, read back and compared with the tables by count and hash, and synced to disk before a row is deleted;
 * what has changed meanwhile stays in the database. It may be killed at any moment: the next run goes on.
 *
 * @throws OperationError naming what has to be there first, the disk's fault, or the file that was changed
 */
export async function runArchive(options: ArchiveOptions): Promise<ArchivedUnit[]> {
  const client = await openArchive(options.url, 'change');
  try {
    for (const directory of [options.directory, ...(options.copies ?? [])])
      try {
        await makeDirectory(directory);
      } catch (error) {
        throw diskFault(directory, error);
      }
    await client.query(reasonsSql);
    const archival = new Archival(client, options);
    const results = new Map<string, ArchivedUnit>();
    /** What keeps one unit does not keep the others. */
    const each = async (unit: string, work: () => Promise<ArchivedUnit | undefined>) => {
      const total = results.get(unit) ?? noneOf(unit);
      results.set(unit, total);
      try {
        const done = await work();
        if (done) addTo(total, done);
      } catch (error) {
        if (options.signal?.aborted || isFatal(error)) throw error;
        await client.query('ROLLBACK');
        const { message } = explained(error, {
          url: options.url,
          directory: options.directory,
          nothing: 'It has stopped, and every row is in exactly one place',
        }) as Error;
        addTo(total, { ...noneOf(unit), problems: [message] });
      }
    };
    // A partition is gone on with where it was begun (partitions.ts).
    for (const segment of await archival.clearUp())
      if (!segment.policy.partition)
        await each(segment.unit, async () => archival.remove(await prepare(client, segment.policy), segment));
    for (const unit of chosen(options))
      await each(unit.name, async () => {
        const total = noneOf(unit.name);
        for (const place of await placesOf(client, unit))
          addTo(total, await archival.all(await prepareFor(client, place), unit.table));
        if (total.units > 0)
          for (const { table } of [unit, ...unit.children]) {
            archival.say({ event: 'vacuum', table: tableName(table) });
            // As gentle as autovacuum.
            await client.query('SET vacuum_cost_delay = 2');
            await client.query(`VACUUM (ANALYZE) ${tableSql(table)}`);
          }
        return total;
      });
    return [...results.values()];
  } catch (error) {
    if (!isConnectionLost(error))
      throw explained(error, {
        url: options.url,
        directory: options.directory,
        nothing: 'The run has stopped, and every row is in exactly one place',
      });
    throw new OperationError(
      `${describeTarget(options.url)}: the connection was cut. Every row is in exactly one place; run it again, and it goes on.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}
