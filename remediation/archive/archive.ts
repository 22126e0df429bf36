import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { describeTarget } from '../../diagnosis/session.ts';
import { isConnectionLost, RemediationError } from '../errors.ts';
import {
  type Column,
  csv,
  duckRowHash,
  name,
  openDuck,
  parquetType,
  postgresRowHash,
  rowsOf,
  text,
} from './parquet.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';
import { openArchive, readColumns, readSegments, type Segment, type SegmentFile } from './session.ts';

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

export interface ArchivedUnit {
  unit: string;
  units: number;
  /** Changed while they were being moved, so that they stayed in the database. */
  kept: number;
  /** Rows of all tables. */
  rows: number;
  /** Of the files. */
  bytes: number;
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
  /** What has to be there first. */
  problems: string[];
}

const LOCK_TIMEOUT_MS = 300;
const ATTEMPTS = 30;
const LONGEST_REST_MS = 5_000;
const defaults = { segmentUnits: 20_000, batchMs: 50, dutyCycle: 0.25 };
const passing = new Set(['55P03', '40P01', '40001']);

const tableSql = ({ schema, table }: { schema: string; table: string }) => `${id(schema)}.${id(table)}`;
const tableName = ({ schema, table }: { schema: string; table: string }) => `${schema}.${table}`;

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
  named?: (table: { schema: string; table: string }) => { schema: string; table: string };
  cutoff: string;
  columns: Column[];
  children: { table: { schema: string; table: string }; column: string; columns: Column[] }[];
  goes: string;
  due: string;
  held: string;
  problems: string[];
}

export async function prepare(client: pg.ClientBase, unit: ArchiveUnit): Promise<Prepared> {
  const columns = await readColumns(client, unit.table);
  const typeOf = (column: string) => {
    const found = columns.find(({ name: each }) => each === column);
    if (!found)
      throw new RemediationError(
        `The policy of ${unit.name} names the column ${column}, which ${tableName(unit.table)} does not have.`,
      );
    return found.type;
  };
  const problems: string[] = [];
  if (unit.key && !['smallint', 'integer', 'bigint'].includes(typeOf(unit.key)))
    problems.push(`${tableName(unit.table)}.${unit.key} is no integer; a key has to be one.`);
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
      throw new RemediationError(
        `The policy of ${unit.name} names the column ${child.column}, which ${tableName(child.table)} does not have.`,
      );
    if (!(await indexed(child.table, child.column, false)))
      problems.push(
        `${tableName(child.table)}.${child.column} has no index, so each batch would read the whole table. Run sqltrail fix short-term first, or CREATE INDEX CONCURRENTLY ON ${tableSql(child.table)} (${id(child.column)}).`,
      );
    children.push({ ...child, columns: found });
  }
  return {
    unit,
    cutoff: fact.cutoff,
    columns,
    children,
    problems,
    ...conditions(unit, { ageType, ...fact }),
  };
}

export const chosen = ({ policy, only }: Pick<ArchiveOptions, 'policy' | 'only'>): ArchiveUnit[] => {
  const unknown = only?.filter((each) => !policy.units.some(({ name: known }) => known === each)) ?? [];
  if (unknown.length > 0)
    throw new RemediationError(
      `The policy has no unit ${unknown.join(', ')}; it has ${policy.units.map(({ name: each }) => each).join(', ')}.`,
    );
  return policy.units.filter(({ name: each }) => !only || only.includes(each));
};

/** What the policy would move today. Reads only. */
export async function planArchive(
  options: Pick<ArchiveOptions, 'url' | 'policy' | 'only'>,
): Promise<UnitPlan[]> {
  const client = await openArchive(options.url, 'read');
  try {
    const plans: UnitPlan[] = [];
    for (const unit of chosen(options)) {
      const prepared = await prepare(client, unit);
      const { rows } = await client.query(
        `SELECT count(*)::int AS total, count(*) FILTER (WHERE ${prepared.goes})::int AS eligible,
                count(*) FILTER (WHERE ${prepared.due} AND ${prepared.held})::int AS held,
                min(t.${id(unit.age)}) FILTER (WHERE ${prepared.goes})::text AS oldest
           FROM ${tableSql(unit.table)} AS t`,
      );
      let childRows = 0;
      for (const { table, column } of unit.children) {
        const { rows: counted } = await client.query(
          `SELECT count(*)::int AS n FROM ${tableSql(table)} AS c JOIN ${tableSql(unit.table)} AS t ON t.${id(unit.key as string)} = c.${id(column)} WHERE ${prepared.goes}`,
        );
        childRows += counted[0].n;
      }
      const { rows: sized } = await client.query(
        'SELECT sum(pg_total_relation_size(x::regclass))::bigint AS bytes FROM unnest($1::text[]) AS x',
        [[unit.table, ...unit.children.map(({ table }) => table)].map(tableSql)],
      );
      plans.push({
        unit,
        cutoff: prepared.cutoff,
        ...rows[0],
        bytes: Number(sized[0].bytes),
        childRows,
        problems: prepared.problems,
      });
    }
    return plans;
  } finally {
    await client.end();
  }
}

