import '../sample-shop/useConfig.ts';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { shopHandlers } from '../demo/shopActions.ts';
import type { Action } from '../fix/action.ts';
import { applyActions } from '../fix/apply.ts';
import { readJournal } from '../fix/journal.ts';
import { undoActions } from '../fix/undo.ts';
import { intervalOf, rangeText, ratioOf } from '../lib/stats/interval.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { FIXED, fixedDatabase } from './fixedShop.ts';
import { p95, type Sample, startHarness } from './harness.ts';

/**
 * Each short-term action's share of the gain by leaving it out: on the shop with all of them, under the peak load, one
 * is undone, the customers' times are measured, and it is done again.
 *
 * node bench/shares.ts prepare [scale]    makes the data and the fixed shop in a directory that stays
 * node bench/shares.ts measure [scale] [windows] [window seconds] [visits a second]
 */
const [part, scale = 'small', windows = '2', seconds = '12', rate = '5'] = process.argv.slice(2);
if (!['prepare', 'measure'].includes(part ?? '') || !(scale in scales) || !(Number(windows) >= 1)) {
  process.stderr.write(
    `usage: node bench/shares.ts prepare|measure [${Object.keys(scales).join('|')}] [windows] [window seconds] [visits a second]\n`,
  );
  process.exit(2);
}
const SETTLE_MS = 5_000;
const signal = new AbortController().signal;
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

/** Times of a step, seconds; one value a window. */
interface Measured {
  p95: Record<string, number[]>;
  requests: number;
  failed: number;
}
const STEPS: Record<string, (sample: Sample) => boolean> = {
  checkout: ({ step }) => step === 'checkout',
  'order history': ({ step }) => step === 'history',
  'all pages': () => true,
};
const nothing = (): Measured => ({
  p95: Object.fromEntries(Object.keys(STEPS).map((name) => [name, []])),
  requests: 0,
  failed: 0,
});

async function measure(samples: readonly Sample[], into: Measured, count: number): Promise<Measured> {
  for (let window = 0; window < count; window += 1) {
    const from = samples.length;
    await sleep(Number(seconds) * 1000);
    const seen = samples.slice(from);
    into.requests += seen.length;
    into.failed += seen.filter(({ outcome }) => outcome !== 'ok').length;
    for (const [name, belongs] of Object.entries(STEPS)) {
      const value = p95(seen.filter(belongs));
      if (value !== undefined) into.p95[name]?.push(value);
    }
  }
  return into;
}

const harness = await startHarness({
  dir: path.join(tmpdir(), `sqltrail-bench-${scale}`),
  scale: scale as ScaleName,
  rate: Number(rate),
});
try {
  await fixedDatabase(harness, say);
  if (part === 'measure') {
    await harness.copy('shares', FIXED);
    const url = harness.url('owner', 'shares');
    const running = await harness.open('shares', 'tuned');
    const handlers = shopHandlers(running.target);
    const kept = (await readJournal(url))
      .filter(({ state }) => state === 'kept')
      .map(({ action }) => action)
      // Settings of the database itself stayed with the one that was copied.
      .filter(({ sql }) => !sql.some((statement) => statement.startsWith('ALTER DATABASE')));
    // Settings act on the next vacuum or session, so they are left out together.
    const settings = kept.filter(({ kind }) => kind === 'settings' || kind === 'maintenance');
    const groups: { title: string; actions: Action[] }[] = kept
      .filter((action) => !settings.includes(action))
      .map((action) => ({ title: action.title, actions: [action] }));
    if (settings.length > 0)
      groups.push({ title: `${settings.length} settings together`, actions: settings });
    const all = nothing();
    const rows: { title: string; without: Measured }[] = [];
    try {
      await sleep(20_000);
      for (const [at, { title, actions }] of groups.entries()) {
        await measure(running.samples, all, 1);
        const ids = actions.map(({ id }) => id);
        await undoActions({ url, ids, handlers, signal, onUndone: () => {} });
        await sleep(SETTLE_MS);
        rows.push({ title, without: await measure(running.samples, nothing(), Number(windows)) });
        const entries = await applyActions({
          url,
          actions,
          windows: 0,
          windowMs: 0,
          reviewDays: 30,
          handlers,
          signal,
          onEvent: () => {},
        });
        const missing = entries.find(({ action, state }) => ids.includes(action.id) && state !== 'kept');
        if (missing) throw new Error(`${title} could not be put back: ${missing.note}`);
        say(`${at + 1} of ${groups.length}: ${title}`);
        await sleep(SETTLE_MS);
      }
      await measure(running.samples, all, 2);
    } finally {
      await running.stop();
    }
    const ms = (value: number) => `${Math.round(value * 1000)} ms`;
    const number = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 2 });
    const failed = ({ failed: some, requests }: Measured) => `${some} of ${requests}`;
    const cells = (measured: Measured) =>
      Object.keys(STEPS).map((name) => {
        const interval = intervalOf(measured.p95[name] ?? []);
        if (!interval) return '–';
        const ratio = measured === all ? undefined : ratioOf(measured.p95[name] ?? [], all.p95[name] ?? []);
        return ratio
          ? `${ms(interval.mean)}, × ${number(ratio.mean)}${rangeText(ratio, number)}`
          : `${ms(interval.mean)}${rangeText(interval, ms)}`;
      });
    const print = (columns: string[]) => process.stdout.write(`| ${columns.join(' | ')} |\n`);
    print(['left out', ...Object.keys(STEPS).map((name) => `${name}, p95`), 'failed requests']);
    print(['---', ...Object.keys(STEPS).map(() => '---'), '---']);
    print(['nothing', ...cells(all), failed(all)]);
    for (const { title, without } of rows) print([title, ...cells(without), failed(without)]);
  }
} finally {
  await harness.stop();
}
