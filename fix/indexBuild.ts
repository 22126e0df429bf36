import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { freeName, nameOf } from '../lib/pg/names.ts';
import { quote } from '../lib/pg/quote.ts';
import type { IndexChange, Work } from './change.ts';
import { CONCURRENT_LOCK_TIMEOUT_MS, enoughRoom, watchProgress, withLockRetries } from './indexes.ts';
import { indexesNow, inTransaction, type KnownIndex, readIndexes } from './signature.ts';
import { type IndexStatement, indexStatement } from './statement.ts';

export interface BuildOptions {
  /** CREATE INDEX, of a partitioned table too; the form (CONCURRENTLY, ONLY) is chosen here. */
  sql: string;
  /** Its comment; the token of its identity is added. */
  comment: string;
  /** Disk that the index needs, bytes; null when not known. */
  bytes: number | null;
  /** Opens one more connection for the progress. */
  connect: () => Promise<pg.Client>;
  onProgress?: (progress: { phase: string; done: number | null }) => void;
}

export interface Relation {
  oid: number;
  schema: string;
  table: string;
  /** pg_class.relkind */
  kind: string;
  temporary: boolean;
  owned: boolean;
}

export async function relationOf(
  client: pg.ClientBase,
  by: number | { schema: string | undefined; name: string },
): Promise<Relation | undefined> {
  const { rows } = await client.query<Relation>(
    `SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS table, c.relkind AS kind,
            c.relpersistence = 't' AS temporary, pg_has_role(c.relowner, 'USAGE') AS owned
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.oid = ${typeof by === 'number' ? '$1::oid' : 'to_regclass($1)'}`,
    [typeof by === 'number' ? by : by.schema === undefined ? quote(by.name) : quote(by.schema, by.name)],
  );
  return rows[0];
}

/** How long a definition may be tried on an empty copy, milliseconds. */
const TRY_TIMEOUT_MS = 5_000;

/**
 * Tries the index on an empty copy of the table, in a transaction that is rolled back: whether Postgres will make it,
 * and its definition as Postgres has it.
 *
 * @param before statements that it needs, such as CREATE EXTENSION
 * @throws the server's own error, where it will not
 */
