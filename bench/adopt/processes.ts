import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { endChild, exitOf } from '../../stack/supervisor.ts';

/** A process whose output goes to a file. */
export interface Started {
  output(): string;
  ended(): boolean;
  exited: Promise<number | string>;
  stop(): Promise<void>;
}

/** Ends with SIGTERM, and with SIGKILL what does not within this time. */
const STOP_MS = 30_000;
const KEPT_OUTPUT = 200_000;

/** What was started and has to be ended, whatever happens; the last one first. */
export class Cleanup {
  readonly #steps: (() => Promise<unknown>)[] = [];
  /** Whether anything was started. */
  used = false;

  add(step: () => Promise<unknown>): void {
    this.used = true;
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop())
      await step().catch((error: Error) => process.stderr.write(`${error.message}\n`));
  }
}

/**
 * Starts a program in a group of its own, so that Ctrl-C reaches it through the clean-up alone, in its order.
 * Nothing of this process's environment but PATH and HOME is passed on.
 */
export function start(
  command: string,
  args: readonly string[],
  { cwd, env = {}, log }: { cwd: string; env?: Record<string, string>; log?: string },
): Started {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(command, args, {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const file = log === undefined ? undefined : createWriteStream(log, { mode: 0o600 });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      file?.write(chunk);
      output = `${output}${chunk}`.slice(-KEPT_OUTPUT);
    });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  exited.catch(() => {});
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  return {
    output: () => output,
    ended,
    exited,
    stop: () => endChild(child, exitOf(child), { deadlineMs: STOP_MS }),
  };
}

/** Runs a program to its end. @throws Error with the end of its output unless it ends with 0 */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string>; log?: string; signal: AbortSignal },
): Promise<string> {
  const { signal } = options;
  signal.throwIfAborted();
  const started = start(command, args, options);
  const end = () => void started.stop();
  signal.addEventListener('abort', end);
  try {
    const code = await started.exited;
    signal.throwIfAborted();
    if (code !== 0)
      throw new Error(
        `${command} ${args.slice(0, 4).join(' ')} ended with ${code}:\n${started.output().slice(-3_000)}`,
      );
    return started.output();
  } finally {
    signal.removeEventListener('abort', end);
  }
}
