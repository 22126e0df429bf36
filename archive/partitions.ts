import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { briefly } from '../lib/pg/briefly.ts';
import { isTransient, OperationError } from '../lib/pg/errors.ts';
import { type ArchiveOptions, archivalOf, chosen } from './archival.ts';
import { dropSegment, exportSegment } from './export.ts';
import { isFatal } from './failure.ts';
import { changedFile } from './files.ts';
import { leftOut } from './leftOut.ts';
import { readyDirectories } from './ownership.ts';
import { contentOf, duckContentOf, openDuck, parquet, postgresRowHash, rowsOf } from './parquet.ts';
import { planArchive, planUnits, type UnitPlan } from './plan.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';
import { prepare } from './prepare.ts';
import { type RestoreOptions, restoreArchive } from './read.ts';
import { type Named, tableSql as sqlName, tableName as textName } from './references.ts';
import { type ArchivedUnit, addTo, noneOf } from './result.ts';
import { clearUp, runArchive } from './run.ts';
import { openArchive, readColumns, readSegments, type Segment, type SegmentFile } from './session.ts';
import { PINNED } from './types.ts';

const id = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/** A range of the unit's table, with the partitions of its children for the same range. */
interface Range {
  /** Bounds as Postgres writes them in UTC, the upper one excluded. */
  lower: string;
  upper: string;
  /** The unit's own table first. */
  tables: { parent: Named; partition: Named }[];
}

const LOCK_TIMEOUT_MS = 300;
const ATTEMPTS = 40;

/**
 * `leaving`: its partitions are being detached, or are detached and being exported; nobody can change them then, and
 * they are the place of its rows. `archived`: the files are. `restored`: there are partitions for it again.
 */
const schemaSql = `CREATE TABLE IF NOT EXISTS sqltrail.archive_partition (
  unit     text NOT NULL,
  lower    text NOT NULL,
  upper    text NOT NULL,
  tables   jsonb NOT NULL,
  state    text NOT NULL CHECK (state IN ('leaving', 'archived', 'restored')),
  segment  bigint REFERENCES sqltrail.archive_segment,
  PRIMARY KEY (unit, lower)
);
-- All that its rows have left in: it may have been archived, restored and archived again.
ALTER TABLE sqltrail.archive_partition ADD COLUMN IF NOT EXISTS segments bigint[] NOT NULL DEFAULT '{}';
CREATE OR REPLACE FUNCTION sqltrail.refuse_archived() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'rows of % from % to % are archived', TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]
    USING ERRCODE = 'object_not_in_prerequisite_state',
          HINT = 'Bring them back before writing there: sqltrail archive list, sqltrail archive restore.';
END $$`;

/** What a partition has from its parent before it is attached; indexes, keys and triggers come with that. */
const LIKE =
  'INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION';
/** An empty partition in the place of an archived one: whoever writes there is told so, whichever way the row comes. */
const standIn = ({ schema, table }: Named): Named => ({ schema, table: `${table.slice(0, 54)}_archived` });

const byPartition = ({ partition }: ArchiveUnit) => partition === 'detach';

/** One short transaction; when it has to wait for a lock it lets go, and tries again later. */
async function inShort(
  client: pg.Client,
  url: string,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  const delays = briefly(
    {
      client,
      url,
      what,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      attempts: ATTEMPTS,
      pauseMs: (attempt) => 100 + Math.random() * 100 * attempt,
    },
    async () => {
      await client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await work();
      await client.query('COMMIT');
    },
  );
  for await (const _ of delays);
}

async function partitionsOf(client: pg.ClientBase, parent: Named) {
  const { rows } = await client.query<Named & { bound: string }>(
    `SELECT n.nspname AS schema, c.relname AS table, pg_get_expr(c.relpartbound, c.oid) AS bound
       FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE i.inhparent = $1::regclass`,
    [sqlName(parent)],
  );
  return rows.flatMap(({ schema, table, bound }) => {
    const [, lower, upper] = /^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$/.exec(bound) ?? [];
    return lower && upper ? [{ partition: { schema, table }, lower, upper }] : [];
  });
}

