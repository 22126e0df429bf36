import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { runMigration } from '../migrate/engine.ts';
import type { Phase } from '../migrate/mapping.ts';
import { operationOf } from '../migrate/operations/operation.ts';
import { planPartition } from '../migrate/operations/partition.ts';
import { startThrowawayServer } from '../test/support/server.ts';

/**
 * Partitioning a large table while it is written to: rows a second of the copy beside one plain INSERT ... SELECT of
 * the same rows (the limit), and what the writers notice.
 * node bench/partition.ts [--rows 2000000] [--duty 0.5]
 */
const { values } = parseArgs({
  options: { rows: { type: 'string', default: '2000000' }, duty: { type: 'string', default: '0.5' } },
});
const rows = Number(values.rows);
const say = (text: string) => process.stdout.write(`${text}\n`);
const server = await startThrowawayServer({
  settings: { shared_buffers: '128MB', max_wal_size: '4GB', fsync: 'on' },
});
const url = server.url();
const client = new pg.Client(url);
await client.connect();
const seconds = async (sql: string) => {
  const started = performance.now();
  await client.query(sql);
  return (performance.now() - started) / 1000;
};
await client.query(`CREATE TABLE history (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tid int, bid int, aid int NOT NULL, delta int,
    mtime timestamptz NOT NULL DEFAULT now(), filler char(22));
  CREATE INDEX history_aid_idx ON history (aid);
  INSERT INTO history (tid, bid, aid, delta, mtime, filler) SELECT i % 10, 1, i % 100000, i % 5000, timestamptz '2024-01-01' + i * interval '30 seconds', 'x' FROM generate_series(1, ${rows}) AS i`);
await client.query('VACUUM ANALYZE history');

const declared = await planPartition(url, {
  table: 'history',
  by: 'mtime',
  interval: 'month',
  timeZone: 'UTC',
  ahead: 3,
  extendKeys: true,
  dropForeignKeys: false,
  acceptTriggers: false,
});
await client.query(
  'CREATE TABLE plain (LIKE history INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (id, mtime))',
);
await client.query('CHECKPOINT');
const limit = await seconds('INSERT INTO plain OVERRIDING SYSTEM VALUE SELECT * FROM history');
say(`plain INSERT ... SELECT into one table with its key: ${Math.round(rows / limit)} rows/s`);
await client.query('DROP TABLE plain; CHECKPOINT');

/** One writer every 10 ms: how long each of its statements takes. */
let tookMs: number[] = [];
let failed = 0;
let writing = true;
const writer = (async () => {
  const own = new pg.Client(url);
  await own.connect();
  for (let i = 0; writing; i += 1) {
    const started = performance.now();
    const at = 1 + Math.floor(Math.random() * rows);
    await own
      .query(
        [
          `INSERT INTO history (tid, bid, aid, delta) VALUES (1, 1, ${i}, 1)`,
          `UPDATE history SET delta = delta + 1 WHERE id = ${at}`,
          `SELECT * FROM history WHERE aid = ${at % 100_000} LIMIT 10`,
          `DELETE FROM history WHERE id = ${at}`,
        ][i % 4] ?? '',
      )
      .catch(() => {
        failed += 1;
      });
    tookMs.push(performance.now() - started);
    await sleep(10);
  }
  await own.end();
})();
const quantile = (q: number) => tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * q)]?.toFixed(1);
const report = (what: string) => {
  say(
    `${what}: ${tookMs.length} statements, p50 ${quantile(0.5)} ms, p95 ${quantile(0.95)} ms, longest ${quantile(0.9999)} ms`,
  );
  tookMs = [];
};
await sleep(5_000);
report('before');
const options = { url, mapping: operationOf(declared), dutyCycle: Number(values.duty) };
for (const until of ['dual-write', 'backfill', 'verify', 'cutover-writes', 'contract'] satisfies Phase[]) {
  const started = performance.now();
  for await (const { step, event, detail } of runMigration({ ...options, until, yes: true }))
    if (event === 'done') say(`  ${step}: ${Number(detail?.['ms']) / 1000} s`);
  say(`${until}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  report(until);
  if (until === 'backfill') {
    const { rows: cursors } = await client.query(
      'SELECT units::float8, busy_ms, extract(epoch FROM updated_at - started_at)::float8 AS wall FROM sqltrail.migration_cursor',
    );
    for (const { units, busy_ms: busy, wall } of cursors)
      say(
        `copy: ${units} rows, ${Math.round(units / (busy / 1000))} rows/s while it works, ${Math.round(units / wall)} rows/s with its rests (duty ${values.duty})`,
      );
  }
}
writing = false;
await writer;
say(`failed statements: ${failed}`);
await client.end();
await server.close();
