import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { freeName } from '../lib/pg/names.ts';
import { quote } from '../lib/pg/quote.ts';
import type { DropChange, Work } from './change.ts';
import { relationOf, twinOf } from './indexBuild.ts';
import { CONCURRENT_LOCK_TIMEOUT_MS, withLockRetries } from './indexes.ts';
import { inTransaction, type KnownIndex, readIndexes } from './signature.ts';
import type { Named } from './statement.ts';

interface Facts {
  oid: number;
  kind: string;
  relation: number;
  schema: string;
  table: string;
  indexSchema: string;
  name: string;
  unique: boolean;
  valid: boolean;
  definition: string;
  quotedName: string;
  predicate: string | null;
  tablespace: string | null;
  comment: string | null;
  clustered: boolean;
  replica: boolean;
  owned: boolean;
  child: boolean;
  neededBy: string | null;
  statistics: [number, number][];
  extensions: string[];
}

async function factsOf(client: pg.ClientBase, by: Named | number): Promise<Facts | undefined> {
  const { rows } = await client.query<Facts>(
    `SELECT i.indexrelid::int8::float8 AS oid, c.relkind AS kind, i.indrelid::int8::float8 AS relation, tn.nspname AS schema,
            t.relname AS table, n.nspname AS "indexSchema", c.relname AS name, i.indisunique AS unique,
            i.indisvalid AND i.indisready AND i.indislive AS valid, pg_get_indexdef(i.indexrelid) AS definition,
            quote_ident(c.relname) AS "quotedName", pg_get_expr(i.indpred, i.indrelid) AS predicate,
            (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace) AS tablespace,
            obj_description(i.indexrelid, 'pg_class') AS comment, i.indisclustered AS clustered, i.indisreplident AS replica,
            pg_has_role(c.relowner, 'USAGE') AS owned,
            EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid) AS child,
            (SELECT CASE WHEN refobjid = i.indexrelid THEN pg_describe_object(classid, objid, objsubid)
                         ELSE pg_describe_object(refclassid, refobjid, refobjsubid) END FROM pg_depend
              WHERE refclassid = 'pg_class'::regclass AND refobjid = i.indexrelid AND deptype IN ('n', 'i')
                 OR classid = 'pg_class'::regclass AND objid = i.indexrelid AND deptype = 'i' AND refclassid = 'pg_constraint'::regclass LIMIT 1) AS "neededBy",
            (SELECT coalesce(json_agg(json_build_array(attnum, attstattarget) ORDER BY attnum), '[]') FROM pg_attribute
              WHERE attrelid = i.indexrelid AND attstattarget >= 0) AS statistics,
            ARRAY(SELECT extname::text FROM pg_depend JOIN pg_extension AS e ON e.oid = refobjid
                   WHERE classid = 'pg_class'::regclass AND objid = i.indexrelid AND refclassid = 'pg_extension'::regclass AND deptype = 'x') AS extensions
       FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
       JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
      WHERE i.indexrelid = ${typeof by === 'number' ? '$1::oid' : 'to_regclass($1)'}`,
    [typeof by === 'number' ? by : by.schema === undefined ? quote(by.name) : quote(by.schema, by.name)],
  );
  return rows[0];
}

/** Why an index cannot be dropped, or should not be; undefined where it can, or is not there. */
function whyNot(facts: Facts): string | undefined {
  const { name, kind, child, neededBy, replica, owned } = facts;
  if (!owned) return `only the owner of ${name} can drop it`;
  if (child) return `${name} is the part of an index of the partitioned table, and goes with that alone`;
  if (kind === 'I')
    return `${name} belongs to a partitioned table, and cannot be dropped while others use that`;
  if (neededBy) return `${neededBy} needs ${name}`;
  if (replica)
    return `${name} is the replica identity of ${facts.table}: changes of its rows could not be replicated`;
  return undefined;
}

/** @returns why the index cannot be dropped, for a plan */
export async function whyNotDropped(client: pg.ClientBase, index: Named): Promise<string | undefined> {
  const facts = await factsOf(client, index);
  return facts ? whyNot(facts) : `the index ${index.name} is not there`;
}

/**
 * Drops an index of the owner, after noting all that it takes to have it back.
 *
 * @throws OperationError for one that a constraint, a partitioned index or replication needs
 */