/**
 * The type of the one column by whose ranges a table is partitioned.
 *
 * @throws OperationError where it is partitioned in another way: its bounds say nothing of the age then, and an empty
 *   partition that is yet to be written to would be taken for an old one
 */
async function rangeType(client: pg.ClientBase, table: Named, column?: string): Promise<string> {
  const { rows } = await client.query<{ column: string; type: string }>(
    `SELECT a.attname AS column, format_type(a.atttypid, NULL) AS type
       FROM pg_partitioned_table AS p
       JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
      WHERE p.partrelid = $1::regclass AND p.partstrat = 'r' AND p.partnatts = 1`,
    [sqlName(table)],
  );
  const [key] = rows;
  if (!key || (column !== undefined && key.column !== column))
    throw new OperationError(
      `${textName(table)} is not partitioned by ranges of ${column ?? 'one column'}, so its partitions do not show how old their rows are. Remove "partition: detach" from the policy to archive rows one by one.`,
    );
  return key.type;
}

class PartitionArchival {
  readonly client: pg.Client;
  readonly options: ArchiveOptions;

  constructor(client: pg.Client, options: ArchiveOptions) {
    this.client = client;
    this.options = options;
  }

  /** Whole ranges that are older than the policy says, and have not left yet; oldest first. */
  async due(unit: ArchiveUnit): Promise<{ ranges: Range[]; cutoff: string }> {
    const { rows } = await this.client.query<{ cutoff: string; known: boolean }>(
      `SELECT to_char(now() - make_interval(days => $1), 'YYYY-MM-DD') AS cutoff,
              to_regclass('sqltrail.archive_partition') IS NOT NULL AS known`,
      [unit.olderThanDays],
    );
    const { cutoff, known } = rows[0] as { cutoff: string; known: boolean };
    const gone = known
      ? await this.client.query<{ lower: string }>(
          "SELECT lower FROM sqltrail.archive_partition WHERE unit = $1 AND state = 'archived'",
          [unit.name],
        )
      : { rows: [] };
    const archived = new Set(gone.rows.map(({ lower }) => lower));
    const type = await rangeType(this.client, unit.table, unit.age);
    const children: { table: Named; all: Awaited<ReturnType<typeof partitionsOf>> }[] = [];
    for (const { table } of unit.children) {
      await rangeType(this.client, table);
      children.push({ table, all: await partitionsOf(this.client, table) });
    }
    const all = await partitionsOf(this.client, unit.table);
    const { rows: old } = await this.client.query<{ place: number }>(
      `SELECT place::int FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r (lower, upper, place)
        WHERE r.upper::${type} <= $3::${type} ORDER BY r.lower::${type}`,
      [all.map(({ lower }) => lower), all.map(({ upper }) => upper), cutoff],
    );
    const ranges = old
      .map(({ place }) => all[place - 1] as (typeof all)[number])
      .filter(({ lower }) => !archived.has(lower))
      .map(({ partition, lower, upper }) => ({
        lower,
        upper,
        tables: [
          { parent: unit.table, partition },
          ...children.map(({ table, all }) => {
            const same = all.find((each) => each.lower === lower && each.upper === upper);
            if (!same)
              throw new OperationError(
                `${textName(table)} has no partition from ${lower} to ${upper}, as ${textName(unit.table)} has; a unit has to leave as a whole.`,
              );
            return { parent: table, partition: same.partition };
          }),
        ],
      }));
    return { ranges, cutoff };
  }

