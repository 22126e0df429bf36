// A worker without HTTP: pg-boss on the database of DATABASE_URL, jobs that it sends itself, and a table that they
// read and write through a pool of pg.
import pg from 'pg';
import { PgBoss } from 'pg-boss';

const connectionString = process.env.DATABASE_URL;
const pool = new pg.Pool({ connectionString, max: 4 });
await pool.query(`
  CREATE TABLE IF NOT EXISTS subscriber (id int PRIMARY KEY, email text NOT NULL, mails int NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS delivery (id bigserial PRIMARY KEY, subscriber_id int NOT NULL REFERENCES subscriber,
                                       sent_at timestamptz NOT NULL DEFAULT now());
  INSERT INTO subscriber SELECT i, 'reader' || i || '@example.com' FROM generate_series(1, 2000) AS i ON CONFLICT DO NOTHING`);

const boss = new PgBoss({ connectionString, max: 4 });
boss.on('error', (error) => process.stderr.write(`${error.message}\n`));
await boss.start();
await boss.createQueue('newsletter');
for (let worker = 0; worker < 2; worker += 1)
  await boss.work('newsletter', { pollingIntervalSeconds: 0.5, batchSize: 1 }, async ([job]) => {
    const { rows } = await pool.query('SELECT id, email FROM subscriber WHERE id = $1', [
      job.data.subscriber,
    ]);
    await pool.query('INSERT INTO delivery (subscriber_id) VALUES ($1)', [rows[0].id]);
    await pool.query('UPDATE subscriber SET mails = mails + 1 WHERE id = $1', [rows[0].id]);
  });
const sending = setInterval(() => {
  const subscriber = 1 + Math.floor(Math.random() * 2000);
  boss.send('newsletter', { subscriber }).catch((error) => process.stderr.write(`${error.message}\n`));
}, 400);
process.on('SIGTERM', async () => {
  clearInterval(sending);
  await boss.stop({ graceful: true, timeout: 5_000 }).catch(() => {});
  await pool.end();
  process.exit(0);
});