export async function dropIndex(work: Work, index: Named): Promise<void> {
  const { client, changes, signal } = work;
  const facts = await factsOf(client, index);
  const begun = changes.find(
    (each): each is DropChange => each.change === 'dropped-index' && !each.undone && each.name === index.name,
  );
  if (!facts || (begun && begun.oid !== facts.oid)) {
    if (begun) return;
    throw new OperationError(`the index ${index.name} does not exist.`);
  }
  const why = whyNot(facts);
  if (why) throw new OperationError(`${why}.`);
  if (!begun) {
    const [known] = await readIndexes(client, { oid: facts.oid });
    const { definition, unique, quotedName, predicate } = facts;
    const head = `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${quotedName} ON `;
    const tail = predicate === null ? '' : ` WHERE ${predicate}`;
    if (!known || !definition.startsWith(head) || !definition.endsWith(tail))
      throw new OperationError(`the definition of ${facts.name} could not be read.`);
    const { oid, relation, schema, table, indexSchema, name, valid, tablespace, comment, clustered } = facts;
    changes.push({
      change: 'dropped-index',
      oid,
      relation,
      schema,
      table,
      indexSchema,
      name,
      valid,
      unique,
      signature: known.signature,
      body: definition.slice(head.length, definition.length - tail.length),
      predicate,
      tablespace,
      comment,
      clustered,
      statistics: facts.statistics,
      extensions: facts.extensions,
    });
    await work.save();
  }
  await withLockRetries(
    client,
    () => client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${quote(facts.indexSchema, facts.name)}`),
    { signal, lockTimeoutMs: CONCURRENT_LOCK_TIMEOUT_MS },
  );
}

async function dropBroken({ client, signal }: Work, { schema, name }: KnownIndex): Promise<void> {
  await withLockRetries(
    client,
    () => client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${quote(schema, name)}`),
    {
      signal,
      lockTimeoutMs: CONCURRENT_LOCK_TIMEOUT_MS,
    },
  );
}

/** Builds the index again as it was, with its name, comment, tablespace and all that was set of it. */
export async function undoDrop(work: Work, change: DropChange): Promise<string | undefined> {
  const { client, signal } = work;
  const end = async (remark?: string) => {
    change.undone = true;
    await work.save();
    return remark;
  };
  const relation = await relationOf(client, change.relation);
  const [old] = await readIndexes(client, { oid: change.oid });
  const isOld = old?.signature === change.signature && old.relation === change.relation;
  // Nobody uses an invalid one, and pg_dump does not show it.
  if (!relation || !change.valid || (isOld && old.valid)) return end();
  if (isOld) await dropBroken(work, old);
  const provisional = change.rebuilt?.provisional ?? `sqltrail_building_${randomBytes(6).toString('hex')}`;
  const rebuiltNow = async () =>
    (await readIndexes(client, { relation: change.relation })).find(({ name }) => name === provisional);
  if (!change.rebuilt) {
    const twin = twinOf(
      await readIndexes(client, { relation: change.relation }),
      change.signature,
      change.unique,
    );
    if (twin && twin.name === change.name)
      return end(`${change.name}: the owner has made an index of the same definition since`);
    change.rebuilt = { provisional };
    await work.save();
  }
  const left = await rebuiltNow();
  if (left && !left.valid) await dropBroken(work, left);
  if (!left?.valid) {
    const { unique, body, predicate, tablespace } = change;
    // The name of the table may be another by now.
    const rest = body.slice(body.indexOf(' USING '));
    const sql = `CREATE ${unique ? 'UNIQUE ' : ''}INDEX CONCURRENTLY ${quote(provisional)} ON ${quote(relation.schema, relation.table)}${rest}${tablespace === null ? '' : ` TABLESPACE ${quote(tablespace)}`}${predicate === null ? '' : ` WHERE ${predicate}`}`;
    await withLockRetries(client, () => client.query(sql), {
      signal,
      lockTimeoutMs: CONCURRENT_LOCK_TIMEOUT_MS,
      onRetry: async () => {
        const broken = await rebuiltNow();
        if (broken && !broken.valid) await dropBroken(work, broken);
      },
    });
  }
  let remark: string | undefined;
  await withLockRetries(
    client,
    async () => {
      const name = await freeName(client, relation.schema, change.name);
      await inTransaction(client, async () => {
        const target = quote(relation.schema, name);
        await client.query(`ALTER INDEX ${quote(relation.schema, provisional)} RENAME TO ${quote(name)}`);
        if (change.comment !== null)
          await client.query(`COMMENT ON INDEX ${target} IS ${pg.escapeLiteral(change.comment)}`);
        if (change.clustered)
          await client.query(
            `ALTER TABLE ${quote(relation.schema, relation.table)} CLUSTER ON ${quote(name)}`,
          );
        for (const [position, target_] of change.statistics)
          await client.query(`ALTER INDEX ${target} ALTER COLUMN ${position} SET STATISTICS ${target_}`);
        for (const extension of change.extensions)
          await client.query(`ALTER INDEX ${target} DEPENDS ON EXTENSION ${quote(extension)}`);
        change.undone = true;
        await work.save();
      });
      remark =
        name === change.name ? undefined : `${change.name} is back as ${name}: its name was taken since`;
    },
    { signal, alsoRetry: (error) => (error as { code?: string }).code === '42P07' },
  ).catch((error) => {
    delete change.undone;
    throw error;
  });
  return remark;
}