  /** The unit as it is within its partitions alone. */
  async #prepared(unit: ArchiveUnit, { tables }: Range) {
    const [own, ...rest] = tables.map(({ partition }) => partition);
    const prepared = await prepare(this.client, {
      ...unit,
      table: own as Named,
      children: unit.children.map((child, i) => ({ ...child, table: rest[i] as Named })),
    });
    const parents = new Map(tables.map(({ parent, partition }) => [textName(partition), parent]));
    return { ...prepared, named: (table: Named) => parents.get(textName(table)) ?? table };
  }

  /**
   * Rows that have to stay, and with one of them the whole range: `held` by the policy, or `left` because others refer to
   * them.
   */
  async staying(unit: ArchiveUnit, range: Range) {
    const prepared = await this.#prepared(unit, range);
    if (prepared.hidden.length > 0) throw new OperationError(prepared.hidden.join('\n'));
    const { rows } = await this.client.query<{ all: number; held: number; stay: number }>(
      `SELECT count(*)::int AS "all", count(*) FILTER (WHERE (${prepared.wanted}) IS NOT TRUE)::int AS held,
              count(*) FILTER (WHERE (${prepared.goes}) IS NOT TRUE)::int AS stay
         FROM ${sqlName((range.tables[0] as Range['tables'][number]).partition)} AS t`,
    );
    const found = rows[0] as { all: number; held: number; stay: number };
    return { ...found, left: found.stay > found.held ? await leftOut(this.client, prepared) : [] };
  }

  async #attached({ parent, partition }: Range['tables'][number]): Promise<{ pending: boolean } | undefined> {
    const { rows } = await this.client.query<{ pending: boolean }>(
      'SELECT inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = $2::regclass',
      [sqlName(partition), sqlName(parent)],
    );
    return rows[0];
  }

  async #detach(pair: Range['tables'][number], referenced: Named): Promise<void> {
    const { parent, partition } = pair;
    for (let attempt = 1; ; attempt += 1) {
      const attached = await this.#attached(pair);
      if (!attached) break;
      try {
        // It waits for old transactions, and blocks nobody while it does; not within a transaction of ours.
        await this.client.query("SET lock_timeout = '20s'");
        await this.client.query(
          `ALTER TABLE ${sqlName(parent)} DETACH PARTITION ${sqlName(partition)} ${attached.pending ? 'FINALIZE' : 'CONCURRENTLY'}`,
        );
      } catch (error) {
        if (!isTransient(error) || attempt === 5) throw error;
        await sleep(500 * attempt);
      } finally {
        await this.client.query('RESET lock_timeout');
      }
    }
    // Left alone, it keeps its references to the table that its parents leave next.
    const { rows } = await this.client.query<{ conname: string }>(
      "SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass AND confrelid = $2::regclass AND contype = 'f' AND conparentid = 0",
      [sqlName(partition), sqlName(referenced)],
    );
    for (const { conname } of rows)
      await inShort(this.client, this.options.url, textName(partition), async () => {
        await this.client.query(`ALTER TABLE ${sqlName(partition)} DROP CONSTRAINT ${id(conname)}`);
      });
  }

  /** What was not known before it was detached, or is in the way of leaving: it goes back where it was. */
  async #attachAgain(unit: ArchiveUnit, { tables, lower, upper }: Range): Promise<void> {
    for (const pair of tables)
      if ((await this.#attached(pair))?.pending)
        await this.client.query(
          `ALTER TABLE ${sqlName(pair.parent)} DETACH PARTITION ${sqlName(pair.partition)} FINALIZE`,
        );
    await inShort(this.client, this.options.url, unit.name, async () => {
      for (const pair of tables)
        if (!(await this.#attached(pair)))
          await this.client.query(
            `ALTER TABLE ${sqlName(pair.parent)} ATTACH PARTITION ${sqlName(pair.partition)} FOR VALUES FROM (${literal(lower)}) TO (${literal(upper)})`,
          );
      await this.client.query('DELETE FROM sqltrail.archive_partition WHERE unit = $1 AND lower = $2', [
        unit.name,
        lower,
      ]);
    });
  }

  /** Files of a range that were written before its partitions are dropped. */
  async #exported({ tables }: Range): Promise<Segment | undefined> {
    const own = textName((tables[0] as Range['tables'][number]).partition);
    return (await readSegments(this.client)).find(
      ({ state, policy }) => state === 'exported' && policy.partition && textName(policy.table) === own,
    );
  }

  /** Detach, export, drop; where that cannot be done, the range stays. May be called again after it was killed at any point. */
  async leave(unit: ArchiveUnit, range: Range): Promise<ArchivedUnit> {
    try {
      return await this.#leave(unit, range);
    } catch (error) {
      if (this.options.signal?.aborted || isFatal(error)) throw error;
      const why = (error as Error).message;
      const exported = await this.#exported(range);
      if (exported) await dropSegment(archivalOf(this.client, this.options), exported, why);
      const { rows } = await this.client.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM ${sqlName((range.tables[0] as Range['tables'][number]).partition)}`,
      );
      await this.#attachAgain(unit, range);
      const units = rows[0]?.n ?? 0;
      const reason = `those from ${range.lower} to ${range.upper}: ${why}`;
      return { ...noneOf(unit.name), kept: units, left: [{ reason, units }] };
    }
  }

  async #leave(unit: ArchiveUnit, range: Range): Promise<ArchivedUnit> {
    const { client } = this;
    await client.query(
      `INSERT INTO sqltrail.archive_partition (unit, lower, upper, tables, state) VALUES ($1, $2, $3, $4, 'leaving')
       ON CONFLICT (unit, lower) DO UPDATE SET state = 'leaving', tables = EXCLUDED.tables`,
      [unit.name, range.lower, range.upper, JSON.stringify(range.tables)],
    );
    // Children first: they refer to the parent's rows.
    for (const pair of range.tables.toReversed()) {
      this.options.signal?.throwIfAborted();
      await this.#detach(pair, unit.table);
      this.options.onProgress?.({ event: 'detached', unit: unit.name, table: textName(pair.partition) });
    }
    const { all, stay, left } = await this.staying(unit, range);
    if (stay > 0) {
      await this.#attachAgain(unit, range);
      return { ...noneOf(unit.name), kept: stay, left };
    }
    // One file a table: nobody writes to it any more.
    const archival = archivalOf(client, { ...this.options, segmentUnits: 2 ** 31 - 1 });
    let segment = await this.#exported(range);
    if (segment && (await changedFile(this.options.directory, segment.files)) !== undefined) {
      await dropSegment(archival, segment, 'its files are not what was written; it is exported again');
      segment = undefined;
    }
    if (!segment && all > 0) {
      await exportSegment(archival, await this.#prepared(unit, range));
      segment = await this.#exported(range);
    }
    await inShort(client, this.options.url, unit.name, async () => {
      for (const [at, { partition }] of range.tables.entries()) await this.#compare(partition, segment, at);
      for (const { parent, partition } of range.tables) {
        const empty = standIn(partition);
        await client.query(
          `CREATE TABLE ${sqlName(empty)} (LIKE ${sqlName(parent)} ${LIKE});
           CREATE TRIGGER sqltrail_archived BEFORE INSERT ON ${sqlName(empty)} FOR EACH ROW
             EXECUTE FUNCTION sqltrail.refuse_archived(${[textName(parent), range.lower, range.upper].map((text) => literal(text)).join(', ')});
           ALTER TABLE ${sqlName(parent)} ATTACH PARTITION ${sqlName(empty)} FOR VALUES FROM (${literal(range.lower)}) TO (${literal(range.upper)})`,
        );
      }
      for (const { partition } of range.tables.toReversed())
        await client.query(`DROP TABLE ${sqlName(partition)}`);
      if (segment)
        await client.query(
          "UPDATE sqltrail.archive_segment SET state = 'archived', removed = units, archived_at = now(), policy = $2 WHERE id = $1",
          [segment.id, JSON.stringify(unit)],
        );
      await client.query(
        `UPDATE sqltrail.archive_partition SET state = 'archived', segment = coalesce($3, segment),
                segments = CASE WHEN $3::bigint IS NULL THEN segments ELSE segments || $3::bigint END
          WHERE unit = $1 AND lower = $2`,
        [unit.name, range.lower, segment?.id ?? null],
      );
    });
    if (!segment) return noneOf(unit.name);
    this.options.onProgress?.({
      event: 'archived',
      unit: unit.name,
      segment: segment.id,
      units: segment.units,
      kept: 0,
    });
    const sum = (of: 'rows' | 'bytes') => segment.files.reduce((total, file) => total + file[of], 0);
    return { ...noneOf(unit.name), units: segment.units, rows: sum('rows'), bytes: sum('bytes') };
  }

  /**
   * Each row of a partition that is about to be dropped has to be in its file: also one that a session wrote to it by its
   * own name, and one of a child whose parent is elsewhere. Nobody can write any more, once it is locked.
   */
  async #compare(partition: Named, segment: Segment | undefined, at: number): Promise<void> {
    await this.client.query(`LOCK TABLE ${sqlName(partition)} IN ACCESS EXCLUSIVE MODE`);
    await this.client.query(PINNED);
    const columns = await readColumns(this.client, partition);
    const file = segment?.files[at];
    const { rows } = await this.client.query<{ rows: number; content: string }>(
      contentOf(
        postgresRowHash(columns, (column) => `t.${id(column)}`, file?.form),
        `${sqlName(partition)} AS t`,
      ),
    );
    if (rows[0]?.rows !== (file?.rows ?? 0) || (file && rows[0].content !== (await this.#contentOf(file))))
      throw new OperationError(
        `${textName(partition)} has rows that are not in the file of their unit (${rows[0]?.rows} rows, ${file?.rows ?? 0} of them in the file); they may belong to a row of another partition`,
      );
  }

  /** Of the rows of a file, as it is counted today: an earlier version counted it in another way. */
  async #contentOf({ name: today, content, file, columns }: SegmentFile): Promise<string> {
    if (today) return content;
    const duck = await openDuck();
    try {
      const source = parquet(path.join(this.options.directory, file));
      return (
        (await rowsOf<{ content: string }>(duck.connection, duckContentOf(columns, source)))[0]?.content ?? ''
      );
    } finally {
      await duck.close();
    }
  }

  /** What would leave today, added to an empty plan. */
  async plan(unit: ArchiveUnit, plan: UnitPlan): Promise<void> {
    const { ranges, cutoff } = await this.due(unit);
    plan.cutoff = cutoff;
    const count = async (table: Named) =>
      (await this.client.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sqlName(table)}`)).rows[0]
        ?.n ?? 0;
    plan.total = await count(unit.table);
    for (const range of ranges) {
      const { all, stay, held, left } = await this.staying(unit, range);
      plan.held += held;
      for (const { reason, units } of left) {
        const same = plan.left.find((each) => each.reason === reason);
        if (same) same.units += units;
        else plan.left.push({ reason, units });
      }
      if (stay > 0) continue;
      plan.eligible += all;
      plan.oldest ??= range.lower;
      for (const [at, { partition }] of range.tables.entries()) {
        if (at > 0) plan.childRows += await count(partition);
        const { rows: sized } = await this.client.query<{ bytes: string }>(
          'SELECT pg_total_relation_size($1::regclass)::text AS bytes',
          [sqlName(partition)],
        );
        plan.bytes += Number(sized[0]?.bytes ?? 0);
      }
    }
  }

  async run(unit: ArchiveUnit): Promise<ArchivedUnit> {
    const { client } = this;
    const total = noneOf(unit.name);
    try {
      const { rows: begun } = await client.query<Range>(
        "SELECT lower, upper, tables FROM sqltrail.archive_partition WHERE unit = $1 AND state = 'leaving' ORDER BY lower",
        [unit.name],
      );
      for (const range of begun) addTo(total, await this.leave(unit, range));
      for (const range of (await this.due(unit)).ranges) {
        this.options.signal?.throwIfAborted();
        const { stay, left } = await this.staying(unit, range);
        addTo(total, stay > 0 ? { ...noneOf(unit.name), kept: stay, left } : await this.leave(unit, range));
      }
    } catch (error) {
      if (this.options.signal?.aborted || isFatal(error)) throw error;
      addTo(total, { ...noneOf(unit.name), problems: [(error as Error).message] });
    }
    return total;
  }
}

