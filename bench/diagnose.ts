import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import { intervalOf, rangeText } from '../lib/stats/interval.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { FIXED, fixedDatabase } from './fixedShop.ts';
import { p95, startHarness } from './harness.ts';

/**
 * What `sqltrail diagnose` does to the customers of a busy shop: windows with it and without it in turn under the same
 * open-loop load, p95 of each pair; and whether it comes to its end within 30 s.
 *
 * node bench/diagnose.ts prepare [scale]
 * node bench/diagnose.ts measure [scale] [pairs] [visits a second]
 */
const [part, scale = 'default', pairs = '4', rate = '5'] = process.argv.slice(2);
if (!['prepare', 'measure'].includes(part ?? '') || !(scale in scales) || !(Number(pairs) >= 1)) {
  process.stderr.write(
    `usage: node bench/diagnose.ts prepare|measure [${Object.keys(scales).join('|')}] [pairs] [visits a second]\n`,
  );
  process.exit(2);
}
const SETTLE_MS = 8_000;
/** As long as a diagnosis may take. */
const WINDOW_MS = 30_000;
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

/** A process of its own, as a person would run it: here it would keep the customers' clock from ticking. */
async function diagnoseOnce(url: string): Promise<Diagnosis> {
  const file = path.join(tmpdir(), `sqltrail-bench-diagnosis-${process.pid}.json`);
  const child = spawn(
    process.execPath,
    ['--liftoff-only', 'cli/main.ts', 'diagnose', url, '--format', 'json', '--output', file],
    { cwd: path.join(import.meta.dirname, '..'), stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await once(child, 'exit');
  return JSON.parse(await readFile(file, 'utf8')) as Diagnosis;
}

const harness = await startHarness({
  dir: path.join(tmpdir(), `sqltrail-bench-${scale}`),
  scale: scale as ScaleName,
  rate: Number(rate),
});
const lines: string[] = [];
try {
  await fixedDatabase(harness, say);
  const states = [
    { name: 'after the short-term fixes', template: FIXED, store: 'tuned' },
    { name: 'legacy', template: undefined, store: 'legacy' },
  ];
  for (const { name, template, store } of part === 'measure' ? states : []) {
    await harness.copy('diagnosed', template);
    const running = await harness.open('diagnosed', store);
    await sleep(SETTLE_MS);
    const ratios: number[] = [];
    const windows: { without: number; with: number }[] = [];
    const seen: Diagnosis[] = [];
    for (let pair = 0; pair < Number(pairs); pair += 1) {
      const measured = { without: 0, with: 0 };
      // Which comes first changes from pair to pair, so that a trend does not fall on one of them.
      for (const kind of (pair % 2 === 0
        ? ['without', 'with']
        : ['with', 'without']) as (keyof typeof measured)[]) {
        const from = running.samples.length;
        const window = sleep(WINDOW_MS);
        if (kind === 'with') seen.push(await diagnoseOnce(harness.url('monitor', 'diagnosed')));
        await window;
        measured[kind] = p95(running.samples.slice(from)) ?? Number.NaN;
      }
      windows.push(measured);
      ratios.push(measured.with / measured.without);
      say(
        `${name}, pair ${pair + 1}: p95 ${measured.without.toFixed(3)} s without, ${measured.with.toFixed(3)} s with, diagnosis ${seen.at(-1)?.seconds.toFixed(1)} s${seen.at(-1)?.partial ? `, partial: ${seen.at(-1)?.notes.join('; ')}` : ''}`,
      );
    }
    await running.stop();
    const interval = intervalOf(ratios);
    const range = (values: number[], digits: number) =>
      `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
    lines.push(
      `| ${name} | ${range(
        windows.map(({ without }) => without),
        3,
      )} | ${range(
        windows.map((each) => each.with),
        3,
      )} | ${interval ? `${interval.mean.toFixed(3)}${rangeText(interval, (value) => value.toFixed(3))}` : ''} | ${range(
        seen.map(({ seconds }) => seconds),
        1,
      )} | ${range(
        seen.map(({ ownLoad }) => ownLoad.busyMs / 1000),
        1,
      )} | ${seen.filter(({ partial }) => !partial).length} of ${seen.length} |`,
    );
  }
} finally {
  await harness.stop();
}
process.stdout.write(
  `| shop | p95 without, s | p95 with, s | with / without (95 % interval) | diagnosis, s | of that busy, s | complete |\n| --- | --- | --- | --- | --- | --- | --- |\n${lines.join('\n')}\n`,
);
