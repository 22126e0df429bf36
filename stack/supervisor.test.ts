import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { type PartEvent, type ProcessSpec, Supervised, startProcess } from './supervisor.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-supervisor-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const spec = (script: string, more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  name: 'otelcol',
  command: process.execPath,
  args: ['-e', script],
  env: {},
  cwd: dir,
  logFile: path.join(dir, 'otelcol.log'),
  healthy: async () => true,
  readyDeadlineMs: PATIENCE_MS,
  ...more,
});

it('a part that its configuration ends is told with its own words and where its log is', async () => {
  const wrong = startProcess(
    spec('console.error("collector.yaml: receivers: unknown key otpl"); process.exit(1)', {
      healthy: async () => false,
    }),
  );
  await expect(wrong).rejects.toThrow(
    /otelcol ended with code 1 before it was ready[\s\S]*unknown key otpl[\s\S]*otelcol\.log/,
  );
});

it('a part that never answers is ended at its deadline, with the reason', async () => {
  const silent = startProcess(
    spec('setInterval(() => {}, 1000)', {
      readyDeadlineMs: 300,
      healthy: () => Promise.reject(new Error('connect ECONNREFUSED')),
    }),
  );
  await expect(silent).rejects.toThrow(/not ready within 0.3 s \(connect ECONNREFUSED\)/);
});

it('a binary that is not there is named', async () => {
  await expect(startProcess(spec('', { command: path.join(dir, 'none') }))).rejects.toThrow(
    /otelcol could not be started \(.*ENOENT/,
  );
});

const supervised = (script: () => string, events: PartEvent[]) =>
  new Supervised({
    name: 'otelcol',
    logFile: path.join(dir, 'otelcol.log'),
    start: () => startProcess(spec(script())),
    healthy: async () => true,
    onEvent: (event) => events.push(event),
    onChange: () => {},
    stopDeadlineMs: 2_000,
    waitsMs: [10],
  });
const RUNS = 'setInterval(() => {}, 1000)';

it('a part that was killed runs again, and its restart is told', async () => {
  const events: PartEvent[] = [];
  const part = supervised(() => RUNS, events);
  await part.start();
  const first = part.pid as number;
  process.kill(first, 'SIGKILL');
  await waitFor('another process', () => part.state === 'ready' && part.pid !== first, {
    deadlineMs: PATIENCE_MS,
  });
  expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['died', 'restarted']));
  expect(events.find(({ kind }) => kind === 'died')?.message).toContain('SIGKILL');
  await part.stop();
  expect(part.state).toBe('stopped');
});

it('a part that is renewed is another process, and nothing of it died', async () => {
  const events: PartEvent[] = [];
  const part = supervised(() => RUNS, events);
  await part.start();
  for (let time = 0; time < 2; time += 1) {
    const before = part.pid as number;
    await part.renew();
    await waitFor('another process', () => part.state === 'ready' && part.pid !== before, {
      deadlineMs: PATIENCE_MS,
    });
  }
  expect(events.map(({ kind }) => kind)).toEqual(['started', 'restarted', 'restarted']);
  await part.stop();
  expect(part.state).toBe('stopped');
});

it('a part whose new code cannot start is given up, and runs once the code is right', async () => {
  const events: PartEvent[] = [];
  let script = RUNS;
  const part = supervised(() => script, events);
  await part.start();
  script = 'process.exit(1)';
  await part.renew();
  await waitFor('the end of its attempts', () => part.state === 'failed', { deadlineMs: PATIENCE_MS });
  script = RUNS;
  await part.renew();
  await waitFor('a process', () => part.state === 'ready', { deadlineMs: PATIENCE_MS });
  await part.stop();
  expect(events.at(-1)?.kind).toBe('stopped');
});
