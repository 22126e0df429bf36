import { waitFor } from '../../lib/waitFor.ts';
import { PATIENCE_MS } from './patience.ts';
import { startNode } from './process.ts';

export const tokens = { console: 'console-token-for-tests', webhook: 'webhook-token-for-tests' };

/**
 * The console as the stack runs it: a process of its own, with its heap bounded.
 *
 * @param heapMb `--max-old-space-size`
 * @param env more of its settings; by default no source answers
 */
export async function startConsoleProcess(heapMb: number, env: Record<string, string> = {}) {
  const started = startNode([`--max-old-space-size=${heapMb}`, '--liftoff-only', 'console/server.ts'], {
    CONSOLE_PORT: '0',
    PROMETHEUS_URL: 'http://127.0.0.1:1',
    ALERTMANAGER_URL: 'http://127.0.0.1:1',
    DATABASE_URL: 'postgres://sqltrail_monitor@127.0.0.1:1/shop',
    SQLTRAIL_TOKEN: tokens.console,
    ALERT_WEBHOOK_TOKEN: tokens.webhook,
    ...env,
  });
  const base = await waitFor(
    'the console to listen',
    () => {
      if (started.child.exitCode !== null)
        throw new Error(`the console ended before it listened:\n${started.output()}`);
      return /console: (http:\S+)/.exec(started.output())?.[1];
    },
    { deadlineMs: PATIENCE_MS },
  );
  const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: body as BodyInit,
    });
  return {
    base,
    pid: started.child.pid as number,
    output: started.output,
    stop: () => started.stop('SIGKILL'),
    alive: () => started.child.exitCode === null && started.child.signalCode === null,
    post,
    /** A reading of `/metrics`; undefined for one that is not there. */
    async metric(name: string): Promise<number | undefined> {
      const text = await (await fetch(`${base}/metrics`)).text();
      const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
      return value === undefined ? undefined : Number(value);
    },
  };
}
export type ConsoleProcess = Awaited<ReturnType<typeof startConsoleProcess>>;
