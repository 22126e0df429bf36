import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { waitFor } from '../../lib/waitFor.ts';
import { PATIENCE_MS } from './patience.ts';

const root = path.resolve(import.meta.dirname, '../..');

export interface TestProcess {
  child: ChildProcess;
  output(): string;
  /** Resolves with the exit code, or the signal's name. */
  exited: Promise<number | string>;
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

/** What makes the clocks of a process show another date (test/dates.ts), for its own processes. */
const CLOCKS = /^(FAKETIME|LD_PRELOAD$|TZ$)/;
export const clocks = Object.fromEntries(Object.entries(process.env).filter(([name]) => CLOCKS.test(name)));

/**
 * A Node process of the project, started from the checkout on the sample shop, with nothing of this process's environment
 * but PATH, its clocks and what Node has compiled.
 */
export function startNode(
  args: string[],
  env: Record<string, string>,
  { node = process.execPath, cwd = root } = {},
): TestProcess {
  const child = spawn(node, args, {
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
      SQLTRAIL_CONFIG: 'sample-shop/sqltrail.yaml',
      ...clocks,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk;
    });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  return {
    child,
    output: () => output,
    exited,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

export const telemetryArguments = ['--import', './instrumentation/index.ts'];
export const shopArguments = [...telemetryArguments, 'sample-shop/server.ts'];

/** Waits until a process writes a text. @throws Error with its output when it ends first. */
export async function waitUntilSays(text: string, started: TestProcess): Promise<void> {
  let ended = false;
  void started.exited.then(() => {
    ended = true;
  });
  await waitFor(`“${text}”`, () => ended || started.output().includes(text), { deadlineMs: PATIENCE_MS });
  if (ended) throw new Error(`the process ended before it said “${text}”:\n${started.output()}`);
}

/** Waits until a URL answers 200. @throws Error with the process's output when it ends first. */
export async function waitUntilServing(url: string, started: TestProcess): Promise<void> {
  let ended = false;
  void started.exited.then(() => {
    ended = true;
  });
  await waitFor(
    `${url} to answer`,
    async () => {
      if (ended) return true;
      return fetch(url).then(
        (response) => response.ok,
        () => false,
      );
    },
    { deadlineMs: PATIENCE_MS },
  );
  if (ended) throw new Error(`the process ended before ${url} answered:\n${started.output()}`);
}
