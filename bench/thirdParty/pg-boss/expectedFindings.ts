import type { ForeignDatabase } from '../database.ts';

export const database: ForeignDatabase = {
  name: 'pg-boss',
  source: 'pg-boss 12.38.0 (npm)',
  packages: { npm: ['pg-boss@12.38.0'] },
  steps: [{ command: 'node', args: ['queue.mjs'] }],
  truth: [
    {
      check: 'functional-dependency',
      table: 'job',
      columns: ['name', 'retry_limit', 'expire_seconds'],
      why: 'a queue’s settings are copied to each of its jobs (a job may have its own, none here has); few bytes',
    },
  ],
};
