import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { OperationError } from '../lib/pg/errors.ts';
import { type Archival, directoriesOf } from './archival.ts';
import { diskFault, namesOfSegment, seal, sha256Of } from './files.ts';
import { fileName, stem, type TableName } from './names.ts';
import { unusedNames } from './ownership.ts';
import {
  contentOf,
  csv,
  type Duck,
  duckContentOf,
  name,
  openDuck,
  parquet,
  parquetType,
  postgresRowHash,
  rowsOf,
  text,
} from './parquet.ts';
import { keyTypeOf, type Prepared } from './prepare.ts';
import { tableName, tableSql } from './references.ts';
import { openArchive, readSegments, type Segment, type SegmentFile } from './session.ts';
import {
  type Column,
  checkKeyForm,
  type Form,
  fileColumn,
  formOf,
  PINNED,
  readableSql,
  unreadableValue,
  valueSql,
} from './types.ts';

const id = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

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

async function removeFiles({ options }: Archival, unit: string, segment: number): Promise<void> {
  for (const directory of directoriesOf(options))
    for (const file of await namesOfSegment(directory, unit, segment).catch(() => []))
      await rm(path.join(directory, file), { recursive: true, force: true });
}

export async function dropSegment(
  archival: Archival,
  { id: segment, unit }: Segment,
  why: string,
): Promise<void> {
  // Killed in between, it is not taken for one whose files are there.
  await archival.client.query(
    "UPDATE sqltrail.archive_segment SET state = 'exporting', removed = 0 WHERE id = $1",
    [segment],
  );
  await removeFiles(archival, unit, segment);
  await archival.client.query('DELETE FROM sqltrail.archive_segment WHERE id = $1', [segment]);
  archival.say({ event: 'dropped', unit, segment, why });
}

/**
 * Writes one snapshot of the next units; undefined when there are none.
 *
 * @param from where the last one ended; undefined for the first
 * @param down from the highest key or place, so that what refers to earlier rows leaves before them
 */
export async function exportSegment(
  archival: Archival,
  prepared: Prepared,
  from?: string,
  down = false,
): Promise<{ segment: Segment | undefined; next: string | undefined }> {
  const { unit, cutoff, columns, children, members, goes, named = (table) => table } = prepared;
  const { client } = archival;
  const { directory, copies = [] } = archival.options;
  const started = performance.now();
  const { rows: made } = await client.query(
    `INSERT INTO sqltrail.archive_segment (unit, state, policy, cutoff) VALUES ($1, 'exporting', $2, $3)
     RETURNING id::int, (SELECT id FROM sqltrail.archive_journal) AS journal`,
    [unit.name, JSON.stringify(unit), cutoff],
  );
  const { id: segment, journal }: { id: number; journal: string } = made[0];
  const remove = () => client.query('DELETE FROM sqltrail.archive_segment WHERE id = $1', [segment]);
  await unusedNames(archival.options, unit.name, segment).catch(async (error) => {
    await remove();
    throw error;
  });
  // Whatever has its name is ours once this is made, and not before.
  let begun = false;
  const files: (SegmentFile & { source: string })[] = [];
  // A session of its own: a COPY that the disk refuses can only be ended together with its connection.
  const reader = await openArchive(archival.options.url, 'copy');
  await reader.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${PINNED}; SET LOCAL row_security = off`,
  );
  const duck = await openDuck();
  try {
    const range = await nextRange(archival, reader, prepared, from, down);
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
    const unfinished = archival.at(`${stem(unit.name, segment)}.tmp`);
    await mkdir(unfinished, { mode: 0o700 });
    begun = true;
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
      archival.options.signal?.throwIfAborted();
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
      await writeParquet(duck, part, form, raw, source, {
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
          `${tableName(part.table)} has a value that Postgres can write but not read back (${await unreadableValue(reader, part.columns, quote, part.rows)}), so it could not be restored. Correct it, or hold its unit in the policy. Nothing was removed from the database.`,
        );
      const [written] = await rowsOf<{ rows: number; content: string }>(
        duck.connection,
        duckContentOf(part.columns, parquet(source)),
      );
      if (!written || written.rows !== said[0].rows || written.content !== said[0].content)
        throw new OperationError(
          `The file of ${tableName(part.table)} differs from the table (${written?.rows ?? 0} rows of ${said[0].rows}). Nothing was removed from the database.`,
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
      await rename(source, archival.at(file));
    }
    await rm(unfinished, { recursive: true });
    const described = files.map(({ source: _, ...file }) => file);
    const manifest = {
      format: 2,
      journal,
      segment,
      unit: unit.name,
      reason: unit.reason,
      cutoff,
      retention: unit.retention,
      units: range.units,
      files: described,
    };
    for (const at of directoriesOf(archival.options)) {
      const to = path.join(at, `${stem(unit.name, segment)}.json`);
      await writeFile(`${to}.tmp`, `${JSON.stringify(manifest, null, 1)}\n`, { flush: true, mode: 0o400 });
      await rename(`${to}.tmp`, to);
      await sync(at);
    }
    await client.query(
      `UPDATE sqltrail.archive_segment SET state = 'exported', files = $2, units = $3 WHERE id = $1`,
      [segment, JSON.stringify(described), range.units],
    );
    archival.say({
      event: 'exported',
      unit: unit.name,
      segment,
      units: range.units,
      bytes: described.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: (performance.now() - started) / 1000,
    });
    await archival.rest(performance.now() - started);
    const exported = (await readSegments(client)).find(({ id: each }) => each === segment);
    return { segment: exported, next: range.next };
  } catch (error) {
    reader.connection.stream.destroy();
    if (begun) await removeFiles(archival, unit.name, segment).catch(() => {});
    await remove().catch(() => {});
    throw diskFault(directory, error);
  } finally {
    await duck.close();
    await reader.end().catch(() => {});
  }
}

/** The rows of a CSV, with the unit that each belongs to: by its place, or as the file of its parent has it. */
async function writeParquet(
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
async function nextRange(
  archival: Archival,
  reader: pg.Client,
  { unit, columns, members, goes }: Prepared,
  from: string | undefined,
  down: boolean,
) {
  const { segmentUnits } = archival.options;
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
