// pg-boss on the database of DATABASE_URL: its own migrations, then jobs sent, fetched, completed and failed.
import { PgBoss } from 'pg-boss';

const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 4 });
boss.on('error', console.error);
await boss.start();
const queues = ['mail', 'invoice', 'thumbnail', 'sync'];
for (const [at, queue] of queues.entries())
  await boss.createQueue(queue, {
    retryLimit: at,
    expireInSeconds: 60 * (at + 1),
    retentionSeconds: 86_400 * (at + 3),
  });
for (const queue of queues)
  for (let batch = 0; batch < 20; batch += 1)
    await boss.insert(
      queue,
      Array.from({ length: 400 }, (_, at) => ({
        data: {
          to: `user${batch * 400 + at}@example.com`,
          template: 'order-confirmation',
          order: batch * 400 + at,
        },
        priority: at % 3,
      })),
    );
for (const queue of queues)
  for (let batch = 0; batch < 40; batch += 1) {
    const jobs = await boss.fetch(queue, { batchSize: 100 });
    const ids = jobs.map(({ id }) => id);
    await boss.complete(queue, ids.slice(0, 95));
    if (ids.length > 95) await boss.fail(queue, ids.slice(95), { message: 'refused' });
  }
await boss.stop({ graceful: false });
process.exit(0);
