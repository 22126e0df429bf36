import { readdir, readFile } from 'node:fs/promises';
import { ConfigurationError } from '../lib/errors.ts';
import { takeLock } from './lockFile.ts';
import { endProcess, identify } from './processes.ts';
import { checkout, RunDirectory } from './runDirectory.ts';
import {
  type PartEvent,
  type PartState,
  type RunningProcess,
  rotateLog,
  Supervised,
  startProcess,
} from './supervisor.ts';
import { watchSources } from './watchSources.ts';

export interface PartStatus {
  name: string;
  state: PartState;
  pid: number | undefined;
  restarts: number;
  logFile: string;
}

/** A part that is a process with an address that says whether it is well. */
export interface PartSpec {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  /** The checkout without it. */
  cwd?: string;
  /** Answers with 200 when the part is ready. */
  health: string;
  stopDeadlineMs: number;
  /** Folders of the checkout that its code lies in. */
  sources?: readonly string[];
}

export interface PartsOptions {
  /** Run directory; `SQLTRAIL_DIR` or `.sqltrail` otherwise. */
  dir?: string | undefined;
  signal?: AbortSignal | undefined;
  onEvent?: ((event: PartEvent) => void) | undefined;
  /** Takes each change of a part's code, which is then started again. Without it changes are not looked for. */
  onSourceChange?: ((part: string, file: string) => void) | undefined;
}

const answers = (url: string) => async (signal: AbortSignal) => (await fetch(url, { signal })).ok;

/** The address of a port on this machine. */
export const local = (port: number, scheme = 'http') => `${scheme}://127.0.0.1:${port}`;

/** Ends what a run that was killed left behind. */
async function endLeftovers(dir: RunDirectory): Promise<void> {
  const state = await dir.readState();
  if (!state) return;
  for (const { pid, startTime, stopSignal } of state.parts)
    await endProcess({ pid, startTime }, { signal: stopSignal as NodeJS.Signals });
  await dir.removeState();
}

/** The processes of one run directory: started, watched, written down, and stopped in reverse order. */
export class Parts {
  readonly dir: RunDirectory;
  /** Written down with the parts, for whoever reads `run.json`. */
  ports: Record<string, number> = {};
  readonly #options: PartsOptions;
  readonly #release: () => Promise<void>;
  readonly #supervised: Supervised[] = [];
  readonly #starts = new Map<string, string>();
  readonly #watchedSources = new AbortController();
  #writing = Promise.resolve();
  #stopping: Promise<void> | undefined;

  private constructor(dir: RunDirectory, options: PartsOptions, release: () => Promise<void>) {
    this.dir = dir;
    this.#options = options;
    this.#release = release;
  }

  /**
   * Takes the run directory, and ends what a run that was killed left in it.
   *
   * @throws ConfigurationError when it is taken, or cannot be written
   */
  static async open(options: PartsOptions): Promise<Parts> {
    const dir = new RunDirectory(options.dir);
    await dir.open();
    const release = await takeLock(dir.lockFile, {
      ...(options.signal ? { signal: options.signal } : {}),
      onWait: ({ pid }) => {
        throw new ConfigurationError(
          `A stack is already running in ${dir.path} (pid ${pid}): stop it first, or set SQLTRAIL_DIR to another directory.`,
        );
      },
    });
    const parts = new Parts(dir, options, release);
    try {
      await endLeftovers(dir);
      return parts;
    } catch (error) {
      await parts.stop();
      throw error;
    }
  }

  #writeState = (): void => {
    this.#writing = this.#writing.then(async () => {
      const supervisor = await identify(process.pid);
      const parts = [];
      for (const part of this.#supervised) {
        if (part.pid === undefined || part.state === 'stopped') continue;
        const key = `${part.name} ${part.pid}`;
        const startTime = this.#starts.get(key) ?? (await identify(part.pid))?.startTime;
        if (!startTime) continue;
        this.#starts.set(key, startTime);
        parts.push({
          name: part.name,
          pid: part.pid,
          startTime,
          port: 1,
          healthUrl: null,
          stopSignal: part.name === 'postgres' ? 'SIGINT' : 'SIGTERM',
          logFile: part.logFile,
          restarts: part.restarts,
        });
      }
      if (supervisor)
        await this.dir.writeState({
          version: 1,
          startedAt: new Date().toISOString(),
          supervisor,
          ports: this.ports,
          parts,
        });
    });
  };

  /** A part that is watched and started again when it dies; `start` it. */
  supervise(
    name: string,
    start: () => Promise<RunningProcess>,
    healthy: (signal: AbortSignal) => Promise<boolean>,
    stopDeadlineMs: number,
  ): Supervised {
    const part = new Supervised({
      name,
      logFile: this.dir.file('log', `${name}.log`),
      start,
      healthy,
      onEvent: (event) => this.#options.onEvent?.(event),
      onChange: this.#writeState,
      stopDeadlineMs,
    });
    this.#supervised.push(part);
    return part;
  }

  /** Starts a process, and resolves when it is ready. */
  async start(spec: PartSpec): Promise<void> {
    const { name, command, args, env, cwd = checkout, health, stopDeadlineMs, sources = [] } = spec;
    const logFile = this.dir.file('log', `${name}.log`);
    const { signal } = this.#options;
    await rotateLog(logFile);
    const part = this.supervise(
      name,
      () =>
        startProcess({
          name,
          command,
          args,
          env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
          cwd,
          logFile,
          healthy: answers(health),
          readyDeadlineMs: 60_000,
          ...(signal ? { signal } : {}),
        }),
      answers(health),
      stopDeadlineMs,
    );
    await part.start();
    const { onSourceChange } = this.#options;
    if (onSourceChange)
      watchSources(sources, this.#watchedSources.signal, (file) => {
        onSourceChange(name, file);
        void part.renew();
      });
  }

  /** Starts all of them side by side. @throws the first failure, once each has started or failed */
  async startAll(specs: readonly PartSpec[], onReady: (name: string) => void): Promise<void> {
    const results = await Promise.allSettled(
      specs.map(async (spec) => {
        await this.start(spec);
        onReady(spec.name);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  status(): PartStatus[] {
    return this.#supervised.map(({ name, state, pid, restarts, logFile }) => ({
      name,
      state,
      pid,
      restarts,
      logFile,
    }));
  }

  /** Resident memory of all parts with their children, bytes (Linux). */
  residentBytes(): Promise<number> {
    return residentBytesOf(this.#supervised.flatMap(({ pid }) => pid ?? []));
  }

  /** Stops all parts, the last one first, and gives the run directory back. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      this.#watchedSources.abort();
      for (const part of this.#supervised.toReversed()) await part.stop();
      await this.#writing;
      await this.dir.removeState();
      await this.#release();
    })();
    return this.#stopping;
  }
}

async function residentBytesOf(pids: readonly number[]): Promise<number> {
  const wanted = new Set(pids);
  let total = 0;
  // A parent's pid can be higher than its child's after a wrap, so children are looked for until none is found.
  const processes = new Map<number, number>();
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent) processes.set(Number(name), parent);
  }
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of processes)
      if (wanted.has(parent) && !wanted.has(pid)) {
        wanted.add(pid);
        grown = true;
      }
  }
  for (const pid of wanted) {
    // Pss shares what several backends map (shared_buffers) between them; Rss would count it once for each.
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    total += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
  }
  return total;
}
