import { once } from 'node:events';
import { Listr } from 'listr2';
import { type NativeOptions, type NativeStack, type Step, startNative } from '../stack/native.ts';
import { seldom } from './progress.ts';

/** In a log, which keeps every line, progress of one thing is told this often. */
const LOG_EVERY_MS = 10_000;

const titles: Record<Step['step'], string> = {
  binaries: 'Prometheus, Alertmanager, collector, exporter',
  postgres: 'Postgres',
  data: 'The shop’s data',
  parts: 'All parts',
};

/** Brings up the native stack with a line for each thing that goes on side by side. */
export async function bringUp(
  options: Omit<NativeOptions, 'onStep' | 'onEvent'>,
  line: (text: string) => void,
): Promise<NativeStack> {
  const listeners = new Map<string, (step: Step) => void>();
  const began = Date.now();
  const started = startNative({
    ...options,
    onStep: (step) => listeners.get(step.step)?.(step),
    onEvent: ({ kind, message }) => {
      if (['died', 'restarted', 'gave-up', 'unhealthy', 'restart-failed'].includes(kind))
        line(`  ! ${message}`);
    },
  });
  started.then(
    () => line(`  up after ${Math.round((Date.now() - began) / 1000)} s`),
    () => {},
  );
  const tasks = (Object.keys(titles) as Step['step'][]).map((name) => ({
    title: titles[name],
    task: (_context: unknown, task: { output: string; title: string }) =>
      new Promise<void>((done) => {
        const resolve = () => done();
        const isDue = seldom(process.stdout.isTTY ? 0 : LOG_EVERY_MS);
        listeners.set(name, ({ state, text }) => {
          if (state === 'done') {
            task.title = `${titles[name]}: ${text}`;
            resolve();
          } else if (isDue(text)) task.output = text;
        });
        // The error itself is told once, by whoever awaits `started`.
        started.then(resolve, () => {
          task.title = `${titles[name]}: stopped`;
          resolve();
        });
      }),
  }));
  await new Listr(tasks, {
    concurrent: true,
    exitOnError: true,
    registerSignalListeners: false,
    fallbackRenderer: 'simple',
  })
    .run()
    .catch(() => {});
  return started;
}

/** Resolves when the command is interrupted. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  // By itself the wait for a signal does not keep the process alive.
  const keepAlive = setInterval(() => {}, 60_000);
  if (!signal.aborted) await once(signal, 'abort');
  clearInterval(keepAlive);
}
