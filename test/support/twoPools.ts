import pg from 'pg';

/** An application with two pools of one database, which holds one connection of the first and two of the second, and prints its metrics. */
const connectionString = process.env['DATABASE_URL'] ?? '';
const [first, second] = [
  new pg.Pool({ connectionString, max: 2 }),
  new pg.Pool({ connectionString, max: 3 }),
];
const held = [await first.connect(), await second.connect(), await second.connect()];
await first.query('SELECT 1');
const metrics = await fetch(`http://127.0.0.1:${process.env['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics`);
process.stdout.write(await metrics.text());
for (const client of held) client.release();
await Promise.all([first.end(), second.end()]);
