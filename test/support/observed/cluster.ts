import cluster from 'node:cluster';
import pg from 'pg';

/** A primary with two workers, each with a pool of one connection in use; ends when its input does. */
if (cluster.isPrimary) {
  let ready = 0;
  for (let i = 0; i < 2; i += 1)
    cluster.fork().on('message', () => {
      ready += 1;
      if (ready === 2) process.stdout.write('ready\n');
    });
  process.once('SIGTERM', () => cluster.disconnect());
} else {
  const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] ?? '', max: 2 });
  const client = await pool.connect();
  process.send?.('ready');
  process.once('disconnect', async () => {
    client.release();
    await pool.end();
  });
}