export async function signatureOf(
  client: pg.ClientBase,
  { schema, table }: Pick<Relation, 'schema' | 'table'>,
  { rest, unique }: Pick<IndexStatement, 'rest' | 'unique'>,
  before: readonly string[] = [],
): Promise<string> {
  const copy = `sqltrail_try_${randomBytes(8).toString('hex')}`;
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL statement_timeout = ${TRY_TIMEOUT_MS}`);
    for (const statement of before) await client.query(statement);
    await client.query(`CREATE TABLE ${quote(schema, copy)} (LIKE ${quote(schema, table)})`);
    await client.query(`CREATE ${unique ? 'UNIQUE ' : ''}INDEX ON ${quote(schema, copy)}${rest}`);
    const relation = await relationOf(client, { schema, name: copy });
    const [index] = await indexesNow(client, { relation: relation?.oid ?? 0 });
    if (!index) throw new OperationError(`Postgres did not create an index for: ${rest}`);
    return index.signature;
  } finally {
    await client.query('ROLLBACK').catch(() => {});
  }
}

/** An index that serves whatever the wanted one would. */
export const twinOf = (indexes: readonly KnownIndex[], signature: string, unique: boolean) =>
  indexes.find((index) => index.valid && index.signature === signature && (index.unique || !unique));

/**
 * The index that was built, as it is now: by its OID, by the name that only it could have while it was built, or by the
 * token in its comment, which REINDEX CONCURRENTLY gives to the one that took its place.
 */
export async function findBuilt(client: pg.ClientBase, change: IndexChange): Promise<KnownIndex | undefined> {
  const all = await readIndexes(client, { relation: change.relation });
  const own = (index: KnownIndex) =>
    index.comment?.includes(change.token) || index.name === change.provisional;
  return (
    // An OID alone says nothing in a database that was dumped and restored.
    all.find(
      (index) =>
        index.oid === change.oid &&
        (own(index) || index.signature === change.signature || index.name === change.name),
    ) ?? all.find((index) => own(index) && (change.oid === null || index.signature === change.signature))
  );
}

const dropSql = ({ schema, name }: Pick<KnownIndex, 'schema' | 'name'>, parent: boolean) =>
  `DROP INDEX ${parent ? '' : 'CONCURRENTLY '}IF EXISTS ${quote(schema, name)}`;

/** Drops what is left of a build; an invalid index serves nobody. */
async function dropInvalid({ client, signal }: Work, change: IndexChange): Promise<void> {
  const found = await findBuilt(client, change);
  if (!found || found.valid) return;
  await withLockRetries(client, () => client.query(dropSql(found, false)), {
    signal,
    lockTimeoutMs: CONCURRENT_LOCK_TIMEOUT_MS,
  });
  change.oid = null;
}

const newChange = (
  { oid, schema, table }: Pick<Relation, 'oid' | 'schema' | 'table'>,
  name: string,
  signature: string,
  parent: boolean,
): IndexChange => {
  const token = randomBytes(6).toString('hex');
  return {
    change: 'index',
    relation: oid,
    schema,
    table,
    name,
    provisional: `sqltrail_building_${token}`,
    oid: null,
    token,
    signature,
    parent,
    done: false,
  };
};

/** Gives the built index the name that is wanted, or one like it, and its comment. */
async function finish(work: Work, change: IndexChange, comment: string): Promise<void> {
  const { client, signal } = work;
  const found = await findBuilt(client, change);
  if (!found) throw new OperationError(`the index ${change.name} was dropped while it was built`);
  await withLockRetries(
    client,
    async () => {
      const name = await freeName(client, found.schema, change.name);
      await inTransaction(client, async () => {
        const now = found.name === change.provisional ? name : found.name;
        if (now !== found.name)
          await client.query(`ALTER INDEX ${quote(found.schema, found.name)} RENAME TO ${quote(now)}`);
        await client.query(
          `COMMENT ON INDEX ${quote(found.schema, now)} IS ${pg.escapeLiteral(`${comment} [${change.token}]`)}`,
        );
        Object.assign(change, { oid: found.oid, name: now, done: true });
        await work.save();
      });
    },
    // Another session took the name after it was found free.
    { signal, alsoRetry: (error) => (error as { code?: string }).code === '42P07' },
  );
}

/** What was begun for an index of a table, in this run or in an earlier one. */
const begunOn = (changes: Work['changes'], relation: number, signature: string) =>
  changes.find(
    (change): change is IndexChange =>
      change.change === 'index' &&
      change.relation === relation &&
      change.signature === signature &&
      !change.undone,
  );

/** One index of a table that is not partitioned, while reads and writes go on. */
async function buildOne(
  work: Work,
  relation: Relation,
  statement: IndexStatement,
  { name, signature }: { name: string; signature: string },
  options: BuildOptions,
): Promise<void> {
  const { client, changes, signal } = work;
  const started = begunOn(changes, relation.oid, signature);
  if (started?.done && (await findBuilt(client, started))?.valid) return;
  const change = started ?? newChange(relation, name, signature, false);
  if (!started) {
    changes.push(change);
    await work.save();
  }
  await dropInvalid(work, change);
  if (!(await findBuilt(client, change))) {
    change.done = false;
    const sql = `CREATE ${statement.unique ? 'UNIQUE ' : ''}INDEX CONCURRENTLY ${quote(change.provisional)} ON ${quote(relation.schema, relation.table)}${statement.rest}`;
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const progress = watchProgress(options, rows[0]?.pid ?? 0);
    try {
      await withLockRetries(client, () => client.query(sql), {
        signal,
        lockTimeoutMs: CONCURRENT_LOCK_TIMEOUT_MS,
        onRetry: () => dropInvalid(work, change),
      });
    } finally {
      await progress.stop();
    }
    change.oid = (await findBuilt(client, change))?.oid ?? null;
    await work.save();
  }
  await finish(work, change, options.comment);
}

interface Part {
  oid: number;
  parent: number | null;
  leaf: boolean;
}

async function partsOf(client: pg.ClientBase, relation: number): Promise<Part[]> {
  const { rows } = await client.query<Part>(
    `SELECT relid::oid::int8::float8 AS oid, parentrelid::oid::int8::float8 AS parent, isleaf AS leaf
       FROM pg_catalog.pg_partition_tree($1::oid::regclass) ORDER BY level DESC, relid`,
    [relation],
  );
  return rows;
}

const kept = (note: string) => ({ built: true as const, note });

/**
 * The index of a partitioned table: one in each partition, built while reads and writes go on, then those of the
 * partitioned tables, which hold them together and are inherited by new partitions. An index of the owner is never
 * attached: it would go with ours. Where partitions have one already, or cannot have one, there is none for the whole.
 */
async function buildPartitioned(
  work: Work,
  top: Relation,
  statement: IndexStatement,
  signature: string,
  options: BuildOptions,
): Promise<{ built: boolean; note?: string }> {
  const { client, changes, signal } = work;
  const wanted = statement.name ?? nameOf(top.table, '_idx');
  const nameFor = (table: string) =>
    wanted.startsWith(`${top.table}_`)
      ? nameOf(table, wanted.slice(top.table.length))
      : nameOf(`${table}_${wanted}`);
  const skipped: string[] = [];
  let left = 0;
  for (const { oid, leaf } of await partsOf(client, top.oid)) {
    if (!leaf) continue;
    const relation = await relationOf(client, oid);
    if (!relation) continue;
    const twin = twinOf(await readIndexes(client, { relation: oid }), signature, statement.unique);
    if (relation.kind === 'f' || (twin && !begunOn(changes, oid, signature))) {
      skipped.push(relation.table);
      continue;
    }
    left += 1;
    await buildOne(work, relation, statement, { name: nameFor(relation.table), signature }, options);
  }
  if (skipped.length > 0)
    return left === 0
      ? { built: false, note: `each partition has an index that does the same (or can have none)` }
      : kept(
          `no index for ${top.table} as a whole: ${skipped.join(', ')} ${skipped.length === 1 ? 'has' : 'have'} one already or can have none. A new partition needs its own`,
        );
  for (const { oid, leaf } of await partsOf(client, top.oid)) {
    if (leaf) continue;
    const relation = await relationOf(client, oid);
    if (!relation) continue;
    let change = begunOn(changes, oid, signature);
    if (!change || !(await findBuilt(client, change))) {
      if (change) change.undone = true;
      const made = newChange(relation, oid === top.oid ? wanted : nameFor(relation.table), signature, true);
      await withLockRetries(
        client,
        () =>
          inTransaction(client, async () => {
            await client.query(
              `CREATE ${statement.unique ? 'UNIQUE ' : ''}INDEX ${quote(made.provisional)} ON ONLY ${quote(relation.schema, relation.table)}${statement.rest}`,
            );
            const found = await client.query<{ oid: number }>(
              'SELECT to_regclass($1)::oid::int8::float8 AS oid',
              [quote(relation.schema, made.provisional)],
            );
            made.oid = found.rows[0]?.oid ?? null;
            changes.push(made);
            try {
              await work.save();
            } catch (error) {
              changes.pop();
              throw error;
            }
          }),
        { signal },
      );
      change = made;
    }
    const parent = change;
    for (const part of await partsOf(client, oid)) {
      if (part.parent !== oid) continue;
      const came =
        part.leaf && !begunOn(changes, part.oid, signature) && (await relationOf(client, part.oid));
      // Since the partitions were listed, and before there was an index of the whole that it could take after.
      if (
        came &&
        came.kind !== 'f' &&
        !twinOf(await readIndexes(client, { relation: came.oid }), signature, statement.unique)
      )
        await buildOne(work, came, statement, { name: nameFor(came.table), signature }, options);
      const child = begunOn(changes, part.oid, signature);
      const [whole, piece] = [await findBuilt(client, parent), child && (await findBuilt(client, child))];
      // Of a partition that came meanwhile Postgres made or attached one itself.
      if (!whole || !piece) continue;
      await withLockRetries(
        client,
        () =>
          client.query(
            `ALTER INDEX ${quote(whole.schema, whole.name)} ATTACH PARTITION ${quote(piece.schema, piece.name)}`,
          ),
        { signal },
      );
    }
    await finish(work, parent, options.comment);
  }
  return { built: true };
}

const KINDS: Record<string, string> = {
  v: 'a view',
  f: 'a foreign table',
  S: 'a sequence',
  c: 'a type',
  i: 'an index',
  I: 'an index',
};

/** Why no index can be built on it; undefined where one can. */
export function whyNoIndex(relation: Relation | undefined, name: string): string | undefined {
  if (!relation) return `the table ${name} is not there`;
  if (!['r', 'p', 'm'].includes(relation.kind))
    return `${relation.table} is ${KINDS[relation.kind] ?? 'no table'}, which has no indexes of its own`;
  if (relation.temporary) return `${relation.table} is a temporary table, which goes with its session`;
  if (!relation.owned) return `only the owner of ${relation.table} can build an index on it`;
  return undefined;
}

/**
 * Builds an index while reads and writes go on, or resumes what an earlier run began. Nothing is built where the
 * table has an index of the same definition, under whatever name. Known by its OID from then on.
 *
 * @returns what is to be known of it
 * @throws OperationError when the disk is too full, or a lock could not be taken in time
 */
export async function buildIndex(
  work: Work,
  options: BuildOptions,
): Promise<{ built: boolean; note?: string }> {
  const { client, changes } = work;
  const statement = indexStatement(options.sql);
  if (!statement) throw new OperationError(`not a CREATE INDEX statement: ${options.sql}`);
  const relation = await relationOf(client, statement.table);
  const why = whyNoIndex(relation, statement.table.name);
  if (!relation || why) throw new OperationError(`${why}.`);
  const known = await readIndexes(client, { relation: relation.oid });
  const signature = await signatureOf(client, relation, statement);
  const begun = begunOn(changes, relation.oid, signature);
  const twin = twinOf(known, signature, statement.unique);
  if (twin && !begun)
    return { built: false, note: `the index ${twin.name} of ${relation.table} does the same` };
  const name = statement.name ?? nameOf(relation.table, '_idx');
  await enoughRoom(client, name, options.bytes);
  const partitioned = relation.kind === 'p';
  const ours = (index: KnownIndex) =>
    changes.some(
      (each) => each.change === 'index' && (each.oid === index.oid || each.provisional === index.name),
    );
  const broken = known.find((index) => !index.valid && index.signature === signature && !ours(index));
  const result = partitioned
    ? await buildPartitioned(work, relation, statement, signature, options)
    : await buildOne(work, relation, statement, { name, signature }, options).then(() => ({ built: true }));
  const last = begunOn(changes, relation.oid, signature);
  const notes = [
    ...('note' in result && result.note ? [result.note] : []),
    ...(last && last.name !== name ? [`its name is ${last.name}, because ${name} was taken`] : []),
    ...(broken
      ? [`the INVALID index ${broken.name} of the same definition is the owner's and was left`]
      : []),
  ];
  return { built: result.built, ...(notes.length > 0 ? { note: notes.join('; ') } : {}) };
}

