import pg from 'pg';
import { RefactoredStore } from '../sample-shop/stores/refactored.ts';

/**
 * The sales report of the refactored model with the sums of closed days, without one of them, and by the statement
 * that it had before there were any; in turns, so that whatever else the machine does meets all. Changes nothing: sums
 * are taken away in a transaction that is rolled back.
 */

const RUNS = 100;
const DAYS = 30;

const [url] = process.argv.slice(2);
if (!url)
  throw new Error('node bench/salesReport.ts <URL of a database with the refactored model, as its owner>');
const client = new pg.Client({ connectionString: url });
await client.connect();
const store = new RefactoredStore(client as unknown as pg.Pool);

const BEFORE = `SELECT to_char(placed_at, 'YYYY-MM-DD') AS day, count(DISTINCT order_id) AS orders, sum(unit_price * quantity) AS revenue
    FROM shop.order_lines WHERE placed_at > now() - $1 * interval '1 day'
   GROUP BY 1 ORDER BY 1`;

async function timed(report: () => Promise<unknown> = () => store.sales(DAYS)): Promise<number> {
  const began = performance.now();
  await report();
  return performance.now() - began;
}

const [kept, live, before]: [number[], number[], number[]] = [[], [], []];
// Has the days that ended since summed up, and reads what all need into memory.
await timed();
for (let run = 0; run < RUNS; run += 1) {
  kept.push(await timed());
  await client.query('BEGIN; DELETE FROM shop.sales_daily');
  live.push(await timed());
  await client.query('ROLLBACK');
  before.push(await timed(() => client.query(BEFORE, [DAYS])));
}
await client.end();
for (const [name, times] of [
  ['sums of closed days kept', kept],
  ['all from the lines', live],
  ['as it was', before],
] as const) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] as number).toFixed(1);
  process.stdout.write(
    `${name}: median ${at(0.5)} ms, p95 ${at(0.95)} ms (${RUNS} reports of ${DAYS} days)\n`,
  );
}
