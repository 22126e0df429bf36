import { makeWorkerUtils, runTaskListOnce } from 'graphile-worker';
import pg from 'pg';

/** The answer comes from a job, which runs on a client of its own. */
export async function open(connectionString) {
  const pgPool = new pg.Pool({ connectionString, max: 3 });
  const logger = { scope: () => logger, error() {}, warn() {}, info() {}, debug() {} };
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  return {
    async things(id) {
      let found;
      const client = await pgPool.connect();
      try {
        await utils.addJob('things', { id });
        const tasks = {
          async things(payload, { query }) {
            found = (await query('SELECT id, name FROM things WHERE id = $1', [payload.id])).rows;
          },
        };
        await runTaskListOnce({ logger }, tasks, client);
      } finally {
        client.release();
      }
      return found;
    },
    fail: () => pgPool.query('SELECT nothing FROM things'),
    async close() {
      await utils.release();
      await pgPool.end();
    },
  };
}