/**
 * Drops what was built, whatever its name is by now; only by its OID or token. Children of a partitioned table's index
 * that came with partitions since go with it.
 *
 * @throws OperationError for an index that the owner has made use of since
 */
export async function undoIndex(work: Work, change: IndexChange): Promise<string | undefined> {
  const { client, signal } = work;
  const found = await findBuilt(client, change);
  const end = async () => {
    change.undone = true;
    await work.save();
  };
  if (!found) {
    await end();
    return undefined;
  }
  const { rows } = await client.query<{ use: string | null; attached: string[] }>(
    `SELECT CASE WHEN i.indisclustered THEN 'the table is clustered by it' WHEN i.indisreplident THEN 'it is the replica identity'
                 ELSE (SELECT 'the constraint ' || conname || ' needs it' FROM pg_constraint WHERE conindid = i.indexrelid LIMIT 1) END AS use,
            ARRAY(SELECT c.relname::text FROM pg_partition_tree(i.indexrelid) AS part JOIN pg_class AS c ON c.oid = part.relid
                    JOIN pg_inherits AS h ON h.inhrelid = c.oid JOIN pg_index AS own ON own.indexrelid = c.oid
                   WHERE NOT c.oid = ANY ($2::oid[]) AND own.xmin <> h.xmin) AS attached
       FROM pg_index AS i WHERE i.indexrelid = $1::oid`,
    [
      found.oid,
      work.changes.flatMap((each) => (each.change === 'index' && each.oid !== null ? [each.oid] : [])),
    ],
  );
  const { use, attached = [] } = rows[0] ?? {};
  if (use)
    throw new OperationError(`the index ${found.name} stays: ${use}, which the owner added since then.`);
  // What Postgres made with the partition has the age of its attachment; what the owner had is older.
  if (change.parent && attached.length > 0)
    throw new OperationError(
      `the index ${found.name} stays: dropping it would also drop ${attached.join(', ')}, which the owner created and Postgres attached to it since then. Detach or drop the partition's index first, or keep it.`,
    );
  await withLockRetries(
    client,
    async () => {
      const now = await findBuilt(client, change);
      if (!now) return;
      await client.query(dropSql(now, change.parent));
    },
    { signal, ...(change.parent ? {} : { lockTimeoutMs: CONCURRENT_LOCK_TIMEOUT_MS }) },
  );
  await end();
  return undefined;
}
