import pg from 'pg';
import { RefactoredStore } from '../sample-shop/stores/refactored.ts';

/**
 * The sales report of the refactored model with the sums of closed days, and without one of them, in turns so that
 * whatever else the machine does meets both. Changes nothing: sums are taken away in a transaction that is rolled back.
 */

const RUNS = 100;
const DAYS = 30;

const [url] = process.argv.slice(2);
if (!url)
  throw new Error('node bench/salesReport.ts <URL of a database with the refactored model, as its owner>');
const client = new pg.Client({ connectionString: url });
await client.connect();
const store = new RefactoredStore(client as unknown as pg.Pool);

async function timed(): Promise<number> {
  const began = performance.now();
  await store.sales(DAYS);
  return performance.now() - began;
}

const [kept, live]: [number[], number[]] = [[], []];
// Has the days that ended since summed up, and reads what both need into memory.
await timed();
for (let run = 0; run < RUNS; run += 1) {
  kept.push(await timed());
  await client.query('BEGIN; DELETE FROM shop.sales_daily');
  live.push(await timed());
  await client.query('ROLLBACK');
}
await client.end();
for (const [name, times] of [
  ['sums of closed days kept', kept],
  ['all from the lines', live],
] as const) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] as number).toFixed(1);
  process.stdout.write(
    `${name}: median ${at(0.5)} ms, p95 ${at(0.95)} ms (${RUNS} reports of ${DAYS} days)\n`,
  );
}