/** A fault of the disk in words, with the next step. */
function diskFault(directory: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  const said = `${code ?? ''} ${message}`;
  if (/ENOSPC|No space left/i.test(said))
    return new RemediationError(
      `The disk of ${directory} is full. Nothing was removed from the database; make room or give another directory, and run it again.`,
      { cause: error },
    );
  if (/EACCES|EROFS|EPERM|ENOTDIR|EEXIST|Permission denied|Read-only/i.test(said))
    return new RemediationError(
      `${directory} cannot be written to (${message}). Nothing was removed from the database; give a directory that can.`,
      { cause: error },
    );
  return error;
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

const contentOf = (hash: string, rows: string) =>
  `SELECT count(*)::int AS rows, encode(sha256(convert_to(coalesce(string_agg(h, '' ORDER BY h COLLATE "C"), ''), 'UTF8')), 'hex') AS content FROM (SELECT ${hash} AS h FROM ${rows}) AS x`;
const duckContentOf = (columns: readonly Column[], file: string) =>
  `SELECT count(*)::INTEGER AS rows, sha256(coalesce(string_agg(h, '' ORDER BY h), '')) AS content FROM (SELECT ${duckRowHash(columns)} AS h FROM read_parquet(${text(file)}))`;

interface UnitRow {
  /** The key, or the place of a row without one. */
  key: string;
  /** Hashes of all rows of the unit, each with the number of its table, sorted. */
  hashes: string;
}

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

  async #removeFiles(unit: string, segment: number): Promise<void> {
    for (const directory of [this.options.directory, ...(this.options.copies ?? [])]) {
      const left = await readdir(directory).catch(() => []);
      for (const file of left)
        if (file.startsWith(`${stem(unit, segment)}.`)) await rm(path.join(directory, file), { force: true });
    }
  }

  async drop({ id: segment, unit }: Segment, why: string): Promise<void> {
    await this.#removeFiles(unit, segment);
    await this.client.query('DELETE FROM sqltrail.archive_segment WHERE id = $1', [segment]);
    this.say({ event: 'dropped', unit, segment, why });
  }

  /** Writes one snapshot of the next units; undefined when there are none. */
  async export(
    prepared: Prepared,
    from: string,
  ): Promise<{ segment: Segment | undefined; next: string | undefined }> {
    const { unit, cutoff, columns, children, goes, named = (table) => table } = prepared;
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
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const duck = await openDuck();
    try {
      const range = await this.#range(reader, prepared, from);
      if (!range) {
        await remove();
        return { segment: undefined, next: undefined };
      }
      if (range.units === 0) {
        await remove();
        return { segment: undefined, next: range.next };
      }
      const parent = `${tableSql(unit.table)} AS t WHERE ${range.sql} AND ${goes}`;
      const order = unit.key ? `ORDER BY t.${id(unit.key)}` : 'ORDER BY t.ctid';
      const parts = [
        {
          table: unit.table,
          columns,
          extra: unit.key ? [] : [{ name: 'sqltrail_ctid', type: 'tid' }],
          rows: parent,
          alias: 't',
          select: `SELECT ${[...columns.map((column) => `t.${id(column.name)}`), ...(unit.key ? [] : ['t.ctid'])].join(', ')} FROM ${parent} ${order}`,
          unitOf: 'row_number() OVER () - 1',
          join: '',
        },
        ...children.map((child) => ({
          table: child.table,
          columns: child.columns,
          extra: [],
          rows: `${tableSql(child.table)} AS c JOIN ${parent.replace(' WHERE ', ` ON t.${id(unit.key as string)} = c.${id(child.column)} WHERE `)}`,
          alias: 'c',
          select: `SELECT ${child.columns.map((column) => `c.${id(column.name)}`).join(', ')} FROM ${tableSql(child.table)} AS c JOIN ${tableSql(unit.table)} AS t ON t.${id(unit.key as string)} = c.${id(child.column)} WHERE ${range.sql} AND ${goes} ORDER BY c.${id(child.column)}`,
          unitOf: 'p.sqltrail_unit',
          join: `JOIN read_parquet(${text(this.at(`${fileName(unit.name, segment, named(unit.table))}.tmp`))}) AS p ON p.${name(unit.key ?? '')} = s.${name(child.column)}`,
        })),
      ];
      for (const part of parts) {
        this.options.signal?.throwIfAborted();
        const file = fileName(unit.name, segment, named(part.table));
        const raw = this.at(`${file}.csv.tmp`);
        const parquet = this.at(`${file}.tmp`);
        await pipeline(
          reader.query(copyTo(`COPY (${part.select}) TO STDOUT (FORMAT csv)`)),
          createWriteStream(raw),
        );
        const all = [...part.columns, ...part.extra];
        await duck.connection.run(
          `COPY (SELECT ${all.map((column) => `s.${name(column.name)}`).join(', ')}, (${part.unitOf})::INTEGER AS sqltrail_unit
                   FROM ${csv(
                     raw,
                     all.map((column) => ({ name: column.name, type: parquetType(column.type) })),
                   )} AS s ${part.join}${part.join ? ' ORDER BY p.sqltrail_unit' : ''})
             TO ${text(parquet)} (FORMAT parquet, COMPRESSION zstd)`,
        );
        await rm(raw);
        await sync(parquet);
        const { rows: said } = await reader.query(
          contentOf(
            postgresRowHash(part.columns, (column) => `${part.alias}.${id(column)}`),
            part.rows,
          ),
        );
        const [written] = await rowsOf<{ rows: number; content: string }>(
          duck.connection,
          duckContentOf(part.columns, parquet),
        );
        if (!written || written.rows !== said[0].rows || written.content !== said[0].content)
          throw new RemediationError(
            `${file}: the file does not say what ${tableName(part.table)} says (${written?.rows ?? 0} rows of ${said[0].rows}). Nothing was removed from the database.`,
          );
        files.push({
          table: tableName(named(part.table)),
          file,
          rows: written.rows,
          bytes: (await stat(parquet)).size,
          sha256: await sha256Of(parquet),
          content: written.content,
          columns: part.columns,
          source: parquet,
        });
      }
      await reader.query('COMMIT');
      for (const { source, file } of files) {
        for (const copy of copies) {
          await copyFile(source, path.join(copy, file));
          await sync(path.join(copy, file));
        }
        await rename(source, this.at(file));
      }
      const described = files.map(({ source: _, ...file }) => file);
      const manifest = {
        format: 1,
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
        await writeFile(`${to}.tmp`, `${JSON.stringify(manifest, null, 1)}\n`, { flush: true });
        await rename(`${to}.tmp`, to);
      }
      const handle = await open(directory, 'r');
      await handle.sync().finally(() => handle.close());
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
      duck.close();
      await reader.end().catch(() => {});
    }
  }

  /** The next units as a range of keys, or of blocks of the table. `next` is where the one after it begins. */
  async #range(reader: pg.Client, { unit, goes }: Prepared, from: string) {
    const { segmentUnits } = this.options;
    const table = tableSql(unit.table);
    if (unit.key) {
      const key = `t.${id(unit.key)}`;
      const { rows } = await reader.query<{ units: number; last: string | null }>(
        `SELECT count(*)::int AS units, max(key)::text AS last
           FROM (SELECT ${key} AS key FROM ${table} AS t WHERE ${key} > $1::bigint AND ${goes} ORDER BY ${key} LIMIT $2) AS x`,
        [from, segmentUnits],
      );
      const { units, last } = rows[0] as { units: number; last: string | null };
      if (last === null) return undefined;
      return {
        units,
        next: last,
        sql: `${key} > ${literal(from)}::bigint AND ${key} <= ${literal(last)}::bigint`,
      };
    }
    const { rows } = await reader.query<{ pages: number; tuples: number }>(
      `SELECT (pg_relation_size(c.oid) / current_setting('block_size')::int)::int AS pages,
              CASE WHEN c.relpages > 0 AND c.reltuples > 0 THEN c.reltuples / c.relpages ELSE 50 END::float8 AS tuples
         FROM pg_class AS c WHERE c.oid = $1::regclass`,
      [table],
    );
    const { pages, tuples } = rows[0] as { pages: number; tuples: number };
    const first = Math.max(0, Number(from));
    if (first >= pages) return undefined;
    const next = Math.min(pages, first + Math.max(1, Math.floor(segmentUnits / tuples)));
    const sql = `t.ctid >= '(${first},0)'::tid AND t.ctid < '(${next},0)'::tid`;
    const { rows: counted } = await reader.query<{ units: number }>(
      `SELECT count(*)::int AS units FROM ${table} AS t WHERE ${sql} AND ${goes}`,
    );
    return { units: counted[0]?.units ?? 0, next: String(next), sql };
  }

  /** Deletes what the files hold, and only what is the same in both, in short transactions. */
  async remove(prepared: Prepared, segment: Segment): Promise<ArchivedUnit> {
    const { unit } = prepared;
    const { client } = this;
    for (const { file, sha256 } of segment.files)
      if ((await sha256Of(this.at(file)).catch(() => '')) !== sha256) {
        if (segment.removed === 0) {
          await this.drop(segment, `${file} is not what was written; it is exported again`);
          return { unit: unit.name, units: 0, kept: 0, rows: 0, bytes: 0 };
        }
        throw new RemediationError(
          `${this.at(file)} has changed since it was written, and ${segment.removed} units are in it alone. Put back an intact copy, then run it again.`,
        );
      }
    const units = await this.#unitRows(segment);
    let done = segment.removed;
    let size = 50;
    let kept = segment.excluded;
    for (let retries = 0; done < units.length; ) {
      this.options.signal?.throwIfAborted();
      const started = performance.now();
      let batch = units.slice(done, done + size).map((row, at) => ({ ...row, unit: done + at }));
      const end = done + batch.length;
      try {
        const excluded: { unit: number; reason: 'changed' | 'gone' }[] = [];
        // The first try tells which units differ; they are left, and the rest is deleted in the second.
        for (;;) {
          await client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
          const found = await this.#delete(
            prepared,
            batch.map(({ key }) => key),
          );
          const differing = batch.filter(({ key, hashes }) => sorted(found.get(key) ?? []) !== hashes);
          if (differing.length === 0) break;
          await client.query('ROLLBACK');
          for (const { key, unit: at } of differing)
            excluded.push({ unit: at, reason: found.has(key) ? 'changed' : 'gone' });
          batch = batch.filter((each) => !differing.includes(each));
        }
        for (const { unit: at, reason } of excluded)
          await client.query(
            'INSERT INTO sqltrail.archive_excluded (segment, unit, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
            [segment.id, at, reason],
          );
        await client.query('UPDATE sqltrail.archive_segment SET removed = $2 WHERE id = $1', [
          segment.id,
          end,
        ]);
        await client.query('COMMIT');
        kept += excluded.length;
        retries = 0;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {});
        retries += 1;
        if (!passing.has((error as { code?: string }).code ?? '')) throw error;
        if (retries > ATTEMPTS)
          throw new RemediationError(
            `Rows of ${unit.name} have been locked by others for too long. Everything removed so far is in the files; look for long transactions in pg_stat_activity, then run it again.`,
            { cause: error },
          );
        size = Math.max(1, Math.floor(size / 2));
        await sleep(50 + Math.random() * 100 * retries);
        continue;
      }
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
    await client.query(
      "UPDATE sqltrail.archive_segment SET state = 'archived', archived_at = now() WHERE id = $1",
      [segment.id],
    );
    this.say({ event: 'archived', unit: unit.name, segment: segment.id, units: units.length - kept, kept });
    return {
      unit: unit.name,
      units: units.length - kept,
      kept,
      rows: segment.files.reduce((sum, { rows }) => sum + rows, 0),
      bytes: segment.files.reduce((sum, { bytes }) => sum + bytes, 0),
    };
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
        const key = table > 0 ? 'NULL' : policy.key ? name(policy.key) : 'sqltrail_ctid';
        const rows = await rowsOf<{ unit: number; key: string; h: string }>(
          duck.connection,
          `SELECT sqltrail_unit AS unit, ${key}::VARCHAR AS key, ${duckRowHash(columns)} AS h FROM read_parquet(${text(this.at(file))}) ORDER BY sqltrail_unit`,
        );
        for (const { unit, key: value, h } of rows) {
          if (table === 0) units[unit] = { key: value, hashes: [] };
          units[unit]?.hashes.push(`${table}${h}`);
        }
      }
      return units.map(({ key, hashes }) => ({ key, hashes: sorted(hashes) }));
    } finally {
      duck.close();
    }
  }

  /** Deletes units, and tells the hashes of all rows that it deleted, by unit. */
  async #delete({ unit, columns, children }: Prepared, keys: string[]): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    const tables = [
      ...children.map((child, i) => ({
        ...child,
        number: i + 1,
        is: `t.${id(child.column)} = ANY ($1::bigint[])`,
        key: `t.${id(child.column)}`,
      })),
      {
        table: unit.table,
        columns,
        number: 0,
        is: unit.key ? `t.${id(unit.key)} = ANY ($1::bigint[])` : 't.ctid = ANY ($1::tid[])',
        key: unit.key ? `t.${id(unit.key)}` : 't.ctid',
      },
    ];
    for (const { table, columns: all, number, is, key } of tables) {
      const { rows } = await this.client.query<{ key: string; hashes: string[] }>(
        `WITH gone AS (DELETE FROM ${tableSql(table)} AS t WHERE ${is}
                       RETURNING ${key}::text AS key, ${postgresRowHash(all, (column) => `t.${id(column)}`)} AS h)
         SELECT key, array_agg(h) AS hashes FROM gone GROUP BY key`,
        [keys],
      );
      for (const { key: of, hashes } of rows) {
        const all = found.get(of) ?? [];
        all.push(...hashes.map((h) => `${number}${h}`));
        found.set(of, all);
      }
    }
    return found;
  }
}

