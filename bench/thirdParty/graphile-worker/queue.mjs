// graphile-worker on the database of DATABASE_URL: its own migrations, then jobs added, and most of them done.
import { makeWorkerUtils, runOnce } from 'graphile-worker';

const connectionString = process.env.DATABASE_URL;
const utils = await makeWorkerUtils({ connectionString, maxPoolSize: 4 });
await utils.migrate();
const tasks = ['mail', 'invoice', 'thumbnail'];
for (let batch = 0; batch < 40; batch += 1)
  await utils.addJobs(
    Array.from({ length: 300 }, (_, at) => ({
      identifier: tasks[at % 3],
      payload: { order: batch * 300 + at, to: `user${at}@example.com` },
      ...(at % 5 ? {} : { queueName: `customer-${at}` }),
    })),
  );
await runOnce({
  connectionString,
  concurrency: 4,
  maxPoolSize: 6,
  taskList: {
    mail: async () => {},
    invoice: async ({ order }) => {
      if (order % 50 === 0) throw new Error('refused');
    },
    thumbnail: async () => {},
  },
});
// A later batch that waits for its time.
for (let batch = 0; batch < 20; batch += 1)
  await utils.addJobs(
    Array.from({ length: 300 }, (_, at) => ({
      identifier: tasks[at % 3],
      payload: { order: batch * 300 + at },
      runAt: new Date(Date.now() + 86_400_000 + at * 60_000),
    })),
  );
await utils.release();
process.exit(0);
