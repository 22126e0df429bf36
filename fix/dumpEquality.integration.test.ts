import { fork } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { dumpBinDir, pgDump, startDumpServer } from '../test/support/dump.ts';
import { actionsOf, type FixCase, fixCase, ownersSql, schemaSql } from '../test/support/fixCase.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { propertyRuns } from '../test/support/property.ts';
import type { Action } from './action.ts';
import { applyActions } from './apply.ts';
import { readJournal } from './journal.ts';
import { undoActions } from './undo.ts';

const RUNS = propertyRuns(12);
const SEED = process.env['SQLTRAIL_PROPERTY_SEED'];
const signal = new AbortController().signal;

let server: Awaited<ReturnType<typeof startDumpServer>>;
let admin: pg.Client;

/** What is there of the owner: the dump, and the indexes that are not in it because they are invalid. */
async function everything(url: string, client: pg.Client): Promise<string[]> {
  const dump = await pgDump(url, ['--create', '--exclude-schema=sqltrail']);
  const { rows } = await client.query<{ line: string }>(
    `SELECT format('%s valid=%s %s', i.indexrelid::regclass, i.indisvalid, pg_get_indexdef(i.indexrelid)) AS line
       FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'sqltrail') ORDER BY 1`,
  );
  return [...dump.split('\n'), ...rows.map(({ line }) => line)];
}

const indexNames = async (client: pg.Client) =>
  (
    await client.query<{ oid: number; schema: string; name: string; kind: string }>(
      `SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('i', 'I') AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'sqltrail') ORDER BY c.oid`,
    )
  ).rows;

const DATABASES = ['fix_case', 'fix_expected'] as const;
const clients = new Map<string, pg.Client>();

/** One of the two databases, emptied: making one anew for each case takes longer than the case. */
async function emptied(name: (typeof DATABASES)[number]): Promise<{ url: string; client: pg.Client }> {
  const client = clients.get(name) as pg.Client;
  const { rows } = await client.query<{ sql: string }>(
    `SELECT format('DROP SCHEMA %I CASCADE', nspname) AS sql FROM pg_namespace
      WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
     UNION ALL SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql'`,
  );
  for (const { sql } of [
    ...rows,
    { sql: 'CREATE SCHEMA public AUTHORIZATION pg_database_owner' },
    { sql: `ALTER DATABASE ${name} RESET ALL` },
    { sql: `ALTER ROLE fix_reader IN DATABASE ${name} RESET ALL` },
  ])
    await client.query(sql);
  return { url: server.url(name), client };
}

/** Each on its own; what the server refuses is left out. */
async function each(client: pg.Client, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await client.query(sql).catch(() => {});
}

const apply = (url: string, actions: readonly Action[]) =>
  applyActions({ url, actions, windows: 0, windowMs: 10, reviewDays: 30, signal, onEvent: () => {} });

type Kill = NonNullable<FixCase['killApply']>;

const ended = (client: pg.Client) =>
  waitFor(
    'the killed run’s session ends',
    async () =>
      (
        await client.query(
          "SELECT FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND datname = current_database()",
        )
      ).rowCount === 0,
    { deadlineMs: PATIENCE_MS },
  );

