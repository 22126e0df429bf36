import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { quote } from '../../lib/pg/quote.ts';
import type { PostgresServer } from '../../stack/postgres.ts';
import { onDatabase } from '../onDatabase.ts';
import type { CorpusDatabase } from './corpusDatabase.ts';
import { fill } from './fill.ts';
import { type Ran, runWorkload } from './runWorkload.ts';
import { readSource } from './source.ts';

/** The role of the software: it owns nothing and may read and write everything, as its own set-up grants it. */
const APPLICATION = { role: 'application', password: 'bench-only' };

export interface Prepared {
  /** As the owner, for the diagnosis. */
  url: string;
  ran: Ran;
}

/** Of how databases are filled: one that was loaded by another version is loaded anew. */
const FORMAT = 3;

/** Changes where the rows would: a database that was loaded from another definition is loaded anew. */
const versionOf = ({ source, filling }: CorpusDatabase) =>
  createHash('sha256')
    .update(JSON.stringify([FORMAT, source.sha256, String(source.replace), filling]))
    .digest('hex');

async function load(server: PostgresServer, database: CorpusDatabase, downloads: string): Promise<void> {
  const { name, source, searchPath, filling } = database;
  const sql = await readSource(name, source, downloads);
  await onDatabase(server.url(), async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${quote(name)} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${quote(name)}`);
    await client.query(
      `DO $$ BEGIN CREATE ROLE ${APPLICATION.role} LOGIN PASSWORD '${APPLICATION.password}'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    );
    if (searchPath) await client.query(`ALTER DATABASE ${quote(name)} SET search_path = ${searchPath}`);
  });
  const url = server.url(name);
  await onDatabase(url, async (client) => {
    for (const text of sql)
      await client.query(text).catch((cause) => {
        throw new Error(
          `The DDL of ${name} does not run: ${cause.message} (${text.slice(Math.max(0, cause.position - 80), Number(cause.position) + 40)})`,
          { cause },
        );
      });
  });
  const started = performance.now();
  await fill(url, filling, (what) =>
    process.stderr.write(`  ${name}: ${((performance.now() - started) / 1000).toFixed(0)} s, ${what}\n`),
  );
  await onDatabase(url, async (client) => {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public');
    const { rows } = await client.query<{ schema: string }>(
      "SELECT nspname AS schema FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
    );
    for (const { schema } of rows) {
      const at = quote(schema);
      await client.query(
        `GRANT USAGE ON SCHEMA ${at} TO ${APPLICATION.role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${at} TO ${APPLICATION.role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${at} TO ${APPLICATION.role}`,
      );
    }
  });
}

/** The same with a share of its rows and calls. */
export function scaled(database: CorpusDatabase, share: number): CorpusDatabase {
  const part = (count: number) => Math.min(count, Math.max(10, Math.ceil(count * share)));
  return {
    ...database,
    filling: {
      ...database.filling,
      rows: Object.fromEntries(
        Object.entries(database.filling.rows).map(([table, count]) => [table, part(count)]),
      ),
    },
    workload: database.workload.map((statement) => ({ ...statement, calls: part(statement.calls) })),
  };
}

/**
 * Loads the database unless it is there already, and runs its workload with statistics that begin with it.
 * @param scratch Directory that remembers which databases the server has loaded.
 */
export async function prepare(
  server: PostgresServer,
  database: CorpusDatabase,
  scratch: string,
  downloads: string,
): Promise<Prepared> {
  const { name, workload } = database;
  const loaded = path.join(scratch, 'loaded', name);
  const version = versionOf(database);
  if ((await readFile(loaded, 'utf8').catch(() => '')) !== version) {
    await load(server, database, downloads);
    await mkdir(path.dirname(loaded), { recursive: true });
    await writeFile(loaded, version);
  }
  const url = server.url(name);
  await onDatabase(url, (client) =>
    client.query(
      'SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()))',
    ),
  );
  const ran = await runWorkload(
    server.url(name, APPLICATION.role, APPLICATION.password),
    workload,
    (done, of) => process.stderr.write(`  ${name}: ${done} of ${of} calls\n`),
  );
  for (const [text, message] of ran.failed)
    process.stderr.write(`  ${name}: FAILED ${message}: ${text.slice(0, 200)}\n`);
  for (const text of ran.empty) process.stderr.write(`  ${name}: no row from ${text.slice(0, 160)}\n`);
  return { url, ran };
}
