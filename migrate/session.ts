import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DirectConnectionNeeded, describeTarget, openDirect, openReadOnly } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';
import type { ReadOnlyClient, Settings } from '../lib/pg/transaction.ts';
import type { Migration } from './migration.ts';
import { stateSql } from './state.ts';

const id = pg.escapeIdentifier;

const APPLICATION_NAME = 'sqltrail-migrate';
/**
 * The settings of each session of the engine. A role may have a time limit for the application's statements, which would
 * end one that reads a whole table or builds an index.
 */
const SETTINGS = { jit: 'off', idle_in_transaction_session_timeout: '60000', statement_timeout: '0' };

/**
 * A session that may change things, and in whose name: everything is made in that of the tables' owner, so that
 * triggers run with the owner's rights and no more, and what is new belongs to the owner.
 *
 * @returns `owner` where it is another role than that of the session
 * @throws OperationError when the role may not, or a pooler is in between
 */
export async function openChanging(
  url: string,
  { tables }: Pick<Migration, 'tables'>,
): Promise<{ client: pg.Client; owner: string | undefined }> {
  const client = await openDirect({ url, applicationName: APPLICATION_NAME, what: 'The migration' }).catch(
    (error) => {
      if (error instanceof DirectConnectionNeeded)
        throw new OperationError(`${describeTarget(url)}: ${error.message}`, { cause: error });
      throw error;
    },
  );
  try {
    await client.query('SELECT set_config(name, value, false) FROM json_each_text($1) AS s (name, value)', [
      SETTINGS,
    ]);
    const { rows: owners } = await client.query<{ owner: string; is: boolean; may: boolean }>(
      `SELECT r.rolname AS owner, r.rolname = current_user AS is, pg_has_role(current_user, r.oid, 'MEMBER') AS may
         FROM pg_tables AS t JOIN pg_roles AS r ON r.rolname = t.tableowner
        WHERE (t.schemaname, t.tablename) IN (SELECT * FROM unnest($1::text[], $2::text[])) LIMIT 1`,
      [tables.map(({ schema }) => schema), tables.map(({ table }) => table)],
    );
    const [owner] = owners;
    if (owner && !owner.is && !owner.may)
      throw new OperationError(
        `The tables belong to ${owner.owner}; the migration has to run as that role or as a superuser.`,
      );
    return { client, owner: owner && !owner.is ? owner.owner : undefined };
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/**
 * A session of a run. One run at a time: the lock goes with the connection.
 *
 * @throws OperationError when another run holds it, the role may not, or a pooler is in between
 */
export async function openSession(
  url: string,
  { name, tables }: Pick<Migration, 'name' | 'tables'>,
): Promise<pg.Client> {
  const { client, owner } = await openChanging(url, { tables });
  try {
    await client.query(stateSql);
    if (owner !== undefined)
      await client.query(
        `GRANT USAGE ON SCHEMA sqltrail TO ${id(owner)};
           GRANT SELECT, INSERT, UPDATE, DELETE ON sqltrail.migration, sqltrail.migration_step, sqltrail.migration_cursor,
             sqltrail.migration_resolution, sqltrail.migration_journal TO ${id(owner)};
           SET ROLE ${id(owner)}`,
      );
    const deadline = Date.now() + 15_000;
    for (;;) {
      const { rows } = await client.query(
        "SELECT pg_try_advisory_lock(hashtextextended('sqltrail migration ' || $1, 0)) AS mine",
        [name],
      );
      if (rows[0].mine) break;
      if (Date.now() > deadline)
        throw new OperationError(
          `The migration ${name} is already running in another session. Wait for it, or stop it first.`,
        );
      await sleep(100);
    }
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** For what only reads: directly, or through any pooler. */
export const openReader = (url: string, settings: Settings = {}): Promise<ReadOnlyClient> =>
  openReadOnly({ url, applicationName: APPLICATION_NAME, settings: { ...SETTINGS, ...settings } });

/** The same for as long as `work` takes. */
export async function withReader<Result>(
  url: string,
  settings: Settings,
  work: (client: ReadOnlyClient) => Promise<Result>,
): Promise<Result> {
  const client = await openReader(url, settings);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** A transaction that only reads, in a session that may change things. @param setting for this transaction */
export async function reading<Result>(
  client: pg.ClientBase,
  setting: string,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query(`BEGIN READ ONLY; SET LOCAL ${setting}`);
  try {
    return await work();
  } finally {
    await client.query('ROLLBACK');
  }
}