/** A process of its own, which ends by kill -9 at a write to the journal, or comes to its end before. */
async function inChild(url: string, kill: Kill, actions: readonly Action[] | undefined): Promise<void> {
  const child = fork(new URL('../test/support/applyChild.ts', import.meta.url), [], {
    env: {
      ...process.env,
      TEST_URL: url,
      TEST_PLAIN: 'yes',
      TEST_KILL: `${kill.moment}:${kill.write}`,
      ...(actions ? { TEST_ACTIONS: JSON.stringify(actions) } : { TEST_UNDO: 'yes' }),
    },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await once(child, 'exit');
}

/**
 * What the server sees of kill -9, without the second that a process takes to begin: the run's connection goes at a
 * write to the journal, nothing that comes after reaches the server, and the run's memory is forgotten.
 */
async function cutOff({ moment, write }: Kill, run: () => Promise<unknown>): Promise<void> {
  const { query } = pg.Client.prototype;
  let writes = 0;
  let dead = false;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const gone = () => {
      dead = true;
      (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      return Promise.reject(new Error('Connection terminated unexpectedly'));
    };
    const mine = () => Reflect.apply(query, this, args);
    if (dead) return Promise.reject(new Error('Connection terminated unexpectedly'));
    if (!/^(INSERT INTO|UPDATE) sqltrail\.action/.test(String(args[0]))) return mine();
    writes += 1;
    if (writes !== write) return mine();
    return moment === 'before' ? gone() : mine().then(gone);
  };
  try {
    await run().catch((error: Error) => {
      if (!dead) throw error;
    });
  } finally {
    pg.Client.prototype.query = query;
  }
}

async function killed(url: string, client: pg.Client, kill: Kill, actions: readonly Action[] | undefined) {
  if (kill.how === 'process') await inChild(url, kill, actions);
  else await cutOff(kill, () => (actions ? apply(url, actions) : undo(url, 'all')));
  await ended(client);
}

async function undo(url: string, how: FixCase['undo']): Promise<string[]> {
  const inForce = (await readJournal(url)).filter(({ state }) => state !== 'reverted');
  const failed: string[] = [];
  const note = (found: readonly { action: Action; reason: string }[] | undefined) => {
    for (const { action, reason } of found ?? []) failed.push(`${action.id}: ${reason}`);
  };
  if (how === 'all') note(await undoActions({ url, signal, onUndone: () => {} }));
  else
    for (const { action } of inForce)
      note(await undoActions({ url, ids: [action.id], signal, onUndone: () => {} }));
  return failed;
}

/** The whole of a case: what is there before, with what the owner changed meanwhile, and what is there after. */
async function outcome(given: FixCase) {
  const [name, otherName] = DATABASES;
  const { url, client } = await emptied(name);
  await each(client, schemaSql(given, name));
  const actions = actionsOf(given, name);
  const before = await everything(url, client);
  const known = new Set((await indexNames(client)).map(({ oid }) => oid));
  if (given.killApply) await killed(url, client, given.killApply, actions);
  await apply(url, actions);
  const ours = (await indexNames(client)).filter(({ oid }) => !known.has(oid));
  // The parts of an index of a partitioned table go with it.
  const { onOurs, onTheirs } = ownersSql(given, given.owner === 'drops' ? ours.toReversed() : ours);
  await each(client, [...onOurs, ...onTheirs]);
  if (given.killUndo) await killed(url, client, given.killUndo, undefined);
  const failed = await undo(url, given.undo);
  const after = await everything(url, client);
  const states = (await readJournal(url)).map(({ action: { id }, state, note }) => ({ id, state, note }));
  if (onTheirs.length === 0) return { before, after, failed, states };
  const other = await emptied(otherName);
  await each(other.client, [...schemaSql(given, otherName), ...onTheirs]);
  const expected = await everything(other.url, other.client);
  return { before: expected.map((line) => line.replaceAll(otherName, name)), after, failed, states };
}

describe.skipIf(!dumpBinDir)("pg_dump before and after (Debian's package postgresql)", () => {
  beforeAll(async () => {
    server = await startDumpServer({ max_connections: '60' });
    admin = new pg.Client(server.url());
    await admin.connect();
    await admin.query('CREATE ROLE fix_reader');
    for (const name of DATABASES) {
      await admin.query(`CREATE DATABASE ${name}`);
      const client = new pg.Client(server.url(name));
      await client.connect();
      clients.set(name, client);
    }
  });
  afterAll(async () => {
    for (const client of [admin, ...clients.values()]) await client?.end();
    await server?.close();
  });

  it('any schema, any actions, killed, resumed, changed by the owner: after undo it is what it was', {
    timeout: Math.max(300_000, RUNS * 30_000),
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fixCase, async (given) => {
        const { before, after, failed, states } = await outcome(given);
        expect(failed).toEqual([]);
        expect(states.filter(({ state }) => state !== 'reverted')).toEqual([]);
        expect(after).toEqual(before);
      }),
      {
        numRuns: RUNS,
        ...(SEED ? { seed: Number(SEED) } : {}),
        ...(process.env['SQLTRAIL_PROPERTY_RUNS']
          ? { endOnFailure: true }
          : { interruptAfterTimeLimit: 240_000 }),
      },
    );
  });
});
