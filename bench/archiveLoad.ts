import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listArchive } from '../archive/read.ts';
import { intervalOf, rangeText, ratioOf } from '../lib/stats/interval.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { FIXED, fixedDatabase } from './fixedShop.ts';
import { p95, type Sample, startHarness } from './harness.ts';

/**
 * What archival costs the customers: p95 of all pages of the shop after the short-term fixes in windows with archival at work, each beside
 * one without. Archival is stopped after each pair and goes on where it was in the next.
 *
 * node bench/archiveLoad.ts [scale] [pairs] [window seconds] [visits a second] [duty cycle]
 */
const [scale = 'small', pairs = '4', seconds = '20', rate = '5', duty = '0.25'] = process.argv.slice(2);
if (!(scale in scales) || !(Number(pairs) >= 1) || !(Number(duty) > 0)) {
  process.stderr.write(
    `usage: node bench/archiveLoad.ts [${Object.keys(scales).join('|')}] [pairs] [window seconds] [visits a second] [duty cycle]\n`,
  );
  process.exit(2);
}
const SETTLE_MS = 3_000;
const dir = path.join(tmpdir(), `sqltrail-bench-${scale}`);
const harness = await startHarness({ dir, scale: scale as ScaleName, rate: Number(rate) });
const directory = path.join(dir, 'archive');
try {
  await fixedDatabase(harness, () => {});
  await harness.copy('load', FIXED);
  await rm(directory, { recursive: true, force: true });
  const running = await harness.open('load', 'tuned');
  const window = async (): Promise<Sample[]> => {
    const from = running.samples.length;
    await sleep(Number(seconds) * 1000);
    return running.samples.slice(from);
  };
  const without: Sample[][] = [];
  const during: Sample[][] = [];
  try {
    await sleep(15_000);
    for (let pair = 0; pair < Number(pairs); pair += 1) {
      without.push(await window());
      // A process of its own, as a person would run it: here it would keep the customers' clock from ticking.
      const archival = spawn(
        process.execPath,
        [
          'cli/main.ts',
          'archive',
          'run',
          harness.url('owner', 'load'),
          '--dir',
          directory,
          '--duty',
          duty,
          '--yes',
        ],
        { cwd: path.join(import.meta.dirname, '..'), stdio: ['ignore', 'ignore', 'inherit'] },
      );
      const ended = once(archival, 'exit');
      await sleep(SETTLE_MS);
      during.push(await window());
      const done = archival.exitCode !== null;
      archival.kill('SIGINT');
      await ended;
      if (done) break;
      await sleep(SETTLE_MS);
    }
  } finally {
    await running.stop();
  }
  const archived = (await listArchive({ url: harness.url('owner', 'load') })).reduce(
    (sum, { removed }) => sum + removed,
    0,
  );
  const figures = (windows: readonly Sample[][]) => windows.flatMap((samples) => p95(samples) ?? []);
  const ms = (value: number) => (value * 1000).toFixed(0);
  const line = (what: string, windows: readonly Sample[][]) => {
    const interval = intervalOf(figures(windows));
    const all = windows.flat();
    process.stdout.write(
      `${what}: page time p95 ${ms(interval?.mean ?? Number.NaN)} ms${interval ? rangeText(interval, ms) : ''} (${windows.length} windows of ${seconds} s, ${all.length} requests, ${all.filter(({ outcome }) => outcome !== 'ok').length} failed)\n`,
    );
  };
  process.stdout.write(
    `scale ${scale}, ${rate} visits a second, duty cycle ${duty}; ${archived} units archived\n`,
  );
  line('without archival', without);
  line('with archival   ', during);
  const ratio = ratioOf(figures(during), figures(without));
  if (ratio)
    process.stdout.write(
      `with / without: ${ratio.mean.toFixed(3)}${rangeText(ratio, (value) => value.toFixed(3))}\n`,
    );
} finally {
  await harness.stop();
  await rm(directory, { recursive: true, force: true });
}