export const stem = (unit: string, segment: number): string => `${unit}-${String(segment).padStart(6, '0')}`;
const fileName = (unit: string, segment: number, table: { schema: string; table: string }): string =>
  `${stem(unit, segment)}.${`${table.schema}.${table.table}`.replaceAll(/[^\w.-]/g, '_')}.parquet`;

/**
 * Moves what the policy names from the tables to Parquet files, whole units at a time. A unit's files are written from
 * one snapshot, read back and compared with the tables by count and hash, and synced to disk before a row is deleted;
 * what has changed meanwhile stays in the database. It may be killed at any moment: the next run goes on.
 *
 * @throws RemediationError naming what has to be there first, the disk's fault, or the file that was changed
 */
export async function runArchive(options: ArchiveOptions): Promise<ArchivedUnit[]> {
  const client = await openArchive(options.url, 'change');
  try {
    for (const directory of [options.directory, ...(options.copies ?? [])])
      try {
        await mkdir(directory, { recursive: true });
      } catch (error) {
        throw diskFault(directory, error);
      }
    const archival = new Archival(client, options);
    const results = new Map<string, ArchivedUnit>();
    const count = (result: ArchivedUnit) => {
      const all = results.get(result.unit) ?? { unit: result.unit, units: 0, kept: 0, rows: 0, bytes: 0 };
      for (const field of ['units', 'kept', 'rows', 'bytes'] as const) all[field] += result[field];
      results.set(result.unit, all);
    };
    // A partition is gone on with where it was begun (partitions.ts).
    for (const segment of await archival.clearUp())
      if (!segment.policy.partition)
        count(await archival.remove(await prepare(client, segment.policy), segment));
    const prepared: Prepared[] = [];
    for (const unit of chosen(options)) prepared.push(await prepare(client, unit));
    const problems = prepared.flatMap((each) => each.problems);
    if (problems.length > 0) throw new RemediationError(problems.join('\n'));
    for (const each of prepared) {
      count({ unit: each.unit.name, units: 0, kept: 0, rows: 0, bytes: 0 });
      for (
        let from: string | undefined = each.unit.key ? '-9223372036854775808' : '0';
        from !== undefined;
      ) {
        options.signal?.throwIfAborted();
        const { segment, next } = await archival.export(each, from);
        if (segment) count(await archival.remove(each, segment));
        from = next;
      }
      if ((results.get(each.unit.name)?.units ?? 0) > 0)
        for (const { table } of [each.unit, ...each.unit.children]) {
          archival.say({ event: 'vacuum', table: tableName(table) });
          // As gentle as autovacuum.
          await client.query('SET vacuum_cost_delay = 2');
          await client.query(`VACUUM (ANALYZE) ${tableSql(table)}`);
        }
    }
    return [...results.values()];
  } catch (error) {
    if (!isConnectionLost(error)) throw error;
    throw new RemediationError(
      `${describeTarget(options.url)}: the connection was cut. Every row is in exactly one place; run it again, and it goes on.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}
