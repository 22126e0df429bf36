import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, errorCode } from '../lib/errors.ts';
import { openPrivateLog } from '../lib/privateFiles.ts';
import { identify, isRunning } from './processes.ts';

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A started and healthy process. */
export interface RunningProcess {
  pid: number;
  exited: Promise<Exit>;
  /** Ends it: a gentle signal, then a hard one when the deadline passes. */
  stop(deadlineMs?: number): Promise<void>;
}

export interface ProcessSpec {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** stdout and stderr are appended here. */
  logFile: string;
  /** Asked until it is true; a rejection counts as "not yet". */
  healthy: (signal: AbortSignal) => Promise<boolean>;
  readyDeadlineMs: number;
  /** Called as soon as the process exists, before it is healthy. */
  onSpawn?: (pid: number) => void;
  signal?: AbortSignal;
}

/** The last lines of a log that say something; empty when there is no log. */
export async function lastLines(file: string, count = 6): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((error) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count);
}

/** Keeps the log of the run before as `.1`, so that logs do not grow with every start. */
export async function rotateLog(file: string): Promise<void> {
  await rename(file, `${file}.1`).catch((error) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
}

/** `ended with code 1`, `was ended by SIGKILL`. */
export const describeExit = ({ code, signal }: Exit) =>
  signal ? `was ended by ${signal}` : code === null ? 'ended' : `ended with code ${code}`;

/** The exit of a child, also when it could not be started at all (as code 127 and the error). */
export function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => child.pid === undefined && resolve({ code: 127, signal: null }));
  });
}

/** The end of a process that this one did not start itself, or has no handle of; the code is not known. */
export async function exitOfPid(pid: number): Promise<Exit> {
  const identity = await identify(pid);
  while (identity && (await isRunning(identity))) await sleep(250);
  return { code: null, signal: null };
}

/** Signals a child until it has ended: `gentle`, then `hard` after the deadline. */
export async function endChild(
  child: ChildProcess,
  exited: Promise<Exit>,
  { gentle = 'SIGTERM' as NodeJS.Signals, hard = 'SIGKILL' as NodeJS.Signals, deadlineMs = 10_000 } = {},
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(gentle);
  const late = setTimeout(() => child.kill(hard), deadlineMs);
  await exited;
  clearTimeout(late);
}

/**
 * Starts a process and waits until it is healthy. It leads a process group of its own, so that a Ctrl-C in the
 * terminal reaches only the supervisor, which stops the parts in order.
 *
 * @throws Error with the last lines of the log and its path, when the process ends first or the deadline passes.
 */
export async function startProcess(spec: ProcessSpec): Promise<RunningProcess> {
  const log = await openPrivateLog(spec.logFile);
  let failure: Error | undefined;
  let child: ChildProcess;
  try {
    child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
    });
    // Before anything is awaited: an error that nobody listens for ends this process.
    child.on('error', (error) => {
      failure = error;
    });
  } finally {
    await log.close();
  }
  const exited = exitOf(child);
  if (child.pid !== undefined) spec.onSpawn?.(child.pid);
  const stop = (deadlineMs?: number) =>
    endChild(child, exited, deadlineMs === undefined ? {} : { deadlineMs });

  const fail = async (what: string, cause?: unknown): Promise<never> => {
    const lines = await lastLines(spec.logFile);
    throw new Error(
      [`${spec.name} ${what}.`, ...lines.map((line) => `  | ${line}`), `  whole log: ${spec.logFile}`].join(
        '\n',
      ),
      { cause },
    );
  };
  let ended: Exit | undefined;
  void exited.then((exit) => {
    ended = exit;
  });
  let why: unknown;
  for (const deadline = Date.now() + spec.readyDeadlineMs; ; await sleep(100)) {
    if (spec.signal?.aborted) {
      await stop();
      spec.signal.throwIfAborted();
    }
    if (failure) await fail(`could not be started (${failure.message})`, failure);
    if (ended) await fail(`${describeExit(ended)} before it was ready`);
    try {
      if (await spec.healthy(AbortSignal.timeout(2_000))) break;
      why = undefined;
    } catch (error) {
      why = error;
    }
    if (Date.now() > deadline) {
      await stop(2_000);
      await fail(
        `was not ready within ${spec.readyDeadlineMs / 1000} s${why ? ` (${describeError(why)})` : ''}`,
        why,
      );
    }
  }
  return { pid: child.pid as number, exited, stop };
}

export type PartState = 'waiting' | 'starting' | 'ready' | 'unhealthy' | 'restarting' | 'failed' | 'stopped';

/** Something that happened to a part; `message` is one sentence for a person. */
export interface PartEvent {
  at: Date;
  part: string;
  kind: 'started' | 'died' | 'restarted' | 'restart-failed' | 'gave-up' | 'unhealthy' | 'healthy' | 'stopped';
  message: string;
}

export interface SupervisionOptions {
  name: string;
  logFile: string;
  start: () => Promise<RunningProcess>;
  /** Asked every {@link healthEveryMs} once the part runs. */
  healthy: (signal: AbortSignal) => Promise<boolean>;
  healthEveryMs?: number;
  onEvent: (event: PartEvent) => void;
  onChange: () => void;
  stopDeadlineMs: number;
  /** Between restarts, milliseconds; the last one is repeated. */
  waitsMs?: readonly number[];
}

