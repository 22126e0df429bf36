import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

const module = (file: string) => JSON.stringify(pathToFileURL(path.resolve(import.meta.dirname, file)).href);
const telemetry = `
  const { endBySignal } = await import(${module('signals.ts')});
  for (const signal of ['SIGTERM', 'SIGINT'])
    endBySignal(signal, async () => { await new Promise((done) => setTimeout(done, 20)); console.log('flushed'); });`;

/** Runs an application, sends it the signal once it says that it is ready, and waits for its end. */
async function ended(application: string, signal: NodeJS.Signals, withTelemetry: boolean) {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `${withTelemetry ? telemetry : ''}
       const alive = setInterval(() => {}, 1_000);
       ${application}
       console.log('ready');`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: path.resolve(import.meta.dirname, '..') },
  );
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
    if (output.endsWith('ready\n')) child.kill(signal);
  });
  const [code, by] = await once(child, 'close');
  return {
    code,
    by,
    said: output.split('\n').filter((line) => line && !['ready', 'flushed'].includes(line)),
    output,
  };
}

/** Each ends by one signal; what it says and how it ends must not depend on the telemetry. */
const applications: Record<string, string> = {
  'handles nothing': '',
  'uses signal-exit, which raises the signal again only when nobody else listens': `
    const { onExit } = await import('signal-exit');
    onExit(() => { console.log('exit hook'); });`,
  'closes and ends by itself': `
    process.on('SIGTERM', () => { console.log('closing'); clearInterval(alive); });
    process.on('SIGINT', () => { console.log('closing'); clearInterval(alive); });`,
  'handles the signal once': `
    for (const signal of ['SIGTERM', 'SIGINT'])
      process.once(signal, () => { console.log('closing'); process.kill(process.pid, signal); });`,
  'ends with a code of its own': `
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(7));`,
  'no longer handles it': `
    const handler = () => console.log('not called');
    process.on('SIGTERM', handler); process.off('SIGTERM', handler);
    process.on('SIGINT', handler); process.removeAllListeners('SIGINT');`,
  'raises it again when it is the only listener left': `
    for (const signal of ['SIGTERM', 'SIGINT'])
      process.on(signal, function handler() {
        if (process.listenerCount(signal) > 1) return;
        process.off(signal, handler);
        process.kill(process.pid, signal);
      });`,
};

describe.each(Object.entries(applications))('an application that %s', (_name, application) => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends by %s as without telemetry', async (signal) => {
    const [bare, observed] = [
      await ended(application, signal, false),
      await ended(application, signal, true),
    ];
    expect([observed.code, observed.by, observed.said]).toEqual([bare.code, bare.by, bare.said]);
    // What was raised again came after the last spans.
    if (bare.by) expect(observed.output).toContain('flushed');
  });
});
