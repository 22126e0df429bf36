import { spawn } from 'node:child_process';

/** How a command ended, with what it wrote. */
export interface Command {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a command to its end; an abort ends it with all that it started.
 *
 * @throws Error when it cannot be started; the reason of the abort
 */
export function run(
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
