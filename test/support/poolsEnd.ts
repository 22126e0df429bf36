import pg from 'pg';

/**
 * An application whose pools come to their end: one exhausted with requests waiting and then ended, many that nobody
 * ends or keeps. Prints its metrics before and after, a line of dashes between, and how many pools are left in memory.
 */
const connectionString = process.env['DATABASE_URL'] ?? '';
const print = async () => {
  const metrics = await fetch(`http://127.0.0.1:${process.env['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics`);
  process.stdout.write(await metrics.text());
};
const pool = new pg.Pool({ connectionString, max: 1, connectionTimeoutMillis: 600_000 });
const held = await pool.connect();
const waiting = [1, 2, 3].map(() =>
  pool.connect().then(
    (client) => client.release(),
    () => {},
  ),
);
await print();
held.release();
await Promise.all(waiting);
await pool.end();

const kept: WeakRef<pg.Pool>[] = [];
for (let i = 0; i < 20; i += 1) {
  const forgotten = new pg.Pool({ connectionString, max: 1, idleTimeoutMillis: 1 });
  forgotten.on('error', () => {});
  await forgotten.query('SELECT 1');
  await new Promise<void>((removed) => forgotten.once('remove', () => removed()));
  kept.push(new WeakRef(forgotten));
}
for (let i = 0; i < 10; i += 1) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  globalThis.gc?.();
}
process.stdout.write('-----\n');
await print();
process.stdout.write(`pools in memory: ${kept.filter((pool) => pool.deref()).length}\n`);