/** Waits between restarts, milliseconds; the last one is repeated. */
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** More restarts than this within {@link RESTART_WINDOW_MS} and the part is given up. */
const MAX_RESTARTS = 6;
const RESTART_WINDOW_MS = 120_000;
/** So many failed health checks in a row are reported; a single slow answer under load is not. */
const UNHEALTHY_AFTER = 3;

/** Keeps one part running: restarts it with backoff when it dies, gives up when it dies too often. */
export class Supervised {
  state: PartState = 'waiting';
  restarts = 0;
  readonly name: string;
  readonly logFile: string;
  #options: SupervisionOptions;
  #running: RunningProcess | undefined;
  #watching: Promise<void> = Promise.resolve();
  #stopping = new AbortController();
  /** When it was started again, milliseconds since 1970. */
  readonly #recent: number[] = [];
  #renewing = false;

  constructor(options: SupervisionOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** First start; its failure is the caller's. */
  async start(): Promise<void> {
    this.#set('starting');
    try {
      this.#running = await this.#options.start();
    } catch (error) {
      this.#set('failed');
      throw error;
    }
    this.#set('ready');
    this.#event('started', `${this.name} is ready`);
    this.#watching = this.#watch();
  }

  /** Ends its process, which did nothing wrong, and starts another one; also after it was given up. */
  async renew(): Promise<void> {
    this.#recent.length = 0;
    if (this.state === 'failed') this.#watching = this.#watch();
    // Without a process it is being started already.
    if (!this.#running) return;
    this.#renewing = true;
    await this.#running.stop(this.#options.stopDeadlineMs);
  }

  async stop(): Promise<void> {
    if (this.state === 'stopped' || this.state === 'waiting') return;
    this.#stopping.abort();
    await this.#running?.stop(this.#options.stopDeadlineMs);
    await this.#watching;
    this.#running = undefined;
    this.#set('stopped');
    this.#event('stopped', `${this.name} is stopped`);
  }

  #set(state: PartState) {
    this.state = state;
    this.#options.onChange();
  }

  #event(kind: PartEvent['kind'], message: string) {
    this.#options.onEvent({ at: new Date(), part: this.name, kind, message });
  }

  async #watch(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const running = this.#running;
      if (running) {
        const exit = await Promise.race([running.exited, this.#checkHealth(running)]);
        if (this.#stopping.signal.aborted || !exit) return;
        this.#running = undefined;
        this.#set('restarting');
        if (!this.#renewing) {
          const last = (await lastLines(this.logFile, 1))[0];
          this.#event('died', `${this.name} ${describeExit(exit)}${last ? `; last log line: ${last}` : ''}`);
        }
        this.#renewing = false;
      }
      if (!(await this.#restart())) return;
    }
  }

  /** @returns whether it runs again. */
  async #restart(): Promise<boolean> {
    const recent = this.#recent;
    while (!this.#stopping.signal.aborted) {
      while (recent[0] !== undefined && recent[0] < Date.now() - RESTART_WINDOW_MS) recent.shift();
      if (recent.length >= MAX_RESTARTS) {
        this.#set('failed');
        this.#event(
          'gave-up',
          `${this.name} died ${recent.length + 1} times within ${RESTART_WINDOW_MS / 1000} s and is left down; its log: ${this.logFile}`,
        );
        return false;
      }
      const { waitsMs = BACKOFF_MS } = this.#options;
      const waitMs = waitsMs[Math.min(recent.length, waitsMs.length - 1)] as number;
      recent.push(Date.now());
      await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#stopping.signal.aborted) return false;
      this.restarts += 1;
      try {
        const started = await this.#options.start();
        this.#running = started;
        if (this.#stopping.signal.aborted) {
          await started.stop(this.#options.stopDeadlineMs);
          return false;
        }
        this.#set('ready');
        this.#event('restarted', `${this.name} runs again (restart ${this.restarts})`);
        return true;
      } catch (error) {
        if (!this.#stopping.signal.aborted)
          this.#event('restart-failed', `${this.name} could not be restarted: ${describeError(error)}`);
      }
    }
    return false;
  }

  /** Runs until the process has ended; reports when it stops answering and when it answers again. */
  async #checkHealth(running: RunningProcess): Promise<Exit> {
    let exit: Exit | undefined;
    void running.exited.then((value) => {
      exit = value;
    });
    let failures = 0;
    for (;;) {
      await Promise.race([
        running.exited,
        sleep(this.#options.healthEveryMs ?? 5_000, undefined, {
          signal: this.#stopping.signal,
          ref: false,
        }).catch(() => {}),
      ]);
      if (exit || this.#stopping.signal.aborted) return running.exited;
      const ok = await this.#options.healthy(AbortSignal.timeout(4_000)).catch(() => false);
      if (exit || this.#stopping.signal.aborted) continue;
      failures = ok ? 0 : failures + 1;
      if (failures === UNHEALTHY_AFTER && this.state === 'ready') {
        this.#set('unhealthy');
        this.#event(
          'unhealthy',
          `${this.name} runs (pid ${running.pid}) but does not answer its health check`,
        );
      } else if (ok && this.state === 'unhealthy') {
        this.#set('ready');
        this.#event('healthy', `${this.name} answers its health check again`);
      }
    }
  }
}
