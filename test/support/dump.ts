import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { startThrowawayServer, type ThrowawayServer } from './server.ts';

const DEBIAN = '/usr/lib/postgresql';

/**
 * Directory of a Postgres installation that has a server and its own pg_dump: `TEST_POSTGRES_BIN`, or the newest of
 * Debian's packages `postgresql` and `postgresql-client`. The embedded server brings no pg_dump, and an older pg_dump
 * refuses a newer server, so a test that dumps starts a server from here and is skipped where there is none.
 */
export const dumpBinDir: string | undefined = [
  ...(process.env['TEST_POSTGRES_BIN'] ? [process.env['TEST_POSTGRES_BIN']] : []),
  ...(existsSync(DEBIAN) ? readdirSync(DEBIAN) : [])
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => path.join(DEBIAN, version, 'bin')),
].find((dir) => ['initdb', 'postgres', 'pg_dump'].every((tool) => existsSync(path.join(dir, tool))));

/** A server whose databases {@link pgDump} can read. */
export function startDumpServer(settings: Record<string, string> = {}): Promise<ThrowawayServer> {
  if (!dumpBinDir) throw new Error("no pg_dump beside a server: install Debian's package postgresql");
  return startThrowawayServer({ binDir: dumpBinDir, settings });
}

/**
 * What pg_dump says of a database: schema, data, owners, grants, comments, options, extensions. Sequence values are
 * part of it. Left out is what differs between two dumps of one database: the key of `\restrict`.
 *
 * @param options further arguments of pg_dump, such as `--schema-only` or `--exclude-schema=sqltrail`
 */
export async function pgDump(url: string, options: readonly string[] = []): Promise<string> {
  if (!dumpBinDir) throw new Error("no pg_dump beside a server: install Debian's package postgresql");
  const { stdout } = await promisify(execFile)(
    path.join(dumpBinDir, 'pg_dump'),
    ['--no-password', ...options, url],
    { maxBuffer: 2 ** 30, env: { ...process.env, LC_ALL: 'C.UTF-8' } },
  );
  return stdout.replace(/^\\(un)?restrict .*\n/gm, '');
}