const parted = (policy: ArchivePolicy, only: readonly string[] | undefined) => {
  const units = chosen({ policy, ...(only ? { only } : {}) });
  return { whole: units.filter(byPartition), rows: units.filter((unit) => !byPartition(unit)) };
};

/**
 * Archives what a policy names: rows by `runArchive`, and units with `partition: detach` as whole partitions, which are
 * detached concurrently, exported and compared as rows are, and dropped in the transaction that puts the files in
 * force. A range with a row that has to stay is left as a whole. May be killed at any moment.
 */
export async function runPolicy(options: ArchiveOptions): Promise<ArchivedUnit[]> {
  const { whole, rows } = parted(options.policy, options.only);
  const results = rows.length > 0 ? await runArchive({ ...options, only: rows.map(({ name }) => name) }) : [];
  if (whole.length === 0) return results;
  const client = await openArchive(options.url, 'change');
  try {
    await client.query(schemaSql);
    await readyDirectories(client, options);
    const partitions = new PartitionArchival(client, options);
    await clearUp(archivalOf(client, options));
    for (const unit of whole) results.push(await partitions.run(unit));
    return results;
  } finally {
    await client.end().catch(() => {});
  }
}

/** What the policy would move today. Reads only. */
export async function planPolicy(
  options: Pick<ArchiveOptions, 'url' | 'policy' | 'only'>,
): Promise<UnitPlan[]> {
  const { whole, rows } = parted(options.policy, options.only);
  const plans = rows.length > 0 ? await planArchive({ ...options, only: rows.map(({ name }) => name) }) : [];
  const client = await openArchive(options.url, 'read');
  try {
    const partitions = new PartitionArchival(client, { ...options, directory: '' });
    return [...plans, ...(await planUnits(whole, (unit, plan) => partitions.plan(unit, plan)))];
  } finally {
    await client.end();
  }
}

