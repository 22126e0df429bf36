import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { freePort } from '../../lib/freePort.ts';
import { waitFor } from '../../lib/waitFor.ts';
import { PATIENCE_MS } from './patience.ts';

/** Debian installs the binary where only root's PATH looks. */
const PATH = `/usr/sbin:${process.env['PATH']}`;

/** PgBouncer is no npm package: where it is missing, a test is skipped and says so. */
export const isPgBouncerInstalled = spawnSync('pgbouncer', ['--version'], { env: { PATH } }).status === 0;
export const pgBouncerNote = isPgBouncerInstalled ? '' : ' (skipped: needs the package pgbouncer)';

/** PgBouncer refuses to run as root, as Postgres does. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/**
 * Runs a command that becomes PgBouncer, as `nobody` when the tests run as root, until it answers at `url`.
 *
 * @param owned a directory that it may write to
 * @throws Error with what it wrote, when it does not answer
 */
export async function runPgBouncer(
  [command, ...args]: [string, ...string[]],
  { owned, url, env = {} }: { owned: string; url: string; env?: Record<string, string> },
): Promise<{ stop(): Promise<void> }> {
  if (nobody.uid) await chown(owned, nobody.uid, nobody.gid);
  const child: ChildProcess = spawn(command, args, {
    ...nobody,
    cwd: owned,
    env: { PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await waitFor(
      'PgBouncer to answer',
      async () => {
        const client = new pg.Client({ connectionString: url });
        client.on('error', () => {});
        await client.connect();
        await client.end();
        return true;
      },
      { deadlineMs: PATIENCE_MS },
    );
  } catch (error) {
    await stop();
    throw new Error(`PgBouncer does not answer:\n${output}`, { cause: error });
  }
  return { stop };
}

export interface PgBouncer {
  /** The same database and role as `direct` names, through the pooler. */
  through(direct: string): string;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  mode: 'transaction' | 'session';
  /** Server connections for each role and database: few, so that everybody gets what another left on one. */
  poolSize: number;
  /** Further settings of pgbouncer.ini; its own defaults hold for all others. */
  settings?: Record<string, string>;
  /** Roles that may connect, as URLs of the server that have the passwords; the run's superuser by default. */
  roles?: readonly string[];
}

/** A PgBouncer of the test's own before the run's Postgres, with the settings that PgBouncer has by default. */
export async function startPgBouncer({
  mode,
  poolSize,
  settings = {},
  roles = [inject('postgresUrl')],
}: PgBouncerOptions): Promise<PgBouncer> {
  const server = new URL(inject('postgresUrl'));
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-pgbouncer-'));
  await chmod(dir, 0o755);
  const owned = path.join(dir, 'run');
  await mkdir(owned, { mode: 0o700 });
  const port = await freePort();
  const ini = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: path.join(owned, 'userlist.txt'),
    pool_mode: mode,
    default_pool_size: poolSize,
    ...settings,
  };
  const quoted = (text: string) => `"${decodeURIComponent(text).replaceAll('"', '""')}"`;
  const files: Record<string, string> = {
    'pgbouncer.ini': `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
${Object.entries(ini)
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`,
    'userlist.txt': roles
      .map((role) => new URL(role))
      .map(({ username, password }) => `${quoted(username)} ${quoted(password)}\n`)
      .join(''),
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(owned, name), text, { mode: 0o600 });
    if (nobody.uid) await chown(path.join(owned, name), nobody.uid, nobody.gid);
  }
  const through = (direct: string) => {
    const url = new URL(direct);
    url.hostname = '127.0.0.1';
    url.port = String(port);
    return url.href;
  };
  const bouncer = await runPgBouncer(['pgbouncer', path.join(owned, 'pgbouncer.ini')], {
    owned,
    url: through(roles[0] ?? ''),
  });
  return {
    through,
    async stop() {
      await bouncer.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