/** As `restoreArchive`; where the segment was a range of partitions, these are made again first. */
export const restorePolicy = (options: RestoreOptions): Promise<number> =>
  restoreArchive(options, async (client) => {
    await client.query(schemaSql);
    const { rows } = await client.query<Range & { unit: string }>(
      `SELECT p.unit, p.lower, p.upper, p.tables
         FROM sqltrail.archive_partition AS p JOIN sqltrail.archive_segment AS s ON s.id = ANY (p.segments || p.segment)
        WHERE s.id = $1 AND s.state = 'archived' AND p.state = 'archived'`,
      [options.segment],
    );
    for (const { unit, lower, upper, tables } of rows)
      await inShort(client, options.url, unit, async () => {
        // Children first, as when they left.
        for (const { parent, partition } of tables.toReversed()) {
          await client.query(`LOCK TABLE ${sqlName(standIn(partition))} IN ACCESS EXCLUSIVE MODE`);
          const { rowCount } = await client.query(`SELECT FROM ${sqlName(standIn(partition))} LIMIT 1`);
          if (rowCount)
            throw new OperationError(
              `${textName(standIn(partition))}, which refuses rows of an archived range, has some. Move them elsewhere first; nothing was restored.`,
            );
          await client.query(
            `ALTER TABLE ${sqlName(parent)} DETACH PARTITION ${sqlName(standIn(partition))}; DROP TABLE ${sqlName(standIn(partition))}`,
          );
        }
        for (const { parent, partition } of tables)
          await client.query(
            `CREATE TABLE ${sqlName(partition)} (LIKE ${sqlName(parent)} ${LIKE});
             ALTER TABLE ${sqlName(parent)} ATTACH PARTITION ${sqlName(partition)} FOR VALUES FROM (${literal(lower)}) TO (${literal(upper)})`,
          );
        await client.query(
          "UPDATE sqltrail.archive_partition SET state = 'restored' WHERE unit = $1 AND lower = $2",
          [unit, lower],
        );
      });
  });
